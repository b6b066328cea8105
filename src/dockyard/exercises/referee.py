"""Starts the judge's process, passes its progress on, and ends it when its stated time is over."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from dockyard.exercises.exercise import Exercise
from dockyard.exercises.verdict import Verdict
from dockyard.home import Home

CLEAN_UP_SECONDS = 15.0
READY_SECONDS = 240.0  # how long the platform may take to start, and the lesson's images to be built


def referee(
    exercise: Exercise,
    answers: Path | None,
    *,
    course: Path,
    home: Home,
    namespace: str = "",
    say: Callable[[str], None] = lambda what: None,
) -> Verdict:
    """The verdict of a judge in a process of its own. Never raises for what that process does.

    Takes `exercise.seconds` at most, from when the lesson's images are there; a judge that overruns is killed
    with its children, and its load and faults are removed. An interrupt (Ctrl-C) ends the judge in the same
    way and gives a verdict of None.
    """
    argv = [sys.executable, "-P", "-m", "dockyard.exercises.judge", exercise.id]
    argv += ["--answers", str(answers.absolute())] if answers is not None else []
    argv += ["--namespace", namespace] if namespace else []
    env = {**os.environ, "DOCKYARD_PROJECT": str(course), "DOCKYARD_HOME": str(home.root)}
    env["PYTHONUNBUFFERED"] = "1"
    started = time.monotonic()
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        start_new_session=True,
    )
    trouble = ""
    verdict: Verdict | None = None
    noise = b""
    try:
        verdict, noise = _follow(process, exercise.seconds, say)
    except TimeoutError:
        trouble = f"the check did not end within its {exercise.seconds:.0f} s and was stopped. Check again"
    except KeyboardInterrupt:
        trouble = "the check was interrupted"
    finally:
        _end(process)
    if verdict is not None:
        return verdict
    # It was stopped, or it died: what it had begun is undone by a fresh process.
    _clean_up(argv, env)
    if not trouble:
        last = noise.decode(errors="replace").strip().splitlines()[-1:]
        trouble = (
            f"a bug in dockyard, not in your answer: the judge died (status {process.returncode}) {last}"
        )
    return Verdict(exercise.id, seconds=time.monotonic() - started, trouble=trouble)


def _follow(
    process: subprocess.Popen[bytes], seconds: float, say: Callable[[str], None]
) -> tuple[Verdict | None, bytes]:
    """Read lines until the process closes its output. Raises TimeoutError `seconds` after it has begun."""
    deadline = time.monotonic() + READY_SECONDS + seconds
    assert process.stdout is not None
    assert process.stderr is not None
    verdict: Verdict | None = None
    rest = noise = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        selector.register(process.stderr, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            for key, _ in selector.select(left):
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    noise = (noise + data)[-20000:]
                else:
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        said = json.loads(line)
                        if "verdict" in said:
                            verdict = Verdict.from_dict(said["verdict"])
                        elif "begun" in said:
                            deadline = time.monotonic() + seconds
                        else:
                            say(said["say"])
            if verdict is not None:
                break  # a stray grandchild may hold the pipes open; what we came for is here
    return verdict, noise


def _end(process: subprocess.Popen[bytes]) -> None:
    """Make sure that the judge and what it started is gone, and its pipes closed."""
    try:
        process.wait(2 if process.poll() is None else 0)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nothing of it is left
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _clean_up(argv: list[str], env: dict[str, str]) -> None:
    try:
        subprocess.run(
            [*argv, "--clean-up"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=CLEAN_UP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pass  # the platform doesn't answer; a new stage cleans up first
