"""One member of a layer, and the marks that say a name was deleted."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

# What a file's time becomes where times carry no meaning. Not 0: zip archives can't hold times before 1980,
# so pip could not make a wheel from such files.
FIXED_MTIME = 1_577_836_800  # 2020-01-01T00:00:00Z


class LayerError(ValueError):
    """A layer that can't be unpacked safely, or at all."""


@dataclass(frozen=True)
class Entry:
    """One member. `kind`: f(ile) d(irectory) l(ink) h(ard link) w(hiteout) p(ipe) c(har) b(lock)."""

    path: str  # relative, without ./ and without a slash at the end
    kind: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = FIXED_MTIME
    link: str = ""
    device: int = 0


def is_whiteout(status: os.stat_result) -> bool:
    """Whether this is overlayfs' mark for a deleted name (character device 0/0), or our substitute."""
    if stat.S_ISSOCK(status.st_mode):
        return stat.S_IMODE(status.st_mode) == 0
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def write_whiteout(path: Path) -> None:
    """Mark `path` as deleted. Needs no privilege since Linux 5.8.

    A container's device rules may refuse it all the same. No overlay can be mounted there either, so only we
    read the mark, and a socket that nobody may open serves: an archive can't hold one, so no layer brings it.
    """
    try:
        os.mknod(path, stat.S_IFCHR | 0o000, 0)
    except PermissionError:
        os.mknod(path, stat.S_IFSOCK | 0o000)
