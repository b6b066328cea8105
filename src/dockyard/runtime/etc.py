"""The files that every container gets of its own: /etc/hosts, /etc/hostname, /etc/resolv.conf."""

from __future__ import annotations

from pathlib import Path

from dockyard.runtime.spec import ContainerSpec, Mount

_LOCAL = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def write_etc(folder: Path, spec: ContainerSpec, resolv_conf: str) -> list[Mount]:
    """Writes them into `folder` and returns how to mount them; a mount of the container's own goes first."""
    folder.mkdir(parents=True, exist_ok=True)
    own = {mount.target for mount in spec.mounts}
    mounts = []
    for name, text in (
        ("hosts", hosts(spec)),
        ("hostname", f"{spec.hostname}\n"),
        ("resolv.conf", resolv_conf),
    ):
        (folder / name).write_text(text)
        if f"/etc/{name}" not in own:
            mounts.append(Mount(f"/etc/{name}", folder / name))
    return mounts


def hosts(spec: ContainerSpec) -> str:
    """The text of /etc/hosts: localhost, then the container's own entries in their order."""
    return _LOCAL + "".join(f"{address}\t{name}\n" for address, name in spec.hosts)
