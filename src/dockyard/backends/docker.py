"""The docker backend: a Docker Engine that somebody else runs, for the lessons that need containers only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from dockyard.backends.choice import Choice, forget, remember
from dockyard.backends.engine import DEFAULT_HOST, Engine
from dockyard.errors import UserError
from dockyard.home import Home
from dockyard.version import VERSION


class DockerBackend:
    """A client of one engine; nothing is started, and nothing but trials' leavings is removed."""

    name = "docker"
    has_cluster = False
    namespace = ""
    kept: tuple[str, ...] = ()

    def __init__(self, home: Home, docker_host: str = "") -> None:
        self.home = home
        self.docker_host = docker_host or DEFAULT_HOST
        self._engine = Engine(home, self.docker_host)

    @property
    def kubeconfig(self) -> Path:
        return self.home.kubeconfig

    def up(self) -> dict[str, Any]:
        """Ask the engine who it is, and remember the choice; nothing is started. Raises UserError."""
        state = self._state()
        self.home.prepare()
        remember(self.home, Choice(self.name, self.docker_host))
        return state

    def down(self) -> None:
        """Remove what trials left on the engine, and forget the choice. Raises UserError."""
        self._engine.clean()
        forget(self.home)

    def status(self) -> dict[str, Any] | None:
        try:
            return self._state()
        except UserError:
            return None

    def lacks(self, want: str) -> str:
        return "the backend `docker` has containers and no cluster"

    def image(self, tag: str) -> str:
        return tag

    def deliver(self, tags: Sequence[str], say: Callable[[str], None]) -> None:
        pass  # where they were built is where they run

    def cut(self, namespace: str, selector: str) -> None:
        self._no_cluster()

    def restore(self, namespace: str, selector: str) -> None:
        self._no_cluster()

    def _no_cluster(self) -> NoReturn:
        raise UserError(
            "the backend `docker` has containers and no cluster",
            "For Pods, change to the embedded one: ./dockyard up --backend embedded",
        )

    def _state(self) -> dict[str, Any]:
        return {
            "backend": self.name,
            "driver": f"Docker Engine {self._engine.version()}",
            "docker_host": self.docker_host,
            "home": str(self.home.root),
            "version": VERSION,
            "pid": None,
            "kubeconfig": None,
            "node_ready": False,
        }
