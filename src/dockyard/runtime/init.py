"""The process that `--init` puts before a program: it forwards signals, and reaps what others leave."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import NoReturn

from dockyard.runtime import libc

_NAME = b"docker-init"
_NOT_FORWARDED = {signal.SIGCHLD, signal.SIGKILL, signal.SIGSTOP}


def serve(program: int, argv: list[str]) -> NoReturn:
    """Never returns: ends with the exit code of `program`, 128 and the signal's number when one killed it."""
    _rename([b"/sbin/docker-init", b"--", *map(os.fsencode, argv)])
    # What the parent had open isn't closed by an execve here. The program's own output stays.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    signals = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    # Blocked signals reach PID 1 too, whose default is to ignore them.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    while True:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                os._exit(127)
            if pid == 0:
                break
            if pid == program:
                code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
                os._exit(code)
        number = signal.sigwait(signals)
        if number not in _NOT_FORWARDED:
            try:
                os.kill(program, number)
            except ProcessLookupError:
                continue


def take_terminal() -> None:
    """In the program: a process group of its own, in the terminal's foreground."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.tcsetpgrp(0, os.getpgrp())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)


def _rename(argv: list[bytes]) -> None:
    """Shows `argv` in ps in place of the parent's own, as far as there is room."""
    libc.prctl_text(libc.PR_SET_NAME, _NAME)
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end, proc(5)
    room = end - start
    if room > 0:
        text = b"\0".join(argv)[: room - 1].ljust(room, b"\0")
        ctypes.memmove(start, text, room)
