"""Network policies as the supervisor's worker knows them: which connections a sandbox may make and take.

Only the standard library is imported here: the parent loads this without the package.
"""

import ipaddress
from typing import Any, NamedTuple

NAME_SERVER = "dns"
"""What stands for the network's name server among the sandboxes of a rule."""

LONGEST = 120_000
"""Bytes that the rules of a sandbox may take in a message to the worker (supervisor.LONGEST_MESSAGE)."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Rule(NamedTuple):
    """Allows connections of these ports, (kind of socket, first, last), with these peers; None: with all."""

    ports: tuple[tuple[int, int, int], ...] | None
    sandboxes: frozenset[str] | None
    blocks: tuple[tuple[_Network, tuple[_Network, ...]], ...] = ()

    def allows(self, peer: str, address: _Address, kind: int, port: int) -> bool:
        """Whether a connection with `peer` ("" for what is no sandbox) at its address may be made."""
        if self.ports is not None and not any(
            kind == of and first <= port <= last for of, first, last in self.ports
        ):
            return False
        if self.sandboxes is None or peer in self.sandboxes:
            return True
        return any(
            address in block and not any(address in hole for hole in holes) for block, holes in self.blocks
        )


class Policy(NamedTuple):
    """The rules of one sandbox; None for a direction in which everything passes."""

    ingress: tuple[Rule, ...] | None = None
    egress: tuple[Rule, ...] | None = None


OPEN = Policy()


def allows(rules: tuple[Rule, ...] | None, peer: str, address: bytes, kind: int, port: int) -> bool:
    """Whether any rule allows the connection, or there are none to keep; `address` has 4 or 16 bytes."""
    if rules is None:
        return True
    where = ipaddress.ip_address(address)
    return any(rule.allows(peer, where, kind, port) for rule in rules)


def read(message: dict[str, Any]) -> Policy:
    """The policy of a message: `ingress` and `egress` are None or lists of {ports, sandboxes, blocks}."""
    return Policy(_rules(message.get("ingress")), _rules(message.get("egress")))


def _rules(listed: list[dict[str, Any]] | None) -> tuple[Rule, ...] | None:
    return None if listed is None else tuple(_rule(one) for one in listed)


def _rule(one: dict[str, Any]) -> Rule:
    ports, sandboxes = one.get("ports"), one.get("sandboxes")
    blocks = tuple(
        (
            ipaddress.ip_network(cidr, strict=False),
            tuple(ipaddress.ip_network(hole, strict=False) for hole in holes),
        )
        for cidr, holes in one.get("blocks") or ()
    )
    return Rule(
        None if ports is None else tuple((int(kind), int(first), int(last)) for kind, first, last in ports),
        None if sandboxes is None else frozenset(sandboxes),
        blocks,
    )
