"""The files that a client sent to build from."""

import os
import posixpath
import re
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from dockyard.engine.build.errors import BuildFailed
from dockyard.engine.build.remote_file import fetch, is_url
from dockyard.engine.distribution.progress import Progress
from dockyard.engine.dockerfile.ignore import IgnoreFile, PatternError
from dockyard.engine.errors import BadParameter, Failed
from dockyard.runtime.layer_tar import LayerError, extract
from dockyard.runtime.union import Union

_BLOCK = 512
_PLAIN_DOCKERFILE = re.compile(rb"\s*(#|[A-Za-z]+\s)")


async def receive(body: AsyncIterator[bytes], directory: Path) -> IO[bytes]:
    """Keep a request's body in a file without a name."""
    spool = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  - the caller closes it
    async for chunk in body:
        spool.write(chunk)
    return _ready(spool)


def download(url: str, directory: Path, progress: Progress) -> IO[bytes]:
    """As `receive`, from a URL (`remote=`): an archive, or the text of a Dockerfile. Raises EngineError."""
    if not is_url(url):
        # Differs: the address of a git repository is refused as a build context; upstream clones it.
        raise BadParameter(f"{url}: a remote build context must be an http:// or https:// URL here")
    spool = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  - the caller closes it
    try:
        fetch(url, spool, progress)
    except BuildFailed as error:
        spool.close()
        raise Failed(f"error downloading remote context {url}: {error.message}") from error
    return _ready(spool)


def _ready(spool: IO[bytes]) -> IO[bytes]:
    if _is_plain_tar(spool):
        # The command line leaves the end away when it adds a Dockerfile of its own (`-f -`).
        spool.seek(0, os.SEEK_END)
        spool.write(bytes(-spool.tell() % _BLOCK + 2 * _BLOCK))
    spool.seek(0)
    return spool


def _is_plain_tar(spool: IO[bytes]) -> bool:
    spool.seek(257)
    return spool.read(5) == b"ustar"


class Context:
    """A directory with the files, below `parent`. Links in it mean files in it, none of this machine."""

    def __init__(self, archive: IO[bytes], dockerfile: str, parent: Path) -> None:
        """Unpack and find the Dockerfile. Raises BadParameter, Failed."""
        self._directory = Path(tempfile.mkdtemp(prefix="context-", dir=parent))
        self.root = self._directory / "files"
        self.root.mkdir()
        try:
            self.dockerfile = dockerfile
            self._unpack(archive)
            self.tree = Union([self.root])
            self.text = self._read_dockerfile()
            self._apply_ignore_file()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def name(self) -> str:
        """Names this build among those that run now."""
        return self._directory.name

    def new_directory(self) -> Path:
        """A place beside the files that goes with them."""
        return Path(tempfile.mkdtemp(dir=self._directory))

    def _unpack(self, archive: IO[bytes]) -> None:
        start = archive.read(512)
        archive.seek(0)
        if start and b"\0" not in start and _PLAIN_DOCKERFILE.match(start):
            # `docker build - < Dockerfile`: the file alone, not in an archive.
            (self.root / "Dockerfile").write_bytes(archive.read())
            self.dockerfile = "Dockerfile"
            return
        try:
            if start:
                extract(archive, self.root, whiteouts=False)
        except LayerError as error:
            raise BadParameter(f"error reading the build context: {error}") from error

    def _read_dockerfile(self) -> str:
        name = posixpath.normpath(self.dockerfile).lstrip("/")
        if name == ".." or name.startswith("../"):
            raise BadParameter(
                f"unable to prepare context: path {self.dockerfile!r} is outside the build context"
            )
        found = self.tree.lookup("/" + name)
        if found is None or not stat.S_ISREG(found.status.st_mode):
            raise Failed(f"Cannot locate specified Dockerfile: {self.dockerfile}")
        data = found.host.read_bytes()
        if not data:
            raise BadParameter(f"the Dockerfile ({self.dockerfile}) cannot be empty")
        self.dockerfile = name
        return data.decode("utf-8", "replace")

    def _apply_ignore_file(self) -> None:
        """Clients leave out what .dockerignore names, except for the two files that the daemon reads."""
        text = self.tree.read_text("/.dockerignore")
        if text is None:
            return
        try:
            ignored = IgnoreFile(text)
        except PatternError:
            return  # the client's business; docker-py sends everything then, the command line refuses
        for name in (".dockerignore", self.dockerfile):
            if ignored.excludes(name) and os.path.lexists(self.root / name):
                os.unlink(self.root / name)
