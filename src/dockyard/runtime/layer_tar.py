"""Layers as tar archives: one archive, bit for bit, for one content.

Format: OCI image-spec v1.1, layer.md (whiteouts are empty files named `.wh.NAME`).
"""

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from dockyard.runtime.layer_entry import FIXED_MTIME, Entry, LayerError, is_whiteout, write_whiteout
from dockyard.runtime.layer_unpack import extract, safe_name

__all__ = [
    "FIXED_MTIME", "Entry", "Hash", "LayerError", "Sink", "digest", "extract", "is_whiteout", "safe_name",
    "scan", "size", "write", "write_whiteout",
]  # fmt: skip

_BLOCK = 512
_COPY = 1 << 20


class Sink(Protocol):
    """Where an archive goes: a file, a hash, a socket."""

    def write(self, data: bytes, /) -> object: ...


def scan(
    tree: Path,
    *,
    keep_mtime: bool,
    keep_bytecode: bool,
    owners: dict[str, tuple[int, int]] | None = None,
    skip: Iterable[str] = (),
) -> list[Entry]:
    """The layer in `tree`, each directory's names sorted: equal content gives equal entries everywhere.

    Without `keep_bytecode` the `__pycache__` directories stay on the disk, where they make the interpreter
    start fast, but aren't part of the layer: they differ from one compilation to the next.
    A plain user can only own what is his, so everything of his counts as root's; `owners` says otherwise.
    """
    mine = os.geteuid() if os.geteuid() != 0 else None
    skipped = frozenset(skip)
    seen: dict[tuple[int, int], str] = {}
    entries: list[Entry] = []

    def visit(directory: str, prefix: str) -> None:
        with os.scandir(directory) as found:
            names = sorted(found, key=lambda item: item.name)
        for item in names:
            path = prefix + item.name
            if path in skipped or (item.name == "__pycache__" and not keep_bytecode):
                continue
            status = item.stat(follow_symlinks=False)
            entry = _entry(path, item.path, status, seen)
            if entry is None:
                continue
            if owners and path in owners:
                entry = replace(entry, uid=owners[path][0], gid=owners[path][1])
            elif mine is not None and status.st_uid == mine:
                entry = replace(entry, uid=0, gid=0)
            entries.append(entry if keep_mtime else replace(entry, mtime=FIXED_MTIME))
            if entry.kind == "d":
                visit(item.path, path + "/")

    visit(str(tree), "")
    return entries


def _entry(path: str, host: str, status: os.stat_result, seen: dict[tuple[int, int], str]) -> Entry | None:
    kind, mode, size, link, device = "f", stat.S_IMODE(status.st_mode), 0, "", 0
    if stat.S_ISDIR(status.st_mode):
        kind = "d"
    elif stat.S_ISLNK(status.st_mode):
        kind, link, mode = "l", os.readlink(host), 0o777
    elif is_whiteout(status):
        # Without a time: the moment at which a deletion was noted would make every build another layer.
        return Entry(path, "w", 0)
    elif stat.S_ISREG(status.st_mode):
        size = status.st_size
        if status.st_nlink > 1:
            first = seen.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                kind, link, size = "h", first, 0
    elif stat.S_ISFIFO(status.st_mode):
        kind = "p"
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        kind, device = ("c" if stat.S_ISCHR(status.st_mode) else "b"), status.st_rdev
    else:
        return None  # a socket: archives can't hold one
    return Entry(path, kind, mode, status.st_uid, status.st_gid, size, int(status.st_mtime), link, device)


_TYPES = {
    "f": tarfile.REGTYPE,
    "d": tarfile.DIRTYPE,
    "l": tarfile.SYMTYPE,
    "h": tarfile.LNKTYPE,
    "w": tarfile.REGTYPE,
    "p": tarfile.FIFOTYPE,
    "c": tarfile.CHRTYPE,
    "b": tarfile.BLKTYPE,
}


def write(entries: Iterable[Entry], tree: Path, sink: Sink) -> None:
    """The archive of a layer: contents from `tree`, everything else from the entries."""
    total = 0
    for entry in entries:
        header = _header(entry)
        sink.write(header)
        total += len(header)
        if entry.kind == "f" and entry.size:
            _write_content(tree / entry.path, entry.size, sink)
            padding = -entry.size % _BLOCK
            sink.write(bytes(padding))
            total += entry.size + padding
    sink.write(bytes(_ending(total)))


def size(entries: Iterable[Entry]) -> int:
    """Bytes of the archive that `write` would write."""
    total = 0
    for entry in entries:
        content = entry.size if entry.kind == "f" else 0
        total += len(_header(entry)) + content + -content % _BLOCK
    return total + _ending(total)


def _ending(total: int) -> int:
    return 2 * _BLOCK + -(total + 2 * _BLOCK) % tarfile.RECORDSIZE


def _header(entry: Entry) -> bytes:
    info = tarfile.TarInfo(entry.path + "/" if entry.kind == "d" else entry.path)
    if entry.kind == "w":
        parent, _, name = entry.path.rpartition("/")
        info.name = f"{parent}/.wh.{name}" if parent else f".wh.{name}"
    info.type, info.mode, info.size, info.mtime = _TYPES[entry.kind], entry.mode, entry.size, entry.mtime
    info.uid, info.gid, info.linkname = entry.uid, entry.gid, entry.link
    if entry.device:
        info.devmajor, info.devminor = os.major(entry.device), os.minor(entry.device)
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _write_content(path: Path, size: int, sink: Sink) -> None:
    left = size
    with open(path, "rb", buffering=0) as file:
        while left:
            chunk = file.read(min(left, _COPY))
            if not chunk:
                raise LayerError(f"{path} became shorter while it was read")
            sink.write(chunk)
            left -= len(chunk)


class Hash:
    """A sink that keeps nothing but the sha256 of what passed."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def write(self, data: bytes, /) -> None:
        self._hash.update(data)

    def digest(self) -> str:
        return "sha256:" + self._hash.hexdigest()


def digest(entries: Sequence[Entry], tree: Path) -> str:
    """`sha256:...` of the archive, which is not kept: it can be written again at any time."""
    sink = Hash()
    write(entries, tree, sink)
    return sink.digest()
