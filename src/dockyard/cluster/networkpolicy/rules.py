"""What the NetworkPolicies of a cluster mean for one Pod: its rules, with selectors resolved to Pods.

Source: kubernetes.io/docs/concepts/services-networking/network-policies. A Pod that a policy selects may do,
in the policy's directions, what any of its policies allows; a Pod that none selects may do everything.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from dockyard.cluster.selectors import Selector, from_object
from dockyard.cluster.store import Manifest
from dockyard.runtime.policies import NAME_SERVER

Rules = list[Manifest]

_KINDS = {"TCP": int(socket.SOCK_STREAM), "UDP": int(socket.SOCK_DGRAM)}
_LAST_PORT = 65535


class Peer(NamedTuple):
    """Who may be at the other end: a Pod, or the cluster's name server in a Pod's place."""

    sandbox: str
    namespace: str
    labels: Mapping[str, str]
    ports: Mapping[tuple[str, str], int]  # (protocol, name) -> number


class Directions(NamedTuple):
    """The rules of one Pod; None for a direction in which no policy selects it."""

    ingress: Rules | None
    egress: Rules | None


# Differs: the name server is no Pod; policies see one in kube-system with the labels of CoreDNS' Pods.
DNS = Peer(NAME_SERVER, "kube-system", {"k8s-app": "kube-dns"}, {("UDP", "dns"): 53, ("TCP", "dns-tcp"): 53})


def peer_of(pod: Manifest) -> Peer:
    """The Pod as policies see it: the sandbox is named after its uid."""
    metadata = pod["metadata"]
    sidecars = [c for c in pod["spec"].get("initContainers", ()) if c.get("restartPolicy") == "Always"]
    ports = {
        (port.get("protocol", "TCP"), port["name"]): int(port["containerPort"])
        for container in [*pod["spec"]["containers"], *sidecars]
        for port in container.get("ports", ())
        if port.get("name")
    }
    return Peer(metadata["uid"], metadata["namespace"], metadata.get("labels", {}), ports)


class Policies:
    """The policies, Pods and namespaces of one moment."""

    def __init__(
        self, policies: Sequence[Manifest], peers: Iterable[Peer], namespaces: Mapping[str, Mapping[str, str]]
    ) -> None:
        """`namespaces` are the labels of each."""
        self._policies = [(policy, _selector(policy["spec"].get("podSelector"))) for policy in policies]
        self._peers = [*peers, DNS]
        self._namespaces = namespaces

    def of(self, pod: Peer) -> Directions:
        """The rules for a Pod."""
        mine = [
            policy
            for policy, selector in self._policies
            if policy["metadata"]["namespace"] == pod.namespace and selector.matches(pod.labels)
        ]
        return Directions(self._ingress(pod, mine), self._egress(mine))

    def _ingress(self, pod: Peer, mine: list[Manifest]) -> Rules | None:
        isolating = [policy for policy in mine if "Ingress" in policy["spec"]["policyTypes"]]
        if not isolating:
            return None
        found: Rules = []
        for policy in isolating:
            for rule in policy["spec"].get("ingress") or ():
                ports = _ports(rule.get("ports"), pod)
                if ports is None or ports:
                    found.append({"ports": ports, **self._others(rule.get("from"), policy)})
        return found

    def _egress(self, mine: list[Manifest]) -> Rules | None:
        isolating = [policy for policy in mine if "Egress" in policy["spec"]["policyTypes"]]
        if not isolating:
            return None
        found: Rules = []
        for policy in isolating:
            for rule in policy["spec"].get("egress") or ():
                found += self._egress_rules(rule, policy)
        return found

    def _egress_rules(self, rule: Manifest, policy: Manifest) -> Rules:
        """One rule, and one more for each Pod to which a named port leads."""
        others = self._others(rule.get("to"), policy)
        listed = rule.get("ports")
        if not listed:
            return [{"ports": None, **others}]
        found: Rules = []
        numbered = [port for port in listed if not isinstance(port.get("port"), str)]
        if numbered:
            found.append({"ports": _ports(numbered, None), **others})
        for port in listed:
            if isinstance(port.get("port"), str):
                allowed = others["sandboxes"]
                for peer in self._peers:
                    number = peer.ports.get((port.get("protocol", "TCP"), port["port"]))
                    if number is not None and (allowed is None or peer.sandbox in allowed):
                        kind = _KINDS.get(port.get("protocol", "TCP"), 0)
                        one = {"ports": [[kind, number, number]], "sandboxes": [peer.sandbox], "blocks": []}
                        found.append(one)
        return found

    def _others(self, listed: list[Manifest] | None, policy: Manifest) -> Manifest:
        if not listed:
            return {"sandboxes": None, "blocks": []}
        sandboxes: set[str] = set()
        blocks = []
        for one in listed:
            if "ipBlock" in one:
                blocks.append([one["ipBlock"]["cidr"], list(one["ipBlock"].get("except") or ())])
            else:
                sandboxes.update(peer.sandbox for peer in self._selected(one, policy))
        return {"sandboxes": sorted(sandboxes), "blocks": blocks}

    def _selected(self, one: Manifest, policy: Manifest) -> Iterable[Peer]:
        pods = _selector(one.get("podSelector", {}))
        if "namespaceSelector" in one:
            wanted = _selector(one["namespaceSelector"])
            places = {name for name, labels in self._namespaces.items() if wanted.matches(labels)}
        else:
            places = {policy["metadata"]["namespace"]}
        return (peer for peer in self._peers if peer.namespace in places and pods.matches(peer.labels))


def _selector(selector: Manifest | None) -> Selector:
    found = from_object(selector or {})
    assert found is not None
    return found


def _ports(listed: list[Manifest] | None, pod: Peer | None) -> list[list[int]] | None:
    """Ranges of ports, None for all of them; names are those of `pod`, and others lead nowhere."""
    if not listed:
        return None
    found = []
    for port in listed:
        protocol, number = port.get("protocol", "TCP"), port.get("port")
        if isinstance(number, str):
            number = pod.ports.get((protocol, number)) if pod else None
            if number is None:
                continue
        if protocol in _KINDS:
            first = 1 if number is None else int(number)
            last = int(port.get("endPort") or (_LAST_PORT if number is None else first))
            found.append([_KINDS[protocol], first, last])
    return found
