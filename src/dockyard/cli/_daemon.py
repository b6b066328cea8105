"""Starting and stopping the daemon from outside, and knowing when it has really happened."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from dockyard.cli._processes import alive, descendants, kill
from dockyard.errors import EXIT_BUG, UserError
from dockyard.home import Home

START_SECONDS = 60.0
LARGEST_LOG = 5_000_000


def start(home: Home, *, driver: str | None = None) -> dict[str, Any]:
    """Make sure that the daemon runs and its node is Ready; returns its state.

    Returns at once when it runs already. Raises UserError with the daemon's own reason when it can't start.
    """
    home.prepare()
    with turn(home):
        state = home.state()
        if state is not None:
            return state
        stale = home.daemon_pid()
        if stale is not None:
            stop_process(stale, 2.0)  # it is alive and never got ready, or is on its way out
        return _launch(home, driver)


def _launch(home: Home, driver: str | None) -> dict[str, Any]:
    if home.log.exists() and home.log.stat().st_size > LARGEST_LOG:
        home.log.replace(home.log.with_suffix(".log.1"))
    reader, writer = os.pipe()
    command = [
        sys.executable,
        "-P",
        "-m",
        "dockyard.daemon",
        "--home",
        str(home.root),
        "--ready-fd",
        str(writer),
    ]
    if driver:
        command += ["--driver", driver]
    try:
        with home.log.open("ab") as log:
            # A session of its own: closing the terminal, or Ctrl-C in it, must not reach the platform.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=home.root,
                pass_fds=[writer],
                start_new_session=True,
            )
    finally:
        os.close(writer)
    line = _read_line(reader, START_SECONDS)
    if line is None:
        stop_process(process.pid, 0.1)
        raise UserError(
            f"the platform did not get ready within {START_SECONDS:.0f} s", f"Its log says why: {home.log}"
        )
    if not line:
        process.wait()
        raise UserError(
            f"the platform died while starting (status {process.returncode})\n{_tail(home)}",
            f"Please report this with the log: {home.log}",
            code=EXIT_BUG,
        )
    message = json.loads(line)
    if "error" in message:
        process.wait()
        raise UserError(message["error"], message["advice"])
    # The process is meant to outlive this one; nobody waits for it here.
    process.returncode = 0
    state: dict[str, Any] = message["ready"]
    return state


def _read_line(descriptor: int, seconds: float) -> bytes | None:
    """What the daemon says: b"" when it died without a word, None when it says nothing in time."""
    deadline = time.monotonic() + seconds
    received = b""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        while not received.endswith(b"\n"):
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                return None
            chunk = stream.read(65536)
            if not chunk:
                return b""
            received += chunk
    return received


def _tail(home: Home) -> str:
    try:
        lines = home.log.read_text(errors="replace").splitlines()[-12:]
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in lines)


def stop(home: Home) -> int | None:
    """Stop the daemon and everything below it; the pid that it had, or None when none ran.

    It gets a moment to end its containers properly; whatever still lives then is killed.
    """
    if not home.run.is_dir():
        return None
    with turn(home):
        pid = home.daemon_pid()
        if pid is None:
            return None
        stop_process(pid, 0.85)
        return pid


def stop_process(pid: int, patience: float) -> None:
    """End a process and all that descend from it: SIGTERM, `patience` seconds, SIGKILL."""
    family = descendants(pid)
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(patience * 1000):
            family |= descendants(pid)
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            poll.poll(1000)
    except ProcessLookupError:
        pass  # it ended between two of these lines
    finally:
        os.close(handle)
    kill(alive(family))


@contextlib.contextmanager
def turn(home: Home) -> Iterator[None]:
    """One `up` or `down` of a home at a time; a second one waits for the first."""
    with (home.run / "turn.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
