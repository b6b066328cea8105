"""The processes that an engine consists of, found from its socket, and the memory that they hold."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import docker

# What a real engine starts beside containers, by the names that the kernel shows (cut to 15 characters).
REAL = ("dockerd", "containerd", "containerd-shim", "docker-proxy", "docker-init")


class Processes:
    """Everything that runs because the engine at a socket does, without what runs in its containers."""

    def __init__(self, daemon: int) -> None:
        self._daemon = daemon

    @classmethod
    def behind(cls, client: docker.DockerClient) -> Processes:
        """The engine that listens on the client's unix socket (SO_PEERCRED, unix(7))."""
        path = client.api.base_url.removeprefix("http+unix://").removeprefix("unix://")
        if path.startswith("http"):
            path = client.api._custom_adapter.socket_path
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(path)
            credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return cls(struct.unpack("3i", credentials)[0])

    def memory(self) -> float:
        """MB, shared pages counted in proportion."""
        return sum(_share(pid) for pid in self._pids())

    def descriptors(self) -> int:
        """Open file descriptors, of all together."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self._pids())

    def _pids(self) -> list[int]:
        ours = _namespaces(self._daemon)
        found = [self._daemon]
        for name in filter(str.isdigit, os.listdir("/proc")):
            pid = int(name)
            if pid == self._daemon or (command := _name(pid)) is None:
                continue
            if _name(self._daemon) == "dockerd":
                # The shims are nobody's children; they share the daemon's files.
                belongs = command in REAL and _namespaces(pid)[:1] == ours[:1]
            else:
                # Containers have mounts, or at least a root, of their own; parent and worker don't.
                belongs = "parent_boot" in _command_line(pid) and self._daemon in _ancestors(pid)
            if belongs:
                found.append(pid)
        return found


def _namespaces(pid: int) -> list[int]:
    try:
        return [os.stat(f"/proc/{pid}/ns/mnt").st_ino]
    except OSError:
        return []


def _name(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _ancestors(pid: int) -> list[int]:
    found: list[int] = []
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
        found.append(pid)
    return found


def _share(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
