"""Where a proot may be: $DOCKYARD_PROOT, PATH, and beside its own loader where set-up has put it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path


def find_proot() -> Iterator[tuple[str, ...]]:
    """Ways to start a proot, the most wanted first; whether one is any good is for the trial to say.

    A folder (from $DOCKYARD_PROOT, or `share/dockyard/proot` of the Python environment) holds `proot`
    and, where the C library of the system is too old for it, `lib/` with a loader and libraries of its own.
    """
    places = [Path(sys.prefix) / "share" / "dockyard" / "proot"]
    if wanted := os.environ.get("DOCKYARD_PROOT"):
        places.insert(0, Path(wanted))
    for place in places:
        if place.is_file():
            yield (str(place),)
        elif (place / "proot").is_file():
            loaders = sorted((place / "lib").glob("ld-linux-*"))
            loader = [str(loaders[0]), "--library-path", str(place / "lib")] if loaders else []
            yield (*loader, str(place / "proot"))
    if found := shutil.which("proot"):
        yield (found,)
