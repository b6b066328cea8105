"""`dockyard doctor`: what works on this machine, what is lost, and what to do about it."""

from __future__ import annotations

from typing import Any

import click

from dockyard.backends import NAMES, Choice, chosen
from dockyard.cli._options import answer, json_option
from dockyard.errors import EXIT_NO
from dockyard.home import Home

SIGNS = {"ok": "ok  ", "warn": "less", "bad": "BAD "}


@click.command("doctor")
@click.option(
    "--backend", type=click.Choice(NAMES), help="Look at what this backend needs, in place of the one in use."
)
@json_option
def command(backend: str | None, as_json: bool) -> None:
    """Examine this machine and the platform: driver trials, stand-ins, disk, memory, clients.

    On another backend than the embedded one: the Docker Engine, kind, the cluster, metrics-server, and how
    the course's images get to the nodes.

    Each line that is not ok says what to do. Exit status 0 when everything that is needed works, also where
    something is lost; 1 when something does not work.
    """
    from dockyard.cli._backend_checks import examine_backend
    from dockyard.cli._checks import examine
    from dockyard.cli._platform_checks import examine_platform

    home = Home.find()
    wanted = chosen(home)
    if backend and backend != wanted.backend:
        wanted = Choice(backend)
    of_backend = examine_platform(home) if wanted.backend == "embedded" else examine_backend(home, wanted)
    findings = [*of_backend, *examine(home)]
    healthy = all(finding.state != "bad" for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{SIGNS[finding.state]} {finding.subject}: {finding.value}")
        if finding.advice:
            lines.append(f"       {finding.advice}")
    lines.append("Everything that is needed works." if healthy else "Something does not work; see BAD above.")
    document: dict[str, Any] = {
        "healthy": healthy,
        "home": str(home.root),
        "findings": [finding.document() for finding in findings],
    }
    answer(document, "\n".join(lines), as_json=as_json)
    if not healthy:
        raise click.exceptions.Exit(EXIT_NO)
