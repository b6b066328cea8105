"""Watches over the wire: initial events, bookmarks, 410, selectors, and clients that are slow or go away."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dockyard.cluster import watch as watches
from dockyard.cluster.kinds import KINDS
from dockyard.cluster.store import CompactedError, Store
from dockyard.cluster.watch import Selection, Watch
from tests.cluster.conftest import LiveServer
from tests.deadline import eventually


def context(server: LiveServer) -> ssl.SSLContext:
    return server.pki.client_context(server.pki.client("admin", "kubernetes-admin", ["system:masters"]))


def configmap(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default", "labels": labels}, "data": {"x": "y"}}


@contextmanager
def open_watch(
    server: LiveServer, query: str, path: str = "/api/v1/namespaces/default/configmaps"
) -> Iterator[Any]:
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context(server), timeout=10)
    connection.request("GET", f"{path}?watch=true&{query}", headers={"Accept": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200
    try:
        yield (json.loads(line) for line in iter(answer.readline, b""))
    finally:
        connection.close()


def brief(event: dict[str, Any]) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"].get("name", "")


def test_initial_events_end_with_a_marked_bookmark_and_the_stream_goes_on(server: LiveServer) -> None:
    api = server.plane.api
    server.do(api.create, "ConfigMap", configmap("first", test="initial"))
    query = (
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        "&labelSelector=test%3Dinitial"
    )
    with open_watch(server, query) as events:
        assert brief(next(events)) == ("ADDED", "first")
        bookmark = next(events)
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert bookmark["object"]["metadata"]["resourceVersion"] == str(server.plane.store.revision)
        server.do(api.create, "ConfigMap", configmap("second", test="initial"))
        assert brief(next(events)) == ("ADDED", "second")


def test_watch_continues_where_a_list_ended(server: LiveServer) -> None:
    api = server.plane.api
    revision = server.plane.store.revision
    server.do(api.create, "ConfigMap", configmap("continued"))
    server.do(api.patch, "ConfigMap", "continued", {"data": {"x": "z"}}, "merge")
    server.do(api.delete, "ConfigMap", "continued")
    with open_watch(server, f"resourceVersion={revision}&fieldSelector=metadata.name%3Dcontinued") as events:
        seen = [next(events) for _ in range(3)]
    assert [event["type"] for event in seen] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(set(versions))
    assert seen[2]["object"]["data"] == {"x": "z"}


def test_object_that_leaves_the_selection_is_reported_as_deleted(server: LiveServer) -> None:
    api = server.plane.api
    server.do(api.create, "ConfigMap", configmap("leaver", side="in"))
    revision = server.plane.store.revision
    with open_watch(server, f"resourceVersion={revision}&labelSelector=side%3Din") as events:
        server.do(api.patch, "ConfigMap", "leaver", {"metadata": {"labels": {"side": "out"}}}, "merge")
        server.do(api.patch, "ConfigMap", "leaver", {"metadata": {"labels": {"side": "in"}}}, "merge")
        gone, back = next(events), next(events)
    assert brief(gone) == ("DELETED", "leaver")
    assert gone["object"]["metadata"]["labels"] == {"side": "in"}
    assert brief(back) == ("ADDED", "leaver")


def test_revision_that_is_forgotten_is_410_inside_the_stream(server: LiveServer) -> None:
    server.do(server.plane.api.create, "ConfigMap", configmap("forgotten"))
    server.do(server.plane.store.compact)
    with open_watch(server, "resourceVersion=1") as events:
        only = list(events)
    assert [event["type"] for event in only] == ["ERROR"]
    assert only[0]["object"]["code"] == 410
    assert only[0]["object"]["reason"] == "Expired"
    assert only[0]["object"]["message"].startswith("too old resource version: 1 (")


def test_watch_ends_after_its_timeout_with_a_bookmark(server: LiveServer) -> None:
    revision = server.plane.store.revision
    with open_watch(
        server, f"resourceVersion={revision}&timeoutSeconds=1&allowWatchBookmarks=true"
    ) as events:
        assert [event["type"] for event in events] == ["BOOKMARK"]


def test_table_rows_come_with_each_change(server: LiveServer) -> None:
    revision = server.plane.store.revision
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context(server), timeout=10)
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    path = f"/api/v1/namespaces/default/configmaps?watch=true&resourceVersion={revision}"
    connection.request("GET", path, headers=accept)
    answer = connection.getresponse()
    server.do(server.plane.api.create, "ConfigMap", configmap("tabled"))
    event = json.loads(answer.readline())
    connection.close()
    assert event["object"]["kind"] == "Table"
    assert event["object"]["rows"][0]["cells"][:2] == ["tabled", 1]


def open_watches(server: LiveServer) -> int:
    """How many watches are open."""
    return len(server.plane.store._subscribers) - server.resting


def test_client_that_never_reads_holds_up_nobody(server: LiveServer) -> None:
    api = server.plane.api
    big = {"blob": "x" * 200_000}
    raw = socket.create_connection(("127.0.0.1", server.port))
    sleeper = context(server).wrap_socket(raw, server_hostname="127.0.0.1")
    path = "/api/v1/namespaces/default/configmaps?watch=true&labelSelector=test%3Dslow"
    sleeper.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    eventually(lambda: open_watches(server) > 0, "the watch is there")
    before = open_watches(server)
    with open_watch(server, "labelSelector=test%3Dslow") as events:
        for number in range(80):
            obj = {**configmap(f"slow-{number}", test="slow"), "data": big}
            server.do(api.create, "ConfigMap", obj)
            assert brief(next(events)) == ("ADDED", f"slow-{number}")
        # What the sleeper could not take is gone with its watch; what is left is the reader's.
        eventually(lambda: open_watches(server) == before, "the slow watch is over")
    sleeper.close()
    eventually(lambda: open_watches(server) == 0, "no watch is left behind")


def test_client_that_goes_away_leaves_no_watch_behind(server: LiveServer) -> None:
    eventually(lambda: open_watches(server) == 0, "no watch yet")
    with open_watch(server, "resourceVersion=0"):
        eventually(lambda: open_watches(server) == 1, "the watch is there")
    eventually(lambda: open_watches(server) == 0, "the watch is cleaned up")


def put(store: Store, name: str) -> None:
    store.put("ConfigMap", {"metadata": {"name": name, "namespace": "default"}}, KINDS["ConfigMap"].prefix)


def test_full_queue_ends_its_own_watch_only() -> None:
    store = Store(None)
    everything = Selection(KINDS["ConfigMap"])
    slow, quick = Watch(store, everything, store.revision), Watch(store, everything, store.revision)
    taken = 0
    for number in range(watches.QUEUE_EVENTS + 1):
        put(store, f"c{number}")
        taken += len(quick.take())
    assert slow.overflowed
    assert not slow.take()
    assert not quick.overflowed
    assert taken == watches.QUEUE_EVENTS + 1
    store.close()


def test_history_is_bounded_and_says_so() -> None:
    store = Store(None)
    put(store, "first")
    begin = store.revision
    for _ in range(6000):
        put(store, "again")
    with pytest.raises(CompactedError):
        store.since(begin)
    assert [event.revision for event in store.since(store.revision - 3)] == [
        store.revision - 2,
        store.revision - 1,
        store.revision,
    ]
    store.close()


def test_write_inside_a_callback_is_seen_by_all_in_order() -> None:
    store = Store(None)
    seen: list[list[int]] = [[], []]

    def answer(event: Any) -> None:
        seen[0].append(event.revision)
        if event.name == "cause":
            put(store, "effect")

    store.subscribe(answer)
    store.subscribe(lambda event: seen[1].append(event.revision))
    put(store, "cause")
    assert seen[0] == seen[1] == sorted(seen[0])
    assert len(seen[0]) == 2
    store.close()
