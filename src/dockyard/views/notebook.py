"""The names that a notebook uses: one object a kernel, which knows the lesson and the exercise one is at."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import EllipsisType
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

from IPython.core.getipython import get_ipython
from IPython.display import display

from dockyard.backends import Backend, choose
from dockyard.clients import docker_settings
from dockyard.errors import UserError
from dockyard.exercises import Course, Lesson, Mistake
from dockyard.exercises.answers import Labs
from dockyard.exercises.command import CommandFailed, tool_path
from dockyard.exercises.faults import Cut, Faults
from dockyard.exercises.hints import next_hint, solution
from dockyard.exercises.imagenames import names_on
from dockyard.exercises.live import ApiFailed, Live
from dockyard.exercises.load import Generator, LoadFailed, LocalGenerator, PodGenerator
from dockyard.exercises.places import beyond, out_of_reach, place_of, room, stage_on
from dockyard.exercises.progress import Progress
from dockyard.exercises.provide import provide_on
from dockyard.exercises.referee import referee
from dockyard.exercises.rehearsal import is_on_stage, rehearse
from dockyard.exercises.stage import StageFailed
from dockyard.exercises.traffic import Traffic
from dockyard.exercises.verdict import Verdict
from dockyard.home import Home
from dockyard.views.answer import answer
from dockyard.views.bars import show_bars
from dockyard.views.lesson import show_hint, show_lesson, show_solution, show_task
from dockyard.views.page import Page, block, box, line, table
from dockyard.views.questions import checked_question, show_measured, show_prediction, show_question
from dockyard.views.rollout import show_rollout
from dockyard.views.timeline import show_timeline
from dockyard.views.traffic import ShownHappenings, ShownLoad, ShownRecord
from dockyard.views.verdict import show_progress, show_verdict

P = ParamSpec("P")
R = TypeVar("R")
OURS = (UserError, Mistake, CommandFailed, ApiFailed, LoadFailed, StageFailed)


class Stopped(Exception):
    """An error that a learner can act on; IPython shows it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def present(page: Page) -> Any:
    """Show a page now, so that a cell can show several; a display handle in a notebook, else None."""
    if get_ipython() is None:
        print(page.text)
        return None
    show: Any = display  # it has no annotations
    return show(page, display_id=True)


def shown(function: Callable[P, Page]) -> Callable[P, None]:
    """A name of the notebook that shows what it says, and whose errors come without a traceback."""
    told = clear(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        present(told(*args, **kwargs))

    return call


def lone_answer(lines: list[str]) -> list[str]:
    """`%%answer FILE` without text below it, which IPython refuses as an empty cell, as `%answer FILE`."""
    if lines and lines[0].startswith("%%answer ") and not "".join(lines[1:]).strip():
        return [lines[0].removeprefix("%").rstrip("\n") + "\n"]
    return lines


def clear(function: Callable[P, R]) -> Callable[P, R]:
    """Turn errors that say what to do into ones without a traceback."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except UserError as error:
            raise Stopped(f"{error.message}. {error.advice}".strip()) from None
        except OURS as error:
            raise Stopped(str(error)) from None

    return call


class Notebook:
    """What the names in `dockyard` are methods of."""

    def __init__(self) -> None:
        self.home = Home.find()
        self.course = Course.find()
        self.labs = Labs.find(self.course, self.home)
        self.backend: Backend = choose(self.home)
        self.progress = Progress.find(self.home)
        self.at: Lesson | None = None
        self.namespace = "default"
        self.on_solutions = os.environ.get("DOCKYARD_SOLUTIONS") == "1"
        reference = self.course.root / "solutions"
        if "DOCKYARD_ANSWERS" not in os.environ and Path.cwd() == reference:
            # A notebook that lies among the solutions speaks of the files that lie beside it, and what is
            # checked there isn't the learner's work.
            self.labs = Labs(self.course, reference, self.home)
            self.progress = Progress(self.home.root / "progress-of-solutions")
            self.on_solutions = True
        self._cuts: list[Cut] = []
        self._shell: Any = get_ipython()

    def connect(self) -> None:
        """Start the platform unless it runs, and point this kernel's clients at it. Raises UserError."""
        self.backend.up()
        os.environ["DOCKER_HOST"] = self.backend.docker_host
        os.environ["KUBECONFIG"] = str(self.backend.kubeconfig)
        os.environ["PATH"] = tool_path()
        os.environ.update(docker_settings(self.home))

    def install(self) -> None:
        """Make %%answer known to IPython, and failing cells fail where the runner asked for it."""
        if self._shell is None:
            return
        self._shell.register_magic_function(self._answer, "line_cell", "answer")
        self._shell.input_transformers_cleanup.append(lone_answer)
        if os.environ.get("DOCKYARD_STRICT") == "1":
            self._shell.extension_manager.load_extension("dockyard.views.strict")

    # Where one is

    @property
    def lab(self) -> str:
        """The lesson's folder of answer files, as seen from the notebook."""
        return os.path.relpath(self.labs.folder(self._lesson())) if self.at else ""

    def _lesson(self, of: str = "") -> Lesson:
        if of:
            return self.course.lesson(of)
        if self.at is None:
            raise UserError("no lesson is open here", 'Begin with lesson("06"), or the number of yours.')
        return self.at

    def _enter(self, lesson: Lesson, namespace: str) -> None:
        self.at, self.namespace = lesson, namespace
        # Also in the environment: IPython leaves a shell line alone that has other braces (a jsonpath),
        # and then the shell itself finds $ns and $lab.
        os.environ.update(lab=self.lab, ns=namespace)
        if self._shell is not None:
            self._shell.user_ns.update(lab=self.lab, ns=namespace)

    @shown
    def lesson(self, id: str) -> Page:
        """Open a lesson: its files, its namespace, its images; sets `lab` and `ns` for shell lines."""
        lesson = self.course.lesson(id)
        if self.labs.root == self.course.root / "labs":
            self.labs.give_out(lesson)
        namespace = room(self.backend, lesson.namespace) if lesson.needs_cluster else lesson.namespace
        if lesson.head["platform"]:
            if lesson.needs_cluster and not self.backend.has_cluster:
                raise UserError(
                    f"lesson {lesson.id} needs a cluster, and the backend `{self.backend.name}` has none",
                    "Start the embedded one, then this kernel anew: ./dockyard up --backend embedded",
                )
            self.connect()
            if self.backend.has_cluster:
                stage_on(self.backend, lesson.namespace).ensure()
                # A kernel that died in the middle of a cut could not undo it.
                Faults.of(self.backend, self.home).restore_all(namespace)
            provide_on(self.backend, lesson, lambda what: print(f"{what} ...", flush=True))
        self._enter(lesson, namespace)
        state = self.backend.status() or {}
        name = f"{self.backend.name} ({state['driver']})" if state.get("driver") else self.backend.name
        done = {item.id: self._standing(item.id) for item in lesson.exercises}
        remarks = [str(remark) for remark in lesson.head.get(f"differs-on-{self.backend.name}", [])]
        if names := names_on(self.backend, lesson):
            told = ", ".join(f"{name} for {tag}" for tag, name in names.items())
            remarks.append(
                f"Your files name the images as the cluster pulls them; do so in cells too: {told}."
            )
        remarks += [f"{found}." for found in beyond(self.backend, lesson.exercises)]
        return show_lesson(lesson, name, remarks, done, self.lab, self.namespace)

    def _standing(self, id: str) -> str:
        entry = self.progress.exercise(id)
        if entry["passed_at"]:
            return "passed"
        return f"{entry['attempts']} attempts" if entry["attempts"] else "not tried"

    @shown
    def goto(self, id: str) -> Page:
        """Bring an exercise on stage, unless it is, and make its namespace `ns`; shows the task."""
        lesson, exercise = self.course.exercise(id)
        said = "It is on stage." if exercise.on == "cluster" else ""
        if exercise.on != "plain":
            self.connect()
        if self.labs.root == self.course.root / "labs":
            self.labs.give_out(lesson)
        if reason := out_of_reach(self.backend, exercise):
            said = f"It cannot be staged here: {reason}."
        elif not is_on_stage(exercise, self.backend):
            said = self._rehearse(id)
        self._enter(lesson, place_of(self.backend, exercise) or lesson.namespace)
        return show_task(exercise, self.lab, self.namespace, said)

    def _rehearse(self, id: str) -> str:
        lesson, exercise = self.course.exercise(id)
        folder = self.labs.folder(lesson)
        said = rehearse(
            lesson,
            exercise,
            folder,
            backend=self.backend,
            home=self.home,
            say=lambda what: print(f"{what} ...", flush=True),
        )
        if exercise.on != "cluster":
            return said
        return f"Now on stage: {'; '.join(said.rstrip().split(chr(10)))}." if said else ""

    # Judging

    def check(self, id: str) -> None:
        """Judge an exercise in another process and show its progress and verdict. Never raises."""
        handle = present(Page("", ""))
        try:
            lesson, exercise = self.course.exercise(id)
            steps: list[str] = []

            def say(step: str) -> None:
                steps.append(step)
                update(show_progress(exercise.id, steps, exercise.seconds))

            def update(page: Page) -> None:
                if handle is not None:
                    handle.update(page)

            update(show_progress(exercise.id, steps, exercise.seconds))
            if self.labs.root == self.course.root / "labs":
                self.labs.give_out(lesson)
            verdict = referee(
                exercise, self.labs.folder(lesson), course=self.course.root, home=self.home, say=say
            )
        except (UserError, Mistake) as error:
            advice = f". {error.advice}" if isinstance(error, UserError) else ""
            verdict = Verdict(str(id), trouble=f"{error}{advice}")
        except Exception as error:
            verdict = Verdict(str(id), trouble=f"a bug in dockyard: {type(error).__name__}: {error}")
        page = show_verdict(verdict)
        if handle is not None:
            handle.update(page)
        else:
            print(page.text)
        try:
            if verdict.findings:
                self.progress.attempted(verdict)
        except UserError as error:
            print(f"{error.message}. {error.advice}", file=sys.stderr)

    @shown
    def hint(
        self, id: str, level: int | None = None, *, solution: bool = False, anyway: bool = False
    ) -> Page:
        """The next hint, or the one asked for; `solution=True` shows the reference answer as a difference."""
        lesson, exercise = self.course.exercise(id)
        if solution:
            return show_solution(self._solution(lesson, id, anyway))
        folder = self.labs.folder(lesson)
        return show_hint(next_hint(exercise, self.backend, self.progress, level, folder))

    def _solution(self, lesson: Lesson, id: str, anyway: bool) -> Any:
        return solution(lesson, self.course.exercise(id)[1], self.labs, self.progress, anyway=anyway)

    @shown
    def reset(self, id: str, *, yes: bool = False) -> Page:
        """Bring the exercise back to its start: the live system always, your files only with yes=True."""
        lesson, exercise = self.course.exercise(id)
        changed = [] if self.on_solutions else self.labs.changed(lesson, exercise)
        notes = []
        if changed and yes:
            backup = self.labs.put_back(lesson, exercise)
            place = os.path.relpath(backup) if backup else ""
            notes.append(f"Your files are back at the start; what you had is kept in {place}.")
        elif changed:
            names = ", ".join(map(str, changed))
            notes.append(f"Your {names} stayed as they are; reset({id!r}, yes=True) puts them back too.")
        if exercise.on != "plain":
            self.connect()
            notes.append(self._rehearse(id))
        self._enter(lesson, place_of(self.backend, exercise) or lesson.namespace)
        text = " ".join(note for note in notes if note) or "It is at its start."
        head = f"{exercise.id} is reset."
        return Page(box(line(head, strong=True), line(text)), f"{head}\n{text}")

    # Demonstrating

    def _live(self, ns: str | None) -> Live:
        chosen = ns or (self._shell.user_ns.get("ns") if self._shell is not None else None) or self.namespace
        return Live(str(chosen), self.backend.kubeconfig)

    @clear
    def load(
        self,
        url: str,
        rate: float = 10.0,
        seconds: float | None = None,
        *,
        ns: str | None = None,
        **options: Any,
    ) -> ShownLoad:
        """Open-loop load: for `seconds`, or for as long as a `with` block runs.

        From a Pod in `ns`; a URL of this machine, such as a container's published port, is asked from here.
        """
        here = urlsplit(url).hostname in ("127.0.0.1", "localhost")
        patience = float(options.get("timeout", 5.0)) + 1
        generator: Generator = LocalGenerator() if here else PodGenerator(self._live(ns), patience=patience)
        load = ShownLoad(generator, url, rate=rate, seconds=seconds or 0.0, **options)
        if seconds is not None:
            with load:
                load.wait()
        return load

    @clear
    def watch(
        self, *kinds: str, seconds: float | None = None, ns: str | None = None
    ) -> ShownRecord | ShownHappenings:
        """Record changes (Pods, EndpointSlices and Events by default), for `seconds` or in a `with`.

        `watch("containers")` records what the engine says of the Compose project `ns`.
        """
        seen: ShownRecord | ShownHappenings
        if kinds == ("containers",):
            seen = ShownHappenings(self.backend.docker_host, self._live(ns).namespace)
        else:
            seen = ShownRecord(self._live(ns), *kinds)
        if seconds is not None:
            with seen:
                seen.wait(seconds)
        return seen

    @clear
    def cut(self, selector: str, seconds: float | None = None, *, ns: str | None = None) -> Any:
        """Cut Pods off from the network: for `seconds`, giving the interval, or for a `with` block."""
        fault = Faults.of(self.backend, self.home).cut(self._live(ns).namespace, selector)
        if seconds is None:
            return _Noted(fault, self._cuts)
        with fault as interval:
            time.sleep(seconds)
        self._cuts.append(interval)
        return interval

    @shown
    def timeline(
        self, traffic: Traffic, seen: ShownRecord | ShownHappenings | None = None, title: str = ""
    ) -> Page:
        """Requests over time, with marks for what happened to Pods or containers and for cuts."""
        return show_timeline(traffic, seen, [cut for cut in self._cuts if cut.end], title)

    @shown
    def rollout(self, traffic: Traffic, seen: ShownRecord, title: str = "") -> Page:
        """A lane for each Pod: its time in the endpoints, when it was told to stop, and what failed then."""
        return show_rollout(traffic, seen, title)

    @shown
    def show(self, what: str | Mapping[str, Any] | Iterable[Mapping[str, Any]], title: str = "") -> Page:
        """Text, or a list of dicts as a table, with a text twin."""
        if isinstance(what, str):
            return Page((line(title, strong=True) if title else "") + block(what), f"{title}\n{what}".strip())
        if isinstance(what, Mapping):
            return table([{"name": key, "value": value} for key, value in what.items()], title)
        return table(what, title)

    @shown
    def bars(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        label: str,
        value: str,
        unit: str = "",
        title: str = "",
        mark: str = "",
    ) -> Page:
        """A bar for each row, the rows being its text twin; `mark` names a column whose bars stand out."""
        return show_bars(list(rows), label=label, value=value, unit=unit, title=title, mark=mark)

    # Asking

    @shown
    def predict(
        self, name: str, question: str, guess: Any = ..., *, choices: Iterable[Any] = (), unit: str = ""
    ) -> Page:
        """Commit to a prediction before the run. `guess=...` asks for one and stores nothing."""
        options = tuple(choices)
        asked = f"{question} (in {unit})" if unit else question
        if isinstance(guess, EllipsisType):
            return show_prediction(name, asked, options, None)
        if options and guess not in options:
            raise UserError(
                f"{guess!r} is none of the choices", f"Choose one of {', '.join(map(repr, options))}."
            )
        return show_prediction(name, asked, options, self.progress.predict(name, asked, _plain(guess)))

    @shown
    def measured(self, name: str, value: Any) -> Page:
        """Show what was measured beside what was predicted."""
        return show_measured(name, self.progress.measure(name, _plain(value)))

    @shown
    def quiz(self, name: str, answer: str | None = None) -> Page:
        """A question of the lesson's quiz.toml; with an answer, what it would have meant."""
        lesson_id, _, key = name.partition(".")
        questions = self.course.lesson(lesson_id).quiz()
        if key not in questions:
            raise UserError(f"there is no question {name!r}", f"There are {', '.join(questions) or 'none'}.")
        question = questions[key]
        checked_question(name, question)
        if answer is not None and answer in question["answers"]:
            self.progress.answered(name, answer, answer == question["right"])
        return show_question(name, question, answer, reveal=self.on_solutions)

    @clear
    def _answer(self, arguments: str, cell: str | None = None) -> Page:
        return answer(
            self.labs,
            self._lesson(),
            arguments.strip(),
            cell or "",
            read_only=self.on_solutions,
            shown=self.lab,
        )


def _plain(value: Any) -> Any:
    """A value as JSON can keep it: numpy's and the like become Python's."""
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


class _Noted(AbstractContextManager[Cut]):
    """A cut that is remembered for timelines once it is over."""

    def __init__(self, fault: AbstractContextManager[Cut], cuts: list[Cut]) -> None:
        self._fault = fault
        self._cuts = cuts

    def __enter__(self) -> Cut:
        interval = self._fault.__enter__()
        self._cuts.append(interval)
        return interval

    def __exit__(self, *exc: Any) -> bool | None:
        return self._fault.__exit__(*exc)
