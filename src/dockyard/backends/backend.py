"""What a lesson, the judge and a notebook need of whatever runs the containers: a small interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from dockyard.home import Home


class Backend(Protocol):
    """One place where lessons run. Everything else goes through Docker's and Kubernetes' own APIs."""

    @property
    def name(self) -> str:
        """`embedded`, `docker`, `kind` or `kubeconfig`."""
        ...

    @property
    def has_cluster(self) -> bool:
        """Whether there is a Kubernetes API; without one, lessons about containers only can run."""
        ...

    @property
    def namespace(self) -> str:
        """The one namespace that lessons and exercises share; "" where each has its own."""
        ...

    @property
    def kept(self) -> tuple[str, ...]:
        """What is in that namespace and not the course's, as `configmaps/NAME`: it stays."""
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
        """Stop it, and remove what `up` made on somebody's engine or cluster. Raises UserError."""
        ...

    def status(self) -> dict[str, Any] | None:
        """Its state, or None when it doesn't run."""
        ...

    def lacks(self, want: str) -> str:
        """Why there is no such thing here as an exercise `wants`, as a sentence; "" if there is."""
        ...

    def image(self, tag: str) -> str:
        """The name by which the cluster knows an image that was built as `tag`."""
        ...

    def deliver(self, tags: Sequence[str], say: Callable[[str], None]) -> None:
        """Make images of the engine runnable by the cluster; once each. Raises UserError."""
        ...

    def cut(self, namespace: str, selector: str) -> None:
        """Cut the Pods that match off from the network: no new connection, no byte on established ones."""
        ...

    def restore(self, namespace: str, selector: str) -> None:
        """Undo `cut`; harmless when there was none."""
        ...


@runtime_checkable
class MakesNodes(Protocol):
    """A backend that can add nodes of its own to the cluster."""

    def add_node(self, name: str, memory: str) -> None:
        """Add a node with so much memory (`512Mi`), in place of one of that name. Raises UserError."""
        ...

    def remove_node(self, name: str) -> None:
        """Take it away; harmless when there is none."""
        ...
