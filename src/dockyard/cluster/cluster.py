"""One cluster: the control plane, and what acts on it."""

from __future__ import annotations

from pathlib import Path

from dockyard.cluster.controlplane import ControlPlane
from dockyard.runtime.runtime import Runtime
from dockyard.wire.clock import Clock
from dockyard.wire.http import Handler
from dockyard.wire.tls import Pki


class Cluster:
    """A whole cluster in one process, on one event loop; two may live side by side."""

    def __init__(self, home: Path, runtime: Runtime, clock: Clock) -> None:
        """Open the cluster that lives in `home`. Raises StoreUnavailableError."""
        root_ca = Pki(home / "pki", clock=clock).ca_certificate.read_text()
        self.runtime = runtime
        self.clock = clock
        self.control_plane = ControlPlane(home / "state.sqlite", clock, root_ca=root_ca)
        self.api = self.control_plane.api

    @property
    def handler(self) -> Handler:
        """What answers requests of the Kubernetes API."""
        return self.control_plane.handler

    async def start(self) -> None:
        """Begin to act on what is stored."""

    async def stop(self) -> None:
        """Stop acting and let go of the state file."""
        self.control_plane.close()
