"""What a lesson, the judge and a notebook need of whatever runs the containers: a small interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from dockyard.home import Home


class Backend(Protocol):
    """One place where lessons run. Everything else goes through Docker's and Kubernetes' own APIs."""

    @property
    def name(self) -> str:
        """`embedded` or `docker`; later `kind` and `kubeconfig`."""
        ...

    @property
    def has_cluster(self) -> bool:
        """Whether there is a Kubernetes API; without one, lessons about containers only can run."""
        ...

    @property
    def home(self) -> Home:
        """Whose backend it is."""
        ...

    @property
    def docker_host(self) -> str:
        """For $DOCKER_HOST."""
        ...

    @property
    def kubeconfig(self) -> Path:
        """For $KUBECONFIG: a file of our own, never the learner's."""
        ...

    def up(self) -> dict[str, Any]:
        """Start it unless it runs; returns its state once its node is Ready. Raises UserError."""
        ...

    def down(self) -> None:
        """Stop it; state stays."""
        ...

    def status(self) -> dict[str, Any] | None:
        """Its state, or None when it doesn't run."""
        ...

    def cut(self, namespace: str, selector: str) -> None:
        """Cut the Pods that match off from the network: no new connection, no byte on established ones."""
        ...

    def restore(self, namespace: str, selector: str) -> None:
        """Undo `cut`; harmless when there was none."""
        ...
