"""The Node object: what the node offers, that it is ready, and its heartbeats."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from dockyard.cluster.errors import Conflict
from dockyard.cluster.node.ranking import MEMORY_PRESSURE
from dockyard.cluster.node.services import Node
from dockyard.cluster.podstate import is_true
from dockyard.cluster.quantity import whole
from dockyard.cluster.store import Manifest
from dockyard.wire.clock import Timer, rfc3339, rfc3339_micro

VERSION = "v1.36.2"
# Differs: the runtime is ours; the version is that of the interface it follows.
RUNTIME_VERSION = "dockyard://0.1.0"
LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
# Upstream's intervals: the Lease every 10 s, the Node's own status every 5 minutes.
RENEW_SECONDS = 10.0
REPORT_SECONDS = 300.0
# What the kubelet keeps back for itself before it evicts Pods.
_RESERVED_MEMORY_KI = 100 << 10
_PODS = "110"

# What is said instead of the first of _HEALTHY while it is so.
_SHORT_OF_MEMORY = ("True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available")
_HEALTHY = (
    (MEMORY_PRESSURE, "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


class Registration:
    """Keeps the Node and its Lease in the API."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._timers: list[Timer] = []
        self._reported = 0.0
        self._cordoned: bool | None = None  # as it was last seen
        self._short = False  # of memory

    def start(self) -> None:
        """Create the Node, or make an old one Ready again, and keep up its heartbeats."""
        existing = self._node.api.find("Node", self._node.name)
        if existing is None:
            self._node.api.create("Node", self._manifest())
        if existing is None or not is_true(existing, "Ready"):
            self._say("NodeReady")
        self._report()
        self._renew()
        self.note_cordon()

    def note_cordon(self) -> None:
        """Tell as an Event when the node was cordoned or uncordoned since the last call."""
        node = self._node.api.find("Node", self._node.name)
        cordoned = node is not None and bool(node["spec"].get("unschedulable"))
        if self._cordoned is not None and cordoned != self._cordoned:
            self._say("NodeNotSchedulable" if cordoned else "NodeSchedulable")
        self._cordoned = cordoned

    def note_memory(self, *, short: bool) -> None:
        """Tell whether the node is short of memory, when that has changed.

        Differs: it is told at once. Upstream's kubelet takes up to 10 s, in which successors of evicted Pods
        may come back to the same node.
        """
        if short != self._short:
            self._short = short
            self._say("NodeHasInsufficientMemory" if short else "NodeHasSufficientMemory")
            self._report()

    def _say(self, reason: str) -> None:
        node = self._node.api.find("Node", self._node.name)
        if node is not None:
            self._node.report(node, "Normal", reason, f"Node {self._node.name} status is now: {reason}")

    def stop(self) -> None:
        """End the heartbeats. The Node stays as it is: a stopped daemon is a machine that is off."""
        for timer in self._timers:
            timer.cancel()
        self._short = False

    def _manifest(self) -> Manifest:
        arch = _architecture()
        labels = {
            "beta.kubernetes.io/arch": arch,
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": arch,
            "kubernetes.io/hostname": self._node.name,
            "kubernetes.io/os": "linux",
        }
        annotations = {
            "node.alpha.kubernetes.io/ttl": "0",
            "volumes.kubernetes.io/controller-managed-attach-detach": "true",
        }
        return {
            "metadata": {"name": self._node.name, "labels": labels, "annotations": annotations},
            "spec": {"taints": [dict(taint) for taint in self._node.taints]} if self._node.taints else {},
        }

    def _report(self) -> None:
        api, now = self._node.api, rfc3339(self._node.clock.now())
        self._reported = self._node.clock.monotonic()
        current = api.find("Node", self._node.name)
        if current is None:
            return  # somebody deleted it; only a restart of the node registers it again
        status = current.get("status") or {}
        capacity = _capacity(self._node.root) | dict(self._node.offer)
        before = {condition["type"]: condition for condition in status.get("conditions", ())}
        conditions = []
        for kind, *state in _HEALTHY:
            value, reason, message = _SHORT_OF_MEMORY if self._short and kind == MEMORY_PRESSURE else state
            known = before.get(kind)
            same = known is not None and known["status"] == value
            since = known["lastTransitionTime"] if known is not None and same else now
            conditions.append(
                {
                    "type": kind,
                    "status": value,
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": since,
                    "reason": reason,
                    "message": message,
                }
            )
        status = {
            "capacity": capacity,
            "allocatable": _allocatable(capacity),
            "conditions": conditions,
            "addresses": [
                {"type": "InternalIP", "address": self._node.host_ip},
                {"type": "Hostname", "address": self._node.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": _info(),
        }
        api.update_status("Node", current | {"status": status})

    def _renew(self) -> None:
        clock, api = self._node.clock, self._node.api
        spec = {
            "holderIdentity": self._node.name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": rfc3339_micro(clock.now()),
        }
        lease = api.find("Lease", self._node.name, LEASE_NAMESPACE)
        try:
            if lease is not None:
                api.update("Lease", lease | {"spec": spec})
            else:
                if api.find("Namespace", LEASE_NAMESPACE) is None:
                    api.create("Namespace", {"metadata": {"name": LEASE_NAMESPACE}})
                metadata: Manifest = {"name": self._node.name, "namespace": LEASE_NAMESPACE}
                owner = api.find("Node", self._node.name)
                if owner is not None:
                    reference = {"apiVersion": "v1", "kind": "Node", "name": self._node.name}
                    metadata["ownerReferences"] = [reference | {"uid": owner["metadata"]["uid"]}]
                api.create("Lease", {"metadata": metadata, "spec": spec})
        except Conflict:
            pass  # the next heartbeat comes in ten seconds
        node = api.find("Node", self._node.name)
        # At once, too, when somebody gave it up.
        if clock.monotonic() - self._reported >= REPORT_SECONDS or (node and not is_true(node, "Ready")):
            self._report()
        self._timers = [clock.call_later(RENEW_SECONDS, self._renew)]


def _architecture() -> str:
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _capacity(root: Path) -> Manifest:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    root.mkdir(parents=True, exist_ok=True)
    return {
        "cpu": str(os.cpu_count() or 1),
        "ephemeral-storage": f"{shutil.disk_usage(root).total >> 10}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": f"{_memory_limit(memory) >> 10}Ki",
        "pods": _PODS,
    }


def _memory_limit(total: int) -> int:
    """The memory this process may use: the machine's, or less inside a container (as on Binder)."""
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            return min(total, int(text))
    return total


def _allocatable(capacity: Manifest) -> Manifest:
    memory = (whole(capacity["memory"]) >> 10) - _RESERVED_MEMORY_KI
    storage = whole(capacity["ephemeral-storage"])
    return capacity | {"memory": f"{memory}Ki", "ephemeral-storage": str(storage * 9 // 10)}


def _info() -> Manifest:
    machine_id = _first_line("/etc/machine-id")
    return {
        "machineID": machine_id,
        "systemUUID": machine_id,
        "bootID": _first_line("/proc/sys/kernel/random/boot_id"),
        "kernelVersion": platform.release(),
        "osImage": _os_name(),
        "containerRuntimeVersion": RUNTIME_VERSION,
        "kubeletVersion": VERSION,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": _architecture(),
    }


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"
