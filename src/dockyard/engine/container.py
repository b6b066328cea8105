"""One container: the document that is kept, and what lives only while the engine does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from dockyard.engine.parameters import Document
from dockyard.engine.streams import Streams

if TYPE_CHECKING:
    from dockyard.engine.logging_driver import ContainerLog
    from dockyard.runtime.process import Process
    from dockyard.wire.clock import Timer

ZERO = "0001-01-01T00:00:00Z"


def new_state() -> Document:
    """Return the state of a container that was never started; times are Unix seconds, 0 for never."""
    return {
        "Status": "created",
        "OOMKilled": False,
        "Pid": 0,
        "ExitCode": 0,
        "Error": "",
        "StartedAt": 0.0,
        "FinishedAt": 0.0,
        "Health": None,
    }


class Container:
    """A container. `document` is what the store keeps; whoever changes it saves it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.streams = Streams()
        self.process: Process | None = None
        self.lock = asyncio.Lock()
        """Held by whoever starts, stops or removes the container."""
        self.address = ""
        """The sandbox's address while it runs."""
        self.ports: dict[str, list[tuple[str, int]]] = {}
        """What is published while it runs: 80/tcp to [(host, port)]."""
        self.log: ContainerLog | None = None
        self.restart_timer: Timer | None = None
        self.restart_delay = 0.0
        self.stopping = False
        """Somebody asked for its end and waits; its exit then is a stop in the events."""
        self.removed = False
        self.removal_code = 0
        self.exit_task: asyncio.Task[None] | None = None
        self.stop_probing: Callable[[], None] | None = None
        self._waiters: list[tuple[str, asyncio.Future[int]]] = []

    # The document's parts.

    @property
    def id(self) -> str:
        return str(self.document["Id"])

    @property
    def name(self) -> str:
        return str(self.document["Name"])

    @property
    def config(self) -> Document:
        config: Document = self.document["Config"]
        return config

    @property
    def host_config(self) -> Document:
        host_config: Document = self.document["HostConfig"]
        return host_config

    @property
    def state(self) -> Document:
        state: Document = self.document["State"]
        return state

    @property
    def endpoints(self) -> dict[str, Document]:
        """Settings by the name of each network that it belongs to."""
        endpoints: dict[str, Document] = self.document["Endpoints"]
        return endpoints

    @property
    def mounts(self) -> list[Document]:
        mounts: list[Document] = self.document["Mounts"]
        return mounts

    @property
    def status(self) -> str:
        """created, running, paused, restarting or exited."""
        return str(self.state["Status"])

    @property
    def running(self) -> bool:
        """As upstream counts: a paused container runs, and so does one that waits for its restart."""
        return self.status in ("running", "paused", "restarting")

    @property
    def tty(self) -> bool:
        return bool(self.config["Tty"])

    def event_attributes(self, **extra: str) -> dict[str, str]:
        """Return what events say about this container: its labels, image and name."""
        labels: dict[str, str] = self.config["Labels"] or {}
        return {**labels, "image": self.config["Image"], "name": self.name, **extra}

    # Waiting.

    def wait(self, condition: str) -> asyncio.Future[int]:
        """Return a future of the exit code: `not-running`, `next-exit` or `removed`."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self.removed:
            future.set_result(self.removal_code)
        elif condition == "not-running" and not self.running:
            future.set_result(int(self.state["ExitCode"]))
        else:
            self._waiters.append((condition, future))
        return future

    def notify(self, code: int, *, removed: bool = False) -> None:
        """Wake those who wait for an exit, or with `removed` for anything at all."""
        waiters, self._waiters = self._waiters, []
        for condition, future in waiters:
            if condition == "removed" and not removed:
                self._waiters.append((condition, future))
            elif not future.done():
                future.set_result(code)
