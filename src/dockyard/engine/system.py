"""Endpoints about the engine as a whole: ping, version, info."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.engine.parameters import Document
from dockyard.engine.routes import Routes
from dockyard.engine.versions import API_VERSION, ENGINE_VERSION, MINIMUM_VERSION, text
from dockyard.runtime.catalog import architecture
from dockyard.wire.clock import rfc3339_nano
from dockyard.wire.http import Request, Response, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

_NO_CACHE = (("Cache-Control", "no-cache, no-store, must-revalidate"), ("Pragma", "no-cache"))


def routes(engine: Engine) -> Routes:
    api = System(engine)
    yield "GET", "/_ping", api.ping
    yield "HEAD", "/_ping", api.ping
    yield "GET", "/version", api.version
    yield "GET", "/info", api.info


class System:
    """The family's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def ping(self, request: Request) -> Response:
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Builder-Version", "1")]
        headers += [*_NO_CACHE, ("Swarm", "inactive")]
        return Response(200, headers, b"" if request.method == "HEAD" else b"OK")

    async def version(self, request: Request) -> Response:
        common: Document = {
            "ApiVersion": text(API_VERSION),
            "Arch": architecture(),
            "GitCommit": "",
            "GoVersion": "",
            "KernelVersion": platform.release(),
            "MinAPIVersion": text(MINIMUM_VERSION),
            "Os": "linux",
        }
        # Differs: `docker version` names the engine that this one stands in for, and says that it is
        # dockyard.
        component = {
            "Name": "Engine",
            "Version": ENGINE_VERSION,
            "Details": {**common, "Experimental": "false"},
        }
        return json_response(
            {
                "Platform": {"Name": "dockyard (a course's engine, not Docker's)"},
                "Components": [component],
                "Version": ENGINE_VERSION,
                **common,
                "BuildTime": "",
            }
        )

    async def info(self, request: Request) -> Response:
        engine = self._engine
        counts = {"running": 0, "paused": 0, "stopped": 0}
        for container in engine.registry:
            kind = {"running": "running", "restarting": "running", "paused": "paused"}.get(container.status)
            counts[kind or "stopped"] += 1
        driver, enforcement = engine.runtime.driver, engine.runtime.enforcement
        return json_response(
            {
                "ID": engine.identity,
                "Containers": len(engine.registry),
                "ContainersRunning": counts["running"],
                "ContainersPaused": counts["paused"],
                "ContainersStopped": counts["stopped"],
                "Images": len(engine.runtime.images.list()),
                "Driver": driver.traits.storage,
                "DriverStatus": [["Runtime Driver", driver.traits.name]],
                "Plugins": {
                    "Volume": ["local"],
                    "Network": ["bridge", "host", "null"],
                    "Authorization": None,
                    "Log": ["json-file", "none"],
                },
                "MemoryLimit": True,
                "SwapLimit": False,
                "CpuCfsPeriod": True,
                "CpuCfsQuota": True,
                "CPUShares": enforcement.shares != "none",
                "CPUSet": True,
                "PidsLimit": enforcement.pids != "none",
                "IPv4Forwarding": True,
                "Debug": False,
                "NFd": len(os.listdir("/proc/self/fd")),
                "OomKillDisable": False,
                "NGoroutines": 1,
                "SystemTime": rfc3339_nano(engine.clock.now()),
                "LoggingDriver": "json-file",
                "CgroupDriver": "cgroupfs" if enforcement.version else "none",
                "CgroupVersion": str(enforcement.version or 2),
                "NEventsListener": engine.events.listeners,
                "KernelVersion": platform.release(),
                "OperatingSystem": _operating_system(),
                "OSVersion": "",
                "OSType": "linux",
                "Architecture": platform.machine(),
                "IndexServerAddress": "https://index.docker.io/v1/",
                "RegistryConfig": {
                    "IndexConfigs": {
                        "docker.io": {"Mirrors": [], "Name": "docker.io", "Official": True, "Secure": True}
                    },
                    "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"],
                    "Mirrors": None,
                },
                "NCPU": os.cpu_count(),
                "MemTotal": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
                "GenericResources": None,
                "DockerRootDir": str(engine.home),
                "HttpProxy": "",
                "HttpsProxy": "",
                "NoProxy": "",
                "Name": platform.node(),
                "Labels": ["dockyard.embedded=true"],
                "ExperimentalBuild": False,
                "ServerVersion": ENGINE_VERSION,
                "Runtimes": {"runc": {"path": "runc"}},
                "DefaultRuntime": "runc",
                "Swarm": {
                    "NodeID": "",
                    "NodeAddr": "",
                    "LocalNodeState": "inactive",
                    "ControlAvailable": False,
                    "Error": "",
                    "RemoteManagers": None,
                },
                "LiveRestoreEnabled": False,
                "Isolation": "",
                "InitBinary": "",
                "ContainerdCommit": {"ID": ""},
                "RuncCommit": {"ID": ""},
                "InitCommit": {"ID": ""},
                "SecurityOptions": [],
                "CDISpecDirs": [],
                "Warnings": [
                    *(
                        f"dockyard, driver {driver.traits.name}: without {loss}"
                        for loss in driver.traits.loses
                    ),
                    *(f"dockyard: {warning}" for warning in enforcement.warnings),
                ],
            }
        )


def _operating_system() -> str:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return "linux"
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return values.get("PRETTY_NAME", "linux").strip('"')
