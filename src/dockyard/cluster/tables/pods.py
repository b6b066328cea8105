"""The row of a Pod: READY, STATUS and RESTARTS (printPod in pkg/printers/internalversion)."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.tables.durations import human, seconds_of

Manifest = dict[str, Any]

NONE = "<none>"


class _Tally:
    """Restarts and when the last one was."""

    def __init__(self) -> None:
        self.count = 0
        self.last = 0.0

    def add(self, status: Manifest) -> None:
        self.count += status.get("restartCount", 0)
        terminated = (status.get("lastState") or {}).get("terminated")
        if terminated and terminated.get("finishedAt"):
            self.last = max(self.last, seconds_of(terminated["finishedAt"]))

    def show(self, now: float) -> str:
        if self.count and self.last:
            return f"{self.count} ({human(now - self.last)} ago)"
        return str(self.count)


def pod_cells(pod: Manifest, now: float) -> list[Any]:
    """Ready, status, restarts; then address, node, nominated node and readiness gates for wide output."""
    spec, status = pod["spec"], pod.get("status") or {}
    reason = status.get("reason") or status.get("phase") or "Unknown"
    conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
    if conditions.get("PodScheduled", {}).get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    sidecars = {c["name"] for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}
    total = len(spec["containers"]) + len(sidecars)
    initial, lasting = _Tally(), _Tally()
    ready, initialising = 0, ""
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        initial.add(container)
        if container["name"] in sidecars:
            lasting.add(container)
        shown = _init_state(
            container, container["name"] in sidecars, index, len(spec.get("initContainers") or ())
        )
        if shown:
            initialising = shown
            break
        if container["name"] in sidecars and container.get("ready"):
            ready += 1
    restarts = initial
    if initialising:
        reason = initialising
    if not initialising or conditions.get("Initialized", {}).get("status") == "True":
        restarts = lasting
        running = False
        for container in reversed(status.get("containerStatuses") or ()):
            restarts.add(container)
            state = container.get("state") or {}
            shown = _state_reason(state)
            if shown:
                reason = shown
            elif container.get("ready") and "running" in state:
                running = True
                ready += 1
        if reason == "Completed" and running:
            reason = "Running" if conditions.get("Ready", {}).get("status") == "True" else "NotReady"
    if "deletionTimestamp" in pod["metadata"]:
        if status.get("reason") == "NodeLost":
            reason = "Unknown"
        elif status.get("phase") not in ("Succeeded", "Failed"):
            reason = "Terminating"
    gates = spec.get("readinessGates") or ()
    met = sum(conditions.get(gate["conditionType"], {}).get("status") == "True" for gate in gates)
    return [
        f"{ready}/{total}",
        reason,
        restarts.show(now),
        status.get("podIP") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        f"{met}/{len(gates)}" if gates else NONE,
    ]


def _init_state(container: Manifest, sidecar: bool, index: int, total: int) -> str:
    """What an init container that holds the Pod up is at; empty when it holds nothing up."""
    state = container.get("state") or {}
    terminated, waiting = state.get("terminated"), state.get("waiting")
    if terminated and terminated.get("exitCode", 0) == 0:
        return ""
    if sidecar and container.get("started"):
        return ""
    if terminated:
        if terminated.get("reason"):
            return f"Init:{terminated['reason']}"
        signal = terminated.get("signal")
        return f"Init:Signal:{signal}" if signal else f"Init:ExitCode:{terminated.get('exitCode', 0)}"
    if waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
        return f"Init:{waiting['reason']}"
    return f"Init:{index}/{total}"


def _state_reason(state: Manifest) -> str:
    waiting, terminated = state.get("waiting"), state.get("terminated")
    if waiting and waiting.get("reason"):
        return str(waiting["reason"])
    if not terminated:
        return ""
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"
