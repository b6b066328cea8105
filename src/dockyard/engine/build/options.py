"""What `POST /build` was asked for."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from dockyard.engine.distribution.credentials import Credentials, from_document
from dockyard.engine.errors import BadParameter
from dockyard.engine.parameters import flag, integer
from dockyard.runtime.references import InvalidReference, familiar
from dockyard.runtime.spec import Limits
from dockyard.wire.http import Request

_CLIENT_SENDS = "client-session"  # what BuildKit's clients say for files that they keep


@dataclass(frozen=True)
class Options:
    """The query of a build (https://docs.docker.com/reference/api/engine/, ImageBuild)."""

    dockerfile: str = "Dockerfile"
    tags: tuple[str, ...] = ()
    quiet: bool = False
    no_cache: bool = False
    remove: bool = True
    force_remove: bool = False
    build_args: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    network: str = "default"
    extra_hosts: tuple[tuple[str, str], ...] = ()  # (address, name)
    cache_from: tuple[str, ...] = ()
    pull: bool = False
    platform: str = ""
    remote: str = ""
    registries: Mapping[str, Credentials] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)  # of each RUN
    shm_size: int = 64 << 20  # bytes

    @classmethod
    def read(cls, request: Request) -> "Options":
        """Read and check the query. Raises BadParameter."""
        query = request.query
        version = query.get("version")
        if version == "2":
            raise BadParameter(
                "BuildKit is not supported: set DOCKER_BUILDKIT=0 to build with the classic builder"
            )
        if version not in ("", "1"):
            raise BadParameter(f'invalid version "{version}"')
        if flag(request, "squash"):
            raise BadParameter("squash is only supported with experimental mode")
        if query.get("securityopt") not in ("", "null", "[]"):
            raise BadParameter(
                "The daemon on this platform does not support setting security options on build"
            )
        tags = []
        for tag in query.getlist("t"):
            try:
                tags.append(familiar(tag))
            except InvalidReference as error:
                raise BadParameter(str(error)) from None
        hosts = []
        for entry in " ".join(query.getlist("extrahosts")).replace(",", " ").split():
            name, _, address = entry.partition(":")
            hosts.append((address, name))
        return cls(
            dockerfile=query.get("dockerfile") or "Dockerfile",
            tags=tuple(dict.fromkeys(tags)),
            quiet=flag(request, "q"),
            no_cache=flag(request, "nocache"),
            remove=flag(request, "rm", True),
            force_remove=flag(request, "forcerm"),
            build_args=_object(query.get("buildargs"), "build args"),
            labels={key: value or "" for key, value in _object(query.get("labels"), "labels").items()},
            target=query.get("target"),
            network=query.get("networkmode") or "default",
            extra_hosts=tuple(hosts),
            cache_from=_names(query.get("cachefrom")),
            pull=flag(request, "pull"),
            platform=query.get("platform"),
            remote="" if query.get("remote") == _CLIENT_SENDS else query.get("remote"),
            registries=_registries(request.headers.get("x-registry-config")),
            limits=_limits(request),
            shm_size=integer(request, "shmsize", 0) or 64 << 20,
        )


def _names(text: str) -> tuple[str, ...]:
    """A JSON array; like upstream, anything else is taken for none."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        found = []
    return tuple(name for name in found if isinstance(name, str)) if isinstance(found, list) else ()


def _registries(header: str) -> dict[str, Credentials]:
    """X-Registry-Config: who the client is at each registry."""
    try:
        found = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)) or b"{}")
    except (binascii.Error, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {host: from_document(one) for host, one in found.items() if isinstance(one, dict)}


def _limits(request: Request) -> Limits:
    quota, period = integer(request, "cpuquota", 0), integer(request, "cpuperiod", 0) or 100_000
    return Limits(
        memory=integer(request, "memory", 0) or None,
        memory_swap=integer(request, "memswap", 0) or None,
        cpus=quota / period if quota > 0 else None,
        period=period,
        cpu_shares=integer(request, "cpushares", 0) or None,
        cpuset=request.query.get("cpusetcpus"),
    )


def _object(text: str, what: str) -> dict[str, str | None]:
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BadParameter(f"error reading {what}: {error}") from None
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, str | None) for value in found.values()):
        raise BadParameter(f"error reading {what}: an object of strings is wanted")
    return found
