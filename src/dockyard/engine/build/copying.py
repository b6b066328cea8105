"""Writes what a COPY or ADD brings into the tree of a new layer, as if into the image below it."""

import os
import posixpath
import secrets
import shutil
import stat
import tarfile
from collections.abc import Sequence
from pathlib import Path

from dockyard.engine.build.errors import BuildFailed
from dockyard.engine.build.sources import Source
from dockyard.runtime.layer_tar import FIXED_MTIME, LayerError, extract
from dockyard.runtime.union import Found, Union

Owner = tuple[int, int]


class Copier:
    """`tree` is the empty directory of the new layer, `layers` the image below it, lowest first.

    New files belong to `owner`; None keeps the owner that the source has.
    """

    def __init__(
        self, tree: Path, layers: Sequence[Path], *, owner: Owner | None, mode: int | None, keep_mtime: bool
    ) -> None:
        tree.mkdir(parents=True, exist_ok=True)
        self.tree = tree
        self._view = Union([*layers, tree])
        self._below = Union(layers)
        self._owner = owner
        self._mode = mode
        self._keep_mtime = keep_mtime
        self._times: dict[str, float] = {}
        self.owners: dict[str, Owner] = {}

    def copy(self, source: Source, destination: str) -> None:
        """One source; a destination with a slash at its end is a directory. Raises BuildFailed."""
        if source.found.is_dir:
            base = self._directory(destination)
            for inside, found in source.walk():
                self._put(found, posixpath.join(base, inside))
            return
        self._put(source.found, self._target(source.name, destination))

    def unpack(self, source: Source, destination: str) -> bool:
        """What ADD does with a local archive; false if the source is none."""
        if not stat.S_ISREG(source.found.status.st_mode) or not tarfile.is_tarfile(source.found.host):
            return False
        base = self._directory(destination)
        unpacked = self.tree.with_name("unpacked")
        unpacked.mkdir()
        try:
            with open(source.found.host, "rb") as archive:
                entries, _ = extract(archive, unpacked, whiteouts=False)
            union = Union([unpacked])
            for entry in entries:
                found = union.lookup("/" + entry.path, follow=False)
                if found is not None:
                    self._put(found, posixpath.join(base, entry.path), (entry.uid, entry.gid))
        except LayerError as error:
            raise BuildFailed(str(error)) from error
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
        return True

    def write(self, name: str, content: bytes, destination: str) -> None:
        """A file that stands in the Dockerfile itself."""
        target = self._target(name, destination)
        host = self._place(target)
        host.write_bytes(content)
        self._finish(target, host, self._mode or 0o644, self._owner or (0, 0), FIXED_MTIME)

    def make_directory(self, path: str) -> None:
        """What WORKDIR does."""
        self._directory(path)

    def finish(self) -> None:
        """Give the directories their times back, which making files in them has changed."""
        for path in sorted(self._times, reverse=True):
            os.utime(self.tree / path.lstrip("/"), (self._times[path], self._times[path]))

    def _target(self, name: str, destination: str) -> str:
        found = self._view.lookup(destination)
        if destination.endswith("/") or (found is not None and found.is_dir):
            return posixpath.join(self._directory(destination), name)
        return self._view.resolve(destination)

    def _directory(self, path: str) -> str:
        """The real path of a directory in the image, made if it isn't there."""
        resolved = self._view.resolve(path)
        done = ""
        for part in [part for part in resolved.split("/") if part]:
            done = f"{done}/{part}"
            self._own_directory(done)
        return resolved

    def _own_directory(self, path: str) -> None:
        host = self.tree / path.lstrip("/")
        if host.is_dir() and not host.is_symlink():
            return
        below = self._below.lookup(path, follow=False)
        if os.path.lexists(host) or (below is not None and not below.is_dir):
            place = f"/var/lib/docker/overlay2/{secrets.token_hex(32)}/merged{path}"
            raise BuildFailed(
                f"failed to copy files: failed to copy directory: mkdir {place}: not a directory"
            )
        host.mkdir()
        if below is None:
            self._finish(path, host, 0o755, self._owner or (0, 0), FIXED_MTIME)
        else:
            status = below.status
            owner = (status.st_uid, status.st_gid) if os.geteuid() == 0 else (0, 0)
            self._finish(path, host, stat.S_IMODE(status.st_mode), owner, status.st_mtime)

    def _place(self, path: str) -> Path:
        """The free place for a file, its directories made."""
        self._directory(posixpath.dirname(path))
        host = self.tree / path.lstrip("/")
        if host.is_dir() and not host.is_symlink():
            raise BuildFailed(f"failed to copy files: cannot overwrite directory {path} with a file")
        if os.path.lexists(host):
            host.unlink()
        return host

    def _put(self, found: Found, path: str, owner: Owner | None = None) -> None:
        status = found.status
        mtime = status.st_mtime if self._keep_mtime else FIXED_MTIME
        kept = (status.st_uid, status.st_gid) if os.geteuid() == 0 else (0, 0)
        owner = self._owner or owner or kept
        if found.is_dir:
            existed = self._view.lookup(path)
            resolved = self._directory(path)
            if existed is None or not existed.is_dir:
                host = self.tree / resolved.lstrip("/")
                self._finish(resolved, host, stat.S_IMODE(status.st_mode), owner, mtime)
            return
        parent, name = posixpath.split(path)
        real = posixpath.join(self._view.resolve(parent), name)
        host = self._place(real)
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(found.host), host)
            self._own(real, host, owner)
            os.utime(host, (mtime, mtime), follow_symlinks=False)
        elif stat.S_ISREG(status.st_mode):
            shutil.copyfile(found.host, host)
            self._finish(real, host, self._mode or stat.S_IMODE(status.st_mode), owner, mtime)

    def _finish(self, path: str, host: Path, mode: int, owner: Owner, mtime: float) -> None:
        self._own(path, host, owner)
        os.chmod(host, mode)
        os.utime(host, (mtime, mtime))
        if host.is_dir():
            self._times[path] = mtime

    def _own(self, path: str, host: Path, owner: Owner) -> None:
        self.owners[path.lstrip("/")] = owner
        if os.geteuid() == 0:
            os.chown(host, *owner, follow_symlinks=False)


def find_owner(image: Union, text: str) -> Owner:
    """`user[:group]` of --chown, by name or number; a group that isn't given is named as the user."""
    user, _, group = text.partition(":")
    return _number(image, user, "passwd", "user"), _number(image, group or user, "group", "group")


def _number(image: Union, name: str, file: str, what: str) -> int:
    for line in (image.read_text(f"/etc/{file}") or "").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[0] == name and fields[2].isdigit():
            return int(fields[2])
    if name.isdigit():
        return int(name)
    short = "uid" if what == "user" else "gid"
    raise BuildFailed(
        f"unable to convert uid/gid chown string to host mapping: can't find {short} for {what} {name}: "
        f"no such {what}: {name}"
    )
