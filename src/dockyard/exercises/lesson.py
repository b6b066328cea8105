"""The course on disk: which lessons there are, and which exercises and overlays each of them has."""

from __future__ import annotations

import difflib
import importlib.util
import sys
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from dockyard.errors import EXIT_USAGE, UserError
from dockyard.exercises.exercise import Exercise, Mistake, declared
from dockyard.home import project_root


@dataclass(frozen=True)
class Overlay:
    """A folder of files laid over the start and the solution: an answer right, or wrong, on purpose."""

    name: str
    folder: Path
    exercise: str
    finding: str = ""
    why: str = ""


@dataclass(frozen=True)
class Lesson:
    """One folder of the course; its front matter gives id, title, minutes, able and needs."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def head(self) -> dict[str, Any]:
        """The `dockyard:` part of lesson.md's front matter. Raises Mistake where it lacks something."""
        text = (self.folder / "lesson.md").read_text()
        parts = text.split("---\n", 2)
        head = (yaml.safe_load(parts[1]) or {}).get("dockyard") if len(parts) == 3 and not parts[0] else None
        if not isinstance(head, dict):
            raise Mistake(f"{self.folder / 'lesson.md'} has no `dockyard:` in its front matter")
        for key in ("id", "title", "minutes"):
            if key not in head:
                raise Mistake(f"{self.folder / 'lesson.md'}: its front matter has no dockyard.{key}")
        return {"able": [], "needs": [], "images": {}, "platform": True, "alone": False, **head}

    @property
    def id(self) -> str:
        return str(self.head["id"])

    @property
    def title(self) -> str:
        return str(self.head["title"])

    @property
    def minutes(self) -> int:
        return int(self.head["minutes"])

    @property
    def namespace(self) -> str:
        return f"lesson-{self.id}"

    @property
    def images(self) -> dict[str, Path]:
        """The images that the lesson's manifests name, and the folders that they are built from."""
        course = self.folder.parent
        return {str(tag): course / str(folder) for tag, folder in self.head["images"].items()}

    @cached_property
    def exercises(self) -> tuple[Exercise, ...]:
        """What checks.py declares, and then each checks_NAME.py; empty when there are none.

        Errors in one of them name the file.
        """
        paths = [path for path in [self.folder / "checks.py"] if path.is_file()]
        paths += sorted(self.folder.glob("checks_*.py"))
        found = [item for path in paths for item in self._declared(path)]
        return tuple(sorted(found, key=lambda item: item.id))

    def _declared(self, path: Path) -> list[Exercise]:
        name = f"dockyard_course_{self.name}_{path.stem}".replace("-", "_")
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise Mistake(f"{path} cannot be loaded")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise Mistake(f"{path}: {type(error).__name__}: {error}") from error
        found = declared(module)
        wrong = [item.id for item in found if item.lesson != self.id]
        if wrong:
            raise Mistake(f"{path} declares {', '.join(wrong)}, but the lesson is {self.id}")
        return found

    @property
    def needs_cluster(self) -> bool:
        """Whether an exercise is judged on a cluster, so that containers alone don't do."""
        return any(exercise.on == "cluster" for exercise in self.exercises)

    def overlays(self, kind: str) -> list[Overlay]:
        """The overlays in `alternative/` or `near-miss/`, each with what its why.toml says."""
        return [self._overlay(folder, kind) for folder in sorted((self.folder / kind).glob("*/"))]

    def _overlay(self, folder: Path, kind: str) -> Overlay:
        note = folder / "why.toml"
        if not note.is_file():
            raise Mistake(f"{folder} has no why.toml; write which exercise it answers, and why")
        says = tomllib.loads(note.read_text())
        wanted = {"exercise", "why"} | ({"finding"} if kind == "near-miss" else set())
        if missing := wanted - says.keys():
            raise Mistake(f"{note} lacks {', '.join(sorted(missing))}")
        exercise = next((item for item in self.exercises if item.id == says["exercise"]), None)
        if exercise is None:
            raise Mistake(f"{note}: lesson {self.id} has no exercise {says['exercise']}")
        finding = str(says.get("finding", ""))
        if finding and finding not in exercise.claims:
            raise Mistake(
                f"{note}: {exercise.id} has no claim {finding!r}; it has {', '.join(exercise.claims)}"
            )
        return Overlay(folder.name, folder, exercise.id, finding, str(says["why"]))

    def quiz(self) -> dict[str, Any]:
        """The questions of quiz.toml by name; empty when there are none."""
        path = self.folder / "quiz.toml"
        return tomllib.loads(path.read_text()) if path.is_file() else {}


@dataclass(frozen=True)
class Course:
    """All lessons under `root`/course, and where the files made from them go."""

    root: Path

    @classmethod
    def find(cls) -> Course:
        """The course of the clone that we belong to, or of $DOCKYARD_PROJECT."""
        return cls(project_root())

    @cached_property
    def lessons(self) -> tuple[Lesson, ...]:
        return tuple(Lesson(path.parent) for path in sorted((self.root / "course").glob("*/lesson.md")))

    def lesson(self, wanted: str) -> Lesson:
        """By id (`06`, `6`), folder (`06-probes`) or an exercise's id. Raises UserError with neighbours."""
        key = str(wanted).split(".")[0]
        key = key.zfill(2) if key.isdigit() else key
        for lesson in self.lessons:
            if key in (lesson.id, lesson.name):
                return lesson
        raise unknown(
            "lesson", wanted, [item for lesson in self.lessons for item in (lesson.id, lesson.name)]
        )

    def exercise(self, wanted: str) -> tuple[Lesson, Exercise]:
        """By id, `6.1` and `06.1` alike. Raises UserError naming the neighbours of an unknown one."""
        first, _, number = str(wanted).partition(".")
        key = f"{first.zfill(2)}.{number}"
        for lesson in self.lessons:
            if lesson.id == key.split(".")[0]:
                for item in lesson.exercises:
                    if item.id == key:
                        return lesson, item
        raise unknown("exercise", wanted, [item.id for lesson in self.lessons for item in lesson.exercises])


def unknown(what: str, wanted: str, known: list[str]) -> UserError:
    """The error for a name that isn't there, suggesting those that look like it."""
    near = difflib.get_close_matches(str(wanted), known, n=3, cutoff=0.5)
    few = ", ".join(dict.fromkeys(known))
    if near:
        advice = f"Did you mean {' or '.join(near)}?"
    else:
        advice = f"There are: {few}." if known else "There are none yet in this course folder."
    return UserError(f"there is no {what} {wanted!r}", advice, code=EXIT_USAGE)
