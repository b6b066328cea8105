"""The latest readings of every Pod: CPU as a rate between two samples, memory as it was in the last one.

Source: metrics-server's storage (pkg/storage/pod.go): a Pod is shown once each of its containers has been
sampled twice, or once when it started at least ten seconds before.
"""

from __future__ import annotations

from typing import NamedTuple

RESOLUTION_SECONDS = 15.0
_FRESH_SECONDS = 10.0  # how old a container has to be for its start to count as a sample of nothing


class Sample(NamedTuple):
    """What a container had used: CPU in nanoseconds since `started_at`, memory in bytes, at a Unix time."""

    time: float
    started_at: float
    cpu: int
    memory: int


class ContainerReading(NamedTuple):
    """CPU in nanocores, memory in bytes."""

    cpu: int
    memory: int


class PodReading(NamedTuple):
    """What a Pod's containers use; the CPU is the mean of the `window` seconds before `time`."""

    time: float
    window: float
    containers: dict[str, ContainerReading]


class Readings:
    """The samples of the last two scrapes, by the Pod's uid and the container's name."""

    def __init__(self) -> None:
        self._samples: dict[str, dict[str, tuple[Sample | None, Sample]]] = {}

    def take(self, samples: dict[str, dict[str, Sample]]) -> None:
        """Take in what a scrape found; a Pod that it didn't find is forgotten."""
        taken: dict[str, dict[str, tuple[Sample | None, Sample]]] = {}
        for uid, containers in samples.items():
            before = self._samples.get(uid, {})
            taken[uid] = {
                name: (_predecessor(before.get(name), sample), sample) for name, sample in containers.items()
            }
        self._samples = taken

    def of(self, uid: str) -> PodReading | None:
        """What the Pod uses; None while that isn't known."""
        found: dict[str, ContainerReading] = {}
        time, window = float("inf"), 0.0
        for name, (before, now) in self._samples.get(uid, {}).items():
            if before is None:
                return None
            seconds = now.time - before.time
            rate = max(0, now.cpu - before.cpu) / seconds
            found[name] = ContainerReading(round(rate), now.memory)
            if now.time < time:
                time, window = now.time, seconds
        return PodReading(time, window, found) if found else None


def _predecessor(known: tuple[Sample | None, Sample] | None, now: Sample) -> Sample | None:
    if known is not None and known[1].started_at == now.started_at and known[1].time < now.time:
        return known[1]
    age = now.time - now.started_at
    if _FRESH_SECONDS <= age <= RESOLUTION_SECONDS + _FRESH_SECONDS:
        return Sample(now.started_at, now.started_at, 0, 0)
    return None
