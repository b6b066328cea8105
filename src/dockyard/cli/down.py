"""`dockyard down`: stop the platform."""

from __future__ import annotations

import time

import click

from dockyard.cli._daemon import stop
from dockyard.cli._options import answer, json_option
from dockyard.home import Home


@click.command("down")
@json_option
def command(as_json: bool) -> None:
    """Stop the platform and every process in it. State, images and answers stay.

    Exit status 0, also when it did not run.
    """
    started = time.monotonic()
    pid = stop(Home.find())
    seconds = round(time.monotonic() - started, 2)
    text = "The platform was not running." if pid is None else f"Stopped (pid {pid}, {seconds:.2f} s)."
    answer({"running": False, "stopped": pid, "seconds": seconds}, text, as_json=as_json)
