"""Which handler answers a method and a path."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dockyard.wire.request import Request
from dockyard.wire.server import Handler

_PARAMETER = re.compile(r"\{(\w+)(:path)?\}")


@dataclass(frozen=True, slots=True)
class Match:
    """What a path means: the handler (None when only other methods have one) and its parameters."""

    handler: Handler | None
    parameters: dict[str, str]
    allowed: tuple[str, ...]


class Router:
    """Patterns such as `/containers/{id}/json`; `{name:path}` also takes slashes, as few as it can.

    Parameters land in `Request.path_parameters`. What to answer when nothing matches is the API's matter.
    """

    def __init__(self) -> None:
        self._fixed: dict[str, dict[str, Handler]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Handler]]] = []
        self._by_text: dict[str, dict[str, Handler]] = {}

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        """Let `handler` answer `method` on `pattern`; fixed paths win, then the earliest pattern."""
        methods = self._by_text.get(pattern)
        if methods is None:
            methods = self._by_text[pattern] = {}
            if "{" in pattern:
                self._patterns.append((_compile(pattern), methods))
            else:
                self._fixed[pattern] = methods
        methods[method] = handler

    def match(self, method: str, path: str) -> Match | None:
        """Find the handler of a path, or None when no pattern fits it."""
        allowed: list[str] = []
        fixed = self._fixed.get(path)
        if fixed is not None:
            if (handler := _choose(fixed, method)) is not None:
                return Match(handler, {}, ())
            allowed.extend(fixed)
        for pattern, methods in self._patterns:
            found = pattern.fullmatch(path)
            if found is None:
                continue
            if (handler := _choose(methods, method)) is not None:
                return Match(handler, found.groupdict(), ())
            allowed.extend(methods)
        return Match(None, {}, tuple(allowed)) if allowed else None

    def resolve(self, request: Request, path: str | None = None) -> Match | None:
        """`match` for a request; a handler that was found has its parameters in the request afterwards."""
        found = self.match(request.method, request.path if path is None else path)
        if found is not None and found.handler is not None:
            request.path_parameters = found.parameters
        return found


def _choose(methods: dict[str, Handler], method: str) -> Handler | None:
    handler = methods.get(method)
    # A HEAD is a GET whose body the connection leaves out.
    return methods.get("GET") if handler is None and method == "HEAD" else handler


def _compile(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    end = 0
    for found in _PARAMETER.finditer(pattern):
        parts.append(re.escape(pattern[end : found.start()]))
        parts.append(f"(?P<{found[1]}>{'.+?' if found[2] else '[^/]+'})")
        end = found.end()
    return re.compile("".join(parts) + re.escape(pattern[end:]))
