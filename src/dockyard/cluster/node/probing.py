"""A container's probes: what each asks, and the texts that the kubelet finds for the answers."""

from __future__ import annotations

from collections.abc import Callable

from dockyard.cluster.node.checks import Target, check_http, check_tcp, http_url, port_number
from dockyard.cluster.node.commands import run_command
from dockyard.cluster.node.container import Container
from dockyard.cluster.node.launch import Prepared
from dockyard.cluster.node.prober import LIVENESS, READINESS, STARTUP, Answer, Prober
from dockyard.cluster.node.services import Node
from dockyard.cluster.store import Manifest
from dockyard.runtime.errors import RuntimeFailure

Decide = Callable[[str, bool], None]
Report = Callable[[str, str], None]


def probers_of(
    node: Node, container: Container, prepared: Prepared, target: Target, *, decide: Decide, report: Report
) -> list[Prober]:
    """The probers of a container that just started; none has asked yet."""
    found = []
    for kind in (STARTUP, LIVENESS, READINESS):
        spec = container.spec.get(f"{kind}Probe")
        if spec is not None:
            found.append(_prober(node, kind, spec, container, prepared, target, decide, report))
    return found


def _prober(
    node: Node,
    kind: str,
    spec: Manifest,
    container: Container,
    prepared: Prepared,
    target: Target,
    decide: Decide,
    report: Report,
) -> Prober:
    async def ask() -> Answer:
        return await _ask(node, spec, container, prepared, target)

    def may_ask() -> bool:
        # Before the container has started only the startup probe asks, and afterwards it never asks again.
        return container.started != (kind == STARTUP)

    return Prober(
        kind,
        spec,
        node.clock,
        ask=ask,
        decide=decide,
        report=report,
        may_ask=may_ask,
        timed_out=lambda: _timed_out(spec, container, target),
    )


async def _ask(
    node: Node, spec: Manifest, container: Container, prepared: Prepared, target: Target
) -> Answer:
    if "exec" in spec:
        try:
            code, output = await run_command(node.runtime, prepared, spec["exec"]["command"])
        except RuntimeFailure as error:
            return Answer(False, str(error))
        return Answer(code == 0, output)
    if "httpGet" in spec or "tcpSocket" in spec:
        action = spec.get("httpGet") or spec["tcpSocket"]
        port = port_number(action["port"], container.spec)
        if port is None:
            return Answer(False, f'strconv.Atoi: parsing "{action["port"]}": invalid syntax')
        return await (check_http(target, action, port) if "httpGet" in spec else check_tcp(target, port))
    # Differs: a grpc probe is answered as a TCP probe of its port.
    return await check_tcp(target, spec["grpc"]["port"])


def _timed_out(spec: Manifest, container: Container, target: Target) -> str:
    seconds = spec.get("timeoutSeconds", 1)
    if "exec" in spec:
        return f'command timed out: "{" ".join(spec["exec"]["command"])}" timed out after {seconds}s'
    if "httpGet" in spec:
        port = port_number(spec["httpGet"]["port"], container.spec) or 0
        url = http_url(target, spec["httpGet"], port)
        return f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    action = spec.get("tcpSocket") or spec["grpc"]
    return f"dial tcp {target.address}:{port_number(action['port'], container.spec)}: i/o timeout"
