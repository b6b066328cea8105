"""Services: which endpoints, which names, which ports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dockyard.cluster.dns import records
from dockyard.cluster.proxy import Backend, backends_of
from dockyard.cluster.store import Manifest
from tests.cluster.harness import FakeCluster, deployment, pod


def endpoint(ip: str, *, ready: bool = True, serving: bool = True, terminating: bool = False) -> Manifest:
    conditions = {"ready": ready, "serving": serving, "terminating": terminating}
    return {"addresses": [ip], "conditions": conditions, "targetRef": {"uid": f"uid-{ip}"}}


def made_slice(*endpoints: Manifest) -> Manifest:
    return {"ports": [{"name": "http", "port": 8000, "protocol": "TCP"}], "endpoints": list(endpoints)}


def test_connections_go_to_ready_endpoints_only() -> None:
    found = made_slice(endpoint("a"), endpoint("b", ready=False, serving=False), endpoint("c"))
    assert [b.address for b in backends_of([found], "http")] == ["a", "c"]
    assert backends_of([found], "other") == ()


def test_when_all_leave_those_that_still_serve_get_the_connections() -> None:
    found = made_slice(
        endpoint("a", ready=False, terminating=True),
        endpoint("b", ready=False, serving=False, terminating=True),
    )
    assert backends_of([found], "http") == (Backend("a", 8000, "uid-a"),)


def service(name: str = "db", **spec: Any) -> Manifest:
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"clusterIP": "10.96.1.1"} | spec}


def test_a_service_has_one_name_and_one_record_a_named_port() -> None:
    names, srv, _ = records(service(ports=[{"name": "http", "port": 80}, {"port": 90}]), [])
    assert names == {"db.shop.svc.cluster.local": ("10.96.1.1",)}
    assert srv == {"_http._tcp.db.shop.svc.cluster.local": (("db.shop.svc.cluster.local", 80),)}


def test_a_headless_service_names_its_ready_pods() -> None:
    named = endpoint("127.9.1.1") | {"hostname": "db-0"}
    found = made_slice(named, endpoint("127.9.1.2"), endpoint("127.9.1.3", ready=False))
    names, srv, _ = records(service(clusterIP="None"), [found])
    assert names == {
        "db.shop.svc.cluster.local": ("127.9.1.1", "127.9.1.2"),
        "db-0.db.shop.svc.cluster.local": ("127.9.1.1",),
        "127-9-1-2.db.shop.svc.cluster.local": ("127.9.1.2",),
    }
    assert srv["_http._tcp.db.shop.svc.cluster.local"][0] == ("db-0.db.shop.svc.cluster.local", 8000)


def test_an_external_name_is_another_name() -> None:
    found = records(service(type="ExternalName", externalName="db.example.org", clusterIP=""), [])
    assert found == ({}, {}, {"db.shop.svc.cluster.local": "db.example.org"})


async def test_a_named_port_may_be_another_number_in_another_pod(tmp_path: Path) -> None:
    cluster = await FakeCluster(tmp_path).start()
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}
    cluster.api.create("Service", {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
    for name, number in (("old", 8000), ("new", 9000)):
        made = pod(name, ports=[{"name": "http", "containerPort": number}])
        made["metadata"]["labels"] = {"app": "web"}
        cluster.api.create("Pod", made)
    await cluster.advance(3)
    slices = cluster.api.list("EndpointSlice", "default", labels={"kubernetes.io/service-name": "web"})
    assert sorted(found["ports"][0]["port"] for found in slices) == [8000, 9000]
    address = cluster.api.get("Service", "web", "default")["spec"]["clusterIP"]
    ports = {port for _, port in cluster.runtime.network.services[address, 80]}
    assert ports == {8000, 9000}

    cluster.api.delete("Service", "web", "default")
    await cluster.advance(2)
    assert (address, 80) not in cluster.runtime.network.services
    assert "web.default.svc.cluster.local" not in cluster.runtime.network.names
    assert cluster.api.find("Endpoints", "web", "default") is None
    await cluster.stop()


async def test_a_service_without_pods_has_an_empty_slice_and_refuses(tmp_path: Path) -> None:
    cluster = await FakeCluster(tmp_path).start()
    spec = {"selector": {"app": "nothing"}, "ports": [{"port": 80}]}
    cluster.api.create("Service", {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
    await cluster.advance(2)
    (found,) = cluster.api.list("EndpointSlice", "default", labels={"kubernetes.io/service-name": "web"})
    assert (found["endpoints"], found["ports"]) == (None, None)
    address = cluster.api.get("Service", "web", "default")["spec"]["clusterIP"]
    assert cluster.runtime.network.services[address, 80] == []
    await cluster.stop()


async def test_unready_addresses_are_published_on_request(tmp_path: Path) -> None:
    cluster = await FakeCluster(tmp_path).start()
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}], "publishNotReadyAddresses": True}
    cluster.api.create("Service", {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
    probe = {"httpGet": {"port": 8000}, "periodSeconds": 1}
    cluster.api.create("Deployment", deployment(replicas=1, container={"readinessProbe": probe}))
    await cluster.advance(2)
    (found,) = cluster.api.list("EndpointSlice", "default", labels={"kubernetes.io/service-name": "web"})
    assert found["endpoints"][0]["conditions"] == {"ready": True, "serving": False, "terminating": False}
    await cluster.stop()
