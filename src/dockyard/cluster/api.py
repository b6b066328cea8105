"""The API server's verbs: synchronous functions over the store, the same for HTTP, controllers and the node.

Every write runs defaulting, admission, validation and the optimistic lock; one that changes nothing makes no
event. What is returned belongs to the caller. Refusals are `cluster.errors`.
"""

from __future__ import annotations

import builtins
import copy
from collections.abc import Callable, Mapping
from typing import Any

from dockyard.cluster import (
    admission,
    allocation,
    binding,
    deletion,
    ephemeral,
    metadata,
    ownership,
    recorder,
    scale,
    selectors,
)
from dockyard.cluster import (
    patch as patches,
)
from dockyard.cluster.access.tokens import Tokens, signing_key
from dockyard.cluster.custom import registration
from dockyard.cluster.deletion import DeleteOptions
from dockyard.cluster.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    NotFound,
    ServiceUnavailable,
)
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.kinds import COMPUTED, KINDS, OLDER, Kinds
from dockyard.cluster.kinds.kind import Kind
from dockyard.cluster.metrics.readings import Readings
from dockyard.cluster.ownership import Manager
from dockyard.cluster.store import (
    Event,
    ObjectTooLargeError,
    Record,
    Store,
    StoreUnavailableError,
    decode,
)
from dockyard.wire.clock import Clock, rfc3339

Manifest = dict[str, Any]
Check = Callable[[Manifest, Manifest], None]  # (new object, stored object): a last look at what a patch made
Guard = Callable[[Kind, Manifest, Manifest | None], None]  # (kind, new object, stored object)


class Api:
    """The verbs over one store; `kinds` are those that it knows."""

    def __init__(
        self, store: Store, clock: Clock, *, root_ca: str = "", token_key: bytes | None = None
    ) -> None:
        """`root_ca` is the PEM text that every namespace gets as the ConfigMap kube-root-ca.crt.

        `token_key` signs ServiceAccount tokens; without it they are good for this process only.
        """
        self.store = store
        self.clock = clock
        self.root_ca = root_ca
        self.tokens = Tokens(self, token_key or signing_key(None))
        self._guard: Guard | None = None
        self._recorder = recorder.Recorder(self)
        self.kinds = Kinds(KINDS, (*COMPUTED, *OLDER))
        registration.follow(self.kinds, store)
        self.readings = Readings()  # what metrics-server knows

    def guarded(self, guard: Guard) -> Api:
        """The same API for one user: `guard` sees each object before it is stored, and may refuse it."""
        made = copy.copy(self)
        made._guard = guard
        return made

    def now(self) -> str:
        """The time as `metav1.Time` has it, to the second."""
        return rfc3339(self.clock.now())

    # Reading

    def find(self, kind: str, name: str, namespace: str | None = None) -> Manifest | None:
        """A copy of the object, or None."""
        row = self.kinds[kind]
        record = self.store.get(row.key, self._namespace(row, namespace), name)
        return None if record is None else _full(row, record)

    def get(self, kind: str, name: str, namespace: str | None = None) -> Manifest:
        """A copy of the object. Raises NotFound."""
        row = self.kinds[kind]
        return _full(row, self._record(row, self._namespace(row, namespace), name))

    def list(
        self,
        kind: str,
        namespace: str | None = None,
        *,
        labels: Mapping[str, str] | str | None = None,
        fields: str | None = None,
    ) -> list[Manifest]:
        """Copies of the objects, by namespace and name; `namespace` None is all of them.

        `labels` is a mapping that must be contained or a selector text, `fields` a field selector text.
        """
        row = self.kinds[kind]
        if isinstance(labels, str):
            selector = selectors.parse_labels(labels)
        else:
            selector = selectors.from_labels(labels or {})
        wanted = selectors.parse_fields(fields or "", row)
        records = [
            record for record in self.store.scan(row.key, namespace) if selector.matches(record.labels)
        ]
        records.sort(key=lambda record: (record.namespace, record.name))
        found = (_full(row, record) for record in records)
        return [obj for obj in found if selectors.fields_match(wanted, obj)]

    def shared(self, kind: str, namespace: str) -> builtins.list[Manifest]:
        """The objects of a namespace by name, parsed once for all who read them: never modify them."""
        row = self.kinds[kind]
        records = sorted(self.store.scan(row.key, namespace), key=lambda record: record.name)
        return [record.shared(row.prefix) for record in records]

    # Writing

    def create(
        self,
        kind: str,
        obj: Manifest,
        *,
        namespace: str | None = None,
        dry_run: bool = False,
        manager: Manager | None = None,
    ) -> Manifest:
        """Store a new object and return it as stored; `manager` is who gets its fields.

        Raises AlreadyExists, Invalid, NotFound, Forbidden.
        """
        row = self.kinds[kind]
        obj = {**row.type_meta, **_copy(obj), **row.type_meta}
        home = metadata.place(row, obj, namespace)
        if row.default:
            row.default(obj)
        admission.on_create(self, row, obj, home)
        applied = obj["metadata"].get("managedFields")
        metadata.begin(row, obj, self.now())
        if row.has_status and not row.created_with_status:
            obj.pop("status", None)
            if row.initial_status is not None:
                obj["status"] = _copy(row.initial_status)
                if row.begin is not None:
                    row.begin(obj)
        if manager and manager.operation == "Apply" and applied:
            obj["metadata"]["managedFields"] = applied
        elif manager:
            ownership.track(row, None, obj, manager, self.now())
        admission.complete(self, row, obj)
        name = obj["metadata"].get("name", "")
        self._validate(row, obj, None)
        charges = admission.review(self, row, obj, None)
        if self.store.get(row.key, home, name) is not None:
            if obj["metadata"].get("generateName") and not dry_run:
                # Five random characters clashed: the caller's create is repeated under another name.
                obj["metadata"].pop("name")
                obj["metadata"].pop("resourceVersion", None)
                return self.create(kind, obj, namespace=home or None, manager=manager)
            raise AlreadyExists.of(row, name)
        if row.kind == "Service":
            allocation.allocate(self.store, obj, None, dry_run=dry_run)
        if dry_run:
            return obj
        obj["metadata"]["resourceVersion"] = ""  # its place; the store sets it
        metadata.tidy(obj)
        admission.charge(self, charges)
        self._put(row, obj)
        if row.kind == "Namespace":
            admission.furnish(self, name)
        return obj

    def update(
        self, kind: str, obj: Manifest, *, dry_run: bool = False, manager: Manager | None = None
    ) -> Manifest:
        """Replace all but the status. Raises NotFound, Conflict (resourceVersion or uid differ), Invalid."""
        row = self.kinds[kind]
        obj = _copy(obj)
        obj["apiVersion"], obj["kind"] = row.api_version, row.kind
        home = metadata.place(row, obj, None)
        record = self._record(row, home, obj["metadata"].get("name", ""))
        old = _full(row, record)
        return self._replace(row, record, old, obj, dry_run, manager=manager)

    def update_status(
        self, kind: str, obj: Manifest, *, dry_run: bool = False, manager: Manager | None = None
    ) -> Manifest:
        """Replace the status and nothing else. Raises NotFound, Conflict."""
        row = self.kinds[kind]
        home = self._namespace(row, obj["metadata"].get("namespace"))
        record = self._record(row, home, obj["metadata"]["name"])
        old = _full(row, record)
        sent = obj["metadata"].get("resourceVersion")
        if sent and sent != old["metadata"]["resourceVersion"]:
            raise Conflict.modified(row, record.name)
        # Only a custom resource's defaults and checks look at more than is replaced here.
        new = _full(row, record) if row.custom else {**old, "metadata": dict(old["metadata"])}
        if kind == "Deployment" and obj["metadata"].get("annotations"):
            # Upstream's status writes keep spec and labels only: the revision comes with the status.
            new["metadata"]["annotations"] = dict(obj["metadata"]["annotations"])
            metadata.tidy(new)
        if "status" in obj or row.custom is None:
            new["status"] = _copy(obj.get("status") or {})
            for key in ("phase", "qosClass"):  # which no status is without
                if key in (old.get("status") or {}):
                    new["status"].setdefault(key, old["status"][key])
        else:
            new.pop("status", None)
        if row.custom is not None:
            if row.default:
                row.default(new)
            self._validate(row, new, old)
        self._set_managers(row, old, new, obj, manager)
        return self._store_change(row, record, new, dry_run, old=old)

    def apply(
        self,
        kind: str,
        name: str,
        config: Manifest,
        *,
        manager: str,
        namespace: str | None = None,
        force: bool = False,
        subresource: str = "",
        dry_run: bool = False,
    ) -> tuple[Manifest, bool]:
        """Server-side apply of a manager's configuration; the object, and whether it was created.

        Raises ApplyConflict where others manage a field with another value, unless `force`; and what create
        and update raise.
        """
        row = self.kinds[kind]
        record = self.store.get(row.key, self._namespace(row, namespace), name)
        who = Manager(manager, "Apply", row.api_version, subresource)
        if record is None:
            if subresource:
                raise NotFound.of(row, name)
            obj = ownership.apply_new(row, config, manager, self.now())
            return self.create(kind, obj, namespace=namespace, dry_run=dry_run, manager=who), True
        old = _full(row, record)
        new = ownership.apply(row, old, config, manager, force=force, now=self.now(), subresource=subresource)
        if subresource == "status":
            return self.update_status(kind, new, dry_run=dry_run, manager=who), False
        metadata.place(row, new, record.namespace or None)
        changed = self._replace(row, record, old, new, dry_run, patched=True, manager=who)
        return changed, False

    def patch(
        self,
        kind: str,
        name: str,
        patch: Any,
        patch_type: str,
        *,
        namespace: str | None = None,
        subresource: str | None = None,
        dry_run: bool = False,
        check: Check | None = None,
        manager: Manager | None = None,
        version: Kind | None = None,
    ) -> Manifest:
        """Change an object by a patch; `patch_type` is json, merge or strategic.

        `subresource` may be status, scale or ephemeralcontainers. `check` sees the patched and the stored
        object before the write. A patch for another than the stored version says `version`.
        Raises NotFound, Conflict, Invalid, BadRequest.
        """
        row = self.kinds[kind]
        record = self._record(row, self._namespace(row, namespace), name)
        old = _full(row, record)
        if subresource == "scale":
            current = scale.of(row, old)
            new = patches.apply(scale.SCALE, current, patch, patch_type)
            return self.update_scale(kind, name, new, namespace=namespace, dry_run=dry_run, manager=manager)
        seen = version or row
        new = patches.apply(seen, seen.show(_full(row, record)), patch, patch_type)
        if new.get("metadata", {}).get("name") != name:
            raise BadRequest(
                f"the name of the object ({new.get('metadata', {}).get('name', '')}) does not "
                "match the name on "
                f"the URL ({name})"
            )
        if check:
            check(new, old)
        new = seen.read(new)
        if subresource == "status":
            return self.update_status(kind, new, dry_run=dry_run, manager=manager)
        if subresource == "ephemeralcontainers":
            return self.update_ephemeral_containers(new, dry_run=dry_run, manager=manager)
        metadata.place(row, new, record.namespace or None)
        return self._replace(row, record, old, new, dry_run, patched=True, manager=manager)

    def delete(
        self,
        kind: str,
        name: str,
        namespace: str | None = None,
        *,
        grace_period_seconds: int | None = None,
        propagation_policy: str | None = None,
        preconditions: Mapping[str, str] | None = None,
        dry_run: bool = False,
    ) -> tuple[Manifest, bool]:
        """Delete an object; returns its last state and whether it is gone already.

        It stays, with a deletionTimestamp, while finalizers hold it or a kubelet ends its containers.
        `preconditions` may hold uid and resourceVersion. Raises NotFound, Conflict, Forbidden.
        """
        row = self.kinds[kind]
        record = self._record(row, self._namespace(row, namespace), name)
        obj = _full(row, record)
        admission.on_delete(row, name)
        options = DeleteOptions(
            grace_period_seconds,
            propagation_policy,
            (preconditions or {}).get("uid"),
            (preconditions or {}).get("resourceVersion"),
        )
        deletion.check_preconditions(row, obj, options)
        if not deletion.begin(row, obj, options, self.clock.now()):
            return obj, False  # already on its way
        if row.kind == "Namespace":
            obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}
        elif row.kind == "CustomResourceDefinition":
            registration.begin_deletion(obj, self.now())
        metadata.tidy(obj)
        if deletion.is_done(obj):
            if not dry_run:
                if row.kind == "Pod":
                    # Upstream writes the grace period of 0 before it removes a Pod, and watchers see it.
                    self._put(row, obj)
                    record = self._record(row, record.namespace, record.name)
                self._remove(row, record)
            # Only what a kubelet ends goes through a state of being deleted.
            return (obj if row.kind == "Pod" else _full(row, record)), True
        return self._store_change(row, record, obj, dry_run), False

    def bind(self, name: str, namespace: str, node: str) -> None:
        """Assign a Pod to a node, as the scheduler's Binding does.

        Raises NotFound, Conflict when it has one.
        """
        row = self.kinds["Pod"]
        record = self._record(row, namespace, name)
        pod = _full(row, record)
        binding.assign(pod, node, self.now())
        self._store_change(row, record, pod, dry_run=False)

    def update_ephemeral_containers(
        self, pod: Manifest, *, dry_run: bool = False, manager: Manager | None = None
    ) -> Manifest:
        """Give a Pod the ephemeral containers of `pod`, nothing else. Raises NotFound, Conflict, Invalid."""
        row = self.kinds["Pod"]
        record = self._record(
            row, self._namespace(row, pod["metadata"].get("namespace")), pod["metadata"]["name"]
        )
        old = _full(row, record)
        sent = pod["metadata"].get("resourceVersion")
        if sent and sent != old["metadata"]["resourceVersion"]:
            raise Conflict.modified(row, record.name)
        new = ephemeral.replace(old, _copy(pod))
        errors = FieldErrors()
        ephemeral.validate(new, old, errors)
        metadata.refuse(row, new, errors)
        if new["spec"] != old["spec"]:
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        self._set_managers(row, old, new, pod, manager)
        return self._store_change(row, record, new, dry_run)

    def finalize(self, namespace: Manifest) -> Manifest:
        """Replace a Namespace's spec.finalizers; one that is being deleted goes when none is left."""
        row = self.kinds["Namespace"]
        record = self._record(row, "", namespace["metadata"]["name"])
        new = _full(row, record)
        new["spec"] = {"finalizers": list(namespace.get("spec", {}).get("finalizers") or ())}
        if not new["spec"]["finalizers"]:
            new["spec"] = {}
        return self._store_change(row, record, new, dry_run=False)

    def scale(self, kind: str, name: str, namespace: str | None = None) -> Manifest:
        """The autoscaling/v1 Scale of an object."""
        return scale.of(self.kinds[kind], self.get(kind, name, namespace))

    def update_scale(
        self,
        kind: str,
        name: str,
        new: Manifest,
        *,
        namespace: str | None = None,
        dry_run: bool = False,
        manager: Manager | None = None,
    ) -> Manifest:
        """Set the replicas through a Scale, and return the Scale that resulted."""
        row = self.kinds[kind]
        record = self._record(row, self._namespace(row, namespace), name)
        old = _full(row, record)
        changed = scale.apply(row, old, new)
        return scale.of(row, self._replace(row, record, old, changed, dry_run, manager=manager))

    # Telling

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call back after each committed write, in order; returns what ends it.

        Do not modify the event's objects.
        """
        return self.store.subscribe(callback)

    def record_event(
        self, obj: Manifest, type: str, reason: str, message: str, *, component: str, host: str = ""
    ) -> None:
        """Report something about an object as a core/v1 Event; a repetition counts up the first one.

        `host` is the node that a kubelet reports it from.
        """
        self._recorder.record(obj, type, reason, message, component, host)

    # Inside

    @staticmethod
    def _namespace(kind: Kind, namespace: str | None) -> str:
        return (namespace or "default") if kind.namespaced else ""

    def _record(self, kind: Kind, namespace: str, name: str) -> Record:
        record = self.store.get(kind.key, namespace, name)
        if record is None:
            raise NotFound.of(kind, name)
        return record

    def _validate(self, kind: Kind, obj: Manifest, old: Manifest | None) -> None:
        errors = FieldErrors()
        metadata.validate(kind, obj, old, errors)
        if kind.validate:
            kind.validate(obj, old, errors)
        metadata.refuse(kind, obj, errors)
        if self._guard is not None:
            self._guard(kind, obj, old)

    def _replace(
        self,
        kind: Kind,
        record: Record,
        old: Manifest,
        obj: Manifest,
        dry_run: bool,
        *,
        patched: bool = False,
        manager: Manager | None = None,
    ) -> Manifest:
        obj["apiVersion"], obj["kind"] = kind.api_version, kind.kind
        metadata.carry_over(kind, obj, old, patched=patched)
        if kind.has_status:
            obj.pop("status", None)
            if "status" in old:
                obj["status"] = old["status"]
        admission.on_update(self, kind, obj, old)
        if kind.default:
            kind.default(obj)
        if kind.prepare:
            kind.prepare(obj, old)
        self._set_managers(kind, old, obj, obj, manager)
        self._validate(kind, obj, old)
        charges = admission.review(self, kind, obj, old)
        if kind.kind == "Service":
            allocation.allocate(self.store, obj, old, dry_run=dry_run)
        if not dry_run:
            admission.charge(self, charges)
        if kind.generation and _content(obj) != _content(old):
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        return self._store_change(kind, record, obj, dry_run)

    def _set_managers(
        self, kind: Kind, old: Manifest, new: Manifest, sent: Manifest, manager: Manager | None
    ) -> None:
        """Who manages what after a write: an apply has worked it out, our own controllers have no say."""
        if manager is None:
            # Differs: what the controllers, the scheduler and the kubelet write here has no manager, so
            # managedFields name clients only, and no conflict names kube-controller-manager.
            ownership.keep(old, new)
        elif manager.operation == "Apply":
            ownership.keep(sent, new)
        else:
            ownership.track(kind, old, new, manager, self.now())

    def _store_change(
        self, kind: Kind, record: Record, obj: Manifest, dry_run: bool, *, old: Manifest | None = None
    ) -> Manifest:
        """Store the object unless nothing changed; `old` is what is stored, where that is known."""
        if dry_run or obj == (old or _full(kind, record)):
            return obj
        if deletion.is_done(obj):
            # The last finalizer went: watchers see the end, with the object as it was before that write.
            self._remove(kind, record)
            return obj
        self._put(kind, obj)
        return obj

    def _put(self, kind: Kind, obj: Manifest) -> None:
        try:
            self.store.put(kind.key, obj, kind.prefix)
        except ObjectTooLargeError as error:
            raise ApiError("etcdserver: request is too large") from error
        except StoreUnavailableError as error:
            raise ServiceUnavailable(str(error)) from error

    def _remove(self, kind: Kind, record: Record) -> None:
        try:
            self.store.remove(kind.key, record.namespace, record.name, kind.prefix)
        except StoreUnavailableError as error:
            raise ServiceUnavailable(str(error)) from error


def _full(kind: Kind, record: Record) -> Manifest:
    value: Manifest = decode(kind.prefix + record.body[1:])
    return value


def _copy(obj: Any) -> Any:
    # JSON is a tree of these three; copy.deepcopy, which expects anything, takes five times as long.
    if isinstance(obj, dict):
        return {key: _copy(value) for key, value in obj.items()}
    return [_copy(value) for value in obj] if isinstance(obj, list) else obj


def _content(obj: Manifest) -> Manifest:
    return {
        key: value for key, value in obj.items() if key not in ("metadata", "status", "kind", "apiVersion")
    }
