"""runc's words for a process that did not start, so that engine and cluster repeat the same text."""

from __future__ import annotations

import errno
import os

from dockyard.runtime.errors import StartError

_GO = {  # Go's syscall errors read differently from glibc's
    errno.ENOENT: "no such file or directory",
    errno.EACCES: "permission denied",
    errno.ENOEXEC: "exec format error",
    errno.ENOTDIR: "not a directory",
    errno.EISDIR: "is a directory",
    errno.EPERM: "operation not permitted",
}


def describe(code: int) -> str:
    """An errno in Go's words."""
    return _GO.get(code) or os.strerror(code).lower()


def cannot_execute(program: str, code: int) -> StartError:
    """The program isn't there (127) or can't be run (126)."""
    missing = code in (errno.ENOENT, errno.ENOTDIR)
    if "/" not in program:
        reason = "executable file not found in $PATH" if missing else describe(code)
        return StartError(127 if missing else 126, f'exec: "{program}": {reason}')
    if missing:
        return StartError(127, f'exec: "{program}": stat {program}: {describe(code)}')
    if code == errno.EISDIR:
        return StartError(126, f'exec: "{program}": is a directory: {describe(errno.EACCES)}')
    return StartError(
        126,
        f'exec: "{program}": {describe(code)}'
        if code == errno.EACCES
        else f"exec {program}: {describe(code)}",
    )


def cannot_enter(cwd: str, code: int) -> StartError:
    """The working directory isn't one."""
    return StartError(
        127 if code == errno.ENOENT else 126,
        f'chdir to cwd ("{cwd}") set in config.json failed: {describe(code)}',
    )
