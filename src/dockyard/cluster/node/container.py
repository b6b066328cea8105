"""One container of a Pod through all its restarts: what its status shows, and what runs for it now."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from dockyard.cluster.node.backoff import Backoff
from dockyard.cluster.node.ports import Process
from dockyard.cluster.node.prober import Prober
from dockyard.cluster.store import Manifest
from dockyard.runtime.logs import LogFile
from dockyard.wire.clock import Timer, rfc3339

CRASH_LOOP = "CrashLoopBackOff"


class Role(Enum):
    """When a container runs: before the others, from before them to after them, in between, or on demand."""

    INIT = "init"
    SIDECAR = "sidecar"
    MAIN = "main"
    EPHEMERAL = "ephemeral"


@dataclass
class Container:
    """The facts that the status is made of are manifests already; the rest lives as long as the daemon."""

    spec: Manifest
    role: Role
    state: Manifest
    last_state: Manifest = field(default_factory=dict)
    restarts: int = 0
    image: str = ""
    image_id: str = ""
    container_id: str = ""
    started: bool = False
    ready: bool = False
    user: int = 0
    group: int = 0

    process: Process | None = None
    runs: int = 0  # container ids handed out by this daemon
    busy: bool = False
    killed_by_probe: bool = False
    stopping: bool = False
    probers: list[Prober] = field(default_factory=list)
    crashes: Backoff = field(default_factory=Backoff)
    finished_at: float | None = None
    log: LogFile | None = None
    wake: Timer | None = None
    kill_timer: Timer | None = None

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def field_path(self) -> str:
        """Where the container is in the Pod, as Events say it."""
        groups = {Role.MAIN: "containers", Role.EPHEMERAL: "ephemeralContainers"}
        return f"spec.{groups.get(self.role, 'initContainers')}{{{self.name}}}"

    @property
    def exit_code(self) -> int | None:
        """The code of the last exit when nothing runs now, else None."""
        terminated = self.state.get("terminated") or self.last_state.get("terminated")
        return None if self.is_running or terminated is None else int(terminated["exitCode"])

    @property
    def is_running(self) -> bool:
        return "running" in self.state

    @property
    def is_completed(self) -> bool:
        """Whether it ended well, which is what a regular init container is for."""
        return bool(self.state.get("terminated", {}).get("exitCode") == 0)

    def should_run_again(self, pod_policy: str) -> bool:
        """Whether the restart policy wants it (re)started, given how it last ended."""
        code = self.exit_code
        if code is None:
            return True
        if self.role is Role.SIDECAR:
            return True
        if self.role is Role.EPHEMERAL:
            return False
        if self.role is Role.INIT:
            return "waiting" in self.state or (code != 0 and pod_policy != "Never")
        return pod_policy == "Always" or (pod_policy == "OnFailure" and code != 0)

    def note_running(self, started_at: float, image: str, image_id: str, container_id: str) -> None:
        """A process runs; what was shown as ended becomes history."""
        if "terminated" in self.state:
            self.last_state = self.state
        self.image, self.image_id, self.container_id = image, image_id, container_id
        self.state = {"running": {"startedAt": rfc3339(started_at)}}

    def note_exit(self, code: int, reason: str, message: str, finished_at: float) -> None:
        """The process ended; `reason` is OOMKilled, Completed, Error or Unknown."""
        started = self.state.get("running", {}).get("startedAt") or rfc3339(finished_at)
        terminated: Manifest = {"exitCode": code, "reason": reason}
        if message:
            terminated["message"] = message
        terminated["startedAt"] = started
        terminated["finishedAt"] = rfc3339(finished_at)
        if self.container_id:
            terminated["containerID"] = self.container_id
        self.state = {"terminated": terminated}
        self.process = None
        self.started = self.ready = False
        self.finished_at = finished_at

    def note_waiting(self, reason: str, message: str = "") -> None:
        """Nothing runs and this is why; an exit that was shown becomes history."""
        if "terminated" in self.state:
            self.last_state = self.state
        self.state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
        self.started = self.ready = False

    def restore(self, status: Manifest, now: float) -> None:
        """Take over what an earlier daemon reported. What it ran is gone, as after a reboot of the node."""
        self.restarts = status.get("restartCount", 0)
        self.state, self.last_state = status.get("state") or self.state, status.get("lastState") or {}
        self.image, self.image_id = status.get("image", ""), status.get("imageID", "")
        self.container_id = status.get("containerID", "")
        if "running" in self.state:
            self.note_exit(255, "Unknown", "", now)
        if self.role is Role.INIT and "terminated" in self.state:
            self.note_waiting("PodInitializing")  # a new sandbox is initialised anew
        self.finished_at = None  # a reboot of the node forgets back-offs


def containers_of(pod: Manifest) -> list[Container]:
    """The Pod's containers in the order in which they start, with the state of one that has not started."""
    spec = pod["spec"]
    waiting = "PodInitializing" if spec.get("initContainers") else "ContainerCreating"
    found = []
    for container in spec.get("initContainers", ()):
        role = Role.SIDECAR if container.get("restartPolicy") == "Always" else Role.INIT
        found.append(Container(container, role, {"waiting": {"reason": waiting}}))
    for container in spec["containers"]:
        found.append(Container(container, Role.MAIN, {"waiting": {"reason": waiting}}))
    for container in spec.get("ephemeralContainers", ()):
        found.append(Container(container, Role.EPHEMERAL, {"waiting": {"reason": "ContainerCreating"}}))
    for item in found:
        item.image = item.spec["image"]
    return found
