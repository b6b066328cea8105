"""`dockyard up`: start the platform in the background."""

from __future__ import annotations

import time

import click

from dockyard.backends import NAMES
from dockyard.cli._backend import bring_up
from dockyard.cli._options import answer, json_option
from dockyard.cli.status import render
from dockyard.home import Home


@click.command("up")
@click.option(
    "--backend",
    type=click.Choice(NAMES),
    help="embedded: containers and a cluster of our own. docker: a Docker Engine, for lessons 01 to 03. "
    "Remembered until the next choice or `down`.",
)
@click.option(
    "--docker-host",
    metavar="URL",
    default="",
    help="The engine for --backend docker; else $DOCKER_HOST, else unix:///var/run/docker.sock.",
)
@click.option("--driver", help="The file-system driver: namespaces, proot or none; else it is chosen.")
@json_option
def command(backend: str | None, docker_host: str, driver: str | None, as_json: bool) -> None:
    """Start the platform in the background, and return when its nodes are Ready.

    Does nothing when it runs already. With --backend docker nothing is started: the engine must be there.
    Exit status 0 when it is Ready, 3 when no engine answers, 4 when something on this machine is in the way,
    70 when it died of a bug.
    """
    started = time.monotonic()
    state = bring_up(Home.find(), backend=backend or "", docker_host=docker_host, driver=driver)
    seconds = round(time.monotonic() - started, 2)
    answer({"running": True, **state, "seconds": seconds}, render(state), as_json=as_json)
