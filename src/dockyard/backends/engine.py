"""A Docker Engine that somebody else runs: who it is, and what trials of this home left on it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dockyard.errors import EXIT_NOT_RUNNING, UserError
from dockyard.home import Home

DEFAULT_HOST = "unix:///var/run/docker.sock"
# The oldest API that today's docker SDK and docker compose still speak.
OLDEST_API = (1, 44)
TRIAL_LABEL = "dockyard.trial"


class Engine:
    """A client of one engine. What is there is its owner's: only what trials left is ever removed."""

    def __init__(self, home: Home, host: str, backend: str = "docker") -> None:
        self.home = home
        self.host = host
        self._backend = backend  # whose --docker-host the advice speaks of

    def version(self) -> str:
        """The engine's version. Raises UserError when none answers, or one that is too old."""
        import docker

        client = self.client()
        try:
            version = client.version()
        except docker.errors.DockerException as error:
            raise UserError(
                f"the Docker Engine at {self.host} does not answer: {error}",
                "`docker version` with this DOCKER_HOST says more.",
                code=EXIT_NOT_RUNNING,
            ) from error
        finally:
            client.close()
        spoken = tuple(int(part) for part in version["ApiVersion"].split("."))
        if spoken < OLDEST_API:
            raise UserError(
                f"{self.host} is Docker Engine {version['Version']}, API {version['ApiVersion']}",
                f"The lessons need API {OLDEST_API[0]}.{OLDEST_API[1]}: Docker Engine 25 or newer.",
            )
        return str(version["Version"])

    def client(self) -> Any:
        """A docker SDK client. Raises UserError when no engine answers."""
        import docker

        try:
            return docker.DockerClient(base_url=self.host, timeout=300)
        except docker.errors.DockerException as error:
            raise UserError(
                f"no Docker Engine answers at {self.host}: {error}",
                f"Start it, or name another one: ./dockyard up --backend {self._backend} --docker-host URL",
                code=EXIT_NOT_RUNNING,
            ) from error

    def clean(self) -> None:
        """Remove what trials of this home left. Raises UserError when no engine answers."""
        client = self.client()
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

    def _is_ours(self, labels: Mapping[str, str]) -> bool:
        """Whether a trial of this home made it: another home may use the same engine."""
        return labels[TRIAL_LABEL].endswith(f".{self.home.digest}")


def default_host(home: Home) -> str:
    """The engine that $DOCKER_HOST names, unless that is a platform of ours; else the machine's."""
    named = os.environ.get("DOCKER_HOST", "")
    return named if named and named != home.docker_host else DEFAULT_HOST
