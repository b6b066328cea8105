"""In which order a Pod's containers start, and when a Pod has done its work. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from dockyard.cluster.node.container import Container, Role


def due(containers: Sequence[Container], policy: str) -> list[Container]:
    """The containers that may be started now: one init container at a time, then all others.

    A sidecar counts as initialised once it has started; afterwards it runs beside the rest. An ephemeral
    container runs once, whatever the others do.
    """
    initialised = is_initialised(containers)
    found = [c for c in containers if c.role is Role.EPHEMERAL and "waiting" in c.state]
    for container in containers:
        if container.role is Role.INIT and not initialised:
            if container.is_completed:
                continue
            return [*found, container] if container.should_run_again(policy) else found
        if container.role is Role.SIDECAR:
            if not container.is_running:
                found.append(container)
            if not container.started and not initialised:
                return found
        elif container.role is Role.MAIN and not container.is_running and container.should_run_again(policy):
            found.append(container)
    return found


def is_initialised(containers: Sequence[Container]) -> bool:
    """Whether a main container has been started in this sandbox, which ends the initialisation for good."""
    return any(c.role is Role.MAIN and c.runs for c in containers)


def all_done(containers: Sequence[Container], policy: str) -> bool:
    """Whether no container will be started any more: all ended, or an init container failed for good."""
    for container in containers:
        if container.role is Role.INIT:
            if "terminated" in container.state and not container.is_completed and policy == "Never":
                return True
        elif container.role is Role.MAIN and (
            container.busy or "terminated" not in container.state or container.should_run_again(policy)
        ):
            return False
    return True
