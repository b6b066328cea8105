"""Endpoints about the engine as a whole: ping, version, info, events, disk usage."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.engine import render, rootfs
from dockyard.engine.errors import BadParameter
from dockyard.engine.events import Event
from dockyard.engine.filters import Filters, parse_filters
from dockyard.engine.images import summary as image_summary
from dockyard.engine.parameters import Document, timestamp
from dockyard.engine.routes import Routes
from dockyard.engine.versions import API_VERSION, ENGINE_VERSION, MINIMUM_VERSION, text
from dockyard.runtime.catalog import architecture
from dockyard.wire.clock import rfc3339_nano
from dockyard.wire.http import Request, Response, StreamResponse, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

_EVENT_FILTERS = (
    "config container daemon event image label network node plugin scope secret service type volume"
)
_NO_CACHE = (("Cache-Control", "no-cache, no-store, must-revalidate"), ("Pragma", "no-cache"))
_EVENT_TYPES = ("builder", "container", "daemon", "image", "network", "plugin", "volume")


def routes(engine: Engine) -> Routes:
    api = System(engine)
    yield "GET", "/_ping", api.ping
    yield "HEAD", "/_ping", api.ping
    yield "GET", "/version", api.version
    yield "GET", "/info", api.info
    yield "GET", "/events", api.events
    yield "GET", "/system/df", api.disk_usage


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
        # Differs: says which engine it stands in for, and that it is dockyard.
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
                "ID": "",
                "Containers": len(engine.registry),
                "ContainersRunning": counts["running"],
                "ContainersPaused": counts["paused"],
                "ContainersStopped": counts["stopped"],
                "Images": len(engine.runtime.images.list()),
                "Driver": driver.traits.name,
                "DriverStatus": [["Overlay", str(driver.traits.overlay).lower()]],
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
                    "IndexConfigs": {},
                    "InsecureRegistryCIDRs": ["127.0.0.0/8"],
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

    async def events(self, request: Request) -> StreamResponse:
        since, until = timestamp(request, "since"), timestamp(request, "until")
        if since is not None and until is not None and since > until:
            raise BadParameter(f"`since` time ({since:.0f}) cannot be after `until` time ({until:.0f})")
        filters = parse_filters(request, _EVENT_FILTERS.split())
        source = self._engine.events.stream(lambda event: _wanted(event, filters), since, until)

        async def lines() -> AsyncIterator[bytes]:
            try:
                async for event in source:
                    yield json.dumps(event, separators=(",", ":")).encode() + b"\n"
            finally:
                await source.aclose()

        return StreamResponse(200, [("Content-Type", "application/json")], lines())

    async def disk_usage(self, request: Request) -> Response:
        engine = self._engine
        kinds = request.query.getlist("type")
        for kind in kinds:
            if kind not in ("container", "image", "volume", "build-cache"):
                raise BadParameter(f"unknown object type: {kind}")
        answer: Document = {}
        if not kinds or "image" in kinds:
            images = engine.runtime.images.list()
            layers = {layer for image in images for layer in image.layers}
            answer["LayersSize"] = sum(engine.runtime.images.layers.get(layer).size for layer in layers)
            answer["Images"] = [image_summary(image, engine.registry) | {"SharedSize": 0} for image in images]
        if not kinds or "container" in kinds:
            now = engine.clock.now()
            answer["Containers"] = []
            for container in engine.registry:
                shown = render.summary(container, engine.networks, now)
                snapshot = engine.runtime.snapshots.get(container.id)
                shown["SizeRw"] = rootfs.writable_size(snapshot) if snapshot else 0
                answer["Containers"].append(shown)
        if not kinds or "volume" in kinds:
            answer["Volumes"] = [
                {
                    **volume,
                    "UsageData": {
                        "RefCount": len(engine.lifecycle.volume_users(volume["Name"])),
                        "Size": engine.volumes.size(volume["Name"]),
                    },
                }
                for volume in engine.volumes.all()
            ]
        if not kinds or "build-cache" in kinds:
            answer["BuildCache"] = []
        return json_response(answer)


def _wanted(event: Event, filters: Filters) -> bool:
    kind, actor = event["Type"], event["Actor"]
    attributes = actor["Attributes"]
    action = event["Action"].partition(":")[0]
    if not (filters.exact("type", kind) and filters.exact("event", event["Action"], action)):
        return False
    for name in ("container", "image", "network", "volume"):
        wanted = filters.get(name)
        if not wanted:
            continue
        if name == "image" and kind == "container":
            if not any(attributes.get("image", "").startswith(value) for value in wanted):
                return False
            continue
        named = kind == name and any(
            actor["ID"].startswith(value) or attributes.get("name") == value for value in wanted
        )
        carried = attributes.get("container", "").startswith(tuple(wanted)) if name == "container" else False
        if not named and not (carried and attributes.get("container")):
            return False
    return filters.labels(attributes)


def _operating_system() -> str:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return "linux"
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return values.get("PRETTY_NAME", "linux").strip('"')
