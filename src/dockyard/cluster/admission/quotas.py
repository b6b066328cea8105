"""ResourceQuota: an object beyond a quota of its namespace is refused, and one within it is counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dockyard.cluster import quantity, quota
from dockyard.cluster.errors import Forbidden
from dockyard.cluster.kinds.kind import Kind

if TYPE_CHECKING:
    from dockyard.cluster.api import Api

Manifest = dict[str, Any]
Amounts = dict[str, str]
Charges = Sequence[Manifest]  # ResourceQuotas with the new `status.used`


def check(api: Api, kind: Kind, obj: Manifest, old: Manifest | None) -> Charges:
    """The quotas with what they would have used afterwards. Raises Forbidden for what exceeds one.

    As upstream's, this goes by the quotas' status: one that its controller has not seen yet limits nothing.
    """
    if old is not None and kind.key not in ("Service", "PersistentVolumeClaim"):
        return ()
    records = sorted(
        api.store.scan("ResourceQuota", obj["metadata"]["namespace"]), key=lambda record: record.name
    )
    if not records:
        return ()
    now = api.clock.now()
    used = quota.usage(kind, obj, now)
    before = quota.usage(kind, old, now) if old is not None else {}
    found = []
    for limits in [api.get("ResourceQuota", record.name, record.namespace) for record in records]:
        hard = limits["status"].get("hard") or {}
        if not any(quota.counts(kind, name) for name in hard) or not quota.concerns(limits, kind, obj):
            continue
        if kind.key == "Pod" and (missing := quota.unnamed(obj, set(hard))):
            raise _refuse(kind, obj, f"failed quota: {limits['metadata']['name']}: {missing}")
        found.append(limits)
    requested = {name: _less(amount, before.get(name, "0")) for name, amount in used.items()}
    return [_charged(kind, obj, limits, requested) for limits in found]


def charge(api: Api, charges: Charges) -> None:
    """Write down what the quotas have used now."""
    for limits in charges:
        api.update_status("ResourceQuota", limits)


def _charged(kind: Kind, obj: Manifest, limits: Manifest, requested: Amounts) -> Manifest:
    hard, used = limits["status"]["hard"], dict(limits["status"].get("used") or {})
    asked = {name: amount for name, amount in requested.items() if name in hard and quantity.parse(amount)}
    after = {name: quantity.total([used.get(name, "0"), amount]) for name, amount in asked.items()}
    over = sorted(name for name in asked if quantity.parse(after[name]) > quantity.parse(hard[name]))
    # An update that asks for less passes although the quota is exceeded already.
    over = [name for name in over if quantity.parse(asked[name]) > 0]
    if over:
        listed = (",".join(f"{name}={of.get(name, '0')}" for name in over) for of in (asked, used, hard))
        requests, uses, bounds = listed
        name = limits["metadata"]["name"]
        why = f"exceeded quota: {name}, requested: {requests}, used: {uses}, limited: {bounds}"
        raise _refuse(kind, obj, why)
    return limits | {"status": {**limits["status"], "used": dict(sorted((used | after).items()))}}


def _less(amount: str, before: str) -> str:
    return quantity.total([amount, f"-{before}"]) if quantity.parse(before) else amount


def _refuse(kind: Kind, obj: Manifest, why: str) -> Forbidden:
    return Forbidden.of(kind, obj["metadata"].get("name", ""), why)
