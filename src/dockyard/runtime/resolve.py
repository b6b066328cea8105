"""Paths of a root file system, resolved from outside without ever leaving it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping

_MOST_LINKS = 40  # what the kernel allows (path_resolution(7))


def inside(base: str, path: str, bound: Mapping[str, str] | None = None) -> str:
    """The host path that `path` means with `base` as the root; symbolic links never lead out of `base`.

    `bound` has the host paths that are seen at other places of the tree (links in them are left as they are).
    What doesn't exist is taken as written. Raises OSError(ELOOP) for a ring of links.
    """
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    done: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            del done[-1:]
            continue
        candidate = "/".join([base, *done, part])
        if not os.path.islink(candidate):
            done.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        link = os.readlink(candidate)
        if link.startswith("/"):
            done = []
        todo.extend(piece for piece in reversed(link.split("/")) if piece not in ("", "."))
    found = "/" + "/".join(done)
    for target in sorted(bound or {}, key=len, reverse=True):
        if bound is not None and (found == target or found.startswith(target.rstrip("/") + "/")):
            return bound[target] + found[len(target.rstrip("/")) :]
    return base + found


def program(base: str, name: str, search: str, cwd: str, bound: Mapping[str, str] | None = None) -> str:
    """The path inside `base` of the program that execvp(name) would run.

    Raises OSError: ENOENT when there is none, EACCES when what was found may not be executed.
    """
    if "/" in name:
        candidates = [name if name.startswith("/") else f"{cwd.rstrip('/')}/{name}"]
    else:
        candidates = [f"{folder.rstrip('/')}/{name}" for folder in search.split(":") if folder]
    denied = False
    for candidate in candidates:
        path = inside(base, candidate, bound)
        try:
            mode = os.stat(path).st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode) and mode & 0o111:
            return candidate
        denied = True
    code = errno.EACCES if denied else errno.ENOENT
    raise OSError(code, os.strerror(code), name)
