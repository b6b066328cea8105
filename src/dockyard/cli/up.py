"""`dockyard up`: start the platform in the background, or take up with somebody's engine or cluster."""

from __future__ import annotations

import os
import time

import click

from dockyard.backends import NAMES
from dockyard.cli._backend import bring_up, choice
from dockyard.cli._options import answer, json_option
from dockyard.cli.status import render
from dockyard.home import Home


@click.command("up")
@click.option(
    "--backend",
    type=click.Choice(NAMES),
    help="embedded: containers and a cluster of our own. docker: a Docker Engine, for lessons 01 to 03. "
    "kind: a cluster that kind makes on a Docker Engine. kubeconfig: one namespace of any cluster. "
    "Remembered until `down`.",
)
@click.option(
    "--docker-host",
    metavar="URL",
    default="",
    help="The Docker Engine for the other three; else $DOCKER_HOST, else unix:///var/run/docker.sock.",
)
@click.option(
    "--cluster",
    metavar="NAME",
    default="",
    help="kind: use this cluster, which `down` leaves there; else one of our own is made.",
)
@click.option(
    "--kubeconfig",
    "source",
    metavar="FILE",
    default="",
    help="kubeconfig: the file to copy the context from; else $KUBECONFIG, else ~/.kube/config.",
)
@click.option(
    "--context",
    metavar="NAME",
    default="",
    help="kubeconfig: the context to use. It must be named, unless FILE holds only one.",
)
@click.option(
    "--namespace",
    metavar="NAME",
    default="",
    help="kubeconfig: the one namespace to work in, an empty one; made when missing. [default: dockyard]",
)
@click.option(
    "--registry",
    metavar="PREFIX",
    default="",
    help="kubeconfig: push the course's images to PREFIX/..., where the nodes pull them.",
)
@click.option(
    "--load-command",
    metavar="COMMAND",
    default="",
    help="kubeconfig: run this for each image; it loads the archive {archive} into the nodes.",
)
@click.option(
    "--driver", help="embedded: the file-system driver, namespaces, proot or none; else it is chosen."
)
@json_option
def command(
    backend: str | None,
    docker_host: str,
    cluster: str,
    source: str,
    context: str,
    namespace: str,
    registry: str,
    load_command: str,
    driver: str | None,
    as_json: bool,
) -> None:
    """Start the platform in the background, and return when its nodes are Ready.

    Does nothing when it runs already. With --backend docker or kubeconfig nothing is started: engine and
    cluster must be there. Your own kubeconfig is only read, and no context is used that you didn't name.
    Exit status 0 when it is Ready, 3 when no engine answers, 4 when something on this machine is in the way,
    70 when it died of a bug.
    """
    started = time.monotonic()
    wanted = choice(
        backend or "",
        docker_host=docker_host,
        cluster=cluster,
        source=os.path.abspath(os.path.expanduser(source)) if source else "",
        context=context,
        namespace=namespace,
        registry=registry.rstrip("/"),
        load_command=load_command,
    )
    state = bring_up(Home.find(), wanted, driver=driver)
    seconds = round(time.monotonic() - started, 2)
    answer({"running": True, **state, "seconds": seconds}, render(state), as_json=as_json)
