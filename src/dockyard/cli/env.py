"""`dockyard env`: the environment in which any client finds the platform."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from dockyard.backends import choose
from dockyard.cli._options import answer, json_option
from dockyard.clients import docker_settings
from dockyard.home import Home


@click.command("env")
@json_option
def command(as_json: bool) -> None:
    """Print shell lines that point every client at the platform: eval "$(./dockyard env)".

    Exit status 0, also when the platform does not run: the lines stay true over its restarts.
    """
    home = Home.find()
    backend = choose(home)
    variables = {
        "DOCKER_HOST": backend.docker_host,
        "DOCKYARD_HOME": str(home.root),
        **docker_settings(home),
    }
    if backend.has_cluster:
        variables["KUBECONFIG"] = str(backend.kubeconfig)
    binaries = Path(sys.executable).parent
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    lines.append(f'export PATH={shlex.quote(str(binaries))}:"$PATH"')
    answer({**variables, "PATH": str(binaries)}, "\n".join(lines), as_json=as_json)
