"""How much may be written before the disk is too full: nobody's archive may take the last byte."""

import errno
import os
from pathlib import Path

from dockyard.runtime.layer_entry import LayerError

RESERVE = 256 << 20  # bytes that stay free for everything else on the machine


def room(path: Path) -> int:
    """Bytes that may be written below `path`. Leaves RESERVE, or a twentieth of a small disk."""
    status = os.statvfs(path)
    reserve = min(RESERVE, status.f_blocks * status.f_frsize // 20)
    return max(0, status.f_bavail * status.f_frsize - reserve)


def full(error: OSError) -> bool:
    """Whether it says that the disk, or this user's part of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


class NoRoom(LayerError):
    """What came is larger than what may be written."""

    def __init__(self, limit: int | None = None) -> None:
        more = "" if limit is None else f": the archive holds more than {limit} bytes"
        super().__init__(f"no space left on device{more}")


class Budget:
    """Counts bytes that are about to be written."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit

    def take(self, size: int) -> None:
        """Raises NoRoom."""
        self._left -= size
        if self._left < 0:
            raise NoRoom(self._limit)
