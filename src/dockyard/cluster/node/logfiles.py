"""Where a container's log of each run is kept on the node."""

from __future__ import annotations

from pathlib import Path

from dockyard.cluster.node.services import Node
from dockyard.cluster.store import Manifest


def log_path(node: Node, pod: Manifest, container: str, restart: int) -> Path:
    """The log of one run of a container; `restart` is its restartCount."""
    return node.directory(pod) / "containers" / container / f"{restart}.log"


def prune(path: Path, keep: int) -> None:
    """Delete the logs of a container but those of its last `keep` runs."""
    runs = sorted((int(file.stem) for file in path.glob("*.log") if file.stem.isdigit()), reverse=True)
    for restart in runs[keep:]:
        (path / f"{restart}.log").unlink(missing_ok=True)
        (path / f"{restart}.termination").unlink(missing_ok=True)
