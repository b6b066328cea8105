"""POST, PUT, PATCH and DELETE of objects."""

from __future__ import annotations

import json
from typing import Any

from dockyard.cluster import admission
from dockyard.cluster import patch as patches
from dockyard.cluster.api import Api
from dockyard.cluster.deletion import DeleteOptions
from dockyard.cluster.errors import BadRequest, Invalid, TooLarge, UnsupportedMediaType
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.http.applying import read_configuration
from dockyard.cluster.http.bodies import media_type, read_json, read_object, read_options
from dockyard.cluster.http.negotiation import choose
from dockyard.cluster.http.options import integer, list_options, write_options
from dockyard.cluster.http.paths import Target
from dockyard.cluster.http.reads import render, selection
from dockyard.cluster.kinds import Kind
from dockyard.cluster.ownership import Manager
from dockyard.cluster.patch.gotext import go_text
from dockyard.cluster.schema.decode import Decoder, WrongTypeError
from dockyard.cluster.warnings import warnings_for
from dockyard.wire.http import HttpError, Request, Response, json_response

Manifest = dict[str, Any]

BODY_LIMIT = 3 << 20
APPLY = "application/apply-patch+yaml"
_CUSTOM_PATCHES = (
    "the body of the request was in an unknown format - accepted media types include: "
    f"application/json-patch+json, application/merge-patch+json, {APPLY}"
)


async def read_body(request: Request) -> bytes:
    """The whole body. Raises TooLarge beyond upstream's 3 MiB."""
    try:
        return await request.body(BODY_LIMIT)
    except HttpError as error:
        if error.status != 413:
            raise
        raise TooLarge(f"Request entity too large: limit is {BODY_LIMIT}", {}) from None


def warned(response: Response, texts: list[str]) -> Response:
    """The answer with a Warning header for each text, each once."""
    headers = response.headers.items() if isinstance(response.headers, dict) else response.headers
    added = []
    for text in dict.fromkeys(texts):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        added.append(("Warning", f'299 - "{escaped}"'))
    response.headers = [*headers, *added]
    return response


def _before(api: Api, target: Target) -> Manifest | None:
    """What a Namespace was before a write; of nothing else do warnings depend on that."""
    return api.find("Namespace", target.name) if target.kind.kind == "Namespace" else None


def _remarks(api: Api, target: Target, made: Manifest, before: Manifest | None) -> list[str]:
    """The warnings about an object that was just written."""
    told = warnings_for(target.kind, made)
    return told if target.subresource else told + admission.warnings(api, target.kind, made, before)


async def create(api: Api, target: Target, request: Request) -> Response:
    body = await read_body(request)
    form = choose(request.headers.get("accept"))
    options = write_options(request.query, "CreateOptions")
    decoded = read_object(target.kind, body, request.headers.get("content-type"), options.validation)
    made = api.create(
        target.kind.id,
        decoded.obj,
        namespace=target.namespace,
        dry_run=options.dry_run,
        manager=updater(request, target, options.field_manager),
    )
    texts = decoded.warnings + _remarks(api, target, made, None)
    return warned(render(api, target.kind, made, form, request, 201), texts)


async def update(api: Api, target: Target, request: Request) -> Response:
    body = await read_body(request)
    form = choose(request.headers.get("accept"))
    options = write_options(request.query, "UpdateOptions")
    kind = target.kind
    decoded = read_object(kind, body, request.headers.get("content-type"), options.validation)
    obj = decoded.obj
    metadata = obj.setdefault("metadata", {})
    if metadata.get("name") and metadata["name"] != target.name:
        raise BadRequest(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({target.name})"
        )
    metadata["name"] = target.name
    if kind.namespaced:
        if metadata.get("namespace") not in (None, "", target.namespace):
            raise BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        metadata["namespace"] = target.namespace
    manager = updater(request, target, options.field_manager)
    before = _before(api, target)
    if target.subresource == "status":
        made = api.update_status(kind.id, obj, dry_run=options.dry_run, manager=manager)
    elif target.subresource == "ephemeralcontainers":
        made = api.update_ephemeral_containers(obj, dry_run=options.dry_run, manager=manager)
    elif target.subresource == "finalize":
        made = api.finalize(obj)
    else:
        made = api.update(kind.id, obj, dry_run=options.dry_run, manager=manager)
    texts = decoded.warnings + _remarks(api, target, made, before)
    return warned(render(api, kind, made, form, request), texts)


async def patch(api: Api, target: Target, request: Request) -> Response:
    body = await read_body(request)
    form = choose(request.headers.get("accept"))
    media = media_type(request.headers.get("content-type"))
    patch_type = patches.TYPES.get(media)
    if media == APPLY:
        return await apply(api, target, request, body)
    if target.kind.custom is not None and patch_type not in ("json", "merge"):
        raise UnsupportedMediaType(_CUSTOM_PATCHES, {})
    if patch_type is None:
        raise UnsupportedMediaType("415: Unsupported Media Type", {})
    options = write_options(request.query, "PatchOptions")
    content = read_json(body)
    kind = target.kind
    texts: list[str] = []

    def check(new: Manifest, old: Manifest) -> None:
        decoder = Decoder()
        patched = json.dumps(dict(sorted(new.items())), separators=(",", ":"))
        shown = go_text(content) if patch_type == "strategic" else patched
        try:
            read = decoder.decode(kind, new)
        except WrongTypeError as error:
            raise _bad_patch(shown, str(error)) from None
        new.clear()
        new.update(read)
        complaints = [f'unknown field "{path}"' for path in decoder.unknown]
        if complaints and options.validation == "Strict":
            raise _bad_patch(shown, "strict decoding error: " + ", ".join(complaints))
        if options.validation == "Warn":
            texts.extend(complaints)

    before = _before(api, target)
    made = api.patch(
        kind.id,
        target.name,
        content,
        patch_type,
        namespace=target.namespace,
        subresource=target.subresource or None,
        dry_run=options.dry_run,
        check=check,
        manager=updater(request, target, options.field_manager),
        version=kind,
    )
    if target.subresource == "scale":
        return json_response(made)
    return warned(render(api, kind, made, form, request), texts + _remarks(api, target, made, before))


async def apply(api: Api, target: Target, request: Request, body: bytes) -> Response:
    """PATCH with an apply configuration: the object is created when it isn't there."""
    form = choose(request.headers.get("accept"))
    options = write_options(request.query, "PatchOptions", applying=True)
    kind = target.kind
    config = kind.read(read_configuration(kind, target, body))
    before = _before(api, target)
    made, created = api.apply(
        kind.id,
        target.name,
        config,
        manager=options.field_manager,
        namespace=target.namespace,
        force=options.force,
        subresource=target.subresource,
        dry_run=options.dry_run,
    )
    response = render(api, kind, made, form, request, 201 if created else 200)
    return warned(response, _remarks(api, target, made, before))


def updater(request: Request, target: Target, named: str) -> Manager:
    """Who writes: the manager that the request names, or the client's own name."""
    name = named or (request.headers.get("user-agent") or "unknown").partition("/")[0][:128]
    # Differs: managedFields name autoscaling/v2 and its fields also for those who write autoscaling/v1.
    kind = target.kind
    version = kind.conversion.stored if kind.conversion else kind.api_version
    return Manager(name, "Update", version, target.subresource)


def _bad_patch(shown: str, problem: str) -> Invalid:
    errors = FieldErrors()
    errors.invalid("patch", shown, problem)
    return Invalid.of("", "", errors)


async def _delete_options(request: Request) -> DeleteOptions:
    body = await read_body(request)
    options = read_options("DeleteOptions", body, request.headers.get("content-type"))
    query = request.query
    grace = integer(query.get("gracePeriodSeconds"))
    if grace is not None:
        options.setdefault("gracePeriodSeconds", grace)
    if query.get("propagationPolicy"):
        options.setdefault("propagationPolicy", query.get("propagationPolicy"))
    if query.get("orphanDependents"):
        options.setdefault("orphanDependents", query.get("orphanDependents") in ("1", "true"))
    if query.get("dryRun"):
        options.setdefault("dryRun", query.getlist("dryRun"))
    return DeleteOptions.of(options)


def _preconditions(options: DeleteOptions) -> dict[str, str]:
    found = {"uid": options.uid, "resourceVersion": options.resource_version}
    return {key: value for key, value in found.items() if value is not None}


async def delete(api: Api, target: Target, request: Request) -> Response:
    options = await _delete_options(request)
    form = choose(request.headers.get("accept"))
    last, gone = api.delete(
        target.kind.id,
        target.name,
        target.namespace,
        grace_period_seconds=options.grace_period_seconds,
        propagation_policy=options.propagation_policy,
        preconditions=_preconditions(options),
        dry_run=options.dry_run,
    )
    if gone and not target.kind.returns_deleted:
        return json_response(success(target.kind, last))
    return render(api, target.kind, last, form, request)


def success(kind: Kind, obj: Manifest) -> Manifest:
    """The Status of something that was deleted at once."""
    details = {"name": obj["metadata"]["name"]}
    if kind.group:
        details["group"] = kind.group
    details.update(kind=kind.plural, uid=obj["metadata"]["uid"])
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


async def delete_many(api: Api, target: Target, request: Request) -> Response:
    """Delete everything that a list with the same selectors shows, and answer that list."""
    options = await _delete_options(request)
    wanted = selection(target, list_options(request.query))
    kind = target.kind
    records = [record for record in api.store.scan(kind.key, target.namespace) if wanted.includes(record)]
    items = []
    for record in sorted(records, key=lambda record: (record.namespace, record.name)):
        last, _ = api.delete(
            kind.id,
            record.name,
            record.namespace or None,
            grace_period_seconds=options.grace_period_seconds,
            propagation_policy=options.propagation_policy,
            dry_run=options.dry_run,
        )
        shown = kind.show(last)
        items.append({key: value for key, value in shown.items() if key not in ("kind", "apiVersion")})
    metadata = {"resourceVersion": str(api.store.revision)}
    return json_response(
        {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": metadata, "items": items}
    )
