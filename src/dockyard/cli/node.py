"""`dockyard node`: show the virtual nodes, take the power of one away, and give it back."""

from __future__ import annotations

from typing import Any

import click

from dockyard.backends import choose
from dockyard.backends.control import Control
from dockyard.cli._options import answer, json_option
from dockyard.errors import UserError
from dockyard.home import Home

_STOPPED = (
    "{name} has no power. Nobody is told: it shows NotReady when it has been silent for its grace period "
    "(50 s unless --grace said otherwise),\nand its Pods are evicted when their tolerations of "
    "node.kubernetes.io/unreachable end (5 minutes unless they say otherwise)."
)


@click.command("node")
@click.argument("action", type=click.Choice(["list", "stop", "start"]), default="list")
@click.argument("name", required=False)
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="With stop: how long it may be silent before it counts as lost; until it starts again.",
)
@json_option
def command(action: str, name: str | None, grace: float | None, as_json: bool) -> None:
    """List the cluster's nodes; or stop node NAME, as if its power failed, or start it again.

    A stopped node's Pods end without a word; the cluster has to find out. One that starts again becomes Ready
    and runs the Pods that are still its own. Draining first is the kind way: kubectl drain NAME.

    Exit status 0 done; 3 when the platform does not run; 4 when there is no such node.
    """
    if (name is None) != (action == "list"):
        raise click.UsageError("stop and start take the name of a node, list takes none.")
    backend = choose(Home.find())
    if backend.name != "embedded":
        raise UserError(
            f"the nodes of the backend `{backend.name}` are somebody else's",
            "For virtual nodes, change to the embedded one: ./dockyard up --backend embedded",
        )
    control = Control(backend.home)
    if action == "list":
        nodes: dict[str, str] = control.get("/status")["nodes"]
        answer({"nodes": nodes}, _listed(nodes), as_json=as_json)
        return
    document: dict[str, Any] = control.post("/nodes", {"action": action, "node": name, "grace": grace})
    text = _STOPPED.format(name=name) if action == "stop" else _listed(document["nodes"])
    answer(document, text, as_json=as_json)


def _listed(nodes: dict[str, str]) -> str:
    return "\n".join(f"{name}  {state}" for name, state in nodes.items())
