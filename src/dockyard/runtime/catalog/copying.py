"""Copies programs and their libraries of this machine into the tree of a stand-in.

Every stand-in has one directory for programs: /bin, /sbin, /lib and /lib64 are links into /usr.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from dockyard.runtime import elf

MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}


def merged(path: str) -> str:
    """Where a path of this machine lives in an image: relative, with /lib and its like below usr/."""
    relative = os.path.normpath(path).lstrip("/")
    first, slash, rest = relative.partition("/")
    return f"{MERGED[first]}{slash}{rest}" if first in MERGED else relative


def copy_file(
    source: Path, tree: Path, target: str, below: Iterable[Path] = (), mode: int | None = None
) -> None:
    """Copy one file (links followed) to `target` in the tree, unless a layer below has just that already."""
    if any((layer / target).exists() for layer in below):
        return
    destination = tree / target
    if destination.exists():
        return
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, destination)
    status = os.stat(source)
    # Readable for everyone, whatever its owner here allowed, and never set-user-ID: the owner is root there.
    readable = (status.st_mode & 0o755) | 0o444 | (0o111 if status.st_mode & 0o100 else 0)
    os.chmod(destination, mode if mode is not None else readable)
    os.utime(destination, ns=(status.st_mtime_ns, status.st_mtime_ns))


def copy_tree(source: Path, tree: Path, target: str, skip: Callable[[str], bool]) -> list[Path]:
    """Copy a directory; `skip` gets each path relative to it. Returns the ELF candidates copied (*.so*)."""
    libraries = []
    for directory, names, files in os.walk(source):
        inside = os.path.relpath(directory, source)
        prefix = "" if inside == "." else inside + "/"
        names[:] = sorted(name for name in names if not skip(prefix + name))
        (tree / target / prefix).mkdir(parents=True, exist_ok=True)
        for name in files:
            if skip(prefix + name):
                continue
            path = Path(directory, name)
            if path.is_symlink() and "/" not in os.readlink(path):
                link = tree / target / prefix / name
                if not link.is_symlink():
                    os.symlink(os.readlink(path), link)
                continue
            if not path.exists():
                continue
            copy_file(path, tree, f"{target}/{prefix}{name}")
            if ".so" in name:
                libraries.append(path)
    return libraries


def copy_libraries(programs: Iterable[Path], tree: Path, below: Iterable[Path] = (), moved: str = "") -> None:
    """Put the libraries of `programs` where the loader looks for them; those below `moved` come with it."""
    layers = tuple(below)
    for library in sorted(elf.closure(programs)):
        if moved and str(library).startswith(moved.rstrip("/") + "/"):
            continue
        copy_file(library, tree, merged(str(library)), layers)


def write_text(tree: Path, target: str, text: str, mode: int = 0o644) -> None:
    """A file of ours."""
    path = tree / target
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.chmod(path, mode)


def link_libraries(tree: Path, directory: str, below: Iterable[Path] = ()) -> None:
    """Let the loader find the libraries in `directory` of the tree without being told where they are.

    They name each other relative to the program's own place, which a tracer can hide from the loader.
    A library that the system has already stays the system's.
    """
    layers = (*below, tree)
    system = next(
        (
            str(found.relative_to(layer))
            for layer in layers
            for found in sorted(_directories_with_libc(layer))
        ),
        "usr/lib",
    )
    for library in sorted((tree / directory).glob("lib*.so*")):
        if not any(os.path.lexists(layer / system / library.name) for layer in layers):
            (tree / system).mkdir(parents=True, exist_ok=True)
            os.symlink(f"/{directory}/{library.name}", tree / system / library.name)


def _directories_with_libc(layer: Path) -> Iterator[Path]:
    for pattern in ("usr/lib/*/libc.so.6", "usr/lib64/libc.so.6", "usr/lib/libc.so*"):
        yield from (found.parent for found in layer.glob(pattern))
