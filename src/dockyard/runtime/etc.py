"""The files that every container gets of its own: /etc/hosts, /etc/hostname, /etc/resolv.conf."""

from __future__ import annotations

from pathlib import Path

from dockyard.runtime.spec import ContainerSpec, Mount

_LOCAL = (
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n"
    "ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
)


def write_etc(spec: ContainerSpec, resolv_conf: str) -> None:
    """Writes them beside the container's root file system."""
    folder = _folder(spec)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts").write_text(hosts(spec))
    (folder / "hostname").write_text(f"{spec.hostname}\n")
    (folder / "resolv.conf").write_text(resolv_conf)


def etc_mounts(spec: ContainerSpec) -> list[Mount]:
    """How to mount them; a mount of the container's own at the same place goes first."""
    own = {mount.target for mount in spec.mounts}
    places = {f"/etc/{name}": _folder(spec) / name for name in ("hosts", "hostname", "resolv.conf")}
    return [Mount(target, source) for target, source in places.items() if target not in own]


def _folder(spec: ContainerSpec) -> Path:
    return spec.rootfs.upper.parent / "etc"


def hosts(spec: ContainerSpec) -> str:
    """The text of /etc/hosts: localhost, then the container's own entries in their order."""
    return _LOCAL + "".join(f"{address}\t{name}\n" for address, name in spec.hosts)
