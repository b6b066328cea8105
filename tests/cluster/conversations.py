"""Recorded HTTP conversations, held again: requests with our names in them, and the shapes of the answers.

A recording has placeholders where a cluster chooses (uids, revisions, random names, times). What our answers
have in their places is learnt on the way and sent in the requests that follow, as the recorded client did.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from typing import Any

from dockyard.wire.body import IncomingBody
from dockyard.wire.headers import Headers, header_pairs
from dockyard.wire.http import Request, Response, StreamResponse
from tests.cluster.harness import FakeCluster

Manifest = dict[str, Any]

_CHOSEN = re.compile(r"<[^>]+>|^rv\d+$|^T[+-][\d.]+s$")
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ADMIN = (("commonName", "kubernetes-admin"),), (("organizationName", "system:masters"),)


class _NoConnection:
    def hijack(self, *_: Any) -> Any:
        raise AssertionError("these conversations have no upgrades")


def request(method: str, target: str, headers: dict[str, str], body: bytes = b"") -> Request:
    """A request of the administrator, whole and without a connection."""
    incoming = IncomingBody(lambda _: None)
    if body:
        incoming.feed(body)
    incoming.finish()
    certificate = {"subject": _ADMIN, "sha256": "0" * 64}
    return Request(
        method,
        target,
        Headers(headers.items()),
        incoming,
        _NoConnection(),
        scheme="https",
        peer_certificate=certificate,
    )


# Counts that are left out while they are 0, which is a matter of the moment; and who wrote which field:
# our controllers have no names there (docs/differences.md).
_COUNTS = (
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "updatedReplicas",
    "fullyLabeledReplicas",
)
_UNSTEADY = {*_COUNTS, "managedFields"}


def shape(value: Any) -> Any:
    """What kinds of values are where; a list is the set of its members' shapes."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in sorted(value.items()) if key not in _UNSTEADY}
    if isinstance(value, list):
        members = {json.dumps(shape(item)) for item in value if not _is_alike(item)}
        return [json.loads(member) for member in sorted(members)]
    return {str: "text", bool: "truth", type(None): "null"}.get(type(value), "number")


def _is_alike(item: Any) -> bool:
    """Whether the recording left an item out because its shape is another item's."""
    return isinstance(item, dict) and set(item) == {"alike"}


def differences(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where two shapes differ: `+path` only we have, `-path` only they have, `path: ours theirs` differs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found = [f"+{path}.{key}" for key in ours if key not in theirs]
        found += [f"-{path}.{key}" for key in theirs if key not in ours]
        for key in ours:
            if key in theirs:
                found += differences(ours[key], theirs[key], f"{path}.{key}")
        return found
    if isinstance(ours, list) and isinstance(theirs, list):
        if bool(ours) != bool(theirs):
            return [f"{path}: {len(ours)} and {len(theirs)} kinds of members"]
        # Each member must be like one of theirs; how many of which kind there are is the moment's chance.
        return [text for item in ours for text in _nearest(item, theirs, path + "[]")]
    return [] if ours == theirs else [f"{path}: {ours} {theirs}"]


def _nearest(item: Any, theirs: list[Any], path: str) -> list[str]:
    return min((differences(item, other, path) for other in theirs), key=len)


class Conversations:
    """One cluster that is asked what a real one was asked."""

    def __init__(self, cluster: FakeCluster, handle: Any) -> None:
        self.cluster = cluster
        self._handle = handle
        self._names: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._last: Any = None
        self.node = cluster.api.list("Node")[0]["metadata"]["name"]

    def begin(self) -> None:
        """Forget what was learnt: each recording has placeholders of its own."""
        self._names = {"node-001": self.node}
        self._last = None

    async def ask(self, exchange: Manifest) -> Response | StreamResponse:
        """Send one recorded request and return the answer."""
        path = self._path(exchange["path"])
        headers = {"User-Agent": "kubectl/v1.37.1 (linux/amd64)"} | exchange["headers"]
        if "If-None-Match" in headers or exchange["status"] == 304:
            headers["If-None-Match"] = await self._tag(path, headers)
        if "protobuf" in exchange:
            body = base64.b64decode(exchange["protobuf"])
        elif "body" in exchange:
            body = json.dumps(self.ours(exchange["body"])).encode()
        else:
            body = b""
        answer = await self._handle(request(exchange["method"], path, headers, body))
        assert isinstance(answer, Response | StreamResponse)
        return answer

    def _longest_first(self) -> list[tuple[str, str]]:
        """A Pod's name before the parts that it is made of."""
        return sorted(self._names.items(), key=lambda pair: -len(pair[0]))

    async def _tag(self, path: str, headers: dict[str, str]) -> str:
        """The ETag that a client has of an earlier visit."""
        plain = {key: value for key, value in headers.items() if key != "If-None-Match"}
        answer = await self._handle(request("GET", path, plain))
        return dict(header_pairs(answer.headers)).get("Etag", "none")

    def _path(self, path: str) -> str:
        path = path.replace("resourceVersion=rv?", "resourceVersion=999999999")
        path = path.replace("node-001", self.node)
        for theirs, ours in self._longest_first():
            if theirs.startswith("rv"):
                path = re.sub(rf"resourceVersion={theirs}\b", f"resourceVersion={ours}", path)
            else:
                path = path.replace(theirs, ours)
        # What the recorder left as it was: uids in selectors, template hashes and continue tokens.
        if isinstance(self._last, dict):
            metadata = self._last.get("metadata", {})
            if "uid" in metadata:
                path = _UID.sub(metadata["uid"], path)
            if "continue" in metadata:
                path = re.sub(r"continue=[^&]+", f"continue={metadata['continue']}", path)
            for item in self._last.get("items") or ():
                digest = item["metadata"].get("labels", {}).get("pod-template-hash")
                if digest and item["spec"].get("replicas"):
                    path = re.sub(r"(pod-template-hash%3D)[a-z0-9]+", rf"\g<1>{digest}", path)
        return path

    def ours(self, value: Any) -> Any:
        if isinstance(value, dict):
            if value.get("path") == "/metadata/resourceVersion":  # of a JSON patch: not normalised there
                return {**value, "value": self._last["metadata"]["resourceVersion"]}
            return {key: self.ours(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.ours(item) for item in value]
        return self._names.get(value, value) if isinstance(value, str) else value

    def named(self, text: str) -> str:
        """A recorded text with our names in the places of the recorder's."""
        for theirs, ours in self._longest_first():
            if "<" in theirs:
                text = text.replace(theirs, ours)
        return text

    def learn(self, theirs: Any, ours: Any) -> None:
        """Note what our answer has where the recorded one has placeholders."""
        self._last = ours
        self._pair(theirs, ours)

    def _pair(self, theirs: Any, ours: Any) -> None:
        if _is_alike(theirs) and isinstance(ours, dict):
            self._pair(theirs["alike"], (ours.get("object") or ours).get("metadata"))
        elif isinstance(theirs, dict) and isinstance(ours, dict):
            for key in theirs.keys() & ours.keys():
                self._pair(theirs[key], ours[key])
        elif isinstance(theirs, list) and isinstance(ours, list):
            for left, right in zip(theirs, ours, strict=False):
                self._pair(left, right)
        elif isinstance(theirs, str) and isinstance(ours, str) and _CHOSEN.search(theirs):
            self._names.setdefault(theirs, ours)


async def drain(stream: AsyncIterator[bytes], into: list[bytes]) -> None:
    """Collect a stream's chunks until it ends or the task is cancelled."""
    async for chunk in stream:
        into.append(chunk)


def content(answer: Response) -> Any:
    """The body as JSON, or as text when it is none."""
    if not answer.body:
        return None
    try:
        return json.loads(answer.body)
    except ValueError:
        return answer.body.decode()


def media(answer: Response | StreamResponse) -> str:
    """The Content-Type without its parameters."""
    pairs = {name.lower(): value for name, value in header_pairs(answer.headers)}
    return pairs.get("content-type", "").partition(";")[0]
