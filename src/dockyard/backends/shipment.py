"""The course's own images on their way to a cluster: as archives, or by a registry, each once."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from dockyard.backends.engine import Engine
from dockyard.backends.tool import run
from dockyard.clients import docker_settings
from dockyard.errors import UserError, explain
from dockyard.home import Home

LOAD_SECONDS = 300.0
Say = Callable[[str], None]


class Shipment:
    """What was delivered is remembered by image id, for one destination, until `forget`."""

    def __init__(self, home: Home, engine: Engine, destination: str) -> None:
        self._home = home
        self._engine = engine
        self._destination = destination

    def deliver(self, tags: Sequence[str], send: Callable[[Any, str], None], say: Say) -> None:
        """`send(image, tag)` each image that isn't there yet. Raises UserError."""
        import docker

        known = self._known()
        with closing(self._engine.client()) as client:
            for tag in tags:
                try:
                    image = client.images.get(tag)
                    if known.get(tag) == image.id:
                        continue
                    say(f"bringing {tag} to {self._destination}")
                    send(image, tag)
                except docker.errors.DockerException as error:
                    raise UserError(f"{tag} cannot be taken from the engine: {error}") from error
                known[tag] = image.id
                self._remember(known)

    def forget(self) -> None:
        """The destination is gone, or a new one: everything has to be brought again."""
        self._note.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self._home.root / "delivered.json"

    def _known(self) -> dict[str, str]:
        try:
            document = json.loads(self._note.read_text())
        except (OSError, ValueError):
            return {}  # then all is brought once more, which does no harm
        known: dict[str, str] = document.get(self._destination, {})
        return known

    def _remember(self, known: dict[str, str]) -> None:
        draft = self._note.with_suffix(".new")
        draft.write_text(json.dumps({self._destination: known}))
        draft.replace(self._note)


def load(home: Home, image: Any, tag: str, argv: Callable[[Path], Sequence[str]], host: str) -> None:
    """Write the image's archive, as `docker save` does, and run `argv(archive)` on it. Raises UserError."""
    with tempfile.TemporaryDirectory(prefix="dockyard-image-", dir=home.run) as scratch:
        archive = Path(scratch) / "image.tar"
        try:
            with archive.open("wb") as file:
                for chunk in image.save(named=tag):
                    file.write(chunk)
        except OSError as error:
            raise explain(error, f"cannot write the archive of {tag}") from error
        run(argv(archive), env={"DOCKER_HOST": host, "archive": str(archive)}, within=LOAD_SECONDS)


def push(home: Home, client: Any, image: Any, name: str) -> None:
    """Tag the image with `name` and push it; logins are those of this home. Raises UserError."""
    repository, _, tag = name.rpartition(":")
    image.tag(repository, tag)
    config = Path(docker_settings(home)["DOCKER_CONFIG"]) / "config.json"
    if config.is_file():
        client.api.reload_config(dockercfg_path=str(config))
    for line in client.images.push(repository, tag, stream=True, decode=True):
        if "error" in line:
            raise UserError(
                f"{name} cannot be pushed: {line['error']}",
                'Log in from a shell of this platform: eval "$(./dockyard env)"; docker login',
            )
