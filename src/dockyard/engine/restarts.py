"""Restart policies: whether a container that has ended starts again, and when (moby's restartmanager)."""

from __future__ import annotations

from dockyard.engine.container import Container

FIRST_DELAY = 0.1
MAX_DELAY = 60.0
STEADY_SECONDS = 10.0
"""A container that ran this long begins its back-off anew."""


def wanted(container: Container) -> bool:
    """Tell whether a container that has just ended is to start again."""
    policy = container.host_config["RestartPolicy"]
    if container.document["StoppedByHand"]:
        return False
    if policy["Name"] == "on-failure":
        maximum = policy["MaximumRetryCount"]
        failed = container.state["ExitCode"] != 0
        return failed and (not maximum or container.document["RestartCount"] < maximum)
    return policy["Name"] in ("always", "unless-stopped")


def wanted_at_boot(container: Container, *, was_running: bool) -> bool:
    """Tell whether a container is to start when the engine does."""
    policy = container.host_config["RestartPolicy"]["Name"]
    if policy == "on-failure":
        return was_running
    if not container.state["StartedAt"]:
        return False
    return policy == "always" or (policy == "unless-stopped" and not container.document["StoppedByHand"])


def next_delay(before: float, ran: float) -> float:
    """Return the seconds to wait, after `before` the last time and a run of `ran` seconds."""
    if ran > STEADY_SECONDS or not before:
        return FIRST_DELAY
    return min(2 * before, MAX_DELAY)
