"""`dockyard node`: show the virtual nodes, take the power of one away, give it back, and add a small one."""

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
@click.argument("action", type=click.Choice(["list", "stop", "start", "add", "remove"]), default="list")
@click.argument("name", required=False)
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="With stop: how long it may be silent before it counts as lost; until it starts again.",
)
@click.option("--memory", metavar="SIZE", help="With add: how much memory it has, such as 512Mi.")
@json_option
def command(action: str, name: str | None, grace: float | None, memory: str | None, as_json: bool) -> None:
    """List the cluster's nodes; stop node NAME, as if its power failed, start it again; add one, remove it.

    A stopped node's Pods end without a word; the cluster has to find out. One that starts again becomes Ready
    and runs the Pods that are still its own. Draining first is the kind way: kubectl drain NAME.

    An added node has memory of its own, and evicts Pods when less than 100Mi of it are left. It takes only
    Pods that tolerate its taint dockyard.course/added, and is there until `down` at most.

    Exit status 0 done; 3 when the platform does not run; 4 when there is no such node.
    """
    if (name is None) != (action == "list"):
        raise click.UsageError("All but list take the name of a node; list takes none.")
    if (memory is None) != (action != "add"):
        raise click.UsageError("add takes the node's --memory, and nothing else does.")
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
    wanted = {"action": action, "node": name, "grace": grace, "memory": memory}
    document: dict[str, Any] = control.post("/nodes", wanted)
    text = _STOPPED.format(name=name) if action == "stop" else _listed(document["nodes"])
    answer(document, text, as_json=as_json)


def _listed(nodes: dict[str, str]) -> str:
    return "\n".join(f"{name}  {state}" for name, state in nodes.items())
