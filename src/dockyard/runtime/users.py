"""Who `name|uid[:group|gid]` is, by the passwd and group files of a root file system."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dockyard.runtime.errors import StartError
from dockyard.runtime.resolve import inside


class Account(NamedTuple):
    """Whom a process runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def find_account(trees: Sequence[Path], user: str, more: Sequence[str] = ()) -> Account:
    """The account that `user` names, with its supplementary groups; "" is root.

    `more` are names or numbers of further groups. `trees` are searched in order for each file, topmost
    first. Numbers need no entry. Raises StartError in the engine's words for a name that isn't there.
    """
    name, _, group = user.partition(":")
    passwd = _lines(trees, "etc/passwd", 7)
    groups = _lines(trees, "etc/group", 4)
    entry = next((line for line in passwd if line[0] == (name or "root")), None)
    if entry is None and (name or "0").isdigit():
        entry = next((line for line in passwd if line[2] == (name or "0")), None)
    if entry is None and name and not name.isdigit():
        raise StartError(126, f"unable to find user {name}: no matching entries in passwd file")
    uid = int(entry[2]) if entry else int(name or 0)
    gid = int(entry[3]) if entry else 0
    home = entry[5] if entry and entry[5] else "/"
    if group:
        gid, extra = _group(groups, group), []
    else:
        extra = [int(line[2]) for line in groups if entry and entry[0] in line[3].split(",")]
    more_groups = [_group(groups, one) for one in more]
    return Account(uid, gid, tuple(dict.fromkeys([gid, *extra, *more_groups])), home)


def _group(groups: list[list[str]], wanted: str) -> int:
    row = next((line for line in groups if line[0] == wanted), None)
    if row is None and not wanted.isdigit():
        raise StartError(126, f"unable to find group {wanted}: no matching entries in group file")
    return int(row[2]) if row else int(wanted)


@functools.lru_cache(maxsize=64)  # a thousand containers of an image have the same file
def _rows(path: str, inode: int, changed: int, size: int) -> list[list[str]]:
    with open(path, encoding="utf-8", errors="replace") as file:
        return [line.rstrip("\n").split(":") for line in file]


def _lines(trees: Sequence[Path], name: str, fields: int) -> list[list[str]]:
    for tree in trees:
        try:
            path = inside(str(tree), name)
            status = os.stat(path)
            rows = _rows(path, status.st_ino, status.st_mtime_ns, status.st_size)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            if os.path.lexists(tree / name):
                return []  # a whiteout: the file was removed above the layers that have it
            continue
        return [row for row in rows if len(row) >= fields and row[2].isdigit()]
    return []
