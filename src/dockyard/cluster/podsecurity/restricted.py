"""The restricted level: hardened Pods only (pod-security-admission/policy)."""

from __future__ import annotations

import json
from typing import Any

from dockyard.cluster.podsecurity.baseline import SECCOMP, seccomp_profile
from dockyard.cluster.podsecurity.violation import (
    Check,
    Violation,
    containers,
    context,
    named,
    quoted,
    setters,
)

Manifest = dict[str, Any]

_VOLUMES = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
)


def allow_privilege_escalation(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    names = [c["name"] for c in containers(spec) if context(c).get("allowPrivilegeEscalation") is not False]
    detail = f"{named(names)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", detail) if names else None


def capabilities(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    found = {c["name"]: context(c).get("capabilities") or {} for c in containers(spec)}
    keeping = [name for name, caps in found.items() if "ALL" not in (caps.get("drop") or ())]
    extra = {name: set(caps.get("add") or ()) - {"NET_BIND_SERVICE"} for name, caps in found.items()}
    adding = [name for name, caps in extra.items() if caps]
    details = []
    if keeping:
        details.append(f'{named(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        caps = quoted(sorted(set().union(*extra.values())))
        details.append(f"{named(adding)} must not include {caps} in securityContext.capabilities.add")
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


def restricted_volumes(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    bad = [v for v in spec.get("volumes") or () if all(v.get(kind) is None for kind in _VOLUMES)]
    if not bad:
        return None
    kinds = sorted({key for volume in bad for key in volume if key != "name"})
    several = len(bad) > 1
    detail = (
        f"{named([volume['name'] for volume in bad], 'volume')} {'use' if several else 'uses'} restricted "
        f"volume type{'s' if len(kinds) > 1 else ''} {quoted(kinds)}"
    )
    return Violation("restricted volume types", detail)


def run_as_non_root(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    pod = context(spec).get("runAsNonRoot")
    own = {c["name"]: context(c).get("runAsNonRoot") for c in containers(spec)}
    explicit = [name for name, value in own.items() if value is False]
    if pod is False or explicit:
        who = setters(pod is False, explicit)
        return Violation("runAsNonRoot != true", f"{who} must not set securityContext.runAsNonRoot=false")
    implicit = [name for name, value in own.items() if value is None and not pod]
    detail = f"pod or {named(implicit)} must set securityContext.runAsNonRoot=true"
    return Violation("runAsNonRoot != true", detail) if implicit else None


def run_as_user(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    pod = context(spec).get("runAsUser") == 0
    names = [c["name"] for c in containers(spec) if context(c).get("runAsUser") == 0]
    return (
        Violation("runAsUser=0", f"{setters(pod, names)} must not set runAsUser=0") if pod or names else None
    )


def seccomp(metadata: Manifest, spec: Manifest) -> Violation | None:
    explicit = seccomp_profile(metadata, spec)
    if explicit is not None:
        return explicit
    if context(spec).get("seccompProfile") is not None:
        return None
    names = [c["name"] for c in containers(spec) if context(c).get("seccompProfile") is None]
    allowed = " or ".join(json.dumps(kind) for kind in SECCOMP)
    detail = f"pod or {named(names)} must set securityContext.seccompProfile.type to {allowed}"
    return Violation("seccompProfile", detail) if names else None


RESTRICTED: tuple[Check, ...] = (
    allow_privilege_escalation,
    capabilities,
    restricted_volumes,
    run_as_non_root,
    run_as_user,
    seccomp,
)
