"""Makes the mounts of a RUN: caches that stay, files of the context or another image, and tmpfs."""

import asyncio
import contextlib
import hashlib
import json
import posixpath
from collections.abc import AsyncIterator, Sequence
from dataclasses import astuple
from pathlib import Path

from dockyard.engine.build.caches import CacheMounts
from dockyard.engine.build.copying import Copier
from dockyard.engine.build.errors import BuildFailed, needs_buildkit
from dockyard.engine.build.sources import Source, hash_sources
from dockyard.engine.build.work import Work
from dockyard.engine.dockerfile.mounts import RunMount
from dockyard.runtime.spec import Mount


class RunMounts:
    """The mounts of one RUN, found before it is looked up in the cache. Raises BuildFailed."""

    def __init__(self, work: Work, caches: CacheMounts) -> None:
        self._work = work
        self._caches = caches
        self._mounts: list[tuple[RunMount, Source | None]] = []

    async def find(self, mounts: Sequence[RunMount]) -> str:
        """Find what they take; returns what the layer depends on (a cache's content is nothing of it)."""
        parts = []
        for raw in mounts:
            if raw.kind in ("secret", "ssh"):
                raise BuildFailed(needs_buildkit(f"mount=type={raw.kind}"))
            mount = raw.expanded(self._work.expand, self._work.state.directory)
            source, digest = await self._source(mount)
            self._mounts.append((mount, source))
            parts.append([*map(str, astuple(mount)), digest])
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest() if parts else ""

    async def _source(self, mount: RunMount) -> tuple[Source | None, str]:
        if mount.kind == "tmpfs" or (mount.kind == "cache" and not mount.origin):
            return None, ""
        tree, digest = self._work.context.tree, ""
        if mount.origin:
            tree, digest = await self._work.tree_of(mount.origin)
        path = posixpath.normpath("/" + mount.source)
        found = await asyncio.to_thread(tree.lookup, path)
        if found is None:
            raise BuildFailed(f'failed to compute cache key: "{path}": not found')
        source = Source(tree, posixpath.basename(path) or "source", found)
        if not digest:
            digest = await asyncio.to_thread(hash_sources, [source])
        return source, digest

    @contextlib.asynccontextmanager
    async def prepared(self, scratch: Path) -> AsyncIterator[list[Mount]]:
        """The mounts, as long as the command runs; copies are made below `scratch`."""
        async with contextlib.AsyncExitStack() as held:
            made = []
            for number, (mount, source) in enumerate(self._mounts):
                room = scratch / f"mount-{number}"
                if mount.kind == "cache":
                    directory, new = await held.enter_async_context(self._caches.use(mount))
                    if new and source is not None:
                        await asyncio.to_thread(_copy, source, directory)
                    made.append(Mount(mount.target, directory, read_only=mount.read_only))
                elif source is not None:
                    # A copy, because a driver may not keep the command from writing to it.
                    host = await asyncio.to_thread(_copy, source, room)
                    made.append(Mount(mount.target, host, read_only=mount.read_only))
                elif self._work.runtime.driver.traits.overlay:
                    made.append(Mount(mount.target, None, size=mount.size))
                else:
                    room.mkdir()
                    room.chmod(0o1777)
                    made.append(Mount(mount.target, room))
            yield made


def _copy(source: Source, room: Path) -> Path:
    """The source with its owners, in a directory of its own (or as that directory)."""
    copier = Copier(room, (), owner=None, mode=None, keep_mtime=True)
    copier.copy(source, "/" if source.found.is_dir else f"/{source.name}")
    copier.finish()
    return room if source.found.is_dir else room / source.name
