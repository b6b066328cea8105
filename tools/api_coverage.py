"""docs/coverage.md: each endpoint of the Docker Engine API, who uses it, and what proves that we serve it.

The endpoints are API 1.51's. Which client uses one, and in which conversation, was read from the recorded
HTTP (tests/data/docker/endpoints.json); those conversations are played again in tests/parity and
tests/engine/compose. Tests are found by the paths that they name.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from unittest.mock import MagicMock

PROJECT = Path(__file__).resolve().parent.parent
ENDPOINTS = PROJECT / "tests" / "data" / "docker" / "endpoints.json"
TESTS = PROJECT / "tests" / "engine"
FAMILIES = {
    "container": "Containers",
    "exec": "Exec",
    "image": "Images and builds",
    "network": "Networks",
    "volume": "Volumes",
    "system": "System",
    "distribution": "Distribution",
    "session": "BuildKit",
    "swarm": "Swarm",
    "plugin": "Plugins",
}
EXPLAINED = (
    "*served* does what upstream does; *refused* answers as an engine that does not have the thing",
    "(swarm, plugins, BuildKit); *no* is 404. Clients are those whose recorded conversations use the",
    "endpoint; *raw* are requests that no client sends. Conversations are played again by",
    "tests/parity/docker (docker-py, docker) and tests/engine/compose (docker compose).",
)
REFUSALS = "tests/engine/test_out_of_scope.py"
"""Asks every endpoint that is refused."""
SHOWN = 3


def page() -> str:
    """Return the page."""
    endpoints = json.loads(ENDPOINTS.read_text())
    served, refused = _routes()
    named = _named_in_tests()
    lines = ["# Which endpoints of the Docker Engine API are served", ""]
    lines += ["Made by `just docs` from the engine's routes, the recordings and the tests; don't edit.", ""]
    lines += [*EXPLAINED, ""]
    total = {"served": 0, "refused": 0, "no": 0}
    for family, title in FAMILIES.items():
        lines += [f"## {title}", "", "| Endpoint | | Clients | Proven by |", "|---|---|---|---|"]
        for endpoint, about in endpoints.items():
            if about["family"] != family:
                continue
            method, path = endpoint.split(" ")
            answer = _answer(method, path, served, refused)
            total[answer] += 1
            clients = ", ".join(about["clients"]) or "none recorded"
            proof = REFUSALS if answer == "refused" else _proof(endpoint, about["clients"], named)
            lines.append(f"| `{endpoint}` | {answer} | {clients} | {proof if answer != 'no' else ''} |")
        lines.append("")
    summary = ", ".join(f"{count} {answer}" for answer, count in total.items() if count)
    return "\n".join([*lines[:4], f"{sum(total.values())} endpoints: {summary}.", "", *lines[4:]])


def _routes() -> tuple[set[str], set[str]]:
    """The engine's own endpoints, and those that it has only to refuse, as `GET /containers/{}/json`."""
    from dockyard.engine import out_of_scope
    from dockyard.engine.engine import FAMILIES as MODULES

    engine = MagicMock(home=Path("/nowhere"))  # routes only hand it to their handlers
    served: set[str] = set()
    refused: set[str] = set()
    for module in MODULES:
        for method, pattern, _ in module.routes(engine):
            (refused if module is out_of_scope else served).add(_shape(method, pattern))
    return served, refused


def _shape(method: str, path: str) -> str:
    return f"{method} {re.sub(r'{[^}]*}', '{}', path)}"


def _answer(method: str, path: str, served: set[str], refused: set[str]) -> str:
    shape = _shape(method, path)
    return "served" if shape in served else "refused" if shape in refused else "no"


def _named_in_tests() -> dict[str, set[str]]:
    """The files of tests by the paths that are written in them, with what is filled in left out."""
    named: dict[str, set[str]] = {}
    for file in sorted([*TESTS.rglob("*.py"), *TESTS.rglob("*.json")]):
        for path in re.findall(r'"(?:/v1\.\d+)?(/[a-z_][^"\s]*)"', file.read_text()):
            shape = re.sub(r"\{[^}]*\}+", "{}", path.partition("?")[0])
            named.setdefault(shape, set()).add(str(file.relative_to(PROJECT)))
    return named


def _proof(endpoint: str, clients: dict[str, list[str]], named: dict[str, set[str]]) -> str:
    talks = sorted({name for names in clients.values() for name in names})
    proofs = [f"{name}" for name in talks[:SHOWN]]
    if len(talks) > SHOWN:
        proofs.append(f"{len(talks) - SHOWN} conversations more")
    path = endpoint.split(" ")[1]
    pattern = re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path)))
    files = sorted({file for shape, files in named.items() if pattern.fullmatch(shape) for file in files})
    if not talks or len(talks) < SHOWN:
        proofs += files[: SHOWN - len(talks)]
    return ", ".join(proofs) or "nothing yet"
