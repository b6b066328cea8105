"""What kubectl 1.37 and helm 4 said to a real API server, request by request: the same codes and shapes."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dockyard.cluster.http.server import ApiServer
from dockyard.cluster.streams import NodeStreams
from dockyard.wire.clock import FakeClock
from dockyard.wire.http import Response, StreamResponse
from tests.cluster.conversations import Conversations, content, differences, drain, media, shape
from tests.cluster.fakes import FakeProcess
from tests.cluster.harness import FakeCluster

DATA = Path(__file__).parent.parent / "data" / "kubernetes"
RECORDED: dict[str, dict[str, Any]] = json.loads((DATA / "conversations.json").read_text())
# "NN-name/number" -> what differs there, and why it stays so.
DIFFERENT: dict[str, dict[str, Any]] = json.loads((DATA / "conversations-different.json").read_text())
UPGRADED = 101  # exec, cp and port-forward need a connection: live/test_live.py has them with kubectl
NAMESPACE = "http-demo"
OTHERS = (
    "config-propagation/conf",
    "default/app-src",
    "kube-system/extension-apiserver-authentication",
    "kube-system/kube-apiserver-legacy-service-account-token-tracking",
)


def sh(process: FakeProcess) -> None:
    """The recorder's Pod: says two lines, serves, and ends at SIGTERM."""
    asyncio.get_running_loop().call_soon(process.say, "one\ntwo\n")
    process.on_signal = lambda signum: process.end(0)


def pause(clock: FakeClock, process: FakeProcess) -> None:
    process.on_signal = lambda signum: clock.call_later(0.4, lambda: process.end(0)) and None


def recorders_pod() -> dict[str, Any]:
    """The Pod that was there before the first conversation, as it was applied."""
    (listed,) = RECORDED["04-get-pods-json"]["exchanges"]
    annotations = listed["reply"]["items"][0]["metadata"]["annotations"]
    applied = annotations["kubectl.kubernetes.io/last-applied-configuration"]
    pod: dict[str, Any] = json.loads(applied)
    pod["metadata"]["annotations"] = annotations
    return pod


async def hold(play: Conversations, name: str) -> dict[str, Any]:
    """Hold one conversation; returns what was different, by the number of the exchange."""
    play.begin()
    if name == "16-apply-server-side":
        await play.cluster.advance(3)  # a rollout was over, so nobody wrote a status in between
    if name == "76-delete-label":
        labels = {"metadata": {"labels": {"a": "b"}}}  # as the recorder did before it
        play.cluster.api.patch("ConfigMap", "c1", labels, "merge", namespace=NAMESPACE)
    found: dict[str, Any] = {}
    watches: list[tuple[str, Any, list[bytes], asyncio.Task[None]]] = []
    passed = 0
    for number, exchange in enumerate(RECORDED[name]["exchanges"]):
        if exchange["status"] == UPGRADED:
            continue
        await play.cluster.advance(max(0, exchange["t_ms"] - passed) / 1000)
        passed = max(passed, exchange["t_ms"])
        answer = await play.ask(exchange)
        if isinstance(answer, StreamResponse):
            chunks: list[bytes] = []
            task = asyncio.get_running_loop().create_task(drain(answer.body, chunks))
            watches.append((str(number), exchange, chunks, task))
            if name == "11-get-watch":
                labels = {"metadata": {"labels": {"k": "v"}}}
                await play.cluster.settle()
                play.cluster.api.patch("Pod", "sh", labels, "merge", namespace=NAMESPACE)
            continue
        if wrong := compared(play, exchange, answer):
            found[str(number)] = wrong
    await play.cluster.advance(4 if watches else 0)
    for number_, exchange, chunks, task in watches:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if wrong := streamed(exchange, b"".join(chunks)):
            found[number_] = wrong
    return found


def compared(play: Conversations, exchange: dict[str, Any], answer: Response) -> Any:
    if answer.status != exchange["status"]:
        return [f"{answer.status} for {exchange['status']}"]
    ours = content(answer)
    found = []
    if exchange["type"] == "application/vnd.kubernetes.protobuf":
        assert media(answer) == "application/json"  # docs/differences.md: answers are always JSON
    elif media(answer) != exchange["type"]:
        found.append(f"{media(answer)} for {exchange['type']}")
    if "reply" in exchange:
        play.learn(exchange["reply"], ours)
        found += differences(shape(ours), shape(exchange["reply"]))
    return sorted(set(found))


def streamed(exchange: dict[str, Any], text: bytes) -> Any:
    """A followed log is compared as it is; of a watch, the types in order and the first of each type."""
    if "watch" not in exchange:
        return [] if text.decode() == exchange["reply"] else [text.decode()]
    ours = [json.loads(line) for line in text.splitlines()]
    theirs = exchange["watch"]

    def types(events: list[dict[str, Any]]) -> list[str]:
        found: list[str] = []
        for event in events:
            marks = event["object"]["metadata"].get("annotations") or {}
            if event["type"] == "BOOKMARK" and "k8s.io/initial-events-end" not in marks:
                continue  # a heartbeat
            if not found or event["type"] != found[-1]:
                found.append(event["type"])
        return found

    if types(ours) != types(theirs):
        return [f"{types(ours)} for {types(theirs)}"]
    found: list[str] = []
    for type_ in dict.fromkeys(types(theirs)):
        first, second = (next(e for e in events if e["type"] == type_) for events in (ours, theirs))
        found += differences(shape(first["object"]), shape(second["object"]))
    return sorted(set(found))


@pytest.mark.timeout(120)
async def test_answers_have_the_recorded_codes_and_shapes(tmp_path: Path) -> None:
    """All conversations in their order on one cluster, as they were recorded: each builds on those before."""
    cluster = FakeCluster(tmp_path)
    cluster.runtime.programs.update({"sh": sh, "/pause": partial(pause, cluster.clock)})
    cluster.runtime.start_seconds = lambda: 0.5
    cluster.api.root_ca = "-----BEGIN CERTIFICATE-----"
    await cluster.start()
    server = ApiServer(cluster.api, NodeStreams(cluster.agents))
    cluster.api.create("Namespace", {"metadata": {"name": NAMESPACE}})
    for place in OTHERS:  # what else was there: several pages of ConfigMaps
        namespace, _, name = place.partition("/")
        if cluster.api.find("Namespace", namespace) is None:
            cluster.api.create("Namespace", {"metadata": {"name": namespace}})
        metadata: dict[str, Any] = {"name": name, "namespace": namespace}
        if namespace != "kube-system":  # these were applied
            metadata["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
        cluster.api.create("ConfigMap", {"metadata": metadata})
    await cluster.advance(1)
    cluster.api.create("Pod", recorders_pod())
    await cluster.advance(3)
    play = Conversations(cluster, server.handle)
    found: dict[str, Any] = {}
    for name in RECORDED:
        found |= {f"{name}/{number}": wrong for number, wrong in (await hold(play, name)).items()}
        await cluster.advance(0.3)
    await cluster.stop()
    expected = {key: entry["what"] for key, entry in DIFFERENT.items()}
    assert found == expected


def test_nearly_all_exchanges_are_as_recorded() -> None:
    exchanges = sum(len(one["exchanges"]) for one in RECORDED.values())
    assert (len(RECORDED), exchanges) == (92, 306)
    assert len(DIFFERENT) < exchanges / 10
    assert all(len(entry["why"]) > 20 for entry in DIFFERENT.values())
