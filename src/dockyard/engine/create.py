"""From the body of POST /containers/create and an image to the document of a new container."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from typing import Any

from dockyard.engine import hostconfig, ports
from dockyard.engine.container import new_state
from dockyard.engine.errors import BadParameter
from dockyard.engine.mounts import plan_mounts
from dockyard.engine.networks import Networks
from dockyard.engine.parameters import Document
from dockyard.engine.signals import parse_signal
from dockyard.engine.volumes import Volumes
from dockyard.runtime.images import Image

MILLISECOND = 1_000_000


def new_document(
    body: Document,
    image: Image,
    name: str,
    volumes: Volumes,
    networks: Networks,
    now: float,
    borrowed: list[Document],
) -> Document:
    """Return the document of a container that `body` asks for; volumes that it needs are made.

    `borrowed` are the mounts that it gets from other containers (VolumesFrom).

    Raises:
        EngineError: something in `body` is refused, in upstream's words.
    """
    _check_types(body)
    host_config = hostconfig.complete(body.get("HostConfig"))
    if host_config["PortBindings"]:
        host_config["PortBindings"] = ports.bindings(host_config["PortBindings"])
    endpoints = _endpoints(body, host_config["NetworkMode"])
    for known, endpoint in endpoints.items():
        network = networks.find(known)
        if network is not None and (problem := refused_address(endpoint, network, networks)):
            raise BadParameter(f"invalid config for network {known}: {problem}")
    identifier = secrets.token_hex(32)
    config = merge_config(body, image.config.get("config") or {}, identifier)
    if host_config["NetworkMode"] == "host" and not body.get("Hostname"):
        config["Hostname"] = socket.gethostname()
    if not (config["Entrypoint"] or []) and not (config["Cmd"] or []):
        raise BadParameter("no command specified")
    for port in host_config["PortBindings"] or ():
        config["ExposedPorts"] = {**(config.get("ExposedPorts") or {}), port: {}}
    command = [*(config["Entrypoint"] or []), *(config["Cmd"] or [])]
    image_volumes = (image.config.get("config") or {}).get("Volumes") or {}
    mounts = plan_mounts(host_config, image_volumes, body.get("Volumes") or {}, volumes, borrowed)
    return {
        "Id": identifier,
        "Name": name,
        "Created": now,
        "Path": command[0],
        "Args": command[1:],
        "State": new_state(),
        "Image": image.id,
        "Config": config,
        "HostConfig": host_config,
        "Mounts": mounts,
        "Endpoints": endpoints,
        "RestartCount": 0,
        "StoppedByHand": False,
        "SandboxId": secrets.token_hex(32),
    }


def _check_types(body: Document) -> None:
    strings = ("Hostname", "Domainname", "User", "Image", "WorkingDir", "StopSignal")
    for key, kind, wanted in (
        *((key, str, "string") for key in strings),
        ("Env", list, "[]string"),
        ("Labels", dict, "map[string]string"),
        ("HostConfig", dict, "container.HostConfig"),
        ("ExposedPorts", dict, "nat.PortSet"),
        ("Volumes", dict, "map[string]struct {}"),
    ):
        value = body.get(key)
        if value is not None and not isinstance(value, kind):
            raise BadParameter(
                f"invalid JSON: json: cannot unmarshal {_kind(value)} into Go value of type {wanted}"
            )
    for key in ("Cmd", "Entrypoint"):
        value = body.get(key)
        if value is not None and not isinstance(value, (list, str)):
            raise BadParameter(
                f"invalid JSON: json: cannot unmarshal {_kind(value)} into Go value of type string"
            )


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    return "object" if isinstance(value, dict) else "number"


def merge_config(body: Document, image: Document, identifier: str) -> Document:
    """Return the Config of a container: its own values where given, else the image's.

    Raises:
        BadParameter: a value that upstream refuses.
    """
    entrypoint, command = _words(body.get("Entrypoint")), _words(body.get("Cmd"))
    if entrypoint is None:
        # An entrypoint of the container's own makes the image's command meaningless.
        entrypoint = image.get("Entrypoint")
        command = command if command else image.get("Cmd")
    if entrypoint == [""]:
        entrypoint = None
    working_directory = body.get("WorkingDir") or image.get("WorkingDir") or ""
    if working_directory and not working_directory.startswith("/"):
        raise BadParameter(
            f"the working directory '{working_directory}' is invalid, it needs to be an absolute path"
        )
    if body.get("StopSignal"):
        parse_signal(body["StopSignal"])
    config: Document = {
        "Hostname": body.get("Hostname") or identifier[:12],
        "Domainname": body.get("Domainname") or "",
        "User": body.get("User") or image.get("User") or "",
        "AttachStdin": bool(body.get("AttachStdin")),
        "AttachStdout": bool(body.get("AttachStdout")),
        "AttachStderr": bool(body.get("AttachStderr")),
        "Tty": bool(body.get("Tty")),
        "OpenStdin": bool(body.get("OpenStdin")),
        "StdinOnce": bool(body.get("StdinOnce")),
        "Env": merge_environment(body.get("Env") or [], image.get("Env") or []),
        "Cmd": command,
        "Image": body.get("Image") or "",
        "Volumes": {**(image.get("Volumes") or {}), **(body.get("Volumes") or {})} or None,
        "WorkingDir": working_directory,
        "Entrypoint": entrypoint,
        "OnBuild": None,
        "Labels": {**(image.get("Labels") or {}), **(body.get("Labels") or {})},
    }
    exposed: Document = {
        (port if "/" in port else f"{port}/tcp"): {}
        for port in [*(image.get("ExposedPorts") or {}), *(body.get("ExposedPorts") or {})]
    }
    config["ExposedPorts"] = exposed or None
    health = merge_health(body.get("Healthcheck"), image.get("Healthcheck"))
    if health is not None:
        config["Healthcheck"] = health
    if body.get("StopSignal") or image.get("StopSignal"):
        config["StopSignal"] = body.get("StopSignal") or image.get("StopSignal")
    if body.get("StopTimeout") is not None:
        config["StopTimeout"] = int(body["StopTimeout"])
    return config


def _words(value: list[str] | str | None) -> list[str] | None:
    return [value] if isinstance(value, str) else value


def merge_environment(own: list[str], image: list[str]) -> list[str]:
    """Return the container's variables, then the image's that it does not set; `NAME` alone unsets.

    Raises:
        BadParameter: a variable without a name.
    """
    for entry in own:
        if not entry or entry.startswith("="):
            raise BadParameter(f"invalid environment variable: {entry}")
    names = {entry.partition("=")[0] for entry in own}
    return [*own, *(entry for entry in image if entry.partition("=")[0] not in names)]


def environment(config: Document) -> Mapping[str, str]:
    """Return a container's variables as its process gets them; PATH, HOME and TERM are the runtime's care."""
    pairs = [entry.partition("=") for entry in config["Env"] or []]
    return {"HOSTNAME": config["Hostname"], **{name: value for name, equals, value in pairs if equals}}


def merge_health(own: Document | None, image: Document | None) -> Document | None:
    """Return the health check of a container; single values that it leaves out are the image's.

    Raises:
        BadParameter: a value that upstream refuses.
    """
    if own:
        for field in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
            value = own.get(field) or 0
            if value and value < MILLISECOND:
                raise BadParameter(f"{field} in Healthcheck cannot be less than 1ms")
        if (own.get("Retries") or 0) < 0:
            raise BadParameter("Retries in Healthcheck cannot be negative")
    merged = {**(image or {}), **{key: value for key, value in (own or {}).items() if value}}
    return merged or None


def _endpoints(body: Document, mode: str) -> dict[str, Document]:
    if mode.startswith("container:"):
        return {}
    asked = ((body.get("NetworkingConfig") or {}).get("EndpointsConfig")) or {}
    wanted = {"bridge" if name == "default" else name: endpoint for name, endpoint in asked.items()}
    names = list(wanted) or [mode]
    if mode not in names and mode not in ("bridge", "default"):
        names = [mode, *names]
    return {name: new_endpoint(wanted.get(name)) for name in names}


def new_endpoint(asked: Document | None) -> Document:
    """Return the settings of a container on a network."""
    asked = asked or {}
    return {
        "IPAMConfig": asked.get("IPAMConfig") or None,
        "Links": asked.get("Links"),
        "Aliases": asked.get("Aliases"),
        "DriverOpts": asked.get("DriverOpts"),
        "GwPriority": asked.get("GwPriority") or 0,
        "IPAddress": asked.get("IPAddress") or "",
        "EndpointID": "",
    }


def refused_address(endpoint: Document, network: Document, networks: Networks) -> str:
    """Return upstream's words against the address that an endpoint asks for, or ""."""
    wanted = (endpoint["IPAMConfig"] or {}).get("IPv4Address")
    reasons = networks.addresses.complaints(network, wanted) if wanted else []
    if not reasons:
        return ""
    joined = reasons[0] if len(reasons) == 1 else "\n".join(f"* {reason}" for reason in reasons)
    return f"invalid endpoint settings:\n{joined}"
