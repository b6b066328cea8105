"""Files of a container as an archive, and what a path of it is: the reading half of `docker cp`."""

from __future__ import annotations

import base64
import errno
import json
import logging
import os
import posixpath
import stat
import tarfile
from typing import IO, Protocol

from dockyard.engine.errors import Failed
from dockyard.runtime.tree import Node, Tree
from dockyard.wire.clock import rfc3339_exact

logger = logging.getLogger(__name__)

_COPY = 1 << 18
_BLOCK = 512
# The bits of Go's os.FileMode (package io/fs) above the permissions.
_GO_KINDS = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
}
_GO_BITS = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}


class Sink(Protocol):
    """Where an archive goes."""

    def write(self, data: bytes, /) -> object: ...


def go_mode(mode: int) -> int:
    """Return a mode of stat(2) as Go's os.FileMode."""
    kept = mode & 0o777 | _GO_KINDS.get(stat.S_IFMT(mode), 0)
    return kept | sum(go for bit, go in _GO_BITS.items() if mode & bit)


def base_name(path: str) -> str:
    """Return the last name of a path as Go's filepath.Base has it: `.` stays, `/` is its own."""
    stripped = path.rstrip("/")
    return stripped.rpartition("/")[2] if stripped else ("/" if path else ".")


def clean(path: str) -> str:
    """Return the absolute path that a client's stands for; a slash or dot at its end keeps its meaning."""
    cleaned = posixpath.normpath("/" + path.lstrip("/"))
    if path.rpartition("/")[2] == ".":
        return f"{cleaned.rstrip('/')}/."
    return f"{cleaned.rstrip('/')}/" if path.endswith("/") else cleaned


def path_stat(tree: Tree, path: str, *, name: str = "") -> str:
    """Return the header X-Docker-Container-Path-Stat of a path (`name` is shown instead of its own).

    Raises:
        OSError: there is no such path.
        Failed: its links go round in a ring.
    """
    with tree.find(path, follow=False) as node:
        status = node.status
        target = ""
        if stat.S_ISLNK(status.st_mode):
            try:
                target = tree.resolve(path)
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                raise Failed(f"evalSymlinksInScope: too many links in {path}") from None
    document = {
        "name": name or base_name(path),
        "size": status.st_size,
        "mode": go_mode(status.st_mode),
        "mtime": rfc3339_exact(status.st_mtime_ns),
        "linkTarget": target,
    }
    return base64.b64encode(json.dumps(document, separators=(",", ":")).encode()).decode()


class ArchiveWriter:
    """Writes parts of a tree as one archive. Synchronous: for a thread."""

    def __init__(self, tree: Tree, sink: Sink) -> None:
        self._tree = tree
        self._sink = sink
        self._links: dict[tuple[int, int], str] = {}
        # A plain user can only own what is his: in the container that is root's.
        self._mine = os.geteuid() or None

    def add(self, node: Node, name: str) -> None:
        """Add a file or a directory and all below it, called `name` in the archive."""
        if node.is_directory:
            self._write(node, name if name.endswith("/") else f"{name}/")
            self.add_below(node, name)
        else:
            self._write(node, name)

    def add_below(self, folder: Node, prefix: str) -> None:
        """Add what is in a directory, but not itself."""
        try:
            names = self._tree.names(folder)
        except PermissionError as error:
            logger.warning("archive: %s can't be listed: %s", folder.path, error)
            return
        for name in names:
            try:
                with self._tree.child(folder, name) as node:
                    self.add(node, f"{prefix.rstrip('/')}/{name}" if prefix else name)
            except FileNotFoundError:
                continue  # it was removed meanwhile

    def finish(self) -> None:
        """Write the archive's end."""
        self._sink.write(bytes(2 * _BLOCK))

    def _write(self, node: Node, name: str) -> None:
        status = node.status
        info = tarfile.TarInfo(name)
        info.mode = stat.S_IMODE(status.st_mode)
        info.mtime = int(status.st_mtime)
        info.uid, info.gid = status.st_uid, status.st_gid
        if status.st_uid == self._mine:
            info.uid = info.gid = 0
        content = -1
        if node.is_directory:
            info.type = tarfile.DIRTYPE
        elif stat.S_ISLNK(status.st_mode):
            info.type, info.linkname = tarfile.SYMTYPE, node.link()
        elif stat.S_ISREG(status.st_mode):
            first = self._links.setdefault((status.st_dev, status.st_ino), name)
            if status.st_nlink > 1 and first != name:
                info.type, info.linkname = tarfile.LNKTYPE, first
            else:
                info.size = status.st_size
                try:
                    content = node.open(os.O_RDONLY)
                except PermissionError as error:
                    # Upstream leaves out what can't be read, too.
                    logger.warning("archive: %s is left out: %s", node.path, error)
                    return
        elif stat.S_ISFIFO(status.st_mode):
            info.type = tarfile.FIFOTYPE
        elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            info.type = tarfile.CHRTYPE if stat.S_ISCHR(status.st_mode) else tarfile.BLKTYPE
            info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
        else:
            return  # a socket: archives can't hold one
        self._sink.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
        if content >= 0:
            with open(content, "rb", buffering=0) as file:
                self._copy(file, info.size)

    def _copy(self, file: IO[bytes], size: int) -> None:
        left = size
        while left:
            # Where it became shorter while it was read, zeros fill up: its length is promised already.
            chunk = file.read(min(left, _COPY)) or bytes(min(left, _COPY))
            self._sink.write(chunk)
            left -= len(chunk)
        self._sink.write(bytes(-size % _BLOCK))


def write_path(tree: Tree, node: Node, path: str, sink: Sink) -> None:
    """Write the archive of what is at `path`: itself, and all below it."""
    writer = ArchiveWriter(tree, sink)
    writer.add(node, base_name(path))
    writer.finish()


def write_tree(tree: Tree, sink: Sink) -> None:
    """Write the archive of a whole root file system, as `docker export` has it."""
    writer = ArchiveWriter(tree, sink)
    with tree.root() as root:
        writer.add_below(root, "")
    writer.finish()
