"""The engine side of a trial: builds, containers and their layers, all removed when the trial ends."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dockyard.backends import Backend
from dockyard.clients import docker_settings
from dockyard.exercises import command
from dockyard.exercises.command import CommandFailed

LABEL = "dockyard.trial"  # its value tells concurrent trials apart, also those of two homes on one engine


@dataclass(frozen=True)
class Step:
    """One instruction as it was carried out. `size` is what it wrote, in bytes; 0 from the cache."""

    instruction: str
    cached: bool
    size: int


@dataclass(frozen=True)
class Build:
    """What a build gave. `layers` are diff ids (`sha256:...`), lowest first; `size` is in bytes."""

    image: str
    layers: tuple[str, ...]
    size: int
    seconds: float
    log: str
    steps: tuple[Step, ...] = ()

    @property
    def written(self) -> int:
        """Bytes that this build wrote anew, in all its stages: what the cache did not give."""
        return sum(step.size for step in self.steps)


@dataclass(frozen=True)
class Running:
    """A container of the trial. `url` is its published port, `container` the docker SDK's object."""

    container: Any
    url: str

    def logs(self) -> str:
        return str(self.container.logs().decode(errors="replace"))

    def state(self) -> Mapping[str, Any]:
        """`State` of docker inspect, now."""
        self.container.reload()
        state: Mapping[str, Any] = self.container.attrs["State"]
        return state


class Containers:
    """A docker SDK client whose creations carry the trial's label."""

    def __init__(self, backend: Backend, namespace: str) -> None:
        self._docker_host = backend.docker_host
        self._settings = {**docker_settings(backend.home), "DOCKER_HOST": backend.docker_host}
        self.trial = f"{namespace}.{backend.home.digest}"
        self._client: Any = None
        self._adopted: list[str] = []

    @property
    def client(self) -> Any:
        """The docker SDK's client."""
        if self._client is None:
            import docker

            try:
                self._client = docker.DockerClient(base_url=self._docker_host, timeout=60)
            except docker.errors.DockerException as error:
                raise CommandFailed(f"no engine at {self._docker_host}: {error}") from error
        return self._client

    def build(self, folder: Path, tag: str, **options: Any) -> Build:
        """Build `folder` and tag it. Raises CommandFailed with the engine's message and the log's end."""
        import docker

        started = time.monotonic()
        try:
            image, log = self.client.images.build(
                path=str(folder), tag=tag, rm=True, labels={LABEL: self.trial}, **options
            )
        except docker.errors.BuildError as error:
            tail = "".join(line.get("stream", "") for line in error.build_log)[-600:]
            raise CommandFailed(f"{error}\n{tail}".strip()) from error
        except (docker.errors.APIError, TypeError, OSError) as error:
            raise CommandFailed(getattr(error, "explanation", None) or str(error)) from error
        text = "".join(line.get("stream", "") for line in log)
        layers = tuple(image.attrs["RootFS"]["Layers"])
        seconds = time.monotonic() - started
        return Build(image.id, layers, image.attrs["Size"], seconds, text, tuple(self._steps(text)))

    def _steps(self, log: str) -> Iterator[Step]:
        """The steps that the classic builder's log tells of; sizes are those of the intermediate images."""
        for block in re.split(r"^Step \d+/\d+ : ", log, flags=re.MULTILINE)[1:]:
            instruction, _, rest = block.partition("\n")
            images = re.findall(r"^ ---> ([0-9a-f]{12})$", rest, flags=re.MULTILINE)
            cached = " ---> Using cache" in rest or instruction.upper().startswith("FROM ")
            size = 0
            if images and not cached:
                size = self.client.api.history(images[-1])[0]["Size"]
            yield Step(instruction, cached, size)

    def start(self, image: str, port: int = 8000, **options: Any) -> Running:
        """Run a container, `port` published on this machine. Raises CommandFailed, the engine's message."""
        import docker

        try:
            container = self.client.containers.run(
                image,
                detach=True,
                ports={f"{port}/tcp": ("127.0.0.1", None)},
                labels={LABEL: self.trial},
                **options,
            )
            return self._running(container, port)
        except docker.errors.DockerException as error:
            raise CommandFailed(getattr(error, "explanation", None) or str(error)) from error

    def script(
        self,
        file: Path,
        port: int = 8000,
        *,
        within: float = 30.0,
        env: Mapping[str, str] = MappingProxyType({}),
    ) -> Running:
        """Run a shell script that starts a container; the one whose id it prints last is the trial's.

        Its arguments, `"$@"`, are options for `docker run`. Raises CommandFailed with what the script said.
        """
        import docker

        argv = ["sh", file.name, "--label", f"{LABEL}={self.trial}"]
        said = command.run(argv, env={**self._settings, **env}, within=within, cwd=file.parent).split()
        if not said:
            raise CommandFailed(f"{file.name} printed no container's id")
        try:
            container = self.client.containers.get(said[-1])
            self._adopted.append(container.id)
            return self._running(container, port)
        except docker.errors.DockerException as error:
            raise CommandFailed(getattr(error, "explanation", None) or str(error)) from error

    @staticmethod
    def _running(container: Any, port: int) -> Running:
        container.reload()
        bindings = container.attrs["NetworkSettings"]["Ports"].get(f"{port}/tcp") or []
        address = f"http://127.0.0.1:{bindings[0]['HostPort']}" if bindings else ""
        return Running(container, address)

    def remove_all(self) -> None:
        """Remove every container and image that carries the trial's label. Raises CommandFailed."""
        import docker

        found = {"label": f"{LABEL}={self.trial}"}
        try:
            for container in self.client.containers.list(all=True, filters=found):
                container.remove(force=True, v=True)
            while self._adopted:
                self._remove(self._adopted.pop())
            for image in self.client.images.list(filters=found):
                self.client.images.remove(image.id, force=True)
        except docker.errors.NotFound:
            pass  # somebody else, or --rm, was quicker
        except docker.errors.DockerException as error:
            raise CommandFailed(f"cannot clean up: {error}") from error

    def _remove(self, id: str) -> None:
        import docker

        try:
            self.client.containers.get(id).remove(force=True, v=True)
        except docker.errors.NotFound:
            pass  # it carried the label, as it should

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
