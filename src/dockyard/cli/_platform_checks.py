"""What `doctor` learns from the platform itself: the drivers, why others were not chosen, the stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dockyard.backends.control import Control
from dockyard.cli._checks import Finding
from dockyard.errors import UserError
from dockyard.home import Home


def examine_platform(home: Home) -> Iterator[Finding]:
    """Findings about the platform of `home`; one that doesn't run is no illness, but hides its drivers."""
    yield from stand_ins()
    state = home.state()
    if state is None:
        pid = home.daemon_pid()
        if pid is not None:
            advice = f"If it stays so: ./dockyard down, then ./dockyard up; the log is {home.log}"
            yield Finding("platform", "warn", f"pid {pid} is starting or stopping", advice)
        else:
            advice = "Start it with ./dockyard up and ask again: drivers are judged by running them."
            yield Finding("platform", "warn", "not running", advice)
        return
    yield Finding("platform", "ok", f"version {state['version']}, pid {state['pid']}, home {state['home']}")
    try:
        report: dict[str, Any] = Control(home, timeout=20).get("/doctor")
    except UserError as error:
        yield Finding("platform", "bad", error.message, error.advice)
        return
    yield from drivers(report)


def drivers(report: dict[str, Any]) -> Iterator[Finding]:
    """The chosen file-system driver, what it loses against the real thing, and why others were not chosen."""
    chosen = report["driver"]
    gives = ", ".join(chosen["gives"]) or "nothing special"
    lost = "; ".join(chosen["loses"])
    advice = f"Lost by it: {lost}." if lost else ""
    yield Finding("driver", "warn" if lost else "ok", f"{chosen['name']}: {gives}", advice)
    weak = report["limits"]
    advice = "Nothing to do; control groups that can be written would make them real (docs/setup.md)."
    if weak:
        yield Finding("limits", "warn", "; ".join(weak), advice)
    else:
        yield Finding("limits", "ok", "memory, CPU and processes are limited by the kernel")
    for trial in report["trials"]:
        if trial["failure"]:
            yield Finding(f"driver {trial['driver']}", "warn", f"can't be used here: {trial['failure']}")


def stand_ins() -> Iterator[Finding]:
    """Each base image that the catalog stands in for, with what it really is on this machine."""
    from dockyard.runtime.catalog import Unavailable, known

    for image in known():
        try:
            yield Finding(f"image {image.repository}", "ok", f"a stand-in: {image.description()}")
        except Unavailable as error:
            yield Finding(f"image {image.repository}", "warn", "no stand-in here", str(error))
