"""The judge: stages one exercise, runs its check, cleans up, and gives a verdict, in a process of its own.

`python -m dockyard.exercises.judge 06.1` prints one JSON line a step and the verdict as the last; people use
`dockyard check`, which also ends a judge that overruns.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dockyard.backends import Backend, choose
from dockyard.errors import UserError
from dockyard.exercises.answers import assemble, chosen
from dockyard.exercises.claims import Claims, Stop
from dockyard.exercises.command import CommandFailed
from dockyard.exercises.composed import remove as remove_project
from dockyard.exercises.evidence import Evidence
from dockyard.exercises.exercise import Exercise, Mistake
from dockyard.exercises.faults import Faults
from dockyard.exercises.imagenames import names_on, rename_in
from dockyard.exercises.lesson import Course, Lesson
from dockyard.exercises.live import ApiFailed
from dockyard.exercises.load import OURS, LoadFailed
from dockyard.exercises.places import note_on_stage, out_of_reach, room
from dockyard.exercises.provide import provide_on
from dockyard.exercises.stage import StageFailed
from dockyard.exercises.trial import OutOfTime, Trial
from dockyard.exercises.verdict import OUT_OF_REACH, Verdict
from dockyard.home import Home

logger = logging.getLogger(__name__)
CLEAN_UP = 6.0  # seconds of the stated time that belong to cleaning up
Say = Callable[[str], None]


def judge(
    lesson: Lesson,
    exercise: Exercise,
    answers: Path | None,
    *,
    backend: Backend,
    home: Home,
    namespace: str = "",
    say: Say = lambda what: None,
    begin: Callable[[], None] = lambda: None,
) -> Verdict:
    """Judge one answer. Never raises: what goes wrong on our side is the verdict's `trouble`.

    `answers` is a complete folder, or an overlay on the start; None judges the untouched start. `begin` is
    called when the stated time begins: building the course's own images doesn't count.
    """
    started = time.monotonic()
    evidence = Evidence.open(home, exercise.id)
    scratch = Path(tempfile.mkdtemp(prefix="dockyard-trial-"))
    trial: Trial | None = None
    trouble = beyond = ""
    notes: list[str] = []
    try:
        if exercise.on == "cluster" and not backend.has_cluster:
            raise StageFailed(
                f"it is judged on a cluster, and the backend `{backend.name}` has containers only; "
                "`./dockyard up --backend embedded` starts one that has both"
            )
        if beyond := out_of_reach(backend, exercise):
            raise Stop(beyond)
        if exercise.on == "cluster" and namespace and namespace != room(backend, namespace):
            raise UserError(
                f"the backend `{backend.name}` keeps to its one namespace, {backend.namespace}",
                "Leave --namespace out",
            )
        if exercise.on != "plain":
            backend.up()
            provide_images(lesson, backend, say)
        begin()
        started = time.monotonic()
        folder = assemble(lesson, scratch / "answers", answers, exercise=exercise)
        rename_in(folder, names_on(backend, lesson))
        trial = Trial(
            exercise,
            backend=backend,
            answers=folder,
            namespace=where(backend, exercise, namespace),
            evidence=evidence,
            faults=Faults.of(backend, home),
            deadline=started + max(exercise.seconds - CLEAN_UP, exercise.seconds / 2),
            say=say,
        )
        run(trial)
    except Stop:
        pass
    except (Exception, KeyboardInterrupt) as error:
        trouble = explain(error, evidence)
    finally:
        if trial is not None:
            notes += [*trial.notes, *clean_up(trial)]
        shutil.rmtree(scratch, ignore_errors=True)
    why = f"{OUT_OF_REACH}: {beyond}" if beyond else trouble
    claims = trial.claims if trial else Claims(exercise.claims if beyond else {})
    verdict = Verdict(
        exercise=exercise.id,
        findings=claims.findings(why),
        seconds=time.monotonic() - started,
        backend=backend.name,
        evidence=str(evidence.folder or ""),
        trouble=trouble,
        notes=tuple([*notes, evidence.lost] if evidence.lost else notes),
    ).ordered()
    evidence.write("verdict.json", json.dumps(verdict.as_dict(), indent=2) + "\n")
    evidence.close()
    return verdict


def where(backend: Backend, exercise: Exercise, namespace: str) -> str:
    """The namespace of a trial: the one asked for, else the exercise's; on a cluster the shared one first."""
    own = namespace or exercise.namespace
    return room(backend, own) if exercise.on == "cluster" else own


def provide_images(lesson: Lesson, backend: Backend, say: Say) -> None:
    """The images that the lesson names. Raises StageFailed: they are the course's, not the learner's."""
    try:
        provide_on(backend, lesson, say)
    except CommandFailed as error:
        raise StageFailed(str(error)) from error


def run(trial: Trial) -> None:
    """Stage and judge. Raises Stop when the trial ended early with a finding."""
    if trial.exercise.on == "cluster":
        trial._faults.restore_all(trial.namespace)
        note_on_stage(trial.backend, trial.exercise)
        trial.stage.prepare(trial.exercise, trial.answers, trial.say)
        with trial.seen:
            bring_in(trial)
            trial.exercise.check(trial)
    else:
        if trial.exercise.on == "engine":
            trial.containers.remove_all()
        elif trial.exercise.on == "compose":
            remove_project(trial.docker, trial.project)
        bring_in(trial)
        trial.exercise.check(trial)


def bring_in(trial: Trial) -> None:
    """The learner's files: all there, and accepted where they are manifests."""
    files = chosen(trial.exercise, trial.answers)
    missing = [str(path) for path in files if not (trial.answers / path).is_file()]
    if missing:
        trial.accepted(
            False, f"{', '.join(missing)} is missing", "`dockyard reset` brings a missing file back."
        )
    said = f"{len(files)} files" if len(files) > 3 else ", ".join(map(str, files)) or "nothing to bring in"
    if trial.exercise.on == "cluster" and trial.exercise.fresh:
        trial.say(f"applying {said}")
        try:
            trial.stage.apply(trial.answers, files, min(30.0, max(1.0, trial.remaining)))
        except CommandFailed as error:
            trial.accepted(False, str(error), "Read kubectl's message: it names the file and the field.")
    trial.accepted(True, said)


def explain(error: BaseException, evidence: Evidence) -> str:
    """Whose fault it is that the judge stopped, in one sentence that says what to do."""
    evidence.write("error.txt", "".join(traceback.format_exception(error)))
    if isinstance(error, UserError):
        return f"{error.message}. {error.advice}".strip()
    if isinstance(error, OutOfTime):
        return f"{error}; this machine may be too busy. Check again"
    if isinstance(error, (StageFailed, LoadFailed, ApiFailed)):
        return f"{error}. Check again; `dockyard doctor` says whether the platform is well"
    if isinstance(error, KeyboardInterrupt):
        return "the check was interrupted"
    where = evidence.folder / "error.txt" if evidence.folder else "lost"
    kind = "the lesson" if isinstance(error, (Mistake, CommandFailed)) else "dockyard"
    return f"a bug in {kind}, not in your answer: {type(error).__name__}: {error} (traceback: {where})"


def clean_up(trial: Trial) -> list[str]:
    """Leave the system no worse than it was; what could not be cleaned up is noted, never raised."""
    notes: list[str] = []

    def attempt(what: str, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:
            logger.warning("%s: %s: %s", trial.exercise.id, what, error)
            notes.append(f"{what} did not work: {error}")

    if trial.exercise.on == "cluster":
        attempt("removing the load", lambda: remove_load(trial))
        attempt("restoring the network", lambda: trial._faults.restore_all(trial.namespace))
    elif trial.exercise.on == "engine":
        attempt("removing containers and images", trial.containers.remove_all)
    elif trial.exercise.on == "compose":
        attempt("removing the project", lambda: remove_project(trial.docker, trial.project))
    attempt("closing the engine's client", trial.containers.close)
    return notes


def remove_load(trial: Trial) -> None:
    """Remove every generator of ours from the namespace."""
    selector = ",".join(f"{key}={value}" for key, value in OURS.items())
    for kind, query in (("pods", {"gracePeriodSeconds": "0"}), ("configmaps", {})):
        for item in trial.live.list(kind, selector):
            try:
                trial.live.call("DELETE", trial.live.path(kind, item["metadata"]["name"]), query=query)
            except ApiFailed as error:
                if error.code != 404:
                    raise


def main() -> int:
    """The judge's process; prints JSON lines, exits 0 passed, 1 failed, 2 not judged."""
    parser = argparse.ArgumentParser(prog="python -m dockyard.exercises.judge", description=__doc__)
    parser.add_argument("exercise")
    parser.add_argument("--answers", type=Path)
    parser.add_argument("--namespace", default="")
    parser.add_argument("--clean-up", action="store_true", help="only clean up after a judge that was killed")
    options = parser.parse_args()
    # What a check prints must not mix with our lines.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def say(what: str) -> None:
        out.write(json.dumps({"say": what}) + "\n")

    home = Home.find()
    try:
        lesson, exercise = Course.find().exercise(options.exercise)
        backend = choose(home)
        if options.clean_up:
            clean_up_after(exercise, backend, home, options.namespace)
            return 0
        verdict = judge(
            lesson,
            exercise,
            options.answers,
            backend=backend,
            home=home,
            namespace=options.namespace,
            say=say,
            begin=lambda: print(json.dumps({"begun": True}), file=out),
        )
    except (Mistake, UserError) as error:
        advice = f" {error.advice}" if isinstance(error, UserError) else ""
        verdict = Verdict(options.exercise, trouble=f"{error}.{advice}")
    out.write(json.dumps({"verdict": verdict.as_dict()}) + "\n")
    return verdict.exit_status


def clean_up_after(exercise: Exercise, backend: Backend, home: Home, namespace: str) -> None:
    """What a judge would have done had it not been killed."""
    if backend.status() is None:
        return
    trial = Trial(
        replace(exercise),
        backend=backend,
        answers=Path(),
        namespace=where(backend, exercise, namespace),
        evidence=Evidence(None),
        faults=Faults.of(backend, home),
        deadline=time.monotonic() + CLEAN_UP,
        say=lambda what: None,
    )
    for note in clean_up(trial):
        sys.stderr.write(note + "\n")


if __name__ == "__main__":
    sys.exit(main())
