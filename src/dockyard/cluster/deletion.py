"""How objects go: preconditions, grace, finalizers and the three propagation policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dockyard.cluster.errors import Conflict, Invalid
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.kinds.kind import Kind
from dockyard.wire.clock import rfc3339

Manifest = dict[str, Any]

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"


@dataclass(frozen=True)
class DeleteOptions:
    """What a client asked for; None everywhere means the kind's default."""

    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False

    @classmethod
    def of(cls, body: Manifest) -> DeleteOptions:
        """Read a DeleteOptions object. Raises Invalid for policies that don't exist or contradict."""
        errors = FieldErrors()
        policy, orphan = body.get("propagationPolicy"), body.get("orphanDependents")
        if policy is not None and orphan is not None:
            errors.invalid(
                "propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be both set"
            )
        elif policy not in (None, "Foreground", "Background", "Orphan"):
            errors.not_supported(
                "propagationPolicy", policy, ("Foreground", "Background", "Orphan", "nil"), keep_order=True
            )
        if any(item != "All" for item in body.get("dryRun") or ()):
            errors.not_supported("dryRun", body["dryRun"], ("All",))
        if errors:
            raise Invalid.of("DeleteOptions.meta.k8s.io", "", errors)
        if orphan is not None:
            policy = "Orphan" if orphan else "Background"
        preconditions = body.get("preconditions") or {}
        return cls(
            body.get("gracePeriodSeconds"),
            policy,
            preconditions.get("uid"),
            preconditions.get("resourceVersion"),
            bool(body.get("dryRun")),
        )


def check_preconditions(kind: Kind, obj: Manifest, options: DeleteOptions) -> None:
    metadata = obj["metadata"]
    name, uid, revision = metadata["name"], metadata["uid"], metadata["resourceVersion"]
    if options.uid is not None and options.uid != uid:
        raise Conflict.precondition(
            kind,
            name,
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({uid}). "
            "The object might have been deleted and then recreated",
        )
    if options.resource_version is not None and options.resource_version != revision:
        raise Conflict.precondition(
            kind,
            name,
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the "
            f"ResourceVersion in record ({revision}). The object might have been modified",
        )


def begin(kind: Kind, obj: Manifest, options: DeleteOptions, now: float) -> bool:
    """Mark the object as being deleted, `now` in Unix seconds; False when it is that already, as asked."""
    meta = obj["metadata"]
    grace = _grace_period(kind, obj, options)
    if "deletionTimestamp" in meta:
        grace = min(grace, meta.get("deletionGracePeriodSeconds", 0))
        if options.grace_period_seconds is None and grace > 0:
            return False
    meta["finalizers"] = _finalizers_for(obj, options.propagation_policy)
    graceful = kind.kind != "Namespace"  # which has a deletionTimestamp and no grace period
    started = meta.get("deletionTimestamp")
    if started is None or (graceful and grace != meta.get("deletionGracePeriodSeconds")):
        meta["deletionTimestamp"] = rfc3339(now + grace)
        if graceful:
            meta["deletionGracePeriodSeconds"] = grace
        if "generation" in meta:
            meta["generation"] += 1
    return True


def _grace_period(kind: Kind, obj: Manifest, options: DeleteOptions) -> int:
    """The seconds a kubelet has to end the object; 0 for all that no kubelet runs."""
    if kind.kind != "Pod":
        return 0
    asked = options.grace_period_seconds
    seconds = obj["spec"].get("terminationGracePeriodSeconds", 30) if asked is None else asked
    if not obj["spec"].get("nodeName") or obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    # A negative period is the least that still tells the kubelet.
    return 1 if seconds < 0 else int(seconds)


def _finalizers_for(obj: Manifest, policy: str | None) -> list[str]:
    """The finalizers under a policy: the garbage collector acts on the two that belong to it."""
    current = list(obj["metadata"].get("finalizers") or ())
    if policy is None:
        return current
    kept = [finalizer for finalizer in current if finalizer not in (ORPHAN, FOREGROUND)]
    if policy == "Orphan":
        kept.append(ORPHAN)
    elif policy == "Foreground":
        kept.append(FOREGROUND)
    return kept


def is_done(obj: Manifest) -> bool:
    """Whether nothing holds a deleted object any more: no finalizer and no grace period."""
    metadata = obj["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    if (obj.get("spec") or {}).get("finalizers"):  # a Namespace with content
        return False
    return bool(metadata.get("deletionGracePeriodSeconds", 0) == 0)
