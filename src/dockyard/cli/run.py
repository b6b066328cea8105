"""`dockyard run`: execute the lessons on the live system, without a face."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from dockyard.backends import Backend, choose
from dockyard.build import chosen
from dockyard.cli._backend import bring_up
from dockyard.cli._options import answer, json_option
from dockyard.errors import EXIT_NO, UserError
from dockyard.execute import Run, execute_lesson
from dockyard.exercises.answers import Labs, lay_over
from dockyard.exercises.exercise import Mistake
from dockyard.exercises.faults import Faults
from dockyard.exercises.imagenames import names_on, rename_in
from dockyard.exercises.lesson import Course, Lesson
from dockyard.exercises.live import ApiFailed
from dockyard.exercises.places import beyond, room, stage_on
from dockyard.exercises.stage import StageFailed
from dockyard.home import Home


@click.command("run")
@click.argument("lessons", nargs=-1)
@click.option(
    "--answers",
    type=click.Choice(["solutions", "start", "mine"]),
    default="solutions",
    show_default=True,
    help="Which files the notebooks work on.",
)
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(1, 8),
    default=1,
    show_default=True,
    help="How many lessons at a time. Those without a cluster share the engine, and go one after the other; "
    "one that takes nodes away has the cluster for itself, when the others are over.",
)
@click.option("--start", is_flag=True, help="The same as --answers start: the untouched starts must fail.")
@click.option("--mine", is_flag=True, help="The same as --answers mine: your files in labs/.")
@json_option
def command(
    lessons: tuple[str, ...], answers: str, jobs: int, start: bool, mine: bool, as_json: bool
) -> None:
    """Execute the notebooks of LESSONS (all by default) top to bottom on the live system; print a table.

    By default on the reference answers, which must pass. A shell line with an exit code other than 0, an
    exception in a thread or task, or a check that does not pass, is a failure. Progress goes to standard
    error.
    Exit status: 0 all passed, 1 something failed, 4 nothing could be run.
    """
    if start and mine:
        raise click.UsageError("--start and --mine exclude one another")
    which = "start" if start else "mine" if mine else answers
    home = Home.find()
    course = Course.find()
    try:
        backend = choose(home)
        wanted = within_reach(chosen(course, lessons), backend, asked=bool(lessons))
        if any(lesson.head["platform"] for lesson in wanted):
            bring_up(home)
        with prepared(course, wanted, which, home) as env:
            runs = run_lessons(wanted, folder=notebooks(course), env=env, jobs=jobs)
    except Mistake as error:
        raise UserError(str(error), "course/README.md shows how a lesson is written.") from error
    report(runs, as_json=as_json)
    raise click.exceptions.Exit(0 if all(run.passed for run in runs) else EXIT_NO)


def within_reach(lessons: Sequence[Lesson], backend: Backend, *, asked: bool) -> list[Lesson]:
    """The lessons that this backend can run.

    Raises UserError for one that was asked for by name, or when none is left.
    """
    without = [lesson for lesson in lessons if lesson.needs_cluster and not backend.has_cluster]
    reached = [lesson for lesson in lessons if lesson not in without]
    names = ", ".join(lesson.id for lesson in without)
    if without and (asked or not reached):
        raise UserError(
            f"{names} needs a cluster, and the backend `{backend.name}` has containers only",
            "Start the embedded one: ./dockyard up --backend embedded",
        )
    if without:
        click.echo(f"left out, because `{backend.name}` has no cluster: {names}", err=True)
        return reached
    if asked:
        return reached  # it says itself what can't be judged, and what is shown there goes its way
    for lesson in lessons:
        if reasons := beyond(backend, lesson.exercises):
            click.echo(f"left out: {'; '.join(reasons)}", err=True)
            reached.remove(lesson)
    if lessons and not reached:
        raise UserError(
            f"the backend `{backend.name}` lacks something for each of these lessons",
            "`./dockyard run LESSON` runs one nevertheless; `./dockyard doctor` lists what is lacking.",
        )
    return reached


def notebooks(course: Course) -> Path:
    """Where notebooks are executed: where learners open them, so that paths in outputs are theirs."""
    folder = course.root / "notebooks"
    return folder if folder.is_dir() else course.root


@contextlib.contextmanager
def prepared(
    course: Course, lessons: Sequence[Lesson], which: str, home: Home
) -> Iterator[Mapping[str, str]]:
    """The kernel's environment for those answers; only `mine` touches labs/ and progress."""
    if which == "mine":
        labs = Labs.find(course, home)
        for lesson in lessons:
            labs.give_out(lesson)
        yield {"DOCKYARD_ANSWERS": str(labs.root)}
        return
    with tempfile.TemporaryDirectory(prefix="dockyard-run-") as scratch:
        root = Path(scratch) / "answers"
        for lesson in lessons:
            for part in ("lab", "solution") if which == "solutions" else ("lab",):
                (root / lesson.name).mkdir(parents=True, exist_ok=True)
                if (lesson.folder / part).is_dir():
                    lay_over(lesson.folder / part, root / lesson.name)
            rename_in(root / lesson.name, names_on(choose(home), lesson))
        env = {"DOCKYARD_ANSWERS": str(root), "DOCKYARD_PROGRESS": str(Path(scratch) / "progress")}
        yield {**env, "DOCKYARD_SOLUTIONS": "1"} if which == "solutions" else env


def run_lessons(
    lessons: Sequence[Lesson], *, folder: Path, env: Mapping[str, str], jobs: int = 1
) -> list[Run]:
    """Execute the lessons, `jobs` at a time, with a line on standard error for every cell.

    The runs come in the order of the lessons.
    """
    began = time.monotonic()
    backend = choose()

    def run(lesson: Lesson) -> Run:
        def say(number: int, of: int, head: str) -> None:
            elapsed = time.monotonic() - began
            click.echo(f"  {elapsed:6.1f} s  {lesson.name}  cell {number} of {of}  {head[:60]}", err=True)

        own = lesson.needs_cluster or not backend.namespace  # else it is another lesson's
        if lesson.head["platform"] and backend.has_cluster and own:
            clear_namespace(lesson)
        done = execute_lesson(lesson, folder=folder, env=env, say=say)
        if done.passed and own and backend.has_cluster and len(lessons) > 1:
            leave(lesson)
        return done

    if jobs == 1:
        return [run(lesson) for lesson in lessons]
    # What one lesson removes from the engine may be what another one builds on: those keep to one lane. So do
    # lessons that share a namespace.
    lanes = 1 if backend.namespace else jobs - 1
    with ThreadPoolExecutor(1) as engine, ThreadPoolExecutor(lanes) as cluster:
        futures = {
            lesson.id: (cluster if lesson.needs_cluster else engine).submit(run, lesson)
            for lesson in lessons
            if not lesson.head["alone"]
        }
    return [futures[lesson.id].result() if lesson.id in futures else run(lesson) for lesson in lessons]


def leave(lesson: Lesson) -> None:
    """End what a lesson left running, which would take memory from the next ones."""
    backend = choose()
    exercises = [exercise.namespace for exercise in lesson.exercises if exercise.on == "cluster"]
    for namespace in [lesson.namespace, *exercises]:
        with contextlib.suppress(StageFailed, ApiFailed):  # the lesson is over, and has passed
            stage_on(backend, namespace).clear()


def clear_namespace(lesson: Lesson) -> None:
    """Begin where a newcomer begins: nothing of an earlier reading is left. Raises UserError."""
    home = Home.find()
    backend = choose(home)
    Faults.of(backend, home).restore_all(room(backend, lesson.namespace))
    stage = stage_on(backend, lesson.namespace)
    try:
        stage.ensure()
        stage.clear()
    except (StageFailed, ApiFailed) as error:
        raise UserError(str(error), "`dockyard doctor` says whether the platform is well.") from error


def report(runs: Sequence[Run], *, as_json: bool) -> None:
    """The table, and below it every failure with its reason."""
    rows = [("LESSON", "CELLS", "SECONDS", "CHECKS", "FAILURES")]
    for run in runs:
        passed = sum(verdict.passed is True for verdict in run.verdicts)
        checks = f"{passed} of {len(run.verdicts)} passed"
        rows.append((run.lesson, str(run.cells), f"{run.seconds:.1f}", checks, str(len(run.failures))))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    for run in runs:
        for failure in run.failures:
            lines.append(f"{run.lesson}, cell {failure.cell} ({failure.source[:50]}): {failure.reason}")
            lines += [
                f"    observed: {finding.observed}"
                for verdict in run.verdicts
                if verdict.headline() == failure.reason
                and (finding := verdict.first_failing)
                and finding.observed
            ]
    document = {"passed": all(run.passed for run in runs), "lessons": [run.as_dict() for run in runs]}
    answer(document, "\n".join(lines), as_json=as_json)
