"""Where on a backend a lesson or an exercise lives, and what of it this backend can't show."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.backends import Backend
from dockyard.exercises.exercise import Exercise
from dockyard.exercises.live import Live
from dockyard.exercises.stage import Stage


def room(backend: Backend, namespace: str) -> str:
    """A namespace of its own, or the one that this backend keeps to."""
    return backend.namespace or namespace


def place_of(backend: Backend, exercise: Exercise) -> str:
    """What `ns` is in a notebook at that exercise: its namespace or Compose project; "" where it has none."""
    return room(backend, exercise.namespace) if exercise.on == "cluster" else exercise.place


def live_on(backend: Backend, namespace: str) -> Live:
    """The live system of a lesson or an exercise, by the namespace that it would have of its own."""
    return Live(room(backend, namespace), backend.kubeconfig)


def stage_on(backend: Backend, namespace: str) -> Stage:
    """The stage there. A shared namespace is there since `up`, with things in it that stay."""
    return Stage(live_on(backend, namespace), shared=bool(backend.namespace), kept=backend.kept)


def out_of_reach(backend: Backend, exercise: Exercise) -> str:
    """Why this backend can't judge the exercise, as a sentence; "" when it can."""
    return next((reason for want in exercise.wants if (reason := backend.lacks(want))), "")


def beyond(backend: Backend, exercises: Iterable[Exercise]) -> list[str]:
    """`ID: reason` for each exercise that this backend can't judge."""
    return [f"{item.id}: {reason}" for item in exercises if (reason := out_of_reach(backend, item))]


def note_on_stage(backend: Backend, exercise: Exercise) -> None:
    """Remember what is on stage, where all share one namespace."""
    if backend.namespace:
        (backend.home.root / "on-stage").write_text(exercise.id)


def holds(backend: Backend, exercise: Exercise) -> bool:
    """Whether the namespace, where it is shared, is this exercise's now; True where it has one of its own."""
    if not backend.namespace:
        return True
    try:
        return (backend.home.root / "on-stage").read_text() == exercise.id
    except OSError:
        return False
