"""The state of a stage while it is built: its image so far and the configuration that the next one gets."""

import copy
from typing import Any

from dockyard.runtime.images import Image
from dockyard.runtime.planning import DEFAULT_PATH

Config = dict[str, Any]
DEFAULT_SHELL = ["/bin/sh", "-c"]


class StageState:
    """Begins from an image, or from nothing (`FROM scratch`)."""

    def __init__(self, image: Image | None) -> None:
        self.image = image
        self.config: Config = copy.deepcopy(image.config.get("config") or {}) if image else {}
        self.triggers: list[str] = list(self.config.pop("OnBuild", None) or [])
        self.has_cmd = False  # a CMD of this Dockerfile, which an ENTRYPOINT leaves alone
        self.author = ""
        self.built = image is not None
        if "PATH" not in self.environment():
            self.config["Env"] = [*(self.config.get("Env") or []), f"PATH={DEFAULT_PATH}"]

    def environment(self) -> dict[str, str]:
        return dict(entry.partition("=")[::2] for entry in self.config.get("Env") or [])

    def set_environment(self, name: str, value: str) -> None:
        entries = [f"{key}={old}" for key, old in self.environment().items()]
        for index, entry in enumerate(entries):
            if entry.partition("=")[0] == name:
                entries[index] = f"{name}={value}"
                break
        else:
            entries.append(f"{name}={value}")
        self.config["Env"] = entries

    @property
    def shell(self) -> list[str]:
        return list(self.config.get("Shell") or DEFAULT_SHELL)

    @property
    def directory(self) -> str:
        return str(self.config.get("WorkingDir") or "/")
