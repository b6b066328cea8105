"""Safe unpacking of anybody's layer: nothing is ever written outside its own tree.

Format: OCI image-spec v1.1, layer.md (whiteouts are empty files named `.wh.NAME`).
"""

import errno
import os
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from dockyard.runtime.disk_room import Budget, NoRoom, full, room
from dockyard.runtime.layer_entry import Entry, LayerError, write_whiteout
from dockyard.runtime.strict_tar import StrictInfo

# What the system says of names that no tar writer makes: empty, or too long.
_IMPOSSIBLE = (errno.ENOENT, errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.EEXIST)
_COPY = 1 << 20
MAX_DEPTH = 400  # directories inside each other; paths can't be longer than 4096 bytes anyway
MAX_ENTRIES = 1_000_000
_MAX_TIME = 1 << 62  # seconds; what a system can take is less than 1 << 63
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_KINDS = {
    tarfile.DIRTYPE: "d",
    tarfile.SYMTYPE: "l",
    tarfile.LNKTYPE: "h",
    tarfile.FIFOTYPE: "p",
    tarfile.CHRTYPE: "c",
    tarfile.BLKTYPE: "b",
}
# null, zero, full, random, urandom, tty
_HARMLESS = frozenset(os.makedev(*numbers) for numbers in ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0)))


def extract(
    archive: IO[bytes], tree: Path, *, limit: int | None = None, whiteouts: bool = True
) -> tuple[list[Entry], list[str]]:
    """Unpack into the empty directory `tree`; returns the entries and the directories marked opaque.

    Nothing is ever written outside `tree`: a name with `..`, or one that passes through a symbolic link of
    the same layer, is an error, as are more than `limit` bytes (by default what the disk has room for).
    Whiteouts become character devices 0/0; without `whiteouts` a name that looks like one is a file as any
    other. Raises LayerError.
    """
    unpacking = _Unpacking(tree, room(tree) if limit is None else limit, whiteouts)
    try:
        with tarfile.open(fileobj=archive, mode="r|*", tarinfo=StrictInfo) as members:
            for member in members:
                unpacking.take(members, member)
    except (tarfile.TarError, EOFError) as error:
        if str(error) == "empty file":  # no bytes at all are an archive of nothing
            return [], []
        raise LayerError(f"not a tar archive: {error}") from error
    except (OverflowError, UnicodeError) as error:
        raise LayerError(f"a header that can't be: {error}") from error
    except OSError as error:
        if error.errno in _IMPOSSIBLE:
            raise LayerError(f"a name that can't be: {error.strerror}") from error
        if full(error):
            raise NoRoom from error
        raise
    _finish(tree, unpacking.entries.values())
    return list(unpacking.entries.values()), unpacking.opaque


class _Unpacking:
    """One layer while it is unpacked."""

    def __init__(self, tree: Path, limit: int, whiteouts: bool) -> None:
        self.entries: dict[str, Entry] = {}
        self.opaque: list[str] = []
        self._tree = tree
        self._budget = Budget(limit)
        self._whiteouts = whiteouts
        self._root = os.geteuid() == 0

    def take(self, members: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Make one member on the disk."""
        path = safe_name(member.name)
        if not path:
            return
        if len(self.entries) >= MAX_ENTRIES:
            raise LayerError(f"the layer holds more than {MAX_ENTRIES} files")
        parent, _, name = path.rpartition("/")
        self._make_parents(parent)
        if self._whiteouts and name == _OPAQUE:
            self.opaque.append(parent)
            return
        if self._whiteouts and name.startswith(_WHITEOUT):
            hidden = name.removeprefix(_WHITEOUT)
            if hidden.startswith(_WHITEOUT) or hidden in ("", ".", ".."):
                return  # aufs' own marks, or nothing that could be deleted
            entry = Entry(f"{parent}/{hidden}" if parent else hidden, "w", 0)
        else:
            entry = _from_member(path, member)
        self._budget.take(entry.size)
        if self._make(members, member, entry):
            self.entries[entry.path] = entry
            if self._root and entry.kind not in "hw":
                os.chown(self._tree / entry.path, entry.uid, entry.gid, follow_symlinks=False)

    def _make_parents(self, parent: str) -> None:
        path = ""
        for part in parent.split("/") if parent else ():
            path = f"{path}/{part}" if path else part
            known = self.entries.get(path)
            if known is None:
                os.mkdir(self._tree / path, 0o755)
                self.entries[path] = Entry(path, "d", 0o755)
            elif known.kind != "d":
                raise LayerError(f"{parent!r} passes through {path!r}, which is no directory")

    def _make(self, members: tarfile.TarFile, member: tarfile.TarInfo, entry: Entry) -> bool:
        """Make one entry on the disk; false for what is left out."""
        target = self._tree / entry.path
        before = self.entries.get(entry.path)
        if before is not None and not (before.kind == "d" and entry.kind == "d"):
            if before.kind == "d":
                raise LayerError(f"{entry.path!r} replaces a directory of the same layer")
            os.unlink(target)
            del self.entries[entry.path]
        if entry.kind == "d":
            if before is None or before.kind != "d":
                os.mkdir(target, 0o755)
        elif entry.kind == "l":
            os.symlink(entry.link, target)
        elif entry.kind == "h":
            if entry.link not in self.entries or self.entries[entry.link].kind not in "fhl":
                raise LayerError(f"{entry.path!r} is linked to {entry.link!r}, which the layer doesn't hold")
            os.link(self._tree / entry.link, target, follow_symlinks=False)
        elif entry.kind == "w":
            write_whiteout(target)
        elif entry.kind == "p":
            os.mkfifo(target, 0o600)
        elif entry.kind in "cb":
            return _make_device(entry, target)
        else:
            content = members.extractfile(member)
            assert content is not None
            with open(target, "xb") as file:
                while chunk := content.read(_COPY):
                    file.write(chunk)
        return True


def _make_device(entry: Entry, target: Path) -> bool:
    # Differs: an image's device nodes are left out, but for the harmless ones: not every driver can keep a
    # container from using the machine's disk through its own node.
    if entry.kind == "b" or entry.device not in _HARMLESS:
        return False
    try:
        os.mknod(target, stat.S_IFCHR | 0o600, entry.device)
    except PermissionError:
        return False
    return True


def safe_name(name: str) -> str:
    """The path relative to the root, in its one spelling. Raises LayerError for `..`, NUL, endless ones."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise LayerError(f"{name!r} points out of the layer")
    if len(parts) > MAX_DEPTH or len(name) > 4096:
        raise LayerError(f"{name[:60]!r}...: file name too long")
    return "/".join(parts)


def _from_member(path: str, member: tarfile.TarInfo) -> Entry:
    kind = "f" if member.isreg() else _KINDS.get(member.type, "")
    if not kind:
        raise LayerError(f"{path}: unknown type {member.type!r}")
    device = os.makedev(member.devmajor, member.devminor) if kind in "cb" else 0
    link = safe_name(member.linkname) if kind == "h" else member.linkname if kind == "l" else ""
    size = member.size if kind == "f" else 0
    mode = 0o777 if kind == "l" else member.mode & 0o7777
    try:
        mtime = int(member.mtime)
    except (ValueError, OverflowError):
        mtime = _MAX_TIME
    if abs(mtime) >= _MAX_TIME:
        raise LayerError(f"{path}: a time that can't be: {member.mtime}")
    return Entry(path, kind, mode, member.uid, member.gid, size, mtime, link, device)


def _finish(tree: Path, entries: Iterable[Entry]) -> None:
    """Modes and times, children before their directories, so that no directory is closed too early."""
    root = os.geteuid() == 0
    for entry in sorted(entries, key=lambda entry: entry.path, reverse=True):
        if entry.kind in "wh":
            continue
        target = tree / entry.path
        if entry.kind != "l":  # a link has no mode of its own
            # A plain user must be able to read what he stores; the entry keeps the true mode.
            extra = 0 if root else (0o700 if entry.kind == "d" else 0o400)
            os.chmod(target, entry.mode | extra)
        os.utime(target, (entry.mtime, entry.mtime), follow_symlinks=False)
