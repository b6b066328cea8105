"""The baseline level: no known way out of a container (pod-security-admission/policy).

Differs: Windows' hostProcess is not looked at, there are no Windows nodes.
"""

from __future__ import annotations

from typing import Any

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

_CAPABILITIES = {
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
}
_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
_SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SECCOMP = ("RuntimeDefault", "Localhost")


def app_armor_profile(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    bad = {
        id(owner): (context(owner).get("appArmorProfile") or {}).get("type", "RuntimeDefault")
        for owner in (spec, *containers(spec))
    }
    allowed = ("RuntimeDefault", "Localhost")
    pod = bad[id(spec)] not in allowed
    names = [c["name"] for c in containers(spec) if bad[id(c)] not in allowed]
    if not pod and not names:
        return None
    values = quoted(sorted({value for value in bad.values() if value not in allowed}))
    who = setters(pod, names)
    return Violation("forbidden AppArmor profile", f"{who} must not set AppArmor profile type to {values}")


def capabilities(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    added = {c["name"]: (context(c).get("capabilities") or {}).get("add") or () for c in containers(spec)}
    names = [name for name, caps in added.items() if not _CAPABILITIES.issuperset(caps)]
    if not names:
        return None
    extra = sorted({cap for caps in added.values() for cap in caps} - _CAPABILITIES)
    detail = f"{named(names)} must not include {quoted(extra)} in securityContext.capabilities.add"
    return Violation("non-default capabilities", detail)


def host_namespaces(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    shared = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return Violation("host namespaces", ", ".join(shared)) if shared else None


def host_path_volumes(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    names = [volume["name"] for volume in spec.get("volumes") or () if volume.get("hostPath") is not None]
    return Violation("hostPath volumes", named(names, "volume")) if names else None


def host_ports(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    used = {
        c["name"]: [p["hostPort"] for p in c.get("ports") or () if p.get("hostPort")]
        for c in containers(spec)
    }
    names = [name for name, ports in used.items() if ports]
    if not names:
        return None
    ports = sorted({str(port) for found in used.values() for port in found})
    verb, word = ("use" if len(names) > 1 else "uses"), ("hostPorts" if len(ports) > 1 else "hostPort")
    return Violation("hostPort", f"{named(names)} {verb} {word} {', '.join(ports)}")


def host_probes(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    hosts = {c["name"]: _hosts(c) for c in containers(spec)}
    names = sorted(name for name, found in hosts.items() if found)
    if not names:
        return None
    values = sorted(set().union(*hosts.values()))
    verb, word = ("use" if len(names) > 1 else "uses"), ("hosts" if len(values) > 1 else "host")
    detail = f"{named(names)} {verb} probe or lifecycle {word} {quoted(values)}"
    return Violation("probe or lifecycle host", detail)


def _hosts(container: Manifest) -> set[str]:
    lifecycle = container.get("lifecycle") or {}
    handlers = [container.get(name) for name in ("livenessProbe", "readinessProbe", "startupProbe")]
    handlers += [lifecycle.get("postStart"), lifecycle.get("preStop")]
    asked = [(h or {}).get(name) or {} for h in handlers for name in ("httpGet", "tcpSocket")]
    return {request["host"] for request in asked if request.get("host")}


def privileged(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    names = [c["name"] for c in containers(spec) if context(c).get("privileged")]
    return (
        Violation("privileged", f"{named(names)} must not set securityContext.privileged=true")
        if names
        else None
    )


def proc_mount(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    mounts = {c["name"]: context(c).get("procMount") or "Default" for c in containers(spec)}
    names = [name for name, kind in mounts.items() if kind != "Default"]
    if not names or spec.get("hostUsers") is False:
        return None
    kinds = sorted({kind for kind in mounts.values() if kind != "Default"})
    return Violation("procMount", f"{named(names)} must not set securityContext.procMount to {quoted(kinds)}")


def se_linux_options(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    options = [(owner, context(owner).get("seLinuxOptions") or {}) for owner in (spec, *containers(spec))]
    bad = [
        owner
        for owner, found in options
        if found.get("type", "") not in _SELINUX_TYPES or found.get("user") or found.get("role")
    ]
    if not bad:
        return None
    types = sorted({found.get("type", "") for _, found in options} - _SELINUX_TYPES)
    told = [named(types, "type")] if types else []
    told += [f"{key} may not be set" for key in ("user", "role") if any(o.get(key) for _, o in options)]
    who = setters(bad[0] is spec, [owner["name"] for owner in bad if owner is not spec])
    detail = f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(told)}"
    return Violation("seLinuxOptions", detail)


def seccomp_profile(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    types = [
        (owner, context(owner)["seccompProfile"].get("type", ""))
        for owner in (spec, *containers(spec))
        if context(owner).get("seccompProfile") is not None
    ]
    bad = [(owner, kind) for owner, kind in types if kind not in SECCOMP]
    if not bad:
        return None
    who = setters(any(owner is spec for owner, _ in bad), [o["name"] for o, _ in bad if o is not spec])
    values = quoted(sorted({kind for _, kind in bad}))
    return Violation("seccompProfile", f"{who} must not set securityContext.seccompProfile.type to {values}")


def sysctls(metadata: Manifest, spec: Manifest) -> Violation | None:
    del metadata
    names = [s["name"] for s in context(spec).get("sysctls") or () if s["name"] not in _SYSCTLS]
    return Violation("forbidden sysctls", ", ".join(names)) if names else None


# By upstream's ids: appArmorProfile, hostNamespaces, hostPorts and so on.
BASELINE: tuple[Check, ...] = (
    app_armor_profile,
    host_namespaces,
    host_ports,
    host_probes,
    privileged,
    proc_mount,
    se_linux_options,
    sysctls,
)
# Those that the restricted level replaces by stricter ones.
RELAXED: tuple[Check, ...] = (capabilities, host_path_volumes, seccomp_profile)
