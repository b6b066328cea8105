"""How much room files take, while programs make and remove them."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def bytes_in(directory: Path) -> int:
    """The bytes of the regular files below a directory, but for those that vanish meanwhile."""
    total = 0
    for parent, _, names in os.walk(directory):  # passes over directories that are gone
        for name in names:
            try:
                status = os.lstat(os.path.join(parent, name))
            except FileNotFoundError:
                continue
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total
