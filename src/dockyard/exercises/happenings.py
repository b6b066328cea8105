"""What the engine says of a Compose project's containers while one watches: started, died, healthy, gone."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from dockyard.exercises.command import CommandFailed
from dockyard.exercises.composed import PROJECT
from dockyard.exercises.record import Mark

# The events that tell a story; those of exec are a health check's, once a second.
TOLD = ("start", "die", "oom", "kill", "destroy", "health_status")
MARKED = ("start", "die", "oom", "health_status")
QUIET_SECONDS = 5.0  # how long to wait for the stream's end after it was closed


@dataclass(frozen=True)
class Happening:
    """One event. `t` in unix seconds, by the engine's clock; `container` without the project's name."""

    t: float
    container: str
    what: str

    @property
    def action(self) -> str:
        return self.what.partition(":")[0].partition(" ")[0]


class Happenings:
    """The events of one project, from entering to leaving; a context manager that also answers afterwards."""

    def __init__(self, docker_host: str, project: str) -> None:
        self.project = project
        self.seen: list[Happening] = []
        self.started = 0.0
        self._docker_host = docker_host
        self._client: Any = None
        self._stream: Any = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Happenings:
        import docker

        self.started = time.time()
        filters = {"type": "container", "label": f"{PROJECT}={self.project}"}
        try:
            self._client = docker.DockerClient(base_url=self._docker_host, timeout=60)
            # `since` closes the gap until the stream is open. No timeout: nothing may happen for long.
            self._stream = self._client.api.events(since=int(self.started), decode=True, filters=filters)
        except docker.errors.DockerException as error:
            raise CommandFailed(f"no events from {self._docker_host}: {error}") from error
        self._thread = threading.Thread(target=self._follow, name="engine-events", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._stream is not None:
            self._stream.close()
        if self._thread is not None:
            self._thread.join(QUIET_SECONDS)
        if self._client is not None:
            self._client.close()

    def _follow(self) -> None:
        try:
            for event in self._stream:
                self.learn(event)
        except Exception:
            pass  # closing the stream is how it ends, and it shows in as many errors as there are layers

    def learn(self, event: dict[str, Any]) -> None:
        """Note one event of the Engine API, if it tells something."""
        attributes = event.get("Actor", {}).get("Attributes", {})
        t = event.get("timeNano", 0) / 1e9
        what = str(event.get("Action", ""))
        if t < self.started or what.partition(":")[0] not in TOLD:
            return
        if what == "die":
            what = f"die (exit code {attributes.get('exitCode', '?')})"
        elif what == "kill":
            what = f"kill (signal {attributes.get('signal', '?')})"
        name = str(attributes.get("name", "")).removeprefix(f"{self.project}-")
        self.seen.append(Happening(t, name, what))

    def count(self, action: str, container: str = "") -> int:
        """How often `start`, `die`, ... happened to the containers whose name begins so."""
        found = [item for item in self.seen if item.action == action]
        return sum(item.container.startswith(container) for item in found)

    def marks(self) -> list[Mark]:
        """What a reader wants to see beside the requests."""
        words = {"start": "started", "die": "died"}
        return [
            Mark(
                item.t,
                f"{item.container} {item.what.replace(item.action, words.get(item.action, item.action), 1)}",
            )
            for item in self.seen
            if item.action in MARKED
        ]
