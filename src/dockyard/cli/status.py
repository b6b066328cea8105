"""`dockyard status`: is the platform running, and where are its endpoints?"""

from __future__ import annotations

from typing import Any

import click

from dockyard.backends import Backend, choose
from dockyard.cli._options import answer, json_option
from dockyard.errors import EXIT_NOT_RUNNING
from dockyard.home import Home


@click.command("status")
@json_option
def command(as_json: bool) -> None:
    """Show whether the platform runs, and where its endpoints are.

    Exit status 0 when it runs, 3 when it does not run.
    """
    home = Home.find()
    backend = choose(home)
    state = backend.status()
    if state is None and backend.name != "embedded":
        document: dict[str, Any] = {
            "running": False,
            "backend": backend.name,
            "docker_host": backend.docker_host,
        }
        answer(document, _silence(backend), as_json=as_json)
        raise click.exceptions.Exit(EXIT_NOT_RUNNING)
    if state is None:
        document = {"running": False, "home": str(home.root)}
        pid = home.daemon_pid()
        text = "The platform is not running. Start it with: ./dockyard up"
        if pid is not None:
            document["pid"] = pid
            text = f"The platform (pid {pid}) is starting or stopping; its log is {home.log}"
        answer(document, text, as_json=as_json)
        raise click.exceptions.Exit(EXIT_NOT_RUNNING)
    answer({"running": True, **state}, render(state), as_json=as_json)


def _silence(backend: Backend) -> str:
    """What it means that somebody's engine or cluster doesn't answer."""
    if not backend.has_cluster:
        return f"No Docker Engine answers at {backend.docker_host}."
    return f"The cluster of the backend `{backend.name}` does not answer; ./dockyard up says more."


def render(state: dict[str, Any]) -> str:
    """The state as lines for a person, endpoints in a form that can be pasted into a shell."""
    if state["kubeconfig"] is None:
        return "\n".join(
            [
                f"dockyard {state['version']} uses {state['driver']}: containers, and no cluster",
                f"  backend  {state['backend']}",
                f"  export DOCKER_HOST={state['docker_host']}",
            ]
        )
    if state["pid"] is None:
        where = f"cluster {state['cluster']}" if "cluster" in state else f"context {state['context']}"
        room = f", in its namespace {state['namespace']} only" if state.get("namespace") else ""
        return "\n".join(
            [
                f"dockyard {state['version']} uses {where}{room}: {_nodes(state['nodes'])}",
                f"  backend  {state['backend']}, {state['driver']}",
                f"  home     {state['home']}",
                f"  export DOCKER_HOST={state['docker_host']}",
                f"  export KUBECONFIG={state['kubeconfig']}",
            ]
        )
    return "\n".join(
        [
            f"dockyard {state['version']} is running (pid {state['pid']}), {_nodes(state['nodes'])}",
            f"  backend  {state['backend']}, driver {state['driver']}",
            f"  home     {state['home']}",
            f"  export DOCKER_HOST={state['docker_host']}",
            f"  export KUBECONFIG={state['kubeconfig']}",
        ]
    )


def _nodes(nodes: dict[str, str]) -> str:
    """As they were when the platform started, or a node was last stopped or started."""
    if not nodes:
        return "its nodes are not to be looked at"
    ready = sum(1 for state in nodes.values() if state == "Ready")
    return f"{ready} nodes Ready" if ready == len(nodes) else f"{ready} of {len(nodes)} nodes Ready"
