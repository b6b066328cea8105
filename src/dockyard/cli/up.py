"""`dockyard up`: start the platform in the background."""

from __future__ import annotations

import time

import click

from dockyard.cli._daemon import start
from dockyard.cli._options import answer, json_option
from dockyard.cli.status import render
from dockyard.home import Home


@click.command("up")
@click.option("--driver", help="The file-system driver: namespaces, proot or none; else it is chosen.")
@json_option
def command(driver: str | None, as_json: bool) -> None:
    """Start the platform in the background, and return when its node is Ready.

    Does nothing when it runs already. Exit status 0 when it is Ready, 4 when something on this machine is in
    the way, 70 when it died of a bug.
    """
    started = time.monotonic()
    state = start(Home.find(), driver=driver)
    seconds = round(time.monotonic() - started, 2)
    answer({"running": True, **state, "seconds": seconds}, render(state), as_json=as_json)
