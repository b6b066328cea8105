"""Extracted layers on the disk: one directory each, named by its digest, appearing whole or not at all."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from dockyard.runtime import layer_tar
from dockyard.runtime.decompress import Source
from dockyard.runtime.disk_room import Budget, NoRoom, full, room
from dockyard.runtime.layer_tar import Entry, LayerError, Sink
from dockyard.runtime.union import Union


@dataclass(frozen=True)
class Layer:
    """`digest` is the diff id (of the uncompressed archive); `size` the bytes of the files in it."""

    digest: str
    size: int
    tree: Path


class Layers:
    """The directory `root`; `NAME/tree` is a layer as overlayfs wants it, `NAME/layer.json` its entries.

    Names are twelve digits, because the kernel takes all paths of one overlay in a single page.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._unfinished = root / "unfinished"
        # What a killed process left half done is of no use to anyone.
        shutil.rmtree(self._unfinished, ignore_errors=True)
        self._unfinished.mkdir(parents=True)

    def new_tree(self) -> Path:
        """An empty directory on the store's file system, to be filled and then given to `add`."""
        return Path(tempfile.mkdtemp(dir=self._unfinished)) / "tree"

    def path(self, digest: str) -> Path:
        return self._root / digest.removeprefix("sha256:")[:12] / "tree"

    def get(self, digest: str) -> Layer:
        """Raises KeyError."""
        record = self._record(digest)
        return Layer(digest, record["size"], self.path(digest))

    def has(self, digest: str) -> bool:
        """Whether the layer is there now."""
        try:
            self._record(digest)
        except KeyError:
            return False
        return True

    def entries(self, digest: str) -> list[Entry]:
        return [Entry(*row) for row in self._record(digest)["entries"]]

    def write_tar(self, digest: str, sink: Sink) -> None:
        """The layer as an archive whose sha256 is `digest`."""
        blob = self.path(digest).with_name("layer.tar")
        if blob.exists():
            with open(blob, "rb") as file:
                while chunk := file.read(1 << 20):
                    sink.write(chunk)
            return
        layer_tar.write(self.entries(digest), self.path(digest), sink)

    def tar_size(self, digest: str) -> int:
        """Bytes that `write_tar` writes."""
        blob = self.path(digest).with_name("layer.tar")
        return blob.stat().st_size if blob.exists() else layer_tar.size(self.entries(digest))

    def add(
        self,
        tree: Path,
        *,
        keep_mtime: bool = False,
        keep_bytecode: bool = False,
        owners: dict[str, tuple[int, int]] | None = None,
        skip: Iterable[str] = (),
        announce: Callable[[str], None] = lambda digest: None,
    ) -> Layer:
        """Take over `tree` (on the store's file system) as a layer. It is moved, not copied.

        `announce` hears the digest before the layer is there, or is found to be there already.
        """
        if not tree.is_dir():
            tree.mkdir(parents=True)
        entries = layer_tar.scan(
            tree, keep_mtime=keep_mtime, keep_bytecode=keep_bytecode, owners=owners, skip=skip
        )
        digest = layer_tar.digest(entries, tree)
        announce(digest)
        return self._keep(tree, digest, entries, None)

    def add_archive(
        self,
        archive: Source,
        below: Sequence[Path],
        *,
        expected: str | None = None,
        announce: Callable[[str], None] = lambda digest: None,
        limit: int | None = None,
    ) -> Layer:
        """Unpack somebody else's layer, made for the layers `below` (lowest first).

        The archive is kept, since no other tar writer would make the same bytes again. Archive and files
        together take at most `limit` bytes, by default what the disk has room for. Raises LayerError, also
        when the diff id isn't the `expected` one; then nothing stays.
        """
        holder = Path(tempfile.mkdtemp(dir=self._unfinished))
        tree = holder / "tree"
        tree.mkdir()
        limit = room(self._root) if limit is None else limit
        try:
            with open(holder / "layer.tar", "w+b") as blob:
                digest = _copy(archive, blob, Budget(limit))
                if expected is not None and digest != expected:
                    raise LayerError(f'invalid diffID: expected "{expected}", got "{digest}"')
                limit -= blob.tell()
                blob.seek(0)
                entries, opaque = layer_tar.extract(blob, tree, limit=limit)
            for directory in opaque:
                entries += _hide(directory, tree, below)
            announce(digest)
            layer = self._keep(tree, digest, entries, holder / "layer.tar", opaque)
            self.cover(digest, below)
            return layer
        except OSError as error:
            if full(error):
                raise NoRoom from error
            raise
        finally:
            remove_tree(holder)

    def cover(self, digest: str, below: Sequence[Path]) -> None:
        """Let a layer that came for other ones hide what its opaque directories hide above `below`, too.

        A whiteout more is nothing to those who have no such name. Raises KeyError.
        """
        record = self._record(digest)
        tree = self.path(digest)
        more = [entry for directory in record.get("opaque") or () for entry in _hide(directory, tree, below)]
        if more:
            record["entries"] += [astuple(entry) for entry in more]
            with tempfile.NamedTemporaryFile("w", dir=self._unfinished, delete=False) as file:
                json.dump(record, file, separators=(",", ":"))
            os.replace(file.name, tree.with_name("layer.json"))

    def discard(self, digest: str) -> None:
        """Remove a layer that nothing refers to any more."""
        target = self.path(digest).parent
        doomed = Path(tempfile.mkdtemp(dir=self._unfinished))
        with contextlib.suppress(FileNotFoundError):
            os.rename(target, doomed / "layer")
        remove_tree(doomed)

    def names(self) -> set[str]:
        return {item.name for item in self._root.iterdir() if item != self._unfinished}

    def _keep(
        self, tree: Path, digest: str, entries: list[Entry], blob: Path | None, opaque: Sequence[str] = ()
    ) -> Layer:
        size = sum(entry.size for entry in entries)
        target = self.path(digest).parent
        if (target / "layer.json").exists():
            remove_tree(tree.parent if tree.parent.parent == self._unfinished else tree)
            return Layer(digest, size, target / "tree")
        holder = Path(tempfile.mkdtemp(dir=self._unfinished))
        os.chmod(tree, 0o755)
        os.chmod(holder, 0o755)
        os.rename(tree, holder / "tree")
        if tree.parent.parent == self._unfinished:
            with contextlib.suppress(OSError):  # not empty: its owner removes it
                tree.parent.rmdir()
        if blob is not None:
            os.rename(blob, holder / "layer.tar")
        record = {"digest": digest, "size": size, "entries": [astuple(entry) for entry in entries]}
        if opaque:
            record["opaque"] = list(opaque)
        (holder / "layer.json").write_text(json.dumps(record, separators=(",", ":")))
        try:
            os.rename(holder, target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            remove_tree(holder)  # the same layer came from another build meanwhile
        return Layer(digest, size, target / "tree")

    def _record(self, digest: str) -> dict[str, Any]:
        try:
            record = json.loads(self.path(digest).with_name("layer.json").read_text())
        except FileNotFoundError:
            raise KeyError(digest) from None
        if record["digest"] != digest:
            raise KeyError(digest)
        return dict(record)


def _copy(source: Source, target: BinaryIO, budget: Budget) -> str:
    """The digest of what was copied."""
    hashed = layer_tar.Hash()
    while chunk := source.read(1 << 20):
        budget.take(len(chunk))
        hashed.write(chunk)
        target.write(chunk)
    return hashed.digest()


def _hide(directory: str, tree: Path, below: Sequence[Path]) -> list[Entry]:
    """What an opaque directory hides, as explicit whiteouts: layers never hold opaque marks."""
    own = set(os.listdir(tree / directory))
    hidden = []
    for name in Union(below).listdir("/" + directory):
        if name not in own:
            path = f"{directory}/{name}" if directory else name
            layer_tar.write_whiteout(tree / path)
            hidden.append(Entry(path, "w", 0))
    return hidden


def remove_tree(path: Path) -> None:
    """rm -rf that also removes what a program left unreadable for its own owner."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except PermissionError:
        os.chmod(path, 0o700)
        for directory, names, _ in os.walk(path):
            os.chmod(directory, 0o700)
            for name in names:
                if not os.path.islink(child := os.path.join(directory, name)):
                    os.chmod(child, 0o700)
        shutil.rmtree(path)
