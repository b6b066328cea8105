"""What is mounted into a container: volumes, host directories, temporary file systems."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable
from pathlib import Path

from dockyard.engine.container import Container
from dockyard.engine.errors import BadParameter, Failed, NotFound
from dockyard.engine.parameters import Document
from dockyard.engine.volumes import Volumes
from dockyard.runtime.spec import Mount

_MODES = frozenset(
    ("ro", "rw", "z", "Z", "nocopy", "consistent", "cached", "delegated", "bind", "rbind", "private")
).union(("rprivate", "slave", "rslave", "shared", "rshared"))


def plan_mounts(
    host_config: Document,
    image_volumes: Iterable[str],
    config_volumes: Iterable[str],
    volumes: Volumes,
    borrowed: Iterable[Document] = (),
) -> list[Document]:
    """Return the mounts of a new container as inspect shows them, creating the volumes they need.

    Binds and Mounts win over anonymous volumes at the same place.

    Raises:
        EngineError: a mount that upstream refuses.
    """
    mounts: dict[str, Document] = {}

    def add(mount: Document) -> None:
        if mount["Destination"] in mounts:
            raise BadParameter(f"Duplicate mount point: {mount['Destination']}")
        mounts[mount["Destination"]] = mount

    for bind in host_config.get("Binds") or []:
        add(_from_bind(bind, volumes))
    for mount in host_config.get("Mounts") or []:
        add(_from_mount(mount, volumes))
    for target, options in (host_config.get("Tmpfs") or {}).items():
        if not target.startswith("/"):
            raise BadParameter(f"invalid mount path: '{target}' mount path must be absolute")
        _ = _size(options)
    for mount in borrowed:
        mounts.setdefault(mount["Destination"], mount)
    for target in dict.fromkeys([*config_volumes, *image_volumes]):
        place = posixpath.normpath(target)
        if place not in mounts and place not in (host_config.get("Tmpfs") or {}):
            volume, _new = volumes.create()
            mounts[place] = _volume_mount(volume, place, "", True)
    return list(mounts.values())


def _volume_mount(volume: Document, target: str, mode: str, writable: bool) -> Document:
    return {
        "Type": "volume",
        "Name": volume["Name"],
        "Source": volume["Mountpoint"],
        "Destination": target,
        "Driver": volume["Driver"],
        "Mode": mode,
        "RW": writable,
        "Propagation": "",
    }


def _bind_mount(source: str, target: str, mode: str, writable: bool) -> Document:
    return {
        "Type": "bind",
        "Source": source,
        "Destination": target,
        "Mode": mode,
        "RW": writable,
        "Propagation": "rprivate",
    }


def _from_bind(text: str, volumes: Volumes) -> Document:
    parts = text.split(":")
    if len(parts) > 3 or not parts[0]:
        raise Failed(f"invalid volume specification: '{text}'")
    if len(parts) == 1:
        source, target, mode = "", parts[0], ""
    else:
        source, target, mode = parts[0], parts[1], parts[2] if len(parts) == 3 else ""
    kind = "bind" if source.startswith("/") else "volume"
    if mode and not set(mode.split(",")) <= _MODES:
        raise Failed(f"invalid mode: {mode}")
    if not target.startswith("/"):
        raise Failed(
            f"invalid volume specification: '{text}': invalid mount config for type \"{kind}\": "
            f"invalid mount path: '{target}' mount path must be absolute"
        )
    target = posixpath.normpath(target)
    if target == "/":
        raise Failed(
            f"invalid volume specification: '{text}': invalid mount config for type \"{kind}\": "
            "invalid specification: destination can't be '/'"
        )
    writable = "ro" not in mode.split(",")
    if kind == "bind":
        source = os.path.normpath(source)
        # Upstream makes a missing directory here too; a learner's typing error becomes an empty directory.
        Path(source).mkdir(parents=True, exist_ok=True) if not os.path.lexists(source) else None
        return _bind_mount(source, target, mode, writable)
    volume, _new = volumes.create(source)
    return _volume_mount(volume, target, mode or "z", writable)


def _from_mount(mount: Document, volumes: Volumes) -> Document:
    kind = mount.get("Type") or ""
    source, target = mount.get("Source") or "", mount.get("Target") or ""
    complaint = f'invalid mount config for type "{kind}": '
    if kind not in ("bind", "volume", "tmpfs"):
        raise BadParameter(complaint + "mount type unknown")
    if not target:
        raise BadParameter(complaint + "field Target must not be empty")
    if not target.startswith("/"):
        raise BadParameter(complaint + f"invalid mount path: '{target}' mount path must be absolute")
    target = posixpath.normpath(target)
    writable = not mount.get("ReadOnly")
    if kind == "tmpfs":
        return {
            "Type": "tmpfs",
            "Source": "",
            "Destination": target,
            "Mode": "",
            "RW": writable,
            "Propagation": "",
        }
    if kind == "bind":
        if not source:
            raise BadParameter(complaint + "field Source must not be empty")
        create = (mount.get("BindOptions") or {}).get("CreateMountpoint")
        if not os.path.exists(source):
            if not create:
                raise BadParameter(complaint + f"bind source path does not exist: {source}")
            os.makedirs(source)
        return _bind_mount(source, target, "", writable)
    options = mount.get("VolumeOptions") or {}
    subpath = options.get("Subpath") or ""
    if subpath.startswith("/") or ".." in subpath.split("/"):
        raise BadParameter(f"{complaint}subpath must be a relative path within the volume")
    driver = options.get("DriverConfig") or {}
    volume, _new = volumes.create(
        source, driver.get("Name") or "", driver.get("Options"), options.get("Labels")
    )
    return _volume_mount(volume, target, "z", writable)


def _size(options: str) -> int | None:
    for option in (options or "").split(","):
        if option.startswith("size="):
            text = option[5:].lower()
            factor = {"k": 1024, "m": 1024**2, "g": 1024**3}.get(text[-1:], 1)
            number = text.rstrip("kmg")
            if not number.isdigit():
                raise BadParameter(f'invalid tmpfs option ["{option}"]')
            return int(number) * factor
    return None


def borrow_mounts(container: Container, mode: str) -> list[Document]:
    """Return the mounts of `container` for another one; `mode` is rw, ro or nothing."""
    read_only = mode == "ro"
    kept = [mount for mount in container.mounts if mount["Type"] != "tmpfs"]
    return [{**mount, "RW": mount["RW"] and not read_only, "Mode": mode or mount["Mode"]} for mount in kept]


def is_filled(container: Container, mount: Document) -> bool:
    """Tell whether a container's new mount begins with what the image has there."""
    options = _volume_options(container).get(mount["Destination"], {})
    kept_empty = "nocopy" in mount["Mode"].split(",") or options.get("NoCopy") or options.get("Subpath")
    return mount["Type"] == "volume" and not kept_empty


def _volume_options(container: Container) -> dict[str, Document]:
    return {
        posixpath.normpath(mount.get("Target") or ""): mount.get("VolumeOptions") or {}
        for mount in container.host_config.get("Mounts") or []
        if mount.get("Type") == "volume"
    }


def runtime_mounts(container: Container, volumes: Volumes) -> tuple[Mount, ...]:
    """Return a container's mounts for the runtime.

    Raises:
        NotFound: a volume was removed behind its back.
        Failed: what a volume's options name is not there.
    """
    result: list[Mount] = []
    options_of = _volume_options(container)
    sizes = {
        posixpath.normpath(mount.get("Target") or ""): (mount.get("TmpfsOptions") or {}).get("SizeBytes")
        for mount in container.host_config.get("Mounts") or []
    }
    for mount in container.mounts:
        target, read_only = mount["Destination"], not mount["RW"]
        if mount["Type"] == "tmpfs":
            result.append(Mount(target, None, read_only, sizes.get(target)))
            continue
        source = Path(mount["Source"])
        if not os.path.lexists(source):
            raise NotFound(
                f"get {mount['Name']}: no such volume"
                if mount["Type"] == "volume"
                else f'invalid mount config for type "bind": bind source path does not exist: {source}'
            )
        if mount["Type"] == "volume":
            subpath = options_of.get(target, {}).get("Subpath") or ""
            source = volumes.source(mount["Name"], subpath)
        result.append(Mount(target, source, read_only))
    for target, options in (container.host_config.get("Tmpfs") or {}).items():
        read_only = "ro" in (options or "").split(",")
        result.append(Mount(posixpath.normpath(target), None, read_only, _size(options), options or ""))
    return tuple(result)
