"""A load and a watch as a notebook shows them."""

from __future__ import annotations

import time
from typing import Any

from dockyard.exercises.happenings import Happenings
from dockyard.exercises.live import Live, Manifest
from dockyard.exercises.load import Load
from dockyard.exercises.record import Change, Record, ready_addresses
from dockyard.views.page import Page, table
from dockyard.views.timeline import show_timeline
from dockyard.wire.clock import rfc3339


class ShownLoad(Load):
    """A load whose log draws itself."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return show_timeline(self, title=f"{self.rate:g} requests a second to {self.url}")._repr_mimebundle_()


class ShownRecord(Record):
    """A watch whose changes show as a table, repetitions left out."""

    def wait(self, seconds: float) -> None:
        """Go on watching for so long."""
        time.sleep(seconds)

    def page(self) -> Page:
        rows: list[dict[str, Any]] = []
        last: dict[tuple[str, str], str] = {}
        for change in list(self.changes):
            now, about = summary(change), subject(change)
            if about.startswith("load-") or last.get((change.kind, change.name)) == now:
                continue
            last[(change.kind, change.name)] = now
            if is_old_news(change, self.started):
                continue
            seconds = f"{change.t - self.started:.1f}"
            rows.append({"second": seconds, "kind": change.kind, "name": about, "now": now})
        return table(rows, f"Changes of {', '.join(self.kinds)} in {self.live.namespace}")

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return self.page()._repr_mimebundle_()


class ShownHappenings(Happenings):
    """A project's events as a table."""

    def wait(self, seconds: float) -> None:
        """Go on watching for so long."""
        time.sleep(seconds)

    def page(self) -> Page:
        rows = [
            {"second": f"{item.t - self.started:.1f}", "container": item.container, "what": item.what}
            for item in self.seen
        ]
        return table(rows, f"What happened to the containers of {self.project}")

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return self.page()._repr_mimebundle_()


def subject(change: Change) -> str:
    """The object's name; of an Event, the name of what it is about."""
    return str((change.object.get("involvedObject") or {}).get("name") or change.name)


def is_old_news(change: Change, started: float) -> bool:
    """Whether it is an Event of before the watch, which the list that a watch begins with brings along."""
    if change.kind != "events":
        return False
    event = change.object
    when = event.get("lastTimestamp") or event.get("eventTime") or rfc3339(change.t)
    return bool(when < rfc3339(started))


def summary(change: Change) -> str:
    """What an object says of itself now, as short as kubectl get does."""
    obj = change.object
    if change.type == "DELETED":
        return "deleted"
    if change.kind == "pods":
        return pod_summary(obj)
    if change.kind == "endpointslices":
        return f"{ready_addresses(obj)} ready of {len(obj.get('endpoints') or ())} addresses"
    if change.kind == "events":
        return f"{obj.get('type', '')} {obj.get('reason', '')}: {obj.get('message', '')}"
    if change.kind in ("deployments", "replicasets", "statefulsets"):
        status = obj.get("status", {})
        return f"{status.get('readyReplicas', 0)} ready of {obj['spec'].get('replicas', 1)}"
    return "changed" if change.type == "MODIFIED" else "there"


def pod_summary(pod: Manifest) -> str:
    """Phase or reason, readiness, restarts."""
    status = pod.get("status", {})
    word = "Terminating" if "deletionTimestamp" in pod["metadata"] else status.get("phase", "Pending")
    for container in status.get("containerStatuses") or ():
        state = container.get("state", {})
        word = state.get("waiting", {}).get("reason") or state.get("terminated", {}).get("reason") or word
    ready = "ready" if Live.is_ready(pod) else "not ready"
    return f"{word}, {ready}, {Live.restarts_of(pod)} restarts"
