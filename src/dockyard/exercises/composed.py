"""One Compose project of a trial: the genuine client on the answer's folder, nothing of it left behind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dockyard.exercises import command
from dockyard.exercises.command import CommandFailed

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
# The learner's own settings must not choose another file; empty ones would be taken for file names.
WITHOUT_SETTINGS = ("env", "-u", "COMPOSE_FILE", "-u", "COMPOSE_PROFILES", "-u", "COMPOSE_ENV_FILES")
SAID = 500  # characters of compose's own words that a finding quotes


class Project:
    """A project with a name of its own, so that trials run side by side. `env` is for `${...}` in its file.

    `client` is a docker SDK client of the same engine.
    """

    def __init__(
        self, name: str, folder: Path, *, docker_host: str, client: Any, env: Mapping[str, str]
    ) -> None:
        self.name = name
        self.folder = folder
        self.client = client
        self._env = {
            "COMPOSE_PROJECT_NAME": name,
            "DOCKER_HOST": docker_host,
            **env,
        }

    def compose(self, *arguments: str, within: float = 60.0, **env: str) -> str:
        """`docker compose ARGUMENTS` with `env` added; its standard output.

        Raises CommandFailed with the end of what compose said on standard error.
        """
        argv = [*WITHOUT_SETTINGS, "docker-compose", "--ansi=never", "--project-name", self.name, *arguments]
        try:
            return command.run(argv, env={**self._env, **env}, within=within, cwd=self.folder)
        except CommandFailed as error:
            raise CommandFailed(_essence(str(error)), error.code) from error

    def url(self, service: str, port: int) -> str:
        """Where a service's port is published on this machine, as `http://127.0.0.1:49153`; "" if nowhere."""
        try:
            address = self.compose("port", service, str(port), within=20).strip()
        except CommandFailed:
            return ""
        host, _, published = address.rpartition(":")
        if published in ("", "0"):
            return ""
        return f"http://{'127.0.0.1' if host in ('', '0.0.0.0', '[::]', '::') else host}:{published}"

    def containers(self, service: str = "") -> list[Any]:
        """The docker SDK's containers, stopped ones too, by name; one-off ones of `compose run` left out."""
        labels = [f"{PROJECT}={self.name}", *([f"{SERVICE}={service}"] if service else [])]
        found = self.client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)
        kept = [item for item in found if item.labels.get("com.docker.compose.oneoff") != "True"]
        return sorted(kept, key=lambda item: str(item.name))

    def published(self) -> list[tuple[str, str, int]]:
        """Every port of this machine that leads into the project: service, host address, host port."""
        found = {
            (item.labels.get(SERVICE, ""), binding["HostIp"], int(binding["HostPort"]))
            for item in self.containers()
            for bindings in (item.attrs["NetworkSettings"]["Ports"] or {}).values()
            for binding in bindings or ()
        }
        return sorted(found)

    def remove(self) -> None:
        """All of it, volumes too, without waiting for anybody's grace period. Raises CommandFailed."""
        remove(self.client, self.name)

    def logs(self, service: str, lines: int = 5) -> str:
        """The last lines of a service's newest container."""
        found = self.containers(service)
        return found[-1].logs(tail=lines).decode(errors="replace").strip() if found else ""


def remove(client: Any, name: str) -> None:
    """Remove all that carries the project's label, also where no file describes it any more.

    Raises CommandFailed with the engine's message.
    """
    import docker

    found = {"label": f"{PROJECT}={name}"}
    try:
        for container in client.containers.list(all=True, filters=found, ignore_removed=True):
            _quietly(container.remove, force=True, v=True)
        for network in client.networks.list(filters=found):
            _quietly(network.remove)
        for volume in client.volumes.list(filters=found):
            _quietly(volume.remove, force=True)
    except docker.errors.DockerException as error:
        raise CommandFailed(f"cannot remove the project {name}: {error}") from error


def _quietly(action: Any, **options: Any) -> None:
    """Somebody else, or --rm, may have been quicker."""
    import docker

    try:
        action(**options)
    except docker.errors.NotFound:
        pass


def _essence(said: str) -> str:
    """What compose complained of, without its progress and its note on builders."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    steps = ("Container ", "Network ", "Volume ", "Image ")
    words = [line for line in lines if not line.startswith(steps) and "buildx" not in line]
    return "\n".join(words or lines)[-SAID:]
