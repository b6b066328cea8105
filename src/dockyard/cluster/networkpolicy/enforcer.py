"""Keeps the network's rules like the API's NetworkPolicies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Key
from dockyard.cluster.networkpolicy.rules import Directions, Policies, peer_of
from dockyard.cluster.podstate import is_finished
from dockyard.cluster.store import Event, Manifest

_EVERYTHING = Key("", "policies")
_FREE = Directions(None, None)


class Table(Protocol):
    """The part of the network that lets connections pass."""

    def set_policy(
        self, sandbox: str, ingress: list[dict[str, Any]] | None, egress: list[dict[str, Any]] | None
    ) -> None: ...


class Enforcer:
    """One loop over all policies: a label on one Pod can change the rules of any other.

    Differs: traffic that comes through the node (NodePorts, port-forward, `kubectl proxy`) is let in whatever
    NetworkPolicies say; so are probes, as in Kubernetes.
    """

    name = "networkpolicy"

    def __init__(self, api: Api, table: Table) -> None:
        self._api = api
        self._table = table
        self._known: dict[str, Directions] = {}

    def existing(self) -> Iterable[Key]:
        return (_EVERYTHING,)

    def keys(self, event: Event) -> Iterable[Key]:
        if event.kind == "NetworkPolicy":
            return (_EVERYTHING,)
        if event.kind not in ("Pod", "Namespace"):
            return ()
        if event.type == "MODIFIED" and event.old is not None and _face(event.old) == _face(event.object):
            return ()
        return (_EVERYTHING,) if self._known or any(self._api.store.scan("NetworkPolicy")) else ()

    def reconcile(self, key: Key) -> None:
        """Tell the network what has changed since it was told last."""
        wanted: dict[str, Directions] = {}
        policies = self._api.list("NetworkPolicy")
        if policies:
            pods = [pod for pod in self._api.list("Pod") if not is_finished(pod)]
            labels = {
                found["metadata"]["name"]: found["metadata"].get("labels", {})
                for found in self._api.list("Namespace")
            }
            peers = [peer_of(pod) for pod in pods if not pod["spec"].get("hostNetwork")]
            rules = Policies(policies, peers, labels)
            found = ((peer.sandbox, rules.of(peer)) for peer in peers)
            wanted = {sandbox: directions for sandbox, directions in found if directions != _FREE}
        for sandbox in self._known.keys() - wanted.keys():
            self._table.set_policy(sandbox, None, None)
        for sandbox, directions in wanted.items():
            if self._known.get(sandbox) != directions:
                self._table.set_policy(sandbox, *directions)
        self._known = wanted


def _face(obj: Manifest) -> tuple[object, ...]:
    """All of a Pod or Namespace that policies see."""
    return obj["metadata"].get("labels"), (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed")
