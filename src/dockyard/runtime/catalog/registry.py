"""Finds the stand-in for a reference: every module of this package that holds a `STAND_IN` is one."""

import functools
import importlib
import pkgutil

from dockyard.runtime import catalog
from dockyard.runtime.catalog.stand_in import StandIn


@functools.cache
def known() -> tuple[StandIn, ...]:
    """Every stand-in there is, by name of its file."""
    found = []
    for module in pkgutil.iter_modules(catalog.__path__):
        stand_in = getattr(importlib.import_module(f"{catalog.__name__}.{module.name}"), "STAND_IN", None)
        if isinstance(stand_in, StandIn):
            found.append(stand_in)
    return tuple(found)


def find(reference: str) -> StandIn | None:
    """The stand-in for a familiar reference (`python:3.12-slim`), if the catalog has one."""
    repository, _, tag = reference.partition(":")
    return next((one for one in known() if one.repository == repository and one.plays(tag)), None)
