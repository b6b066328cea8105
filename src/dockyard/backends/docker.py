"""The docker backend: a Docker Engine that somebody else runs, for the lessons that need containers only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from dockyard.backends.choice import Choice, forget, remember
from dockyard.errors import EXIT_NOT_RUNNING, UserError
from dockyard.home import Home
from dockyard.version import VERSION

DEFAULT_HOST = "unix:///var/run/docker.sock"
# The oldest API that today's docker SDK and docker compose still speak.
OLDEST_API = (1, 44)
TRIAL_LABEL = "dockyard.trial"


class DockerBackend:
    """A client of one engine. What is there is its owner's: only what trials left is ever removed."""

    name = "docker"
    has_cluster = False

    def __init__(self, home: Home, docker_host: str = "") -> None:
        self.home = home
        self.docker_host = docker_host or DEFAULT_HOST

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
        client = self._client()
        try:
            found = {"label": TRIAL_LABEL}
            for container in client.containers.list(all=True, filters=found):
                if self._is_ours(container.labels):
                    container.remove(force=True, v=True)
            for image in client.images.list(filters=found):
                if self._is_ours(image.labels):
                    client.images.remove(image.id, force=True)
        finally:
            client.close()
        forget(self.home)

    def _is_ours(self, labels: Mapping[str, str]) -> bool:
        """Whether a trial of this home made it: another home may use the same engine."""
        return labels[TRIAL_LABEL].endswith(f".{self.home.digest}")

    def status(self) -> dict[str, Any] | None:
        try:
            return self._state()
        except UserError:
            return None

    def cut(self, namespace: str, selector: str) -> None:
        self._no_cluster()

    def restore(self, namespace: str, selector: str) -> None:
        self._no_cluster()

    def _no_cluster(self) -> NoReturn:
        raise UserError(
            "the backend `docker` has containers and no cluster",
            "For Pods, change to the embedded one: ./dockyard up --backend embedded",
        )

    def _client(self) -> Any:
        import docker

        try:
            return docker.DockerClient(base_url=self.docker_host, timeout=30)
        except docker.errors.DockerException as error:
            raise UserError(
                f"no Docker Engine answers at {self.docker_host}: {error}",
                "Start it, or name another one: ./dockyard up --backend docker --docker-host URL",
                code=EXIT_NOT_RUNNING,
            ) from error

    def _state(self) -> dict[str, Any]:
        import docker

        client = self._client()
        try:
            version = client.version()
        except docker.errors.DockerException as error:
            raise UserError(
                f"the Docker Engine at {self.docker_host} does not answer: {error}",
                "`docker version` with this DOCKER_HOST says more.",
                code=EXIT_NOT_RUNNING,
            ) from error
        finally:
            client.close()
        spoken = tuple(int(part) for part in version["ApiVersion"].split("."))
        if spoken < OLDEST_API:
            raise UserError(
                f"{self.docker_host} is Docker Engine {version['Version']}, API {version['ApiVersion']}",
                f"The lessons need API {OLDEST_API[0]}.{OLDEST_API[1]}: Docker Engine 25 or newer.",
            )
        return {
            "backend": self.name,
            "driver": f"Docker Engine {version['Version']}",
            "docker_host": self.docker_host,
            "home": str(self.home.root),
            "version": VERSION,
            "pid": None,
            "kubeconfig": None,
            "node_ready": False,
        }


def default_host(home: Home) -> str:
    """The engine that $DOCKER_HOST names, unless that is a platform of ours; else the machine's."""
    named = os.environ.get("DOCKER_HOST", "")
    return named if named and named != home.docker_host else DEFAULT_HOST
