"""`dockyard doctor`: what works on this machine, what is lost, and what to do about it."""

from __future__ import annotations

from typing import Any

import click

from dockyard.cli._options import answer, json_option
from dockyard.errors import EXIT_NO
from dockyard.home import Home

SIGNS = {"ok": "ok  ", "warn": "less", "bad": "BAD "}


@click.command("doctor")
@json_option
def command(as_json: bool) -> None:
    """Examine this machine and the platform: driver trials, stand-ins, disk, memory, clients.

    Each line that is not ok says what to do. Exit status 0 when everything that is needed works, also where
    something is lost; 1 when something does not work.
    """
    from dockyard.cli._checks import examine
    from dockyard.cli._platform_checks import examine_platform

    home = Home.find()
    findings = [*examine_platform(home), *examine(home)]
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
