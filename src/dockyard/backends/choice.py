"""Which backend a home uses, remembered from `up` to `down`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from dockyard.errors import UserError
from dockyard.home import Home


@dataclass(frozen=True)
class Choice:
    """A backend by name; `docker_host` is the engine's URL where the backend has one of its own."""

    backend: str
    docker_host: str = ""


def remembered(home: Home) -> Choice | None:
    """What the last `up` chose; None for the default. Raises UserError when the note can't be read."""
    try:
        document = json.loads(home.choice.read_text())
        return Choice(str(document["backend"]), str(document.get("docker_host", "")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{home.choice} cannot be read: {error}", "Remove it; `dockyard up` writes it anew."
        ) from error


def remember(home: Home, choice: Choice) -> None:
    """Write it down, whole or not at all."""
    draft = home.choice.with_suffix(".new")
    draft.write_text(json.dumps(asdict(choice)) + "\n")
    draft.replace(home.choice)


def forget(home: Home) -> None:
    """Back to the default; harmless when there was nothing."""
    home.choice.unlink(missing_ok=True)
