"""A root file system walked by descriptors: no link leads out, whatever a container does meanwhile."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from dockyard.runtime.spec import Mount

_MOST_LINKS = 40  # what the kernel allows (path_resolution(7))


class _Held:
    """A descriptor that is closed at the end, at the latest when nobody knows it any more."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        """Let go; a second time is no error."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Node(_Held):
    """One file, held so that it can't turn into another while it is looked at."""

    def __init__(self, fd: int, path: str, *, read_only: bool) -> None:
        super().__init__(fd)
        self.path = path
        """Absolute in the tree, with every link followed that was to be followed."""
        self.read_only = read_only
        self.status = os.fstat(fd)

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    def link(self) -> str:
        """Where a symbolic link points."""
        return os.readlink("", dir_fd=self.fd)

    def open(self, flags: int) -> int:
        """A descriptor to read or to list. Only for regular files and directories: others may block."""
        return os.open(f"/proc/self/fd/{self.fd}", flags | os.O_CLOEXEC)


class Tree(_Held):
    """The tree below the directory `root` (a descriptor, taken over), with `mounts` at their places."""

    def __init__(self, root: int, mounts: Iterable[Mount] = ()) -> None:
        super().__init__(root)
        self._mounts = {mount.target: mount for mount in mounts if mount.source is not None}

    def root(self) -> Node:
        """The root directory."""
        return Node(os.dup(self.fd), "/", read_only=False)

    def make_mount_points(self) -> None:
        """Make the places of mounts that don't exist yet, as every engine does before it mounts."""
        for target, mount in self._mounts.items():
            parent, _, name = target.rpartition("/")
            with self.find_or_make(parent or "/") as folder:
                try:
                    if mount.source is not None and mount.source.is_dir():
                        os.mkdir(name, 0o755, dir_fd=folder.fd)
                    else:
                        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
                        os.close(os.open(name, flags, 0o755, dir_fd=folder.fd))
                except FileExistsError:
                    continue

    def find(self, path: str, *, follow: bool = True) -> Node:
        """What is at `path`; without `follow`, a link at its end is itself the result.

        Raises OSError: ENOENT, ENOTDIR, ELOOP and what else the system says.
        """
        return self._walk(path, follow=follow, make=False)

    def find_or_make(self, path: str) -> Node:
        """The directory at `path`; what is missing of it is made. Raises OSError."""
        node = self._walk(path, follow=True, make=True)
        if not node.is_directory:
            node.close()
            raise _error(errno.ENOTDIR, path)
        return node

    def resolve(self, path: str) -> str:
        """`path` with its links followed as far as it exists; the rest is taken as written.

        Raises OSError(ELOOP).
        """
        try:
            node = self._walk(path, follow=True, make=False)
        except _Missing as missing:
            return missing.resolved
        with node:
            return node.path

    def child(self, folder: Node, name: str) -> Node:
        """What `folder` has under `name`, a link being itself the result. Raises OSError."""
        path = posixpath.join(folder.path, name)
        mount = self._mounts.get(path)
        if mount is not None:
            assert mount.source is not None
            return Node(os.open(mount.source, os.O_PATH | os.O_CLOEXEC), path, read_only=mount.read_only)
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder.fd)
        return Node(fd, path, read_only=folder.read_only)

    def names(self, folder: Node) -> list[str]:
        """The names in a directory, sorted. Raises OSError."""
        fd = folder.open(os.O_RDONLY | os.O_DIRECTORY)
        try:
            return sorted(os.listdir(fd))
        finally:
            os.close(fd)

    def is_busy(self, path: str) -> bool:
        """Whether something is mounted there or below, so that it can't be removed."""
        return any(target == path or target.startswith(path.rstrip("/") + "/") for target in self._mounts)

    def is_mounted(self, path: str) -> bool:
        """Whether `path` belongs to a mount."""
        return any(path == target or path.startswith(target.rstrip("/") + "/") for target in self._mounts)

    def _walk(self, path: str, *, follow: bool, make: bool) -> Node:
        todo = _parts(path)
        # A slash or a dot at the end asks for a directory, and so for what a link points to.
        must_be_directory = path.endswith("/") or path.rpartition("/")[2] == "."
        follow = follow or must_be_directory
        links = 0
        as_asked = len(todo)  # so many of the parts to come are the caller's, those above them are a link's
        with _stack(self.root()) as stack:
            while todo:
                part = todo.pop()
                folder = stack[-1]
                if not folder.is_directory:
                    raise _error(errno.ENOTDIR, path)
                if part == "..":
                    if len(stack) > 1:
                        stack.pop().close()
                    continue
                try:
                    # What a link points to is never made.
                    new = make and len(todo) < as_asked
                    node = self._child_or_new(folder, part) if new else self.child(folder, part)
                except FileNotFoundError:
                    rest = posixpath.join(folder.path, part, *reversed(todo))
                    raise _Missing(path, posixpath.normpath(rest)) from None
                if stat.S_ISLNK(node.status.st_mode) and (todo or follow):
                    with node:
                        target = node.link()
                    links += 1
                    if links > _MOST_LINKS:
                        raise _error(errno.ELOOP, path)
                    while target.startswith("/") and len(stack) > 1:
                        stack.pop().close()
                    as_asked = min(as_asked, len(todo))
                    todo.extend(_parts(target))
                    continue
                stack.append(node)
            if must_be_directory and not stack[-1].is_directory:
                raise _error(errno.ENOTDIR, path)
            return stack.pop()

    def _child_or_new(self, folder: Node, name: str) -> Node:
        try:
            return self.child(folder, name)
        except FileNotFoundError:
            if folder.read_only:
                raise _error(errno.EROFS, posixpath.join(folder.path, name)) from None
            os.mkdir(name, 0o755, dir_fd=folder.fd)
            return self.child(folder, name)


class _Missing(FileNotFoundError):
    """A part of a path doesn't exist."""

    def __init__(self, path: str, resolved: str) -> None:
        super().__init__(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self.resolved = resolved


def _parts(path: str) -> list[str]:
    """The names of a path, the first one last."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _error(code: int, path: str) -> OSError:
    return OSError(code, os.strerror(code), path)


@contextmanager
def _stack(root: Node) -> Iterator[list[Node]]:
    nodes = [root]
    try:
        yield nodes
    finally:
        for node in nodes:
            node.close()
