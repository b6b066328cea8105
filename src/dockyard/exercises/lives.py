"""The lives of Pods as a Record saw them: started, in the endpoints, told to stop, out of them, ended how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dockyard.exercises.live import Manifest
from dockyard.exercises.record import Change, Record, matches
from dockyard.exercises.traffic import Request

# A failed request belongs to the last Pod that was told to stop, if that was no longer ago than this.
_BLAMED_SECONDS = 10.0


@dataclass
class PodLife:
    """Moments in unix seconds; None for what was not seen, because it was before the watch or not yet."""

    name: str
    joined: float | None = None  # its address became ready in an EndpointSlice
    told: float | None = None  # it was deleted: preStop, or SIGTERM, begins here
    left: float | None = None  # its address was ready no more
    gone: float | None = None
    exits: dict[str, int] = field(
        default_factory=dict
    )  # the exit code of each container that ended after `told`


def lives(seen: Record, selector: str = "") -> list[PodLife]:
    """The Pods of a Record, in the order in which it met them; `selector` is a name or `key=value,...`."""
    known: dict[str, PodLife] = {}
    joined: dict[str, float] = {}
    left: dict[str, float] = {}
    inside: dict[str, set[str]] = {}  # by slice: the Pods whose address is ready in it
    for change in list(seen.changes):
        uid = change.object["metadata"]["uid"]
        if change.kind == "pods" and matches(change.object, selector):
            _note_pod(known.setdefault(uid, PodLife(change.name)), change)
        elif change.kind == "endpointslices":
            before = inside.get(uid, set())
            now = inside[uid] = set() if change.type == "DELETED" else _ready_pods(change.object)
            joined = dict.fromkeys(now - before, change.t) | joined
            left |= dict.fromkeys(before - now, change.t)
    # Endpoints may be heard of before their Pods, so the two meet at the end.
    for uid, life in known.items():
        life.joined, life.left = joined.get(uid), left.get(uid)
    return list(known.values())


def blamed(request: Request, pods: Iterable[PodLife]) -> PodLife | None:
    """The Pod that was told to stop last before a request ended, where that was a moment ago; else None."""
    told = [
        pod for pod in pods if pod.told is not None and pod.told <= request.end <= pod.told + _BLAMED_SECONDS
    ]
    return max(told, key=lambda pod: pod.told or 0.0, default=None)


def _note_pod(life: PodLife, change: Change) -> None:
    if life.told is None and "deletionTimestamp" in change.object["metadata"]:
        life.told = change.t
    if life.told is not None:
        for status in change.object.get("status", {}).get("containerStatuses") or ():
            ended = status.get("state", {}).get("terminated")
            if ended:
                life.exits[status["name"]] = ended["exitCode"]
    if change.type == "DELETED":
        life.gone = change.t


def _ready_pods(endpointslice: Manifest) -> set[str]:
    """The uids of the Pods that a slice names as ready; `ready` unset counts as ready, as the API says."""
    return {
        endpoint["targetRef"]["uid"]
        for endpoint in endpointslice.get("endpoints") or ()
        if endpoint.get("conditions", {}).get("ready", True) and "uid" in (endpoint.get("targetRef") or {})
    }
