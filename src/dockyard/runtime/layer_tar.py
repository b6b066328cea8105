"""Layers as tar archives: one archive, bit for bit, for one content, and safe unpacking of anybody's.

Format: OCI image-spec v1.1, layer.md (whiteouts are empty files named `.wh.NAME`).
"""

import errno
import hashlib
import os
import stat
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol

# What a file's time becomes where times carry no meaning. Not 0: zip archives can't hold times before 1980,
# so pip could not make a wheel from such files.
FIXED_MTIME = 1_577_836_800  # 2020-01-01T00:00:00Z
_BLOCK = 512
# What the system says of names that no tar writer makes: empty, or too long.
_IMPOSSIBLE = (errno.ENOENT, errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR, errno.ENOTDIR)
_COPY = 1 << 20


class LayerError(ValueError):
    """A layer that can't be unpacked safely, or at all."""


class Sink(Protocol):
    """Where an archive goes: a file, a hash, a socket."""

    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True)
class Entry:
    """One member. `kind`: f(ile) d(irectory) l(ink) h(ard link) w(hiteout) p(ipe) c(har) b(lock)."""

    path: str  # relative, without ./ and without a slash at the end
    kind: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = FIXED_MTIME
    link: str = ""
    device: int = 0


def is_whiteout(status: os.stat_result) -> bool:
    """Whether this is overlayfs' mark for a deleted name (character device 0/0), or our substitute."""
    if stat.S_ISSOCK(status.st_mode):
        return stat.S_IMODE(status.st_mode) == 0
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def write_whiteout(path: Path) -> None:
    """Mark `path` as deleted. Needs no privilege since Linux 5.8.

    A container's device rules may refuse it all the same. No overlay can be mounted there either, so only we
    read the mark, and a socket that nobody may open serves: an archive can't hold one, so no layer brings it.
    """
    try:
        os.mknod(path, stat.S_IFCHR | 0o000, 0)
    except PermissionError:
        os.mknod(path, stat.S_IFSOCK | 0o000)


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
        return Entry(path, "w", 0, mtime=int(status.st_mtime))
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
        info = tarfile.TarInfo(entry.path + "/" if entry.kind == "d" else entry.path)
        if entry.kind == "w":
            parent, _, name = entry.path.rpartition("/")
            info.name = f"{parent}/.wh.{name}" if parent else f".wh.{name}"
        info.type, info.mode, info.size, info.mtime = _TYPES[entry.kind], entry.mode, entry.size, entry.mtime
        info.uid, info.gid, info.linkname = entry.uid, entry.gid, entry.link
        if entry.device:
            info.devmajor, info.devminor = os.major(entry.device), os.minor(entry.device)
        header = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        sink.write(header)
        total += len(header)
        if entry.kind == "f" and entry.size:
            _write_content(tree / entry.path, entry.size, sink)
            padding = -entry.size % _BLOCK
            sink.write(bytes(padding))
            total += entry.size + padding
    sink.write(bytes(2 * _BLOCK + -(total + 2 * _BLOCK) % tarfile.RECORDSIZE))


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


def extract(
    archive: IO[bytes], tree: Path, *, limit: int | None = None, whiteouts: bool = True
) -> tuple[list[Entry], list[str]]:
    """Unpack into the empty directory `tree`; returns the entries and the directories marked opaque.

    Nothing is ever written outside `tree`: a name with `..`, or one that passes through a symbolic link of
    the same layer, is an error, as are more than `limit` bytes. Whiteouts become character devices 0/0;
    without `whiteouts` a name that looks like one is a file as any other. Raises LayerError.
    """
    entries: dict[str, Entry] = {}
    opaque: list[str] = []
    written = 0
    root = os.geteuid() == 0
    try:
        with tarfile.open(fileobj=archive, mode="r|*") as members:
            for member in members:
                path = safe_name(member.name)
                if not path:
                    continue
                parent, _, name = path.rpartition("/")
                _make_parents(tree, parent, entries)
                if whiteouts and name == ".wh..wh..opq":
                    opaque.append(parent)
                    continue
                written += member.size if member.isreg() else 0
                if limit is not None and written > limit:
                    raise LayerError(f"the layer holds more than {limit} bytes")
                if whiteouts and name.startswith(".wh."):
                    entry = Entry(f"{parent}/{name[4:]}" if parent else name[4:], "w", 0)
                else:
                    entry = _from_member(path, member)
                if _unpack(members, member, entry, tree, entries):
                    entries[entry.path] = entry
                    if root and entry.kind not in "hw":
                        os.chown(tree / entry.path, entry.uid, entry.gid, follow_symlinks=False)
    except (tarfile.TarError, EOFError) as error:
        raise LayerError(f"not a tar archive: {error}") from error
    except OSError as error:
        if error.errno in _IMPOSSIBLE:
            raise LayerError(f"a name that can't be: {error.strerror}") from error
        raise
    _finish(tree, entries.values())
    return list(entries.values()), opaque


def safe_name(name: str) -> str:
    """The path relative to the root, in its one spelling. Raises LayerError for `..` and NUL."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise LayerError(f"{name!r} points out of the layer")
    return "/".join(parts)


def _from_member(path: str, member: tarfile.TarInfo) -> Entry:
    kinds = {value: key for key, value in _TYPES.items() if key != "w"}
    kind = "f" if member.isreg() else kinds.get(member.type, "")
    if not kind:
        raise LayerError(f"{path}: unknown type {member.type!r}")
    device = os.makedev(member.devmajor, member.devminor) if kind in "cb" else 0
    link = safe_name(member.linkname) if kind == "h" else member.linkname if kind == "l" else ""
    size = member.size if kind == "f" else 0
    mode = 0o777 if kind == "l" else member.mode & 0o7777
    return Entry(path, kind, mode, member.uid, member.gid, size, int(member.mtime), link, device)


def _make_parents(tree: Path, parent: str, entries: dict[str, Entry]) -> None:
    path = ""
    for part in parent.split("/") if parent else ():
        path = f"{path}/{part}" if path else part
        known = entries.get(path)
        if known is None:
            os.mkdir(tree / path, 0o755)
            entries[path] = Entry(path, "d", 0o755)
        elif known.kind != "d":
            raise LayerError(f"{parent!r} passes through {path!r}, which is no directory")


def _unpack(
    members: tarfile.TarFile, member: tarfile.TarInfo, entry: Entry, tree: Path, known: dict[str, Entry]
) -> bool:
    """Make one entry on the disk; false where this user can't (devices), which upstream skips too."""
    target = tree / entry.path
    before = known.get(entry.path)
    if before is not None and not (before.kind == "d" and entry.kind == "d"):
        if before.kind == "d":
            raise LayerError(f"{entry.path!r} replaces a directory of the same layer")
        os.unlink(target)
    if entry.kind == "d":
        if before is None or before.kind != "d":
            os.mkdir(target, 0o755)
    elif entry.kind == "l":
        os.symlink(entry.link, target)
    elif entry.kind == "h":
        if entry.link not in known or known[entry.link].kind != "f":
            raise LayerError(f"{entry.path!r} is linked to {entry.link!r}, which the layer doesn't hold")
        os.link(tree / entry.link, target, follow_symlinks=False)
    elif entry.kind == "w":
        write_whiteout(target)
    elif entry.kind == "p":
        os.mkfifo(target, 0o600)
    elif entry.kind in "cb":
        try:
            os.mknod(target, (stat.S_IFCHR if entry.kind == "c" else stat.S_IFBLK) | 0o600, entry.device)
        except PermissionError:
            return False
    else:
        content = members.extractfile(member)
        assert content is not None
        with open(target, "xb") as file:
            while chunk := content.read(_COPY):
                file.write(chunk)
    return True


def _finish(tree: Path, entries: Iterable[Entry]) -> None:
    """Modes and times, children before their directories, so that no directory is closed too early."""
    root = os.geteuid() == 0
    for entry in sorted(entries, key=lambda entry: entry.path, reverse=True):
        if entry.kind in "whl":
            continue
        target = tree / entry.path
        # A plain user must be able to read what he stores; the entry keeps the true mode.
        extra = 0 if root else (0o700 if entry.kind == "d" else 0o400)
        os.chmod(target, entry.mode | extra)
        os.utime(target, (entry.mtime, entry.mtime))
