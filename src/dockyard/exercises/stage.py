"""Brings an exercise on stage: its namespace emptied, its baseline running, an answer applied."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from dockyard.exercises import command
from dockyard.exercises.command import CommandFailed
from dockyard.exercises.exercise import Exercise
from dockyard.exercises.live import ApiFailed, Live
from dockyard.exercises.load import OURS

# Owners first, so that nothing is created anew; what the cluster itself puts into a namespace stays.
CLEARED = (
    "horizontalpodautoscalers",
    "deployments",
    "statefulsets",
    "daemonsets",
    "cronjobs",
    "jobs",
    "replicasets",
    "pods",
    "services",
    "poddisruptionbudgets",
    "networkpolicies",
    "persistentvolumeclaims",
    "resourcequotas",
    "limitranges",
    "configmaps",
    "secrets",
    "events",
)
NOT_OURS = {("configmaps", "kube-root-ca.crt"), ("services", "kubernetes")}
MANIFESTS = {".yaml", ".yml", ".json"}


class StageFailed(Exception):
    """The stage could not be set: nobody's answer is judged on it."""


class Stage:
    """One namespace, as a place to put an exercise."""

    def __init__(self, live: Live, *, shared: bool = False, kept: Collection[str] = ()) -> None:
        """A `shared` namespace is there already; `kept` (`configmaps/NAME`) is never removed from it."""
        self.live = live
        self._shared = shared
        self._kept = frozenset(kept)

    def ensure(self) -> None:
        """Create the namespace if it isn't there. Raises StageFailed."""
        if self._shared:
            return
        name = self.live.namespace
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": OURS}}
        try:
            self.live.call("POST", "/api/v1/namespaces", manifest)
        except ApiFailed as error:
            if error.code != 409:
                raise StageFailed(f"namespace {name}: {error}") from error

    def clear(self, within: float = 30.0) -> None:
        """Empty the namespace, without waiting for anybody's grace period. Raises StageFailed."""
        deadline = time.monotonic() + within
        left: list[str] = ["everything"]
        while left:
            if time.monotonic() > deadline:
                raise StageFailed(
                    f"namespace {self.live.namespace} does not get empty: {', '.join(left[:5])} stay"
                )
            left = [f"{kind}/{name}" for kind in CLEARED for name in self._clear(kind) if kind != "events"]
            if left:
                time.sleep(0.1)

    def _clear(self, kind: str) -> list[str]:
        """Delete all of a kind; the names that were there."""
        try:
            items = self.live.list(kind)
        except ApiFailed as error:
            if error.code in (403, 404, 405):
                return []  # this cluster has no such kind, or keeps it from us
            raise StageFailed(f"cannot list {kind}: {error}") from error
        names = [item["metadata"]["name"] for item in items]
        names = [name for name in names if (kind, name) not in NOT_OURS]
        names = [name for name in names if f"{kind}/{name}" not in self._kept]
        query = {"gracePeriodSeconds": "0"} if kind == "pods" else {"propagationPolicy": "Background"}
        for name in names:
            try:
                self.live.call("DELETE", self.live.path(kind, name), query=query)
            except ApiFailed as error:
                if error.code not in (404, 409):
                    raise StageFailed(f"cannot delete {kind}/{name}: {error}") from error
        return names

    def prepare(self, exercise: Exercise, folder: Path, say: Callable[[str], None]) -> None:
        """Empty the namespace and bring the exercise's baseline up in it. Raises StageFailed."""
        self.ensure()
        if not exercise.fresh:
            return
        say(f"staging {self.live.namespace}")
        self.clear()
        if exercise.baseline:
            try:
                self.apply(folder, [Path(name) for name in exercise.baseline])
            except CommandFailed as error:
                raise StageFailed(f"the baseline is refused: {error}") from error
            self.settle()

    def apply(self, folder: Path, files: Sequence[Path], within: float = 30.0) -> str:
        """`kubectl apply` the manifests among `files`, in order; kubectl's output. Raises CommandFailed."""
        manifests = [path for path in files if path.suffix in MANIFESTS]
        if not manifests:
            return ""
        arguments = [word for path in manifests for word in ("-f", str(path))]
        return self.kubectl("apply", *arguments, within=within, cwd=folder)

    def kubectl(self, *arguments: str, within: float = 30.0, cwd: Path | None = None, text: str = "") -> str:
        """Run kubectl in the namespace; its output. Raises CommandFailed with its error."""
        argv = ["kubectl", "--namespace", self.live.namespace, *arguments]
        return command.run(
            argv, env={"KUBECONFIG": str(self.live.kubeconfig)}, within=within, cwd=cwd, text=text
        )

    def settle(self, within: float = 45.0) -> None:
        """Wait until every Deployment here is available, and every bare Pod ready. Raises StageFailed."""
        deadline = time.monotonic() + within
        while True:
            waiting = [
                f"deployment/{item['metadata']['name']}"
                for item in self.live.list("deployments")
                if not self.live.is_available(item["metadata"]["name"])
            ]
            waiting += [
                f"pod/{pod['metadata']['name']}"
                for pod in self.live.pods()
                if not pod["metadata"].get("ownerReferences") and not self.live.is_ready(pod)
            ]
            if not waiting:
                return
            if time.monotonic() > deadline:
                reasons = "; ".join(self.live.warnings()[:3])
                raise StageFailed(
                    f"the baseline does not get ready within {within:.0f} s: {waiting[0]}. {reasons}"
                )
            time.sleep(0.1)
