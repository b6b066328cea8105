"""The answer files: given out once, never overwritten, put back only on request and with a backup."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dockyard.backends import choose
from dockyard.errors import UserError, explain
from dockyard.exercises.exercise import Exercise
from dockyard.exercises.imagenames import names_on, rename_in
from dockyard.exercises.lesson import Course, Lesson
from dockyard.home import Home

IGNORED = {".ipynb_checkpoints", "__pycache__", ".venv", "node_modules", ".git", ".DS_Store"}
NOTE = "why.toml"  # says what an overlay is; never part of an answer


def files_in(folder: Path) -> Iterator[Path]:
    """Every file of an answer, relative to `folder`, sorted; caches and notes left out."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not IGNORED.intersection(relative.parts) and relative.name != NOTE:
            yield relative


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lay_over(source: Path, target: Path) -> None:
    """Copy every answer file of `source` onto `target`. Raises UserError where the disk refuses."""
    try:
        for relative in files_in(source):
            place = target / relative
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / relative, place)
    except OSError as error:
        raise explain(error, f"cannot copy {source} to {target}") from error


def assemble(lesson: Lesson, target: Path, answers: Path | None = None, *, exercise: Exercise) -> Path:
    """Make in `target` a complete private copy of an answer: the start, and `answers` on top of it.

    An overlay of the lesson's own `alternative/` or `near-miss/` lies on the solution. The baseline is always
    the course's: it is not the learner's to change.
    """
    lab = lesson.folder / "lab"
    target.mkdir(parents=True, exist_ok=True)
    if lab.is_dir():
        lay_over(lab, target)
    if answers is not None:
        if not answers.is_dir():
            raise UserError(f"there is no folder {answers}", "Give the folder that holds the answer's files.")
        overlay = answers.resolve().parent
        if overlay in ((lesson.folder / kind).resolve() for kind in ("alternative", "near-miss")):
            lay_over(lesson.folder / "solution", target)
        lay_over(answers, target)
    for name in exercise.baseline:
        if not (lab / name).is_file():
            raise UserError(f"exercise {exercise.id}: its baseline {name} is not in {lab}")
        shutil.copy2(lab / name, target / name)
    return target


def chosen(exercise: Exercise, folder: Path) -> list[Path]:
    """The files of one exercise in `folder`, patterns expanded; a plain name is listed even if missing."""
    found: list[Path] = []
    for pattern in exercise.files:
        if "*" in pattern:
            hits = [path.relative_to(folder) for path in sorted(folder.glob(pattern)) if path.is_file()]
            found += [path for path in hits if not IGNORED.intersection(path.parts) and path.name != NOTE]
        else:
            found.append(Path(pattern))
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Labs:
    """The learner's folders, one a lesson: `labs/` of the course, or $DOCKYARD_ANSWERS."""

    course: Course
    root: Path
    home: Home

    @classmethod
    def find(cls, course: Course | None = None, home: Home | None = None) -> Labs:
        course = course or Course.find()
        named = os.environ.get("DOCKYARD_ANSWERS")
        return cls(course, Path(named).absolute() if named else course.root / "labs", home or Home.find())

    def folder(self, lesson: Lesson) -> Path:
        return self.root / lesson.name

    def _start(self, lesson: Lesson) -> Path:
        """What is given out: the lesson's lab; a copy of it where the cluster pulls by other names."""
        names = names_on(choose(self.home), lesson)
        if not names:
            return lesson.folder / "lab"
        copy = self.home.root / "starts" / lesson.name
        shutil.rmtree(copy, ignore_errors=True)
        lay_over(lesson.folder / "lab", copy)
        rename_in(copy, names)
        return copy

    def give_out(self, lesson: Lesson) -> list[Path]:
        """Copy what is missing, renew what the learner never changed, touch nothing else; what was written.

        What was given out is remembered by digest: a file that still has it isn't the learner's work, so
        an update of the course may replace it.
        """
        lab, folder = self._start(lesson), self.folder(lesson)
        given = self._given()
        written: list[Path] = []
        for relative in files_in(lab) if lab.is_dir() else ():
            place, key, new = folder / relative, str(folder / relative), digest(lab / relative)
            try:
                if place.exists() and (digest(place) != given.get(key) or given[key] == new):
                    continue
                place.parent.mkdir(parents=True, exist_ok=True)
                unfinished = place.with_name(f".{place.name}.{os.getpid()}.new")
                shutil.copy2(lab / relative, unfinished)
                unfinished.replace(place)
            except OSError as error:
                raise explain(error, f"cannot give out {place}") from error
            given[key] = new
            written.append(place)
        if written:
            self._remember(given)
        return written

    def give_out_all(self) -> list[Path]:
        return [path for lesson in self.course.lessons for path in self.give_out(lesson)]

    def changed(self, lesson: Lesson, exercise: Exercise) -> list[Path]:
        """The exercise's files that differ from the start, the learner's own additional ones among them."""
        lab, folder = self._start(lesson), self.folder(lesson)
        names = dict.fromkeys([*chosen(exercise, lab), *chosen(exercise, folder)])
        return [name for name in names if _text(lab / name) != _text(folder / name)]

    def put_back(self, lesson: Lesson, exercise: Exercise) -> Path | None:
        """Return the exercise's files to the start; what was there is kept in the backup that is returned."""
        changed = self.changed(lesson, exercise)
        if not changed:
            return None
        folder, lab = self.folder(lesson), self._start(lesson)
        backup = self._new_backup(lesson)
        given = self._given()
        for name in changed:
            if (folder / name).exists():
                self._keep(folder, name, backup)
                (folder / name).unlink()
            if (lab / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(lab / name, folder / name)
                given[str(folder / name)] = digest(folder / name)
        self._remember(given)
        return backup

    def write(self, lesson: Lesson, name: str, text: str) -> Path | None:
        """Write one answer file; what was there and differs is kept in the backup that is returned.

        Raises UserError for a name that leads out of the lesson's folder.
        """
        folder = self.folder(lesson)
        place = folder / name
        if folder.resolve() not in place.resolve().parents or place.is_dir():
            raise UserError(f"{name} is not a file in {folder}", "Give a file name like orders.yaml.")
        known = _text(place) in (None, text.encode(), _text(self._start(lesson) / name))
        backup = None
        if not known:
            backup = self._new_backup(lesson)
            self._keep(folder, Path(name), backup)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        except OSError as error:
            raise explain(error, f"cannot write {place}") from error
        return backup

    def _new_backup(self, lesson: Lesson) -> Path:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        base = self.root / ".backup" / lesson.name
        for suffix in ("", *(f"-{number}" for number in range(2, 1000))):
            backup = base / f"{stamp}{suffix}"
            try:
                backup.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise explain(error, f"cannot keep a backup in {base}; nothing was changed") from error
            return backup
        raise UserError(f"{base} holds a thousand backups of this second")

    @staticmethod
    def _keep(folder: Path, name: Path, backup: Path) -> None:
        (backup / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / name, backup / name)

    @property
    def _register(self) -> Path:
        return self.home.progress / "given-out.json"

    def _given(self) -> dict[str, str]:
        try:
            given: dict[str, str] = json.loads(self._register.read_text())
        except (OSError, ValueError):
            return {}  # then every file counts as the learner's, which is the safe side
        return given

    def _remember(self, given: dict[str, str]) -> None:
        try:
            self._register.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self._register.with_suffix(f".{os.getpid()}.new")
            unfinished.write_text(json.dumps(given, indent=0, sort_keys=True))
            unfinished.replace(self._register)
        except OSError as error:
            raise explain(error, f"cannot write {self._register}") from error


def _text(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
