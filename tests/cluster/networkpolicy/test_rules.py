"""What NetworkPolicies mean for each Pod, and that the network is told so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cluster.harness import FakeCluster, pod

TCP, UDP = 1, 2
Manifest = dict[str, Any]


@pytest.fixture
async def cluster(tmp_path: Path) -> Any:
    made = await FakeCluster(tmp_path).start()
    yield made
    await made.stop()


def labelled(name: str, namespace: str = "default", *, port: str = "", **labels: str) -> Manifest:
    ports = [{"name": port, "containerPort": 8080}] if port else []
    made = pod(name, ports=ports)
    made["metadata"] |= {"namespace": namespace, "labels": labels}
    return made


def policy(name: str, selector: Manifest, namespace: str = "default", **spec: Any) -> Manifest:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": selector} if selector else {}, **spec},
    }


async def rules(cluster: FakeCluster) -> dict[str, tuple[Any, Any]]:
    """What the network knows, with the names of Pods in place of their uids."""
    await cluster.settle()
    names = {found["metadata"]["uid"]: found["metadata"]["name"] for found in cluster.api.list("Pod")}
    names["dns"] = "dns"

    def named(listed: Any) -> Any:
        if listed is None:
            return None
        return [
            (
                r["ports"],
                None if r["sandboxes"] is None else sorted(names[u] for u in r["sandboxes"]),
                r["blocks"],
            )
            for r in listed
        ]

    found = cluster.runtime.network.policies
    return {
        names[uid]: (named(i), named(e))
        for uid, (i, e) in found.items()
        if (i, e) != (None, None) and uid in names
    }


async def test_without_policies_the_network_is_told_nothing(cluster: FakeCluster) -> None:
    cluster.api.create("Pod", labelled("web", app="web"))
    await cluster.settle()
    assert cluster.runtime.network.policies == {}


async def test_ingress_is_denied_to_the_selected_alone_until_a_rule_allows_it(cluster: FakeCluster) -> None:
    for name in ("web", "db", "other"):
        cluster.api.create("Pod", labelled(name, app=name))
    cluster.api.create("NetworkPolicy", policy("deny", {"app": "db"}))
    assert await rules(cluster) == {"db": ([], None)}
    peers = [{"podSelector": {"matchLabels": {"app": "web"}}}]
    allowed = {"from": peers, "ports": [{"port": 5432}]}
    cluster.api.create("NetworkPolicy", policy("allow", {"app": "db"}, ingress=[allowed]))
    assert await rules(cluster) == {"db": ([([[TCP, 5432, 5432]], ["web"], [])], None)}
    cluster.api.delete("NetworkPolicy", "allow", "default")
    cluster.api.delete("NetworkPolicy", "deny", "default")
    assert await rules(cluster) == {}


async def test_a_label_makes_a_pod_a_peer_and_its_end_no_more(cluster: FakeCluster) -> None:
    for name in ("web", "db"):
        cluster.api.create("Pod", labelled(name, app=name))
    allowed = {"from": [{"podSelector": {"matchLabels": {"role": "client"}}}]}
    cluster.api.create("NetworkPolicy", policy("allow", {"app": "db"}, ingress=[allowed]))
    assert await rules(cluster) == {"db": ([(None, [], [])], None)}
    cluster.api.patch(
        "Pod", "web", {"metadata": {"labels": {"role": "client"}}}, "merge", namespace="default"
    )
    assert await rules(cluster) == {"db": ([(None, ["web"], [])], None)}
    await cluster.settle()
    cluster.runtime.process_of("web").end(0)
    patch = {"metadata": {"labels": {"role": "gone"}}}
    cluster.api.patch("Pod", "web", patch, "merge", namespace="default")
    assert await rules(cluster) == {"db": ([(None, [], [])], None)}


async def test_namespaces_are_chosen_by_their_labels(cluster: FakeCluster) -> None:
    for name, labels in (("front", {"tier": "front"}), ("back", {"tier": "back"})):
        cluster.api.create("Namespace", {"metadata": {"name": name, "labels": labels}})
        cluster.api.create("Pod", labelled(f"{name}-web", name, app="web"))
        cluster.api.create("Pod", labelled(f"{name}-job", name, app="job"))
    cluster.api.create("Pod", labelled("db", app="db"))
    front = {"matchLabels": {"tier": "front"}}
    both = {"namespaceSelector": front, "podSelector": {"matchLabels": {"app": "web"}}}
    cluster.api.create(
        "NetworkPolicy", policy("all", {"app": "db"}, ingress=[{"from": [{"namespaceSelector": front}]}])
    )
    assert await rules(cluster) == {"db": ([(None, ["front-job", "front-web"], [])], None)}
    cluster.api.delete("NetworkPolicy", "all", "default")
    cluster.api.create("NetworkPolicy", policy("one", {"app": "db"}, ingress=[{"from": [both]}]))
    assert await rules(cluster) == {"db": ([(None, ["front-web"], [])], None)}
    cluster.api.patch("Namespace", "back", {"metadata": {"labels": {"tier": "front"}}}, "merge")
    assert await rules(cluster) == {"db": ([(None, ["back-web", "front-web"], [])], None)}


async def test_named_ports_are_those_of_the_pod_that_is_connected_to(cluster: FakeCluster) -> None:
    cluster.api.create("Pod", labelled("web", app="web", port="http"))
    cluster.api.create("Pod", labelled("plain", app="web"))
    cluster.api.create("Pod", labelled("client", app="client"))
    into = policy("in", {"app": "web"}, ingress=[{"ports": [{"port": "http"}]}])
    cluster.api.create("NetworkPolicy", into)
    peers = [{"podSelector": {"matchLabels": {"app": "web"}}}]
    out = {"to": peers, "ports": [{"port": "http"}, {"port": 9000, "endPort": 9010, "protocol": "UDP"}]}
    cluster.api.create(
        "NetworkPolicy", policy("out", {"app": "client"}, egress=[out], policyTypes=["Egress"])
    )
    assert await rules(cluster) == {
        "web": ([([[TCP, 8080, 8080]], None, [])], None),
        "plain": ([], None),
        "client": (
            None,
            [([[UDP, 9000, 9010]], ["plain", "web"], []), ([[TCP, 8080, 8080]], ["web"], [])],
        ),
    }


async def test_egress_to_the_name_server_and_to_addresses(cluster: FakeCluster) -> None:
    cluster.api.create("Pod", labelled("web", app="web"))
    system = {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}
    dns = {"namespaceSelector": system, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}
    egress = [{"to": [dns], "ports": [{"port": 53, "protocol": "UDP"}]}, {"to": [block]}]
    cluster.api.create("NetworkPolicy", policy("out", {}, egress=egress, policyTypes=["Egress"]))
    assert await rules(cluster) == {
        "web": (None, [([[UDP, 53, 53]], ["dns"], []), (None, [], [["10.0.0.0/8", ["10.1.0.0/16"]]])])
    }
