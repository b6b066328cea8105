"""What `POST /build` was asked for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from dockyard.engine.errors import BadParameter
from dockyard.engine.parameters import flag
from dockyard.runtime.references import InvalidReference, familiar
from dockyard.wire.http import Request


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
        if query.get("remote"):
            raise BadParameter("remote build contexts are not supported: send the files")
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
