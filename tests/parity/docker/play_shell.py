"""Plays the steps of a conversation that are typed into a shell: docker, compose, files that change."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from tests.parity.docker.recordings import Step

LONGEST = 40.0
WINDOW = struct.pack("HHHH", 24, 120, 0, 0)
"""The recorder's terminal."""


class Shell:
    """Runs one conversation's steps, one after another, in `directory`."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._environment = dict(environment)
        self._background: list[tuple[Step, subprocess.Popen[bytes]]] = []

    def play(self, step: Step) -> Step:
        """Do a step; return what it gave. A command in the background fills its in when that ends."""
        if "write_file" in step:
            path = self._directory / step["write_file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step["text"])
            return {}
        if "sleep_s" in step:
            time.sleep(step["sleep_s"])  # part of the conversation
            return {}
        if step.get("end_background"):
            self._end_background()
            return {}
        if "cmd" not in step:
            return {}
        environment = {**self._environment, **step.get("env", {})}
        if step.get("background"):
            return self._start(step, environment)
        if isinstance(step.get("tty"), str):
            return self._on_terminal(step, environment)
        return self._plain(step, environment)

    def close(self) -> None:
        """End what still runs."""
        self._end_background()

    def _start(self, step: Step, environment: Mapping[str, str]) -> Step:
        process = self._popen(step["cmd"], environment, subprocess.PIPE, subprocess.PIPE, subprocess.PIPE)
        given: Step = {}
        self._background.append((given, process))
        time.sleep(0.5)  # the recorder's pause, in which a stream of events is opened
        return given

    def _end_background(self) -> None:
        for given, process in self._background:
            os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=LONGEST)
            given.update(exit_code=process.returncode, stdout=_text(out), stderr=_text(err))
        self._background.clear()

    def _plain(self, step: Step, environment: Mapping[str, str]) -> Step:
        typed = step.get("stdin")
        process = self._popen(step["cmd"], environment, subprocess.PIPE, subprocess.PIPE, subprocess.PIPE)
        timers = [threading.Timer(delay, _send, (process, name)) for delay, name in step.get("signals") or ()]
        for timer in timers:
            timer.start()
        content = typed.encode() if isinstance(typed, str) else b""
        try:
            out, err = process.communicate(content, timeout=2.0 if step.get("timed_out") else LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
        for timer in timers:
            timer.cancel()
        return {"exit_code": process.returncode, "stdout": _text(out), "stderr": _text(err)}

    def _on_terminal(self, step: Step, environment: Mapping[str, str]) -> Step:
        mine, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, WINDOW)
        process = self._popen(step["cmd"], environment, theirs, theirs, theirs, terminal=True)
        os.close(theirs)
        read = b""
        deadline = time.monotonic() + (3.0 if step.get("timed_out") else LONGEST)
        for typed in [*(step.get("stdin") or ()), None]:
            if isinstance(typed, str):
                os.write(mine, typed.encode())
                continue
            until = deadline if typed is None else time.monotonic() + float(typed)
            read += _read_until(mine, until)
        if process.poll() is None and time.monotonic() >= deadline:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=LONGEST)
        os.close(mine)
        return {"exit_code": process.returncode, "tty": _text(read)}

    def _popen(
        self,
        command: str,
        environment: Mapping[str, str],
        stdin: int,
        stdout: int,
        stderr: int,
        terminal: bool = False,
    ) -> subprocess.Popen[bytes]:
        own_terminal = (lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if terminal else None
        return subprocess.Popen(
            ["bash", "-c", command],
            cwd=self._directory,
            env=dict(environment),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=own_terminal,
        )


def _read_until(terminal: int, until: float) -> bytes:
    """Return what comes from a terminal up to a moment, or to its end."""
    read = b""
    while (left := until - time.monotonic()) > 0:
        ready, _, _ = select.select([terminal], [], [], left)
        if not ready:
            break
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # EIO is how a terminal ends on Linux
            break
        if not piece:
            break
        read += piece
    return read


def _send(process: subprocess.Popen[bytes], name: str) -> None:
    if process.poll() is None:
        os.killpg(process.pid, getattr(signal, name))


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace")
