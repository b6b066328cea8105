"""What the engine itself does to a container's files before its process starts."""

from __future__ import annotations

import os
import posixpath
import shutil
import stat
from pathlib import Path

from dockyard.engine.sizes import bytes_in
from dockyard.runtime.spec import Rootfs
from dockyard.runtime.union import Union


def _take_owner(target: Path, status: os.stat_result) -> None:
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)


def make_directory(rootfs: Rootfs, path: str, *, overlay: bool) -> None:
    """Make sure that a working directory exists; what is there already stays as it is."""
    if overlay:
        _make_in_upper(rootfs, path)
    else:
        union = Union([rootfs.merged])
        target = rootfs.merged / union.resolve(path).lstrip("/")
        target.mkdir(parents=True, exist_ok=True) if not os.path.lexists(target) else None


def _make_in_upper(rootfs: Rootfs, path: str) -> None:
    union = Union([*rootfs.layers, rootfs.upper])
    if union.lookup(path) is not None:
        return
    done = "/"
    for part in union.resolve(path).strip("/").split("/"):
        done = posixpath.join(done, part)
        target = rootfs.upper / done.lstrip("/")
        if target.is_dir():
            continue
        below = Union(rootfs.layers).lookup(done, follow=False)
        target.mkdir(mode=0o755)
        if below is not None and below.is_dir:
            # A directory in the upper layer hides the mode and the owner of the one below it.
            os.chmod(target, stat.S_IMODE(below.status.st_mode))
            _take_owner(target, below.status)


def fill_volume(rootfs: Rootfs, path: str, volume: Path) -> None:
    """Copy what the image has at `path` into a volume that is still empty, as upstream does."""
    union = Union(rootfs.layers)
    found = union.lookup(path)
    if found is None or not found.is_dir or any(volume.iterdir()):
        return
    _copy_directory(union, found.path, volume)


def _copy_directory(union: Union, path: str, target: Path) -> None:
    found = union.lookup(path, follow=False)
    assert found is not None
    for name in union.listdir(path):
        child = union.lookup(posixpath.join(path, name), follow=False)
        if child is None:
            continue
        place = target / name
        if child.is_dir:
            place.mkdir()
            _copy_directory(union, child.path, place)
        elif stat.S_ISLNK(child.status.st_mode):
            os.symlink(os.readlink(child.host), place)
            _take_owner(place, child.status)
        elif stat.S_ISREG(child.status.st_mode):
            shutil.copy2(child.host, place)
            _take_owner(place, child.status)
    os.chmod(target, stat.S_IMODE(found.status.st_mode))
    _take_owner(target, found.status)
    os.utime(target, ns=(found.status.st_atime_ns, found.status.st_mtime_ns))


def writable_size(rootfs: Rootfs) -> int:
    """Return the bytes that a container has written."""
    return bytes_in(rootfs.upper)
