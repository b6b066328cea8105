"""Containers as the API shows them: the inspect document and the line of the list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dockyard.engine.container import ZERO, Container
from dockyard.engine.durations import human_duration
from dockyard.engine.networks import Networks, dns_names
from dockyard.engine.parameters import Document
from dockyard.wire.clock import rfc3339_nano

if TYPE_CHECKING:
    from dockyard.runtime.spec import Rootfs


_OWN_FILES = {"ResolvConfPath": "resolv.conf", "HostnamePath": "hostname", "HostsPath": "hosts"}


def go_time(seconds: float) -> str:
    """Return Unix seconds as Go writes them, 0 as Go's zero time."""
    return rfc3339_nano(seconds) if seconds else ZERO


def state(container: Container) -> Document:
    """Return State of an inspect document."""
    kept = container.state
    status = container.status
    shown: Document = {
        "Status": status,
        "Running": container.running,
        "Paused": status == "paused",
        "Restarting": status == "restarting",
        "OOMKilled": kept["OOMKilled"],
        "Dead": False,
        "Pid": kept["Pid"],
        "ExitCode": kept["ExitCode"],
        "Error": kept["Error"],
        "StartedAt": go_time(kept["StartedAt"]),
        # While it runs, upstream shows the zero time, whatever its last end was.
        "FinishedAt": go_time(kept["FinishedAt"]),
    }
    if kept.get("Health"):
        shown["Health"] = {
            **kept["Health"],
            "Log": [
                {**entry, "Start": rfc3339_nano(entry["Start"]), "End": rfc3339_nano(entry["End"])}
                for entry in kept["Health"]["Log"]
            ],
        }
    return shown


def ports(container: Container) -> Document:
    """Return Ports of an inspect document: exposed ones, with where they are published while it runs."""
    if container.process is None:
        return {}
    shown: Document = dict.fromkeys(container.config["ExposedPorts"] or {})
    for port, addresses in container.ports.items():
        shown[port] = [{"HostIp": host, "HostPort": str(number)} for host, number in addresses]
    return shown


def mac_address(address: str) -> str:
    """Return the MAC address that goes with an IPv4 address, as the bridge driver has long made them."""
    # Differs: a container's MAC address is for show; it has no network interface of its own.
    return "02:42:" + ":".join(f"{int(part):02x}" for part in address.split(".")) if address else ""


def endpoint(container: Container, name: str, networks: Networks) -> Document:
    """Return a container's settings on one network."""
    kept = container.endpoints[name]
    network = networks.find(name)
    connected = container.process is not None and network is not None and network["Driver"] == "bridge"
    user_defined = network is not None and network["Name"] not in ("bridge", "host", "none")
    address, prefix, gateway = networks.place(container, name) if connected else ("", 0, "")
    started = bool(container.state["StartedAt"])
    return {
        "IPAMConfig": kept.get("IPAMConfig"),
        "Links": kept.get("Links"),
        "Aliases": kept.get("Aliases"),
        "MacAddress": mac_address(address),
        "DriverOpts": kept.get("DriverOpts"),
        "GwPriority": kept.get("GwPriority", 0),
        "NetworkID": network["Id"] if network is not None and started else "",
        "EndpointID": kept.get("EndpointID", "") if connected else "",
        "Gateway": gateway,
        # Before the first start upstream shows what was asked for.
        "IPAddress": address if started else kept.get("IPAddress") or "",
        "IPPrefixLen": prefix,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": dns_names(container, name) if user_defined and started else None,
    }


def _network_settings(container: Container, networks: Networks) -> Document:
    endpoints = {name: endpoint(container, name, networks) for name in container.endpoints}
    bridge = endpoints.get("bridge", {})
    running = container.process is not None
    sandbox = container.document["SandboxId"]
    return {
        "Bridge": "",
        "SandboxID": sandbox if running else "",
        "SandboxKey": f"/var/run/docker/netns/{sandbox[:12]}" if running else "",
        "Ports": ports(container),
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": bridge.get("EndpointID", ""),
        "Gateway": bridge.get("Gateway", ""),
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "IPAddress": bridge.get("IPAddress", ""),
        "IPPrefixLen": bridge.get("IPPrefixLen", 0),
        "IPv6Gateway": "",
        "MacAddress": bridge.get("MacAddress", ""),
        "Networks": endpoints,
    }


def inspect(
    container: Container,
    networks: Networks,
    rootfs: Rootfs | None,
    log: Path,
    exec_ids: list[str],
    driver: str,
) -> Document:
    """Return the document of GET /containers/{id}/json."""
    document = container.document
    data = {}
    files = dict.fromkeys(_OWN_FILES, "")
    if rootfs is not None:
        if container.state["StartedAt"]:
            etc = rootfs.upper.parent / "etc"
            files = {key: str(etc / name) for key, name in _OWN_FILES.items()}
        data = {
            "ID": container.id,
            "LowerDir": ":".join(str(layer) for layer in reversed(rootfs.layers)),
            "MergedDir": str(rootfs.merged),
            "UpperDir": str(rootfs.upper),
            "WorkDir": str(rootfs.work),
        }
    return {
        "Id": container.id,
        "Created": rfc3339_nano(document["Created"]),
        "Path": document["Path"],
        "Args": document["Args"],
        "State": state(container),
        "Image": document["Image"],
        **files,
        "LogPath": str(log) if container.state["StartedAt"] else "",
        "Name": f"/{container.name}",
        "RestartCount": document["RestartCount"],
        "Driver": driver,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": exec_ids or None,
        "HostConfig": container.host_config,
        "GraphDriver": {"Data": data, "Name": driver},
        "Mounts": container.mounts,
        "Config": {key: value for key, value in container.config.items() if key != "ExposedPorts" or value},
        "NetworkSettings": _network_settings(container, networks),
    }


def status_text(container: Container, now: float) -> str:
    """Return `Up 3 seconds (healthy)` or `Exited (0) 2 minutes ago`."""
    kept, status = container.state, container.status
    if status == "created":
        return "Created"
    if status == "exited":
        return f"Exited ({kept['ExitCode']}) {human_duration(now - kept['FinishedAt'])} ago"
    if status == "restarting":
        return f"Restarting ({kept['ExitCode']}) {human_duration(now - kept['FinishedAt'])} ago"
    text = f"Up {human_duration(now - kept['StartedAt'])}"
    if status == "paused":
        return f"{text} (Paused)"
    health = (kept.get("Health") or {}).get("Status", "")
    if health:
        text += f" ({'health: ' if health == 'starting' else ''}{health})"
    return text


def summary(container: Container, networks: Networks, now: float) -> Document:
    """Return the entry of GET /containers/json."""
    document = container.document
    words = [document["Path"], *document["Args"]]
    listed: list[Document] = []
    for port, addresses in sorted(ports(container).items()):
        number, _, protocol = port.partition("/")
        if addresses:
            listed += [
                {
                    "IP": address["HostIp"],
                    "PrivatePort": int(number),
                    "PublicPort": int(address["HostPort"]),
                    "Type": protocol,
                }
                for address in addresses
            ]
        else:
            listed.append({"PrivatePort": int(number), "Type": protocol})
    return {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": container.config["Image"],
        "ImageID": document["Image"],
        "Command": " ".join(_quoted(word) for word in words),
        "Created": int(document["Created"]),
        "Ports": listed,
        "Labels": container.config["Labels"] or {},
        "State": container.status,
        "Status": status_text(container, now),
        "HostConfig": {"NetworkMode": container.host_config["NetworkMode"]},
        "NetworkSettings": {
            "Networks": {
                # As upstream, which leaves the names to inspect.
                name: endpoint(container, name, networks) | {"DNSNames": None}
                for name in container.endpoints
            }
        },
        "Mounts": [dict(mount) for mount in container.mounts],
    }


def _quoted(word: str) -> str:
    """Quote as upstream's list does: around words with spaces, and without care for quotes inside."""
    return f"'{word}'" if " " in word or not word else word
