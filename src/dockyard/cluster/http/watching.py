"""GET with watch=true: a stream of changes, with initial events, bookmarks, and 410 in its place."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from dockyard.cluster import tables
from dockyard.cluster.api import Api
from dockyard.cluster.errors import ApiError, BadRequest, Expired
from dockyard.cluster.http import options as parse
from dockyard.cluster.http.negotiation import Form, choose
from dockyard.cluster.http.options import ListOptions
from dockyard.cluster.http.paths import Target
from dockyard.cluster.http.reads import metadata_only, selection
from dockyard.cluster.kinds import Kind
from dockyard.cluster.store import CompactedError
from dockyard.cluster.watch import Change, Watch
from dockyard.wire.http import Request, StreamResponse

Manifest = dict[str, Any]

BOOKMARK_SECONDS = 60.0
MINIMUM_TIMEOUT = 1800.0
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


def watch(api: Api, target: Target, request: Request, options: ListOptions) -> StreamResponse:
    """The stream of a watch. Bad selectors and versions are refused before it begins."""
    form = choose(request.headers.get("accept"))
    wanted = selection(target, options)
    store = api.store
    try:
        revision = parse.revision(options.resource_version, store.revision)
    except BadRequest as error:  # which upstream doesn't foresee here
        raise ApiError(error.message.removeprefix("invalid resource version: ")) from error
    writer = _Writer(api, target.kind, form, request.query.get("includeObject") or "Metadata")
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-cache, private")]
    first: list[bytes] = []
    if options.initial_events or revision == 0:
        # The state now, as if everything had just been added; then what follows it.
        present = sorted(
            (f"{r.namespace}/{r.name}", r) for r in store.scan(target.kind.key, target.namespace)
        )
        changes = [
            Change("ADDED", target.kind.prefix, record.body)
            for _, record in present
            if wanted.includes(record)
        ]
        first = [writer.line(change) for change in changes]
        if options.initial_events and options.bookmarks:
            first.append(writer.bookmark(store.revision, _INITIAL_END))
        revision = store.revision
    try:
        watching = Watch(store, wanted, revision)
    except CompactedError:
        gone = Expired(f"too old resource version: {revision} ({store.compacted})")
        return StreamResponse(200, headers, _once(_event("ERROR", gone.status())))
    timeout = options.timeout or random.uniform(MINIMUM_TIMEOUT, 2 * MINIMUM_TIMEOUT)
    lines = _stream(api, watching, writer, first, timeout, bookmarks=options.bookmarks)
    return StreamResponse(200, headers, _Closing(lines, watching))


class _Closing:
    """The lines of a watch; closing them ends it also when nobody has read the first one yet."""

    def __init__(self, lines: AsyncGenerator[bytes, None], watching: Watch) -> None:
        self._lines, self._watching = lines, watching

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._lines)

    async def aclose(self) -> None:
        await self._lines.aclose()
        self._watching.close()


async def _once(line: bytes) -> AsyncIterator[bytes]:
    yield line


async def _stream(
    api: Api, watching: Watch, writer: _Writer, first: list[bytes], timeout: float, *, bookmarks: bool
) -> AsyncGenerator[bytes, None]:
    ready = asyncio.Event()
    watching.on_change(ready.set)
    ends = api.clock.monotonic() + timeout
    # Timers of the injected clock, so a test turns them; an event wakes the loop below.
    end = api.clock.call_later(timeout, ready.set)
    tick = api.clock.call_later(BOOKMARK_SECONDS, ready.set)
    next_bookmark = api.clock.monotonic() + BOOKMARK_SECONDS
    try:
        if first:
            yield b"".join(first)
            first.clear()
        while True:
            ready.clear()
            changes = watching.take()
            if changes:
                yield b"".join(writer.line(change) for change in changes)
                continue
            if watching.overflowed:
                return  # too slow: the client begins anew, others never notice
            now = api.clock.monotonic()
            if now >= ends:
                if bookmarks:
                    yield writer.bookmark(watching.revision, None)
                return
            if now >= next_bookmark:
                next_bookmark = now + BOOKMARK_SECONDS
                tick = api.clock.call_later(BOOKMARK_SECONDS, ready.set)
                if bookmarks:
                    yield writer.bookmark(watching.revision, None)
                    continue
            await ready.wait()
    finally:
        watching.close()
        end.cancel()
        tick.cancel()


class _Writer:
    """Turns changes into lines, in the form that the client asked for."""

    def __init__(self, api: Api, kind: Kind, form: Form, include: str) -> None:
        self._api, self._kind, self._form, self._include = api, kind, form, include
        self._columns_sent = False

    def line(self, change: Change) -> bytes:
        if self._form is Form.OBJECT and self._kind.conversion is not None:
            return _event(change.type, self._kind.show(change.object))
        if self._form is Form.OBJECT:
            return b'{"type":"%s","object":%s}\n' % (change.type.encode(), change.body)
        obj = change.object
        if self._form is Form.METADATA:
            return _event(change.type, metadata_only(obj))
        version = obj["metadata"]["resourceVersion"]
        table = tables.table(self._kind, [obj], self._api.clock.now(), version, self._include)
        if self._columns_sent:
            table["columnDefinitions"] = None
        self._columns_sent = True
        return _event(change.type, table)

    def bookmark(self, revision: int, annotations: dict[str, str] | None) -> bytes:
        metadata: Manifest = {"resourceVersion": str(revision)}
        if annotations:
            metadata["annotations"] = annotations
        if self._form is Form.TABLE:
            table = tables.table(self._kind, [], self._api.clock.now(), str(revision), self._include)
            row = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
            table["rows"] = [{"cells": tables.empty_cells(self._kind), "object": row}]
            return _event("BOOKMARK", table)
        obj = {"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": metadata}
        if self._form is Form.METADATA:
            obj = metadata_only(obj)
        return _event("BOOKMARK", obj)


def _event(type: str, obj: Manifest) -> bytes:
    event = {"type": type, "object": obj}
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
