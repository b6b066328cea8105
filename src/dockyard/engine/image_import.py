"""`docker import`: an image of one layer, made of any archive of files."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from typing import IO, TYPE_CHECKING

from dockyard.engine.commit_changes import apply_changes
from dockyard.engine.distribution.errors import TransferError
from dockyard.engine.distribution.streaming import line
from dockyard.engine.distribution.transport import exchange
from dockyard.engine.errors import BadParameter, Failed
from dockyard.engine.image_events import tell
from dockyard.engine.image_names import checked
from dockyard.engine.parameters import Document
from dockyard.engine.spool import spool
from dockyard.runtime import catalog
from dockyard.runtime.decompress import Decompressed
from dockyard.runtime.disk_room import Budget, room
from dockyard.runtime.images import EPOCH, Image, ImageStore
from dockyard.runtime.layer_entry import LayerError
from dockyard.wire.http import Request, StreamResponse

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

_CHUNK = 1 << 20


class ImageImport:
    """POST /images/create with `fromSrc`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.runtime.images

    async def create(self, request: Request) -> StreamResponse:
        """Take the archive from the request or, for a URL, from there."""
        query = request.query
        source, repository, tag = query.get("fromSrc"), query.get("repo"), query.get("tag")
        name = checked(f"{repository}:{tag}" if tag else repository) if repository else ""
        if "@" in name:
            raise BadParameter("cannot import digest reference")
        config: Document = {}
        apply_changes(config, query.getlist("changes"))
        comment = query.get("message") or f"Imported from {source}"
        if source == "-":
            file = await spool(request.stream(), self._store.root)
        else:
            file = await asyncio.to_thread(_fetch, source, self._store)
        with file:
            try:
                image = await asyncio.to_thread(take, self._store, file, config, comment)
            except (LayerError, OSError) as error:
                raise Failed(str(error)) from None
        if name:
            self._store.tag(image.id, name)
        tell(self._engine.events, "import", image, name or image.id)
        return StreamResponse(200, [("Content-Type", "application/json")], _said(image.id))


async def _said(status: str) -> AsyncIterator[bytes]:
    yield line({"status": status})


def _fetch(url: str, store: ImageStore) -> IO[bytes]:
    """The archive at a URL, in a file that the caller closes."""
    file = tempfile.TemporaryFile(dir=store.root)  # noqa: SIM115  - the caller closes it
    budget = Budget(room(store.root))
    try:
        with exchange("GET", url if "://" in url else f"http://{url}") as answer:
            if answer.status != 200:
                raise Failed(f"failed to download {url}: status {answer.status} {answer.reason}")
            while chunk := answer.read(_CHUNK):
                budget.take(len(chunk))
                file.write(chunk)
    except (TransferError, LayerError) as error:
        file.close()
        raise Failed(str(error)) from None
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def take(store: ImageStore, file: IO[bytes], config: Document, comment: str) -> Image:
    """Make the image. Raises LayerError."""
    with store.incoming() as incoming:
        layer = incoming.add(Decompressed(file))
        document = {
            "architecture": catalog.architecture(),
            "comment": comment,
            "config": config,
            "created": EPOCH,
            "history": [{"comment": comment, "created": EPOCH}],
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        }
        return incoming.finish(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())
