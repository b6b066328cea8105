"""The platform: which parts there are, in which order they start, and in which they stop."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import resource
import sqlite3
from dataclasses import asdict
from typing import Any

from dockyard.cluster.cluster import Cluster
from dockyard.cluster.errors import ApiError
from dockyard.cluster.quantity import canonical, whole
from dockyard.cluster.store import StoreUnavailableError
from dockyard.daemon import kubeconfig
from dockyard.daemon.control import ControlApi
from dockyard.engine.engine import Engine
from dockyard.errors import UserError
from dockyard.home import Home
from dockyard.runtime.errors import NoDriver
from dockyard.runtime.runtime import Runtime
from dockyard.setup.stamp import write_atomically
from dockyard.version import VERSION
from dockyard.wire.clock import Clock, SystemClock
from dockyard.wire.http import Server
from dockyard.wire.tls import Pki

logger = logging.getLogger(__name__)


_OPEN_FILES = 65536
LEAST_MEMORY = 128 << 20  # of an added node, in bytes


def _allow_open_files() -> None:
    """Let this process have many descriptors: a thousand watches are more than a login shell's 1,024.

    Containers keep the limits that they had: the runtime's own process, which starts them, was forked before.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


class Platform:
    """Everything that one home runs. `start` once, `stop` once, both on the same loop."""

    def __init__(self, home: Home, stop: asyncio.Event, *, driver: str | None = None) -> None:
        self.home = home
        self.clock: Clock = SystemClock()
        self.runtime: Runtime | None = None
        self.engine: Engine | None = None
        self.cluster: Cluster | None = None
        self._wanted_driver = driver
        self._servers: list[Server] = []
        self._control = Server(ControlApi(self, stop).handle, clock=self.clock)

    async def start(self) -> None:
        """Bring up every part; returns when the node is Ready. Raises UserError when one can't start."""
        try:
            await self._start()
        except (sqlite3.Error, StoreUnavailableError) as error:
            raise UserError(
                f"the state in {self.home.root} can't be used: {error}",
                f"If the disk is full, free some space. If the state is damaged: mv {self.home.root} "
                f"{self.home.root}.damaged (your answers in labs/ are not in it).",
            ) from error

    async def _start(self) -> None:
        try:
            self.runtime = await Runtime.open(self.home.root, clock=self.clock, driver=self._wanted_driver)
        except (NoDriver, ValueError) as error:
            raise UserError(str(error), "docs/setup.md says what a driver needs.") from error
        _allow_open_files()
        self.engine = Engine(self.home.root, self.runtime, self.clock)
        self.cluster = Cluster(self.home.root, self.runtime, self.clock)
        docker = Server(self.engine.handler, clock=self.clock)
        kubernetes = Server(self.cluster.handler, clock=self.clock)
        self._servers = [docker, kubernetes, self._control]
        await self.engine.start()
        await self.cluster.start()
        await docker.listen_unix(self.home.docker_socket)
        self.cluster.announce(await self._listen_kubernetes(kubernetes))
        await self._control.listen_unix(self.home.control_socket)
        self._write_state()
        logger.info("ready: pid %s, driver %s, home %s", os.getpid(), self.driver, self.home.root)

    def _write_state(self) -> None:
        write_atomically(self.home.state_file, json.dumps(self.describe(), indent=2) + "\n")

    async def _listen_kubernetes(self, server: Server) -> int:
        """Serve on the port of last time, so that a kubeconfig in an open terminal stays true."""
        pki = Pki(self.home.pki, clock=self.clock)
        context = pki.server_context()
        remembered = self.home.root / "kubernetes.port"
        try:
            wanted = int(remembered.read_text())
        except (OSError, ValueError):
            wanted = 0
        try:
            port = await server.listen_tcp("127.0.0.1", wanted, context)
        except OSError as error:
            if not wanted or error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            logger.warning("port %s of last time is taken; another is used", wanted)
            port = await server.listen_tcp("127.0.0.1", 0, context)
        write_atomically(remembered, f"{port}\n")
        kubeconfig.write(self.home.kubeconfig, pki, port)
        return port

    async def stop(self) -> None:
        """Take every part down again, clients first; no process, mount or socket is left."""
        await asyncio.gather(*(server.close() for server in self._servers))
        if self.cluster is not None:
            await self.cluster.stop()
        if self.engine is not None:
            await self.engine.stop()
        if self.runtime is not None:
            await self.runtime.close()
        logger.info("stopped")

    @property
    def driver(self) -> str | None:
        """The name of the file-system driver in use."""
        return None if self.runtime is None else self.runtime.driver.traits.name

    def describe(self) -> dict[str, Any]:
        """What `status --json` shows."""
        return {
            "pid": os.getpid(),
            "backend": "embedded",
            "driver": self.driver,
            "docker_host": self.home.docker_host,
            "kubeconfig": str(self.home.kubeconfig),
            "home": str(self.home.root),
            "version": VERSION,
            "node_ready": self.cluster is not None and self.cluster.node_ready,
            "nodes": self.cluster.nodes if self.cluster is not None else {},
        }

    def examine(self) -> dict[str, Any]:
        """What `doctor` shows of the platform: the driver, what is lost by it, limits, and every trial."""
        assert self.runtime is not None
        return {
            "driver": asdict(self.runtime.driver.traits),
            "limits": list(self.runtime.enforcement.warnings),
            "trials": [asdict(trial) for trial in self.runtime.trials],
        }

    async def switch_node(self, name: str, *, on: bool, grace: float | None) -> dict[str, str]:
        """Take a node's power away, or give it back; returns what each node is at. Raises UserError."""
        assert self.cluster is not None
        if name not in self.cluster.agents:
            raise UserError(f"there is no node {name!r}", f"The nodes are {', '.join(self.cluster.agents)}.")
        if on:
            self.cluster.start_node(name)
        else:
            await self.cluster.stop_node(name, grace=grace)
        self._write_state()
        return self.cluster.nodes

    async def add_node(self, name: str, memory: str) -> dict[str, str]:
        """Add a node with memory of its own; returns what each node is at. Raises UserError."""
        assert self.cluster is not None
        try:
            size = whole(memory)
        except ValueError as error:
            raise UserError(
                f"{memory!r} is no amount of memory: {error}", "As in a Pod: 512Mi, or 1Gi."
            ) from error
        if size < LEAST_MEMORY:
            raise UserError(f"{memory} is too little for a node", "It needs 128Mi, 100Mi of which stay free.")
        try:
            self.cluster.add_node(name, memory=canonical(memory))
        except (ValueError, ApiError) as error:
            raise UserError(str(error), "Choose another name; `dockyard node` lists the nodes.") from error
        self._write_state()
        return self.cluster.nodes

    async def remove_node(self, name: str) -> dict[str, str]:
        """Remove a node that was added, and what runs there. Raises UserError for any other."""
        assert self.cluster is not None
        try:
            await self.cluster.remove_node(name)
        except KeyError as error:
            raise UserError(
                f"there is no added node {name!r}", "`dockyard node stop` takes the power of the others away."
            ) from error
        self._write_state()
        return self.cluster.nodes

    def set_cut(self, namespace: str, selector: str, *, cut: bool) -> list[str]:
        """Cut the Pods that match off from the network, or restore them; returns their names."""
        assert self.cluster is not None
        return self.cluster.set_cut(namespace, selector, cut=cut)
