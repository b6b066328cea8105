"""An archive unpacked into a running or stopped container: the writing half of `docker cp`."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import posixpath
import shutil
import stat
import tarfile
from typing import IO

from dockyard.engine.errors import Failed
from dockyard.runtime.tree import Node, Tree

_COPY = 1 << 18
_KINDS = {
    tarfile.DIRTYPE: "mkdir",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "link",
    tarfile.FIFOTYPE: "mknod",
    tarfile.CHRTYPE: "mknod",
    tarfile.BLKTYPE: "mknod",
}
_COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


class Extraction:
    """Unpacks archives into one directory of a tree. Synchronous: for a thread."""

    def __init__(self, tree: Tree, place: str, *, owner: tuple[int, int] | None, keep_kinds: bool) -> None:
        """Unpack into the directory `place` (resolved).

        All files become `owner`'s, if given; with `keep_kinds` no directory takes a file's place, nor the
        other way round.
        """
        self._tree = tree
        self._place = place
        self._owner = owner
        self._keep_kinds = keep_kinds
        self._times: list[tuple[str, float]] = []

    def unpack(self, archive: IO[bytes]) -> None:
        """Unpack one, compressed or not; an empty file is an empty archive.

        Raises:
            Failed: it is malformed, or wants to leave its directory.
            OSError: the system refuses something.
        """
        magic = archive.read(6)
        archive.seek(0)
        if not magic:
            return
        for start, opened in _COMPRESSED.items():
            if magic.startswith(start):
                archive = opened(archive)  # type: ignore[operator]
        try:
            with tarfile.open(fileobj=archive, mode="r:") as members:
                for member in members:
                    self._member(members, member)
        except tarfile.ReadError as error:
            raise Failed(_complaint(str(error))) from None
        except (EOFError, lzma.LZMAError, gzip.BadGzipFile):
            raise Failed("unexpected EOF") from None
        for path, mtime in reversed(self._times):
            with self._tree.find(path) as folder:
                os.utime(f"/proc/self/fd/{folder.fd}", (mtime, mtime))

    def _member(self, members: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = posixpath.normpath(member.name.lstrip("/") or ".")
        path = posixpath.normpath(posixpath.join(self._place, name))
        if name == ".." or name.startswith("../"):
            raise Failed(f'"{name}" is outside of "{self._place}"')
        if name == ".":
            return
        try:
            with self._tree.find_or_make(posixpath.dirname(path)) as folder:
                if folder.read_only:
                    raise OSError(errno.EROFS, os.strerror(errno.EROFS))
                self._make(members, member, folder, posixpath.basename(path), path)
        except FileNotFoundError:
            raise
        except OSError as error:
            # As Go prints an os.PathError.
            action = error.__notes__[0] if hasattr(error, "__notes__") else _KINDS.get(member.type, "open")
            raise Failed(f"{action} {path}: {(error.strerror or str(error)).lower()}") from error

    def _make(
        self, members: tarfile.TarFile, member: tarfile.TarInfo, folder: Node, name: str, path: str
    ) -> None:
        stays = self._clear(folder, name, path, is_directory=member.isdir())
        at = folder.fd
        if member.isdir():
            if not stays:
                os.mkdir(name, 0o700, dir_fd=at)
            self._times.append((path, member.mtime))
        elif member.issym():
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), member.linkname.lstrip("/")))
            if not member.linkname.startswith("/") and not _is_below(self._place, target):
                raise Failed(f'invalid symlink "{path}" -> "{member.linkname}"')
            os.symlink(member.linkname, name, dir_fd=at)
        elif member.islnk():
            target = posixpath.normpath(posixpath.join(self._place, member.linkname.lstrip("/")))
            if not _is_below(self._place, target):
                raise Failed(f'invalid hardlink "{target}" -> "{member.linkname}"')
            with self._tree.find(posixpath.dirname(target)) as other:
                os.link(
                    posixpath.basename(target),
                    name,
                    src_dir_fd=other.fd,
                    dst_dir_fd=at,
                    follow_symlinks=False,
                )
            return
        elif member.isfifo():
            os.mkfifo(name, 0o600, dir_fd=at)
        elif member.ischr() or member.isblk():
            kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
            try:
                os.mknod(name, kind | 0o600, os.makedev(member.devmajor, member.devminor), dir_fd=at)
            except PermissionError:
                return  # as upstream without privileges
        else:
            self._write(members, member, at, name)
        self._dress(member, at, name)

    def _clear(self, folder: Node, name: str, path: str, *, is_directory: bool) -> bool:
        """Make room for `name`; true when a directory is there and stays."""
        try:
            there = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        was_directory = stat.S_ISDIR(there.st_mode)
        if self._keep_kinds and was_directory != is_directory:
            old, new = ("directory", "non-directory") if was_directory else ("non-directory", "directory")
            raise Failed(f'cannot overwrite {old} "{path}" with {new} "{self._place}"')
        if was_directory and is_directory:
            return True
        if self._tree.is_busy(path):
            error = OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            error.add_note("unlinkat")
            raise error
        if was_directory:
            shutil.rmtree(name, dir_fd=folder.fd)
        else:
            os.unlink(name, dir_fd=folder.fd)
        return False

    @staticmethod
    def _write(members: tarfile.TarFile, member: tarfile.TarInfo, at: int, name: str) -> None:
        content = members.extractfile(member)
        if content is None:
            raise Failed(f"unhandled tar header type {ord(member.type)}")
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name, flags, 0o600, dir_fd=at), "wb", buffering=0) as file:
            left = member.size
            while left:
                chunk = content.read(min(left, _COPY))
                if not chunk:
                    raise tarfile.ReadError("unexpected end of data")
                file.write(chunk)
                left -= len(chunk)

    def _dress(self, member: tarfile.TarInfo, at: int, name: str) -> None:
        """Owner, mode and time."""
        if os.geteuid() == 0:
            # Differs: without root `docker cp` gives every file to the container's user, whatever the archive
            # says.
            uid, gid = self._owner or (member.uid, member.gid)
            os.chown(name, uid, gid, dir_fd=at, follow_symlinks=False)
        if not member.issym():
            # Safe although chmod follows links: nothing but what was just made here is called so, and no
            # link of this name was made.
            fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            try:
                if not stat.S_ISLNK(os.fstat(fd).st_mode):
                    os.chmod(f"/proc/self/fd/{fd}", member.mode & 0o7777)
            finally:
                os.close(fd)
        os.utime(name, (member.mtime, member.mtime), dir_fd=at, follow_symlinks=False)


def _is_below(place: str, path: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")


def _complaint(message: str) -> str:
    """What Go's archive/tar says where Python's says `message`."""
    return "archive/tar: invalid tar header" if message in _INVALID else "unexpected EOF"


_INVALID = ("invalid header", "bad checksum")
