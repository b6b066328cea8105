"""Which libraries a program loads, and from where: what `ldd` prints, without running anything.

Sources: elf(5), ld.so(8).
"""

import functools
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 1, 5, 15, 29


@dataclass(frozen=True)
class Binary:
    """The parts of a 64-bit ELF file that loading needs."""

    path: Path
    interpreter: str | None
    needed: tuple[str, ...]
    search: tuple[str, ...]  # rpath or runpath, $ORIGIN replaced


def read(path: Path) -> Binary | None:
    """The file at `path`, or None if it is no 64-bit little-endian ELF file."""
    with open(path, "rb") as file:
        header = file.read(64)
        if header[:4] != b"\x7fELF" or header[4:6] != b"\x02\x01":
            return None
        offset, count = struct.unpack_from("<Q", header, 32)[0], struct.unpack_from("<H", header, 56)[0]
        file.seek(offset)
        table = file.read(count * 56)
        segments = [struct.unpack_from("<IIQQQQQQ", table, index * 56) for index in range(count)]
        interpreter = None
        dynamic: list[tuple[int, int]] = []
        for kind, _, start, _, _, size, _, _ in segments:
            if kind == _PT_INTERP:
                file.seek(start)
                interpreter = file.read(size).rstrip(b"\0").decode()
            elif kind == _PT_DYNAMIC:
                file.seek(start)
                dynamic = list(struct.iter_unpack("<qQ", file.read(size - size % 16)))
        strings = next((value for tag, value in dynamic if tag == _DT_STRTAB), 0)
        loads = [segment for segment in segments if segment[0] == _PT_LOAD]

        def text(index: int) -> str:
            address = strings + index
            for _, _, start, virtual, _, size, _, _ in loads:
                if virtual <= address < virtual + size:
                    file.seek(start + address - virtual)
                    found = b""
                    while b"\0" not in found and (chunk := file.read(256)):
                        found += chunk
                    return found.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
            return ""

        needed = tuple(text(value) for tag, value in dynamic if tag == _DT_NEEDED)
        paths = [text(value) for tag, value in dynamic if tag in (_DT_RPATH, _DT_RUNPATH)]
    origin = str(path.parent)
    search = tuple(
        os.path.normpath(step.replace("$ORIGIN", origin).replace("${ORIGIN}", origin))
        for joined in paths
        for step in joined.split(":")
        if step
    )
    return Binary(path, interpreter, needed, search)


def closure(programs: Iterable[Path]) -> set[Path]:
    """Every library and loader that `programs` need, as paths on this machine (links not followed).

    A library that this machine doesn't have is left out: the program wouldn't start here either.
    """
    found: set[Path] = set()
    pending: list[tuple[Path, tuple[str, ...]]] = [(Path(program), ()) for program in programs]
    seen: set[Path] = set()
    while pending:
        path, inherited = pending.pop()
        real = Path(os.path.realpath(path))
        if real in seen:
            continue
        seen.add(real)
        # $ORIGIN is the directory of the path after links, as the kernel gives it to the loader.
        binary = read(real)
        if binary is None:
            continue
        if binary.interpreter:
            loader = Path(binary.interpreter)
            if loader.exists():
                found.add(loader)
        search = (*binary.search, *inherited)
        for name in binary.needed:
            library = _find(name, search)
            if library is not None:
                found.add(library)
                pending.append((library, search))
    return found


def find_library(name: str) -> Path | None:
    """Where the loader finds a library that is opened by name."""
    return _find(name, ())


def _find(name: str, search: tuple[str, ...]) -> Path | None:
    if "/" in name:
        return Path(name) if os.path.exists(name) else None
    for directory in (*search, *_directories()):
        candidate = Path(directory, name)
        if candidate.exists():
            return candidate
    return None


@functools.cache
def _directories() -> tuple[str, ...]:
    """The loader's default directories: the configured ones, then the built-in ones."""
    machine = os.uname().machine
    built_in = [f"/lib/{machine}-linux-gnu", f"/usr/lib/{machine}-linux-gnu", "/lib64", "/usr/lib64"]
    built_in += ["/lib", "/usr/lib", "/usr/local/lib"]
    return tuple(dict.fromkeys([*built_in, *_configured(Path("/etc/ld.so.conf"))]))


def _configured(file: Path) -> Iterator[str]:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split("#", 1)[0].split()
        if len(words) == 2 and words[0] == "include":
            for included in sorted(Path("/").glob(os.path.join("/etc", words[1]).lstrip("/"))):
                yield from _configured(included)
        elif words:
            yield words[0]
