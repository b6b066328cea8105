"""Cutting Pods off on nodes that are somebody's Linux: packets from and to their addresses are dropped."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable


def _mark(namespace: str, selector: str) -> str:
    """What the rules of one cut carry, so that it can be undone after its Pods are gone."""
    return "dockyard-cut-" + hashlib.sha256(f"{namespace}/{selector}".encode()).hexdigest()[:10]


def cut_script(namespace: str, selector: str, addresses: Iterable[str]) -> str:
    """A shell script for every node. A node forwards what Pods send and get, also on open connections.

    The node itself still reaches them, as the kubelet's probes must. Raises ValueError for no address.
    """
    # Differs: Pods that come to match the selector during the cut are not cut off; the embedded backend
    # cuts those too.
    lines = [restore_script(namespace, selector)]
    for address in addresses:
        tables = "ip6tables" if ipaddress.ip_address(address).version == 6 else "iptables"
        comment = f"-m comment --comment {_mark(namespace, selector)}"
        for side in ("-s", "-d"):
            lines.append(f"{tables} -w 5 -I FORWARD 1 {side} {address} {comment} -j DROP")
    return "\n".join(lines)


def restore_script(namespace: str, selector: str) -> str:
    """A shell script for every node that removes the rules of that cut; harmless where there are none."""
    mark = _mark(namespace, selector)
    return "\n".join(
        f"{tables} -w 5 -S FORWARD | sed -n '/{mark}/s/^-A/-D/p' | "
        f"while read -r rule; do {tables} -w 5 $rule; done"
        for tables in ("iptables", "ip6tables")
    )
