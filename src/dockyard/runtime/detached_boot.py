"""Mounts a root file system, or finds a running container's, and hands it over: `detached_boot.py FD`."""

import importlib
import sys
import types
from pathlib import Path


def boot() -> None:
    """Makes the packages above bare namespaces, as parent_boot does: this starts for every copy."""
    package = Path(__file__).resolve().parent
    for name, folder in (("dockyard", package.parent), ("dockyard.runtime", package)):
        module = types.ModuleType(name)
        module.__path__ = [str(folder)]
        sys.modules[name] = module
    importlib.import_module("dockyard.runtime.detached_child").main(int(sys.argv[1]))


if __name__ == "__main__":
    boot()
