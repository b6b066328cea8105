"""The store and the API server over it: the part of a cluster that only remembers and answers."""

from __future__ import annotations

from pathlib import Path

from dockyard.cluster.access.tokens import signing_key
from dockyard.cluster.api import Api
from dockyard.cluster.bootstrap import bootstrap
from dockyard.cluster.http.server import ApiServer
from dockyard.cluster.store import Store
from dockyard.wire.clock import Clock
from dockyard.wire.http import Handler


class ControlPlane:
    """The store and the API over it, without anything that acts: what the rest of a cluster talks to."""

    def __init__(self, state: Path | None, clock: Clock, *, root_ca: str = "") -> None:
        """Open the state file (None keeps everything in memory). Raises StoreUnavailableError.

        `root_ca` is the PEM text that Pods trust the API server by.
        """
        self.store = Store(state)
        key = signing_key(state.with_name("serviceaccount.key") if state is not None else None)
        self.api = Api(self.store, clock, root_ca=root_ca, token_key=key)
        self.server = ApiServer(self.api)
        bootstrap(self.api)

    @property
    def handler(self) -> Handler:
        """What answers requests of the Kubernetes API."""
        return self.server.handle

    def close(self) -> None:
        self.store.close()
