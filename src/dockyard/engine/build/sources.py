"""What COPY and ADD take: files of the context, of another stage or of another image, and their hash."""

import hashlib
import os
import posixpath
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dockyard.engine.build.errors import BuildFailed
from dockyard.engine.dockerfile.globs import Glob, PatternError
from dockyard.runtime.union import Found, Union

_WILDCARDS = re.compile(r"[*?\[\\]")


@dataclass(frozen=True)
class Source:
    """One file or directory; `name` is its last part as it was asked for, before links were followed."""

    tree: Union
    name: str
    found: Found

    def walk(self) -> Iterator[tuple[str, Found]]:
        """A directory's contents, parents first, each with its path relative to the source."""
        yield from _walk(self.tree, self.found.path, "")


def _walk(tree: Union, path: str, inside: str) -> Iterator[tuple[str, Found]]:
    for name in tree.listdir(path):
        child = tree.lookup(posixpath.join(path, name), follow=False)
        if child is None:
            continue
        relative = f"{inside}/{name}" if inside else name
        yield relative, child
        if child.is_dir:
            yield from _walk(tree, child.path, relative)


def find_sources(tree: Union, patterns: Sequence[str], *, in_context: bool) -> list[Source]:
    """Raises BuildFailed, without the instruction's name in front."""
    found: list[Source] = []
    for pattern in patterns:
        path = posixpath.normpath(pattern.lstrip("/") or ".")
        if path == ".." or path.startswith("../"):
            raise BuildFailed(f"forbidden path outside the build context: {pattern} ()")
        if _WILDCARDS.search(path):
            found.extend(_match(tree, path))
            continue
        one = tree.lookup("/" + path)
        if one is None:
            where = "file not found in build context or excluded by .dockerignore: " if in_context else ""
            raise BuildFailed(f"{where}stat {path}: file does not exist")
        found.append(Source(tree, posixpath.basename(path), one))
    if not found:
        raise BuildFailed("no source files were specified")
    return found


def _match(tree: Union, pattern: str) -> Iterator[Source]:
    """The paths that match part by part: unlike in .dockerignore, `**` is no more than `*`."""
    try:
        globs = [Glob(part, crossing=False) for part in pattern.split("/")]
    except PatternError:
        return  # upstream takes it for one that matches nothing

    def visit(directory: str, index: int) -> Iterator[Source]:
        for name in tree.listdir(directory):
            if not globs[index].matches(name):
                continue
            path = posixpath.join(directory, name)
            found = tree.lookup(path)
            if found is None:
                continue
            if index == len(globs) - 1:
                yield Source(tree, name, found)
            elif found.is_dir:
                yield from visit(path, index + 1)

    yield from visit("/", 0)


def hash_sources(sources: Sequence[Source]) -> str:
    """`file:...`, `dir:...` or `multi:...`: equal as long as content, names, modes and owners are equal.

    Times don't count, as upstream has it.
    """
    hashes = [_hash_one(source) for source in sources]
    if len(hashes) == 1:
        return ("dir:" if sources[0].found.is_dir else "file:") + hashes[0]
    return "multi:" + hashlib.sha256(",".join(hashes).encode()).hexdigest()


def _hash_one(source: Source) -> str:
    whole = hashlib.sha256()
    if not source.found.is_dir:
        whole.update(_describe(source.name, source.found))
        return whole.hexdigest()
    for path, found in source.walk():
        whole.update(_describe(path, found))
    return whole.hexdigest()


def _describe(path: str, found: Found) -> bytes:
    status = found.status
    parts = [path, oct(status.st_mode), str(status.st_uid), str(status.st_gid)]
    if stat.S_ISLNK(status.st_mode):
        parts.append(os.readlink(found.host))
    elif stat.S_ISREG(status.st_mode):
        content = hashlib.sha256()
        with open(found.host, "rb") as file:
            while chunk := file.read(1 << 20):
                content.update(chunk)
        parts.append(content.hexdigest())
    return ("\0".join(parts) + "\n").encode("utf-8", "surrogateescape")
