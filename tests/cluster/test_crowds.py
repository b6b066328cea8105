"""Many clients at once, and large ones: each is served or refused clearly, and nobody else notices."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dockyard.cluster.controlplane import ControlPlane
from dockyard.wire.clock import FakeClock
from dockyard.wire.http import Response, StreamResponse
from tests.cluster.conftest import LiveServer
from tests.cluster.conversations import content, request

PATH = "/api/v1/namespaces/default/configmaps"
JSON = {"Content-Type": "application/json"}


def connect(server: LiveServer) -> http.client.HTTPSConnection:
    admin = server.pki.client("admin", "kubernetes-admin", ["system:masters"])
    context = server.pki.client_context(admin)
    return http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=20)


def ask(
    connection: http.client.HTTPSConnection, method: str, path: str, obj: Any = None
) -> tuple[int, dict[str, Any]]:
    connection.request(method, path, body=None if obj is None else json.dumps(obj), headers=JSON)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_concurrent_writers_lose_no_increment_and_a_watch_sees_each_once(server: LiveServer) -> None:
    """Four clients read, add one and write back, and begin again when somebody was faster."""
    writers, rounds = 4, 15
    counter = {"metadata": {"name": "counter"}, "data": {"n": "0"}}
    listening = connect(server)
    status, made = ask(listening, "POST", PATH, counter)
    assert status == 201
    since = made["metadata"]["resourceVersion"]
    listening.request("GET", f"{PATH}?watch=true&fieldSelector=metadata.name=counter&resourceVersion={since}")
    events = listening.getresponse()
    failures: list[str] = []

    def add() -> None:
        connection = connect(server)
        done = 0
        while done < rounds:
            _, mine = ask(connection, "GET", f"{PATH}/counter")
            mine["data"]["n"] = str(int(mine["data"]["n"]) + 1)
            status, answer = ask(connection, "PUT", f"{PATH}/counter", mine)
            if status == 200:
                done += 1
            elif answer.get("reason") != "Conflict":
                failures.append(str(answer))
                break
        connection.close()

    threads = [threading.Thread(target=add) for _ in range(writers)]
    for thread in threads:
        thread.start()
    seen = [json.loads(events.readline())["object"] for _ in range(writers * rounds)]
    for thread in threads:
        thread.join(30)
    listening.close()
    assert failures == []
    assert [int(obj["data"]["n"]) for obj in seen] == list(range(1, writers * rounds + 1))
    revisions = [int(obj["metadata"]["resourceVersion"]) for obj in seen]
    assert revisions == sorted(set(revisions))


async def test_a_thousand_watches_get_each_change_and_go_without_a_trace() -> None:
    plane = ControlPlane(None, FakeClock())
    idle = len(plane.store._subscribers)
    streams: list[AsyncIterator[bytes]] = []
    for number in range(1000):
        selector = f"&labelSelector=shard={number % 10}" if number % 2 else ""
        answer = await plane.handler(
            request("GET", f"{PATH}?watch=true&resourceVersion={plane.store.revision}{selector}", {})
        )
        assert isinstance(answer, StreamResponse)
        streams.append(answer.body)
    assert len(plane.store._subscribers) == idle + 1000
    made = plane.api.create("ConfigMap", {"metadata": {"name": "one", "labels": {"shard": "3"}}})
    wanting = [s for n, s in enumerate(streams) if n % 2 == 0 or n % 10 == 3]
    for stream in wanting:
        event = json.loads(await anext(stream))
        assert (event["type"], event["object"]["metadata"]["uid"]) == ("ADDED", made["metadata"]["uid"])
    for stream in streams:
        await stream.aclose()  # type: ignore[attr-defined]
    assert len(plane.store._subscribers) == idle
    plane.close()


async def test_watches_that_are_never_read_share_what_waits_for_them() -> None:
    """A hundred sleepers and a change of 200 kB cost one copy of it, not a hundred."""
    plane = ControlPlane(None, FakeClock())
    for _ in range(100):
        target = f"{PATH}?watch=true&resourceVersion={plane.store.revision}"
        await plane.handler(request("GET", target, {}))
    plane.api.create("ConfigMap", {"metadata": {"name": "big"}, "data": {"blob": "x" * 200_000}})
    waiting = [s.__self__ for s in plane.store._subscribers.values() if hasattr(s, "__self__")]
    bodies = {id(change.stored) for watch in waiting for change in getattr(watch, "_queue", ())}
    assert len(bodies) == 1
    plane.close()


async def send(plane: ControlPlane, body: bytes, media: str = "application/json") -> tuple[int, Any]:
    answer = await plane.handler(request("POST", PATH, {"Content-Type": media}, body))
    assert isinstance(answer, Response)
    return answer.status, content(answer)


@pytest.fixture
def plane() -> Any:
    made = ControlPlane(None, FakeClock())
    yield made
    made.close()


async def test_an_object_that_etcd_would_not_take_is_refused(plane: ControlPlane) -> None:
    """Two megabytes fit in a request, and not in etcd, whose limit is 1.5 MiB."""
    owners = [
        {"apiVersion": "v1", "kind": "Pod", "name": f"{'n' * 200}-{number}", "uid": f"{number:036}"}
        for number in range(7000)
    ]
    body = json.dumps({"metadata": {"name": "huge", "ownerReferences": owners}}).encode()
    assert 1 << 21 < len(body) < 3 << 20
    status, answer = await send(plane, body)
    assert (status, answer["message"]) == (500, "etcdserver: request is too large")
    assert plane.api.find("ConfigMap", "huge") is None


async def test_a_body_of_ten_megabytes_is_refused(plane: ControlPlane) -> None:
    status, answer = await send(plane, b'{"data":{"a":"' + b"a" * (10 << 20) + b'"}}')
    assert (status, answer["reason"]) == (413, "RequestEntityTooLarge")
    assert answer["message"] == "Request entity too large: limit is 3145728"


BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(c)}: &{chr(c)} [*{chr(c - 1)}, *{chr(c - 1)}, *{chr(c - 1)}]\n" for c in range(98, 118)
)


@pytest.mark.parametrize(
    ("body", "media", "part"),
    [
        (BOMB.encode(), "application/yaml", "document contains excessive aliasing"),
        (b"[" * 100_000, "application/json", "couldn't get version/kind; json parse error"),
        (b"[" * 100_000, "application/yaml", "the object provided is unrecognized"),
        (b"\xff\xfe{", "application/json", "couldn't get version/kind; json parse error"),
        (b"a: \xff", "application/yaml", "the object provided is unrecognized"),
    ],
    ids=["bomb", "deep-json", "deep-yaml", "no-utf8-json", "no-utf8-yaml"],
)
async def test_malicious_text_is_a_bad_request(
    plane: ControlPlane, body: bytes, media: str, part: str
) -> None:
    status, answer = await send(plane, body, media)
    assert (status, answer["reason"]) == (400, "BadRequest")
    assert part in answer["message"]
