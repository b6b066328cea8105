"""What a container changed in its root file system: as a list, and as a tree of its own."""

import os
import shutil
import stat
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from dockyard.runtime.layer_tar import is_whiteout, write_whiteout
from dockyard.runtime.union import Union

MODIFIED, ADDED, DELETED = 0, 1, 2
Change = tuple[str, int]
"""An absolute path, and one of the three above: the numbers are the Engine API's."""

State = dict[str, list[int]]


def overlay_changes(upper: Path, base: Union, ignored: Sequence[str]) -> list[Change]:
    """What the writable directory of an overlay says, without the paths in `ignored` and below."""
    found: list[Change] = []

    def visit(directory: str, prefix: str) -> bool:
        """Whether something below was worth to be named."""
        named = False
        for name, status in _entries(directory):
            path = prefix + name
            if path in ignored:
                continue
            if is_whiteout(status):
                found.append(("/" + path, DELETED))
                named = True
                continue
            below = base.lookup("/" + path, follow=False)
            is_directory = stat.S_ISDIR(status.st_mode)
            inner = is_directory and visit(f"{directory}/{name}", path + "/")
            if below is None:
                found.append(("/" + path, ADDED))
            elif inner or not (is_directory and below.is_dir and _same(status, below.status)):
                found.append(("/" + path, MODIFIED))
            else:
                continue
            named = True
        return named

    visit(str(upper), "")
    return sorted(found)


def _entries(directory: str) -> Iterator[tuple[str, os.stat_result]]:
    """What is in a directory, but for what a running container removes meanwhile."""
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        try:
            status = os.lstat(f"{directory}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            continue
        yield name, status


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether a directory is as before: it may be in an overlay only because of what is in it."""
    return (one.st_mode, one.st_uid, one.st_gid) == (other.st_mode, other.st_uid, other.st_gid)


def state(merged: Path) -> State:
    """Enough of every file to see later whether it was changed."""
    found: State = {}

    def visit(directory: str, prefix: str) -> None:
        for name, status in _entries(directory):
            is_dir = stat.S_ISDIR(status.st_mode)
            # A directory's time changes with its names, which are compared themselves.
            times = [] if is_dir else [status.st_ino, status.st_size, status.st_mtime_ns]
            found[prefix + name] = [status.st_mode, status.st_uid, status.st_gid, *times]
            if is_dir:
                visit(f"{directory}/{name}", prefix + name + "/")

    visit(str(merged), "")
    return found


def tree_changes(merged: Path, before: State, ignored: Collection[str]) -> list[Change]:
    """What `merged` has that differs from `before`, without the paths in `ignored` and below."""
    after = state(merged)
    found: dict[str, int] = {}
    for path, seen in after.items():
        if before.get(path) != seen:
            found[path] = MODIFIED if path in before else ADDED
    for path in _gone(before, after):
        found[path] = DELETED
    kept = {path: kind for path, kind in found.items() if not _is_below(path, ignored)}
    for path in list(kept):
        while path := path.rpartition("/")[0]:
            kept.setdefault(path, MODIFIED)
    return sorted(("/" + path, kind) for path, kind in kept.items())


def _is_below(path: str, places: Collection[str]) -> bool:
    return any(path == place or path.startswith(place + "/") for place in places)


def _gone(before: State, after: State) -> list[str]:
    """What was removed, without what is below a removed directory."""
    gone = [path for path in sorted(before) if path not in after]
    return [path for path in gone if "/" not in path or path.rpartition("/")[0] in after]


def take_changes(merged: Path, before: State, tree: Path, *, copy: bool = False) -> None:
    """Move what is new or changed in `merged` to `tree`, as a layer.

    With `copy`, leave it there too, without what a running container removes meanwhile.
    """
    after = state(merged)
    for path in sorted(after):
        if before.get(path) == after[path]:
            continue
        try:
            _take(merged, tree, path, after[path][0], copy=copy)
        except FileNotFoundError:
            if not copy:
                raise
    for path in _gone(before, after):
        _parents(merged, tree, path)
        write_whiteout(tree / path)


def _take(merged: Path, tree: Path, path: str, mode: int, *, copy: bool) -> None:
    _parents(merged, tree, path)
    target = tree / path
    if stat.S_ISDIR(mode):
        status = os.lstat(merged / path)
        target.mkdir(exist_ok=True)
        _dress(target, status)
    elif copy:
        copy_file(merged / path, target)
    elif not stat.S_ISSOCK(mode):
        os.rename(merged / path, target)


def _parents(merged: Path, tree: Path, path: str) -> None:
    done = ""
    for part in path.split("/")[:-1]:
        done = f"{done}/{part}" if done else part
        if not (tree / done).is_dir():
            status = os.lstat(merged / done)
            (tree / done).mkdir()
            _dress(tree / done, status)


def _dress(target: Path, status: os.stat_result) -> None:
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    os.chmod(target, stat.S_IMODE(status.st_mode))


def copy_tree(source: Path, target: Path) -> None:
    """Copy a directory with owners, times, attributes and overlayfs' whiteouts; what vanishes is left out."""
    target.mkdir(exist_ok=True)
    for name in sorted(os.listdir(source)):
        path = source / name
        try:
            if path.is_dir() and not path.is_symlink():
                copy_tree(path, target / name)
            else:
                copy_file(path, target / name)
        except FileNotFoundError:
            continue
    status = os.lstat(source)
    shutil.copystat(source, target)
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid)
        os.chmod(target, stat.S_IMODE(status.st_mode))


def copy_file(source: Path, target: Path) -> None:
    """Copy anything but a directory; a socket that is no whiteout is left out."""
    status = os.lstat(source)
    if is_whiteout(status):
        write_whiteout(target)
        return
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source), target)
    elif stat.S_ISREG(status.st_mode):
        shutil.copyfile(source, target)
    elif stat.S_ISFIFO(status.st_mode):
        os.mkfifo(target)
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        os.mknod(target, status.st_mode, status.st_rdev)
    else:
        return
    if os.geteuid() == 0:
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    shutil.copystat(source, target, follow_symlinks=False)
