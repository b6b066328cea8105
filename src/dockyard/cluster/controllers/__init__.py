"""The list that kube-controller-manager prints: every module of this package is one controller.

A module offers `controller(api)`. A new file here is found; nothing else needs to change.
"""

from __future__ import annotations

import importlib
import pkgutil

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller

__all__ = ["discover"]


def discover(api: Api) -> list[Controller]:
    """One controller for each module in this package that offers `controller`, by name."""
    found: list[Controller] = []
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        offered = importlib.import_module(f"{__name__}.{module.name}")
        if hasattr(offered, "controller"):
            found.append(offered.controller(api))
    return found
