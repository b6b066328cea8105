"""An exercise as a lesson's checks.py declares it: how it is staged, what it claims, and its one function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dockyard.exercises.trial import Trial

Check = Callable[["Trial"], None]
Hint = str | Callable[[Any], str]  # reads a Live of the exercise, or with on="engine" a Workbench
Stage = Literal["cluster", "engine", "compose", "plain"]

# What an exercise may need that not every cluster gives: namespaces beside its own, looking at nodes, making
# ResourceQuotas, cutting Pods off.
WANTS = ("namespaces", "nodes", "quotas", "cut")

ANSWER = "answer"  # the claim that every exercise has, and that comes first


@dataclass(frozen=True)
class Exercise:
    """One exercise. `seconds` is the time limit of its check, clean-up included."""

    id: str
    title: str
    seconds: float
    files: tuple[str, ...]
    baseline: tuple[str, ...]
    claims: Mapping[str, str]
    start: str
    hints: tuple[Hint, ...]
    why: str
    on: Stage
    fresh: bool
    wants: tuple[str, ...]
    check: Check

    @property
    def lesson(self) -> str:
        return self.id.split(".")[0]

    @property
    def namespace(self) -> str:
        """The namespace that belongs to this exercise, or its Compose project: `06.1` has `ex-06-1`."""
        return "ex-" + self.id.replace(".", "-")

    @property
    def place(self) -> str:
        """What `ns` becomes in a notebook: the namespace or project of its own, or "" where it has none."""
        return self.namespace if self.on in ("cluster", "compose") else ""

    @property
    def task(self) -> str:
        """What the learner reads: situation, goal, what is measured (Markdown)."""
        return inspect.cleandoc(self.check.__doc__ or "")


class Mistake(Exception):
    """A lesson is written wrongly; the message says where and what to write instead."""


def exercise(
    id: str,
    *,
    title: str,
    seconds: float,
    claims: Mapping[str, str],
    start: str,
    hints: Sequence[Hint],
    why: str,
    files: Sequence[str] = (),
    baseline: Sequence[str] = (),
    on: Stage = "cluster",
    fresh: bool = True,
    wants: Sequence[str] = (),
) -> Callable[[Check], Check]:
    """Declare the decorated function to be the check of exercise `id`; course/README.md explains the fields.

    Raises Mistake when the declaration contradicts itself, so that a lesson can't be half written.
    """
    known = {ANSWER: "the files of your answer are there and were accepted", **claims}
    problems = [
        (len(hints) != 3, f"has {len(hints)} hints; write three: where to look, what to ask, what to change"),
        (not claims, "claims nothing; write what must be true"),
        (start not in known, f"says that its start fails at {start!r}, which is none of its claims"),
        (seconds <= 0, "needs a time limit of more than 0 seconds"),
        (not why, "does not say why its solution is right"),
        (bool({*wants} - {*WANTS}), f"wants {', '.join(wants)}; known are {', '.join(WANTS)}"),
        ("." not in id, "needs an id like 06.1"),
    ]

    def declare(check: Check) -> Check:
        if not check.__doc__:
            raise Mistake(
                f"exercise {id}: {check.__name__} has no docstring; it is the task that learners read"
            )
        check.__dict__["exercise"] = Exercise(
            id=id,
            title=title,
            seconds=float(seconds),
            files=tuple(files),
            baseline=tuple(baseline),
            claims=known,
            start=start,
            hints=tuple(hints),
            why=why,
            on=on,
            fresh=fresh,
            wants=tuple(wants),
            check=check,
        )
        return check

    for wrong, message in problems:
        if wrong:
            raise Mistake(f"exercise {id} {message}")
    return declare


def declared(module: object) -> list[Exercise]:
    """The exercises of a loaded checks.py, in the order in which they are written."""
    found = (getattr(value, "exercise", None) for value in vars(module).values())
    return [item for item in found if isinstance(item, Exercise)]
