"""Which backend a home uses, and what its `up` made there: remembered from `up` to `down`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from dockyard.errors import UserError
from dockyard.home import Home


@dataclass(frozen=True)
class Choice:
    """A backend by name, and what was said about it; "" where nothing was.

    What `up` found out stands here too: `made` is whether it made the cluster (kind) or the namespace
    (kubeconfig), which `down` then removes.
    """

    backend: str
    docker_host: str = ""  # the engine's URL
    cluster: str = ""  # kind: the cluster's name
    source: str = ""  # kubeconfig: the learner's file, "" for the one that kubectl would take
    context: str = ""
    namespace: str = ""
    registry: str = ""  # what images are pushed to and pulled from, like registry.example.com/team
    load_command: str = ""  # what brings an image archive into the nodes
    made: bool = False
    kept: tuple[str, ...] = ()  # kubeconfig: `configmaps/NAME` and so on that were in the namespace before
    lacking: tuple[str, ...] = ()  # kubeconfig: what exercises may want and this user may not have

    def fits(self, wanted: Choice) -> bool:
        """Whether it is what is wanted now: all that was said about that is true of it."""
        mine, asked = asdict(self), asdict(wanted)
        return all(mine[name] == value for name, value in asked.items() if value)


def remembered(home: Home) -> Choice | None:
    """What the last `up` chose; None for the default. Raises UserError when the note can't be read."""
    try:
        document: dict[str, Any] = json.loads(home.choice.read_text())
        for name in ("kept", "lacking"):
            document[name] = tuple(document.get(name, ()))
        return Choice(**document)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
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
