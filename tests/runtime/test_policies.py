"""Which connections the supervisor's worker lets pass under network policies."""

import errno
import socket
from typing import Any

import pytest

from dockyard.runtime.network import Network
from dockyard.runtime.supervisor_tables import (
    DATAGRAM,
    STREAM,
    Dropped,
    Outside,
    Refused,
    Route,
    Tables,
    Towards,
)
from tests.runtime.small_parent import SmallParent
from tests.runtime.test_supervisor import call, serve

WEB, DB, DNS, SERVICE = "127.16.1.1", "127.16.1.2", "127.16.0.2", "10.96.0.9"
OUTSIDE = "93.184.215.14"


def rule(**of: Any) -> dict[str, Any]:
    return {"ports": None, "sandboxes": [], "blocks": [], **of}


@pytest.fixture
def tables() -> Tables:
    made = Tables()
    made.apply({"op": "reset", "block": 16, "floor": 0, "hole_port": 9, "dns_port": 53})
    for name, address in (("web", WEB), ("db", DB)):
        made.apply({"op": "attach", "sandbox": name, "address": address, "groups": ["pods"]})
        made.apply(
            {"op": "bound", "sandbox": name, "kind": STREAM, "address": address, "port": 80, "real": 80}
        )
    made.apply({"op": "service", "group": "pods", "address": SERVICE, "port": 5432, "backends": [[DB, 80]]})
    made.apply({"op": "ready"})
    return made


def connect(tables: Tables, name: str, address: str, port: int, kind: int = STREAM) -> Route:
    return tables.route(tables.sandboxes[name], socket.inet_aton(address), port, kind)


def restrict(tables: Tables, name: str, *, ingress: Any = None, egress: Any = None) -> None:
    tables.apply({"op": "policy", "sandbox": name, "ingress": ingress, "egress": egress})


def test_without_a_policy_everything_passes(tables: Tables) -> None:
    assert isinstance(connect(tables, "web", DB, 80), Towards)
    assert connect(tables, "web", OUTSIDE, 443) == Outside()


def test_an_empty_ingress_drops_what_comes_and_nothing_else(tables: Tables) -> None:
    restrict(tables, "db", ingress=[])
    assert connect(tables, "web", DB, 80) == Dropped()
    assert connect(tables, "web", SERVICE, 5432) == Dropped()
    assert isinstance(connect(tables, "db", WEB, 80), Towards)
    assert isinstance(connect(tables, "db", DB, 80), Towards), "nobody is kept from himself"
    restrict(tables, "db")
    assert isinstance(connect(tables, "web", DB, 80), Towards)


@pytest.mark.parametrize(
    ("allowed", "passes"),
    [
        (rule(sandboxes=["web"]), True),
        (rule(sandboxes=["other"]), False),
        (rule(sandboxes=None), True),
        (rule(sandboxes=["web"], ports=[[STREAM, 80, 80]]), True),
        (rule(sandboxes=["web"], ports=[[STREAM, 70, 79], [STREAM, 81, 90]]), False),
        (rule(sandboxes=["web"], ports=[[DATAGRAM, 80, 80]]), False),
        (rule(sandboxes=["web"], ports=[]), False),
        (rule(blocks=[["127.16.0.0/16", []]]), True),
        (rule(blocks=[["127.16.0.0/16", ["127.16.1.0/24"]]]), False),
    ],
)
def test_ingress_is_let_in_by_peer_and_port(tables: Tables, allowed: dict[str, Any], passes: bool) -> None:
    restrict(tables, "db", ingress=[allowed])
    assert isinstance(connect(tables, "web", DB, 80), Towards) is passes


def test_a_connection_needs_the_leave_of_both_ends(tables: Tables) -> None:
    restrict(tables, "web", egress=[rule(sandboxes=["db"])])
    restrict(tables, "db", ingress=[])
    assert connect(tables, "web", DB, 80) == Dropped()
    restrict(tables, "db", ingress=[rule(sandboxes=["web"])])
    assert isinstance(connect(tables, "web", DB, 80), Towards)
    restrict(tables, "web", egress=[])
    assert connect(tables, "web", DB, 80) == Dropped()


def test_a_services_port_is_that_of_the_pod_behind_it(tables: Tables) -> None:
    restrict(tables, "web", egress=[rule(sandboxes=["db"], ports=[[STREAM, 80, 80]])])
    assert isinstance(connect(tables, "web", SERVICE, 5432), Towards)
    restrict(tables, "web", egress=[rule(sandboxes=["db"], ports=[[STREAM, 5432, 5432]])])
    assert connect(tables, "web", SERVICE, 5432) == Dropped()


def test_egress_to_the_world_and_to_the_name_server(tables: Tables) -> None:
    restrict(tables, "web", egress=[rule(blocks=[["0.0.0.0/0", ["93.184.0.0/16"]]])])
    assert connect(tables, "web", OUTSIDE, 443) == Dropped()
    assert connect(tables, "web", "1.1.1.1", 443) == Outside()
    address = socket.inet_pton(socket.AF_INET6, "2606:4700::1111")
    web = tables.sandboxes["web"]
    assert tables.route_ipv6_outside(web, address, 443, STREAM) == Refused(errno.ENETUNREACH)
    restrict(tables, "web", egress=[])
    assert connect(tables, "web", DNS, 53, DATAGRAM) == Dropped()
    restrict(tables, "web", egress=[rule(sandboxes=["dns"], ports=[[DATAGRAM, 53, 53]])])
    assert isinstance(connect(tables, "web", DNS, 53, DATAGRAM), Towards)
    assert connect(tables, "web", "1.1.1.1", 443) == Dropped()
    assert tables.route_ipv6_outside(tables.sandboxes["db"], address, 443, STREAM) == Outside()


def test_a_policy_may_be_there_before_its_sandbox(tables: Tables) -> None:
    restrict(tables, "late", ingress=[])
    late = {"op": "attach", "sandbox": "late", "address": "127.16.1.3", "groups": ["pods"]}
    tables.apply(late)
    assert connect(tables, "web", "127.16.1.3", 80) == Dropped()


async def test_programs_are_kept_apart_and_a_new_worker_knows_why(
    network: Network, parent: SmallParent
) -> None:
    await serve(parent, "orders")
    network.join("stranger", "shop")
    network.set_policy("orders", [rule(sandboxes=["database"], ports=[[STREAM, 8000, 8000]])], None)
    where = network.sandbox("orders").address
    assert await call(parent, "stranger", where, timeout=0.2) == "TimeoutError"
    parent.kill_worker()
    parent.start_worker()
    assert await call(parent, "stranger", where, timeout=0.2) == "TimeoutError"
    assert await call(parent, "database", where) == "orders got hello"
    reader, writer = await network.dial("orders", 8000)
    writer.write(b"probe\n")
    assert await reader.readline() == b"orders got probe\n", "the node always gets in"
    writer.close()
    network.set_policy("database", None, [])
    assert await call(parent, "database", where, timeout=0.2) == "TimeoutError"
    network.set_policy("database", None, None)
    network.set_policy("orders", None, None)
    assert await call(parent, "stranger", where) == "orders got hello"
    assert await call(parent, "database", where) == "orders got hello"


async def test_rules_that_are_too_long_let_nobody_pass(network: Network, parent: SmallParent) -> None:
    await serve(parent, "orders")
    where = network.sandbox("orders").address
    many = [f"{number:036d}" for number in range(5000)]
    network.set_policy("orders", [rule(sandboxes=["database", *many])], None)
    assert await call(parent, "database", where, timeout=0.2) == "TimeoutError"
    network.set_policy("orders", [rule(sandboxes=["database"])], None)
    assert await call(parent, "database", where) == "orders got hello"
