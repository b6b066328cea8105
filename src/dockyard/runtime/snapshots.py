"""Root file systems of containers: an image's layers, a writable directory on top, and what was written."""

import json
import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from dockyard.runtime.changes import Change, copy_tree, overlay_changes, state, take_changes, tree_changes
from dockyard.runtime.images import Image, ImageStore
from dockyard.runtime.layer_tar import is_whiteout, write_whiteout
from dockyard.runtime.layers import Layer, remove_tree
from dockyard.runtime.spec import Rootfs
from dockyard.runtime.union import Union

# Files that every container gets of its own; what a build step writes there is no part of its image.
NOT_IN_IMAGES = (
    "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab", ".dockerenv", "dev", "proc", "sys",
    "usr/share/dockyard/wheelhouse",
)  # fmt: skip

_TEMPORARY = "temporary"

# Programs and libraries: nobody writes into these in place (installers put a new file there), so containers
# without overlays may share them. Everything else is copied.
_SHARED = ("usr/bin/", "usr/sbin/", "usr/lib/", "usr/local/bin/", "usr/local/lib/", "usr/share/", "opt/venv/")


class Snapshots:
    """One directory a container below `root`. With `overlay`, the driver joins the layers; without, we do."""

    def __init__(self, root: Path, store: ImageStore, *, overlay: bool) -> None:
        self._root = root
        self._store = store
        self._overlay = overlay
        root.mkdir(parents=True, exist_ok=True)
        for mark in root.glob(f"*/{_TEMPORARY}"):
            self.remove(mark.parent.name)

    @property
    def is_quick(self) -> bool:
        """Whether `prepare` takes so little time that it need not run in a thread."""
        return self._overlay

    def prepare(self, container_id: str, image: Image | None, *, temporary: bool = False) -> Rootfs:
        """A fresh root file system; without an image, an empty one. Takes up to a second without overlays.

        A `temporary` one is gone when the store is opened again: the steps of a build don't outlive a daemon.
        """
        directory = self._root / container_id
        remove_tree(directory)
        (directory / "upper").mkdir(parents=True)
        if temporary:
            (directory / _TEMPORARY).touch()
        (directory / "work").mkdir()
        if self._overlay:
            (directory / "merged").mkdir()
        layers = image.layers if image else ()
        if not layers:
            # overlayfs wants at least one layer below.
            (directory / "empty").mkdir()
        self._store.hold(container_id, layers)
        rootfs = self._rootfs(container_id, layers)
        if not self._overlay:
            _join(rootfs.layers, rootfs.merged)
            (directory / "before.json").write_text(json.dumps(state(rootfs.merged)))
        return rootfs

    def get(self, container_id: str) -> Rootfs | None:
        """The root file system made earlier, also by an earlier process, with everything written to it."""
        layers = self._store.held(container_id)
        if layers is None or not (self._root / container_id).is_dir():
            return None
        return self._rootfs(container_id, layers)

    def diff(
        self,
        container_id: str,
        *,
        discard: Sequence[str] = (),
        mounted: Sequence[str] = (),
        keep: bool = False,
    ) -> Layer:
        """What the container wrote, as a layer; the snapshot is used up. No process may run in it any more.

        With `keep` it is a copy, files keep their times, and the container may live on. Nothing below the
        directories in `discard` (relative) is part of it; they themselves are. The places of `mounted` are
        none of it where they were only made to mount something there.
        """
        rootfs = self.get(container_id)
        if rootfs is None:
            raise KeyError(container_id)
        base = Union(rootfs.layers)
        if self._overlay:
            tree = rootfs.upper
            if keep:
                tree = self._store.layers.new_tree()
                copy_tree(rootfs.upper, tree)
            _plain_whiteouts(tree, base)
        else:
            tree = self._store.layers.new_tree()
            tree.mkdir()
            before = json.loads((self._root / container_id / "before.json").read_text())
            take_changes(rootfs.merged, before, tree, copy=keep)
        for path in discard:
            _empty(tree / path)
        places = [base.resolve(path).lstrip("/") for path in mounted if not base.exists(path)]
        made = {str(parent) for place in places for parent in PurePosixPath(place).parents}
        _forget(tree, base, [*NOT_IN_IMAGES, *places], frozenset(made))
        return self._store.add_layer(tree, keep_mtime=keep)

    def changes(self, container_id: str) -> list[Change]:
        """What the container changed, added and deleted, by path. Raises KeyError."""
        rootfs = self.get(container_id)
        if rootfs is None:
            raise KeyError(container_id)
        if self._overlay:
            return overlay_changes(rootfs.upper, Union(rootfs.layers), NOT_IN_IMAGES)
        before = json.loads((self._root / container_id / "before.json").read_text())
        return tree_changes(rootfs.merged, before, NOT_IN_IMAGES)

    def remove(self, container_id: str) -> None:
        """Give back everything of a container; none is no error."""
        remove_tree(self._root / container_id)
        self._store.release(container_id)

    def names(self) -> list[str]:
        """The containers which have one."""
        return sorted(item.name for item in self._root.iterdir())

    def _rootfs(self, container_id: str, layers: Sequence[str]) -> Rootfs:
        directory = self._root / container_id
        # Steps that do the same give the same layer, and overlayfs takes each once: the topmost says it all.
        unique = tuple(dict.fromkeys(reversed(layers)))[::-1]
        paths = tuple(self._store.layers.path(digest) for digest in unique) or (directory / "empty",)
        return Rootfs(
            layers=paths, upper=directory / "upper", work=directory / "work", merged=directory / "merged"
        )


# --- without overlays ---


def _join(layers: Sequence[Path], merged: Path) -> None:
    """All layers in one directory."""
    merged.mkdir()
    for layer in layers:
        for directory, names, files in os.walk(layer):
            inside = os.path.relpath(directory, layer)
            prefix = "" if inside == "." else inside + "/"
            for name in [*names, *files]:
                _place(Path(directory, name), merged / prefix / name, prefix + name)
    for layer in layers:
        for directory, _, _ in os.walk(layer, topdown=False):
            target = merged / os.path.relpath(directory, layer)
            if target.is_dir() and not target.is_symlink():
                shutil.copystat(directory, target)


def _place(source: Path, target: Path, path: str) -> None:
    status = os.lstat(source)
    if stat.S_ISDIR(status.st_mode):
        if target.is_symlink() or target.is_file():
            target.unlink()
        target.mkdir(mode=0o700, exist_ok=True)
        _own(target, status)
        return
    if os.path.lexists(target):
        if target.is_dir() and not target.is_symlink():
            remove_tree(target)
        else:
            target.unlink()
    if is_whiteout(status):
        return
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source), target)
    elif not stat.S_ISREG(status.st_mode):
        os.mkfifo(target, stat.S_IMODE(status.st_mode))
    elif path.startswith(_SHARED) and not status.st_mode & 0o7000:
        if status.st_mode & 0o222:
            # Differs: without overlays, programs and libraries are read-only in a container: writing into one
            # fails instead of changing the image.
            os.chmod(source, stat.S_IMODE(status.st_mode) & 0o555)
        os.link(source, target, follow_symlinks=False)
        return
    else:
        shutil.copy2(source, target, follow_symlinks=False)
    _own(target, status)


def _own(target: Path, status: os.stat_result) -> None:
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)


# --- with overlays ---

_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")
_WHITEOUT = ("trusted.overlay.whiteout", "user.overlay.whiteout")


def _plain_whiteouts(tree: Path, base: Union) -> None:
    """Turn overlayfs' other marks into the one that layers have: a whiteout for each hidden name."""
    for directory, names, files in os.walk(tree):
        path = os.path.relpath(directory, tree)
        if _take_marks(directory) and path != ".":
            own = {*names, *files}
            for name in base.listdir("/" + path):
                if name not in own:
                    write_whiteout(Path(directory, name))
        for name in files:
            # A whiteout may also be an empty file with an attribute (Linux 6.7).
            file = os.path.join(directory, name)
            if os.path.islink(file) or os.path.getsize(file):
                continue
            if any(
                mark in _attributes(file) for mark in ("trusted.overlay.whiteout", "user.overlay.whiteout")
            ):
                os.unlink(file)
                write_whiteout(Path(file))


def _attributes(path: str) -> list[str]:
    try:
        return os.listxattr(path, follow_symlinks=False)
    except OSError:
        return []  # the file system has none


def _take_marks(directory: str) -> bool:
    """Remove overlayfs' attributes; whether one said opaque."""
    opaque = False
    for name in _attributes(directory):
        if name.startswith(("trusted.overlay.", "user.overlay.")):
            opaque = opaque or (name in _OPAQUE and os.getxattr(directory, name) == b"y")
            os.removexattr(directory, name)
    return opaque


# --- both ---


def _empty(directory: Path) -> None:
    if directory.is_dir() and not directory.is_symlink():
        for path in directory.iterdir():
            if path.is_dir() and not path.is_symlink():
                remove_tree(path)
            else:
                path.unlink()


def _forget(tree: Path, base: Union, paths: Sequence[str], made: frozenset[str]) -> None:
    """Drop what is no part of an image, and directories which are there only because of it.

    Those in `made` go when they are empty and new: they were made for what is dropped.
    """
    for path in paths:
        target = tree / path
        if not os.path.lexists(target):
            continue
        if target.is_dir() and not target.is_symlink():
            remove_tree(target)
        else:
            target.unlink()
        parent = path.rpartition("/")[0]
        while parent and not any((tree / parent).iterdir()):
            below = base.lookup("/" + parent, follow=False)
            if parent not in made if below is None else not _is_alike(below.status, os.lstat(tree / parent)):
                break
            (tree / parent).rmdir()
            parent = parent.rpartition("/")[0]


def _is_alike(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_mode, one.st_uid, one.st_gid) == (other.st_mode, other.st_uid, other.st_gid)
