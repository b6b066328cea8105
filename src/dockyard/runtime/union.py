"""The view through a stack of layers: what a path means inside an image, without mounting anything."""

import os
import posixpath
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dockyard.runtime.layer_tar import is_whiteout

_MAX_LINKS = 40  # as the kernel's ELOOP


@dataclass(frozen=True)
class Found:
    """`path` is absolute in the image with every link followed; `host` is the file that plays it."""

    path: str
    host: Path
    status: os.stat_result
    directories: tuple[Path, ...]  # every layer's directory of that name, topmost first; empty for a file

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)


class Union:
    """Layers, lowest first. Never leaves them: links are followed inside the image only."""

    def __init__(self, layers: Sequence[Path]) -> None:
        self._top_down = tuple(reversed(layers))

    def resolve(self, path: str) -> str:
        """The absolute path with all links of existing parts followed; parts that don't exist stay."""
        return self._walk(path, follow_last=True)[0]

    def lookup(self, path: str, *, follow: bool = True) -> Found | None:
        """What is at `path`, or None. Without `follow` a link at the end is itself the result."""
        return self._walk(path, follow_last=follow)[1]

    def exists(self, path: str) -> bool:
        return self.lookup(path) is not None

    def listdir(self, path: str) -> list[str]:
        """The names in a directory, sorted; none if there is no such directory."""
        found = self.lookup(path)
        if found is None:
            return []
        names: set[str] = set()
        hidden: set[str] = set()
        for directory in found.directories:
            gone = set()
            with os.scandir(directory) as items:
                for item in items:
                    if item.name in hidden or item.name in names:
                        continue
                    if is_whiteout(item.stat(follow_symlinks=False)):
                        gone.add(item.name)
                    else:
                        names.add(item.name)
            hidden |= gone
        return sorted(names)

    def read_text(self, path: str) -> str | None:
        """The text of a regular file, or None."""
        found = self.lookup(path)
        if found is None or not stat.S_ISREG(found.status.st_mode):
            return None
        return found.host.read_text(errors="replace")

    def _walk(self, path: str, *, follow_last: bool) -> tuple[str, Found | None]:
        pending = [part for part in path.split("/") if part not in ("", ".")]
        pending.reverse()
        done: list[str] = []
        stack: list[tuple[Path, ...]] = [self._top_down]
        links = 0
        found = self._root()
        while pending:
            part = pending.pop()
            if part == "..":
                if done:
                    done.pop()
                    stack.pop()
                found = self._directory("/" + "/".join(done), stack[-1])
                continue
            child = self._child("/" + "/".join([*done, part]), stack[-1], part)
            if child is None:
                rest = posixpath.normpath("/" + "/".join([*done, part, *reversed(pending)]))
                return rest, None
            if stat.S_ISLNK(child.status.st_mode) and (pending or follow_last):
                links += 1
                if links > _MAX_LINKS:
                    return child.path, None
                target = os.readlink(child.host)
                if target.startswith("/"):
                    done, stack = [], [self._top_down]
                    found = self._root()
                pending.extend(reversed([step for step in target.split("/") if step not in ("", ".")]))
                continue
            if pending and not child.is_dir:
                rest = posixpath.normpath("/" + "/".join([*done, part, *reversed(pending)]))
                return rest, None
            done.append(part)
            stack.append(child.directories)
            found = child
        return "/" + "/".join(done), found

    def _root(self) -> Found | None:
        return self._directory("/", self._top_down)

    @staticmethod
    def _directory(path: str, directories: tuple[Path, ...]) -> Found | None:
        if not directories:
            return None
        return Found(path, directories[0], os.lstat(directories[0]), directories)

    @staticmethod
    def _child(path: str, directories: tuple[Path, ...], name: str) -> Found | None:
        merged: list[Path] = []
        top: os.stat_result | None = None
        for directory in directories:
            host = directory / name
            try:
                status = os.lstat(host)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if is_whiteout(status):
                break
            if not stat.S_ISDIR(status.st_mode):
                if top is None:
                    return Found(path, host, status, ())
                break
            top = top or status
            merged.append(host)
        if top is None:
            return None
        return Found(path, merged[0], top, tuple(merged))
