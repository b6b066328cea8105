"""GET of one object or of many: lists, pages, Tables."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from dockyard.cluster import selectors, tables
from dockyard.cluster.api import Api
from dockyard.cluster.errors import BadRequest, Expired, Timeout
from dockyard.cluster.http import options as parse
from dockyard.cluster.http.negotiation import Form, choose
from dockyard.cluster.http.options import ListOptions
from dockyard.cluster.http.paths import Target
from dockyard.cluster.kinds import Kind
from dockyard.cluster.store import CompactedError, Record
from dockyard.cluster.watch import Selection
from dockyard.wire.http import Request, Response, json_response

Manifest = dict[str, Any]

_HEADERS = [("Content-Type", "application/json"), ("Cache-Control", "no-cache, private")]


def get_one(api: Api, target: Target, request: Request) -> Response:
    """One object, as itself, as a Table of one row or as its metadata."""
    form = choose(request.headers.get("accept"))
    obj = api.get(target.kind.id, target.name, target.namespace)
    _check_reachable(api, parse.revision(request.query.get("resourceVersion"), api.store.revision))
    return render(api, target.kind, obj, form, request)


def render(api: Api, kind: Kind, obj: Manifest, form: Form, request: Request, status: int = 200) -> Response:
    """An object in the form that the client asked for."""
    if form is Form.TABLE and obj.get("kind") == kind.kind:
        include = request.query.get("includeObject") or "Metadata"
        obj = tables.table(kind, [obj], api.clock.now(), obj["metadata"]["resourceVersion"], include)
    elif form is Form.METADATA:
        obj = metadata_only(obj)
    elif obj.get("kind") == kind.kind:
        obj = kind.show(obj)
    return json_response(obj, status, [("Cache-Control", "no-cache, private")])


def metadata_only(obj: Manifest) -> Manifest:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def selection(target: Target, options: ListOptions) -> Selection:
    """What a list or watch is about. Raises BadRequest for bad selectors."""
    kind = target.kind
    labels = selectors.parse_labels(options.label_selector)
    fields = selectors.parse_fields(options.field_selector, kind)
    return Selection(kind, target.namespace, labels, fields)


def list_many(api: Api, target: Target, request: Request, options: ListOptions) -> Response:
    """A list or a page of it, in the order of etcd's keys."""
    form = choose(request.headers.get("accept"))
    wanted = selection(target, options)
    store, kind = api.store, target.kind
    asked = parse.revision(options.resource_version, store.revision)
    _check_reachable(api, asked)
    revision, start = store.revision, ""
    records: list[Record]
    if options.continue_:
        revision, start = _read_token(options.continue_)
        if revision == -1:
            revision = store.revision
        records = _snapshot(api, kind, revision, start)
    elif options.match == "Exact":
        revision = asked
        records = _snapshot(api, kind, revision, None)
    else:
        records = list(store.scan(kind.key, target.namespace))
    keyed = sorted(
        (f"{record.namespace}/{record.name}", record) for record in records if wanted.includes(record)
    )
    if start:
        keyed = [item for item in keyed if _relative(item[0], target.namespace) >= "/" + start.lstrip("/")]
    metadata: Manifest = {"resourceVersion": str(revision)}
    # "0" is upstream's cache of watches, which knows no pages.
    if options.limit and options.resource_version != "0" and len(keyed) > options.limit:
        metadata["continue"] = _make_token(revision, _relative(keyed[options.limit - 1][0], target.namespace))
        if not (wanted.labels or wanted.fields):
            metadata["remainingItemCount"] = len(keyed) - options.limit
        keyed = keyed[: options.limit]
    found = [record for _, record in keyed]
    if form is Form.OBJECT:
        return _plain_list(kind, metadata, found)
    objects = [{"kind": kind.kind, "apiVersion": kind.api_version, **record.load()} for record in found]
    if form is Form.METADATA:
        items = [metadata_only(obj) for obj in objects]
        head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        return json_response({**head, "items": items})
    include = request.query.get("includeObject") or "Metadata"
    made = tables.table(kind, objects, api.clock.now(), str(revision), include)
    made["metadata"] = metadata
    return json_response(made, 200, [("Cache-Control", "no-cache, private")])


def _plain_list(kind: Kind, metadata: Manifest, records: list[Record]) -> Response:
    head = {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": metadata}
    if kind.conversion is not None:
        items = [kind.show(record.load()) for record in records]
        for item in items:
            del item["apiVersion"]  # as below
        return json_response({**head, "items": items}, 200, _HEADERS[1:])
    opening = json.dumps(head, separators=(",", ":")).encode()[:-1] + b',"items":['
    # The stored bytes are what goes out: items of a list carry no kind and apiVersion.
    return Response(200, _HEADERS, opening + b",".join(record.body for record in records) + b"]}\n")


def _check_reachable(api: Api, revision: int) -> None:
    if revision > api.store.revision:
        text = f"Too large resource version: {revision}, current: {api.store.revision}"
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        raise Timeout(f"Timeout: {text}", {"causes": [cause], "retryAfterSeconds": 1})


def _snapshot(api: Api, kind: Kind, revision: int, start: str | None) -> list[Record]:
    try:
        return api.store.snapshot(kind.key, revision)
    except CompactedError:
        if start is None:
            raise Expired("The resourceVersion for the provided list is too old.") from None
    refusal = Expired(
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve "
        "the remainder of "
        "the results. Continuing with the provided token results in an inconsistent list - objects that were "
        "created, modified, or deleted between the time the first chunk was returned and now may "
        "show up in the list."
    )
    refusal.list_metadata = {"continue": _make_token(-1, start.removesuffix("\0"))}
    raise refusal


def _relative(key: str, namespace: str | None) -> str:
    """A key below what is listed, as etcd has it: `/name` in a namespace, `/namespace/name` over all."""
    place, _, name = key.partition("/")
    return f"/{name}" if namespace is not None or not place else f"/{key}"


def _make_token(revision: int, last: str) -> str:
    token = json.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": last + "\0"}, separators=(",", ":"))
    return base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def _read_token(text: str) -> tuple[int, str]:
    head = "invalid continue token: continue key is not valid"
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise BadRequest(f"{head}: illegal base64 data at input byte {len(text) - len(text) % 4}") from None
    try:
        token = json.loads(raw)
        version, revision, start = token["v"], token["rv"], token["start"]
    except UnicodeDecodeError:
        raise BadRequest(
            f"{head}: invalid character '{chr(raw[0])}' looking for beginning of value"
        ) from None
    except ValueError:
        first = raw[:1].decode("latin-1")
        raise BadRequest(f"{head}: invalid character '{first}' looking for beginning of value") from None
    except (KeyError, TypeError):
        raise BadRequest(f"{head}: incorrect encoded start resourceVersion") from None
    if version != "meta.k8s.io/v1" or not isinstance(revision, int) or not isinstance(start, str):
        raise BadRequest(f"{head}: server does not recognize this encoded version")
    return revision, start
