"""An API server with its controllers and without a node, in front of which kubectl stands."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.controllers import discover
from dockyard.cluster.manager import Manager
from tests.cluster.conftest import Kubectl, LiveServer

Manifest = dict[str, Any]
Play = Callable[[str], list[tuple[Manifest, Manifest]]]

RECORDINGS = Path(__file__).parents[2] / "data" / "kubernetes" / "admission"


@pytest.fixture
def acting(server: LiveServer) -> Iterator[Callable[[], None]]:
    """Controllers that act whenever this is called, until nothing is left to do."""
    api = server.plane.api

    def start() -> Manager:
        return Manager(api, api.clock, discover(api))

    manager: Manager = server.do(start)
    yield lambda: server.do(manager.settle)
    server.do(manager.stop)


@pytest.fixture
def play(acting: Callable[[], None], kubectl: Kubectl) -> Play:
    """Run the recorded commands in a namespace of their own: pairs of what happened and what was recorded."""

    def run(name: str) -> list[tuple[Manifest, Manifest]]:
        steps = json.loads((RECORDINGS / f"{name}.json").read_text())["steps"]
        assert steps, "nothing was recorded"
        kubectl("create", "namespace", name)
        acting()
        found = []
        for step in steps:
            arguments = [argument.replace("NAMESPACE", name) for argument in step["args"]]
            done = kubectl.run("-n", name, *arguments, stdin=step["stdin"])
            # `kubectl describe` shows maps of Go, in whatever order they come.
            form = _ageless_lines if "describe" in arguments else _ageless
            ours: Manifest = {"rc": done.returncode}
            ours |= {"stdout": form(done.stdout), "stderr": _ageless(done.stderr)}
            shown: Manifest = {"rc": step["rc"], "stdout": form(step["stdout"].replace("NAMESPACE", name))}
            shown["stderr"] = _ageless(step["stderr"].replace("NAMESPACE", name))
            found.append((ours, shown))
            acting()
        return found

    return run


def _ageless(text: str) -> str:
    return re.sub(r"  +\d+s$", "  AGE", text, flags=re.MULTILINE)


def _ageless_lines(text: str) -> list[str]:
    return sorted(_ageless(text).splitlines())
