"""Build arguments: which are given, which a stage has declared, and what each is worth there."""

import os
from collections.abc import Mapping

# Known without an ARG, and kept out of the history, so that a proxy doesn't end up in an image.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
BUILT_IN = frozenset([*_PROXIES, *(name.lower() for name in _PROXIES)])


def _platform() -> dict[str, str]:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    parts = {"PLATFORM": f"linux/{machine}", "OS": "linux", "ARCH": machine, "VARIANT": ""}
    return {f"{kind}{name}": value for kind in ("BUILD", "TARGET") for name, value in parts.items()}


# Differs: TARGETPLATFORM and its like are set, for FROM lines and for stages that declare them; the classic
# builder doesn't know them.
AUTOMATIC = _platform()


class Arguments:
    """`given` comes with `--build-arg`; those declared before the first FROM are for the FROM lines."""

    def __init__(self, given: Mapping[str, str | None]) -> None:
        self._given = given
        self._before: dict[str, str | None] = {}
        self._stage: dict[str, str | None] = {}
        self._declared: set[str] = set()

    def declare_before(self, name: str, default: str | None) -> None:
        self._before[name] = default
        self._declared.add(name)

    def begin_stage(self) -> None:
        self._stage = {}

    def declare(self, name: str, default: str | None) -> None:
        """An ARG inside a stage; without a default it has that of the ARG before the first FROM."""
        self._stage[name] = self._before.get(name, AUTOMATIC.get(name)) if default is None else default
        self._declared.add(name)

    def for_from(self) -> dict[str, str]:
        """What a FROM line may use."""
        return self._values({**AUTOMATIC, **self._before})

    def for_stage(self, environment: Mapping[str, str]) -> dict[str, str]:
        """What the stage's instructions see beside `environment`, whose variables win."""
        known = self._values(self._stage)
        for name in BUILT_IN:
            value = self._given.get(name)
            if value is not None:
                known[name] = value
        return {name: value for name, value in known.items() if name not in environment}

    def in_history(self, seen: Mapping[str, str]) -> list[str]:
        """Those of `seen` that a RUN is recorded with, sorted."""
        return sorted(
            f"{name}={value}"
            for name, value in seen.items()
            if name not in BUILT_IN or name in self._declared
        )

    def not_consumed(self) -> list[str]:
        """Given, but declared nowhere."""
        return sorted(name for name in self._given if name not in self._declared and name not in BUILT_IN)

    def _values(self, mapping: Mapping[str, str | None]) -> dict[str, str]:
        found = {}
        for name, default in mapping.items():
            value = self._given.get(name)
            value = default if value is None else value
            if value is not None:
                found[name] = value
        return found
