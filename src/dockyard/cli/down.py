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

    On somebody's engine or cluster it removes what `up` and lessons made, and nothing else: with `docker`
    what trials left; with `kind` the cluster, unless you named one of your own; with `kubeconfig` the
    namespace, or, if it was there before, what has come into it since. Then the backend is forgotten.

    Exit status 0, also when it did not run; 4 when something could not be removed.
    """
    started = time.monotonic()
    home = Home.find()
    backend = choose(home)
    if not isinstance(backend, EmbeddedBackend):
        backend.down()
    pid = stop(home)
    seconds = round(time.monotonic() - started, 2)
    text = "The platform was not running." if pid is None else f"Stopped (pid {pid}, {seconds:.2f} s)."
    if not isinstance(backend, EmbeddedBackend):
        text = f"Nothing of the course is left on the backend `{backend.name}` ({seconds:.2f} s)."
    answer({"running": False, "stopped": pid, "seconds": seconds}, text, as_json=as_json)
