"""Starts the parent with nothing imported but what it needs: `python -I -S parent_boot.py FD`."""

import importlib
import sys
import types
from pathlib import Path


def boot() -> None:
    """Makes the packages above bare namespaces (their `__init__` may import the world), runs the parent."""
    package = Path(__file__).resolve().parent
    for name, folder in (("dockyard", package.parent), ("dockyard.runtime", package)):
        module = types.ModuleType(name)
        module.__path__ = [str(folder)]
        sys.modules[name] = module
    importlib.import_module("dockyard.runtime.parent").main(int(sys.argv[1]))


if __name__ == "__main__":
    boot()
