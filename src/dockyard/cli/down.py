"""`dockyard down`: stop the platform."""

from __future__ import annotations

import time

import click

from dockyard.backends import EmbeddedBackend, choose
from dockyard.cli._daemon import stop
from dockyard.cli._options import answer, json_option
from dockyard.home import Home


@click.command("down")
@json_option
def command(as_json: bool) -> None:
    """Stop the platform and every process in it. State, images and answers stay.

    With the backend `docker` the engine goes on running: what trials left on it is removed, nothing else,
    and the choice of the backend is forgotten.

    Exit status 0, also when it did not run.
    """
    started = time.monotonic()
    home = Home.find()
    backend = choose(home)
    if not isinstance(backend, EmbeddedBackend):
        backend.down()
    pid = stop(home)
    seconds = round(time.monotonic() - started, 2)
    text = "The platform was not running." if pid is None else f"Stopped (pid {pid}, {seconds:.2f} s)."
    answer({"running": False, "stopped": pid, "seconds": seconds}, text, as_json=as_json)
