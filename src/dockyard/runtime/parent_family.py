"""Which processes belong to a container: what its first ones have forked, and orphans with its mark."""

from __future__ import annotations

import os
from collections.abc import Iterable

from dockyard.runtime import census
from dockyard.runtime.parent_child import Child


def members(container: str, children: Iterable[Child], others: Iterable[int]) -> list[int]:
    """The container's living processes, parents before their children, without those that only wrap them.

    `others` are processes of ours that belong to no container.
    """
    everyone = list(children)
    mine = [one for one in everyone if one.plan["container"] == container]
    roots = [one.pid for one in mine if one.pid]
    if any(one.plan["style"] == "wrapped" for one in mine):
        # Without a pid namespace orphans become ours.
        known = {one.pid for one in everyone} | set(others)
        orphans = [pid for pid in census.children(os.getpid()) if pid not in known]
        roots += [pid for pid in orphans if (census.mark(pid) or "").endswith("/" + container)]
    wrappers = {one.pid for one in mine if one.plan["tracer"]}
    return [pid for pid in census.family(roots) if pid not in wrappers]
