"""A client on the fake clock: asks a Service every 20 ms, each time anew, as the recorder did."""

from __future__ import annotations

from typing import NamedTuple

from dockyard.wire.clock import Timer
from tests.cluster.harness import FakeCluster

PERIOD = 0.02


class Request(NamedTuple):
    """When it was sent, in seconds since the first one, and whether a server answered."""

    at: float
    ok: bool


class Traffic:
    """Requests to the address of the Service `web`, by what the proxy has told the network."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.requests: list[Request] = []
        self.notes: dict[str, float] = {}  # moments with a name
        self._cluster = cluster
        self._timer: Timer | None = None
        self._started = 0.0
        self._turn = 0

    @property
    def failed(self) -> list[float]:
        """When requests failed."""
        return [request.at for request in self.requests if not request.ok]

    def start(self) -> None:
        self._started = self._cluster.clock.monotonic()
        self._ask()

    def stop(self) -> None:
        assert self._timer is not None
        self._timer.cancel()

    def note(self, name: str) -> None:
        """Remember this moment."""
        self.notes[name] = self._cluster.clock.monotonic() - self._started

    def _ask(self) -> None:
        clock = self._cluster.clock
        self._timer = clock.call_later(PERIOD, self._ask)
        self.requests.append(Request(clock.monotonic() - self._started, self._is_answered()))

    def _is_answered(self) -> bool:
        network = self._cluster.runtime.network
        address = self._cluster.api.get("Service", "web", "default")["spec"]["clusterIP"]
        backends = network.services.get((address, 80), ())
        if not backends:
            return False
        self._turn += 1
        backend, _ = backends[self._turn % len(backends)]
        pods = [network.pod_names.get(sandbox) for sandbox, at in network.addresses.items() if at == backend]
        return any(pod in network.servers for pod in pods)
