"""An error meant for a person: what is wrong, and what to do about it."""

from __future__ import annotations

import errno

EXIT_NO = 1  # the command ran and the answer is no: a check failed, a test failed, something is missing
EXIT_USAGE = 2  # the command line is wrong (click's own code)
EXIT_NOT_RUNNING = 3  # the platform is not running, and the command needs it
EXIT_TROUBLE = 4  # this machine, or a file, stands in the way
EXIT_BUG = 70  # a bug of ours (EX_SOFTWARE of sysexits.h)


class UserError(Exception):
    """Something that the person at the keyboard can put right.

    `advice` is one imperative sentence; `code` becomes the exit status of the command line.
    """

    def __init__(self, message: str, advice: str = "", *, code: int = EXIT_TROUBLE) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.code = code


def explain(error: OSError, what: str) -> UserError:
    """Turn an error of the operating system while doing `what` into one that says what to do."""
    reason = error.strerror or str(error)
    where = f" ({error.filename})" if error.filename else ""
    return UserError(f"{what}: {reason}{where}", _ADVICE.get(error.errno or 0, ""))


_ADVICE = {
    errno.ENOSPC: "Free some disk space, or point DOCKYARD_HOME at a disk that has some, and try again.",
    errno.EDQUOT: "Your disk quota is used up: free some space, or point DOCKYARD_HOME elsewhere.",
    errno.EROFS: "This place is read-only: set DOCKYARD_HOME to a directory that you can write to.",
    errno.EACCES: "You may not write there: set DOCKYARD_HOME to a directory of your own.",
    errno.EPERM: "You may not do that there: set DOCKYARD_HOME to a directory of your own.",
    errno.ENAMETOOLONG: "That path is too long: set DOCKYARD_HOME to a shorter one.",
    errno.EMFILE: "Too many open files: raise the limit with `ulimit -n 4096` and try again.",
    errno.ENFILE: "The machine has run out of open files: end some programs and try again.",
    errno.ENOMEM: "The machine has run out of memory: end some programs and try again.",
    errno.EADDRINUSE: "Another program has that address: stop it, or choose another port.",
}
