"""Endpoints that carry files in and out of containers: archive, export, changes."""

from __future__ import annotations

import asyncio
import errno
import tempfile
from collections.abc import Awaitable, Callable
from typing import IO, TYPE_CHECKING, BinaryIO, TypeVar

from dockyard.engine import archive, mounts
from dockyard.engine.archive_extract import Extraction
from dockyard.engine.container import Container
from dockyard.engine.errors import BadParameter, Failed, NotFound
from dockyard.engine.outflow import outflow
from dockyard.engine.parameters import flag
from dockyard.engine.routes import Routes
from dockyard.runtime import detached
from dockyard.runtime.errors import RuntimeFailure, StartError
from dockyard.runtime.spec import Mount, Rootfs
from dockyard.runtime.tree import Node, Tree
from dockyard.runtime.users import find_account
from dockyard.wire.http import Request, Response, StreamResponse, json_response

if TYPE_CHECKING:
    from dockyard.engine.engine import Engine

STAT = "X-Docker-Container-Path-Stat"
_TAR = ("Content-Type", "application/x-tar")
Result = TypeVar("Result")
_OWN_FILES = ("hosts", "hostname", "resolv.conf")


def routes(engine: Engine) -> Routes:
    api = ArchiveApi(engine)
    yield "HEAD", "/containers/{id}/archive", api.stat
    yield "GET", "/containers/{id}/archive", api.get
    yield "PUT", "/containers/{id}/archive", api.put
    yield "GET", "/containers/{id}/export", api.export
    yield "GET", "/containers/{id}/changes", api.changes


class ArchiveApi:
    """The family's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._overlay = engine.runtime.driver.traits.overlay

    async def stat(self, request: Request) -> Response:
        container, path = self._asked(request)
        with await self._tree(container) as tree:
            header = await asyncio.to_thread(
                _explained, request, lambda: archive.path_stat(tree, "/" + path.lstrip("/"))
            )
        return Response(200, [(STAT, header)])

    async def get(self, request: Request) -> StreamResponse:
        container, asked = self._asked(request)
        path = archive.clean(asked)
        tree = await self._tree(container)
        header, node = await asyncio.to_thread(_explained, request, lambda: _stat_and_open(tree, path))
        self._tell(container, "archive-path")

        def write(sink: BinaryIO) -> None:
            with tree, node:
                archive.write_path(tree, node, path, sink)

        return StreamResponse(200, [_TAR, (STAT, header)], outflow(write))

    async def export(self, request: Request) -> StreamResponse:
        container = self._engine.registry.get(request.path_parameters["id"])
        tree = await self._tree(container, mounted=False)
        self._tell(container, "export")

        def write(sink: BinaryIO) -> None:
            with tree:
                archive.write_tree(tree, sink)

        media = [("Content-Type", "application/octet-stream")]
        return StreamResponse(200, media, outflow(write))

    async def put(self, request: Request) -> Response:
        container, asked = self._asked(request)
        with tempfile.TemporaryFile(dir=self._engine.home) as file:
            # Whole before anything is unpacked: a client that goes away in the middle changes nothing.
            async for chunk in request.stream():
                await asyncio.to_thread(file.write, chunk)
            file.seek(0)
            await self._unpack(container, asked, file, request)
        self._tell(container, "extract-to-dir")
        return Response(200)

    async def _unpack(self, container: Container, asked: str, file: IO[bytes], request: Request) -> None:
        keep_kinds = flag(request, "noOverwriteDirNonDir")
        owner = self._owner(container) if flag(request, "copyUIDGID") else None

        def unpack(tree: Tree) -> None:
            tree.make_mount_points()
            place = _place(tree, archive.clean(asked), container)
            Extraction(tree, place, owner=owner, keep_kinds=keep_kinds).unpack(file)

        async def work(pid: int) -> None:
            opened = detached.open_to_write(self._rootfs(container), overlay=self._overlay, pid=pid)
            with Tree(await _root(opened), self._mounts(container)) as tree:
                await asyncio.to_thread(_explained, request, lambda: unpack(tree))

        async with container.lock:
            process = container.process
            if process is None:
                # It must not start while another mount writes to its directory.
                await work(0)
                return
        await work(process.pid)

    def _owner(self, container: Container) -> tuple[int, int] | None:
        user = container.config["User"]
        if not user:
            return None
        rootfs = self._rootfs(container)
        trees = [rootfs.upper, *reversed(rootfs.layers)] if self._overlay else [rootfs.merged]
        try:
            account = find_account(trees, user)
        except StartError as error:
            raise Failed(error.message) from None
        return account.uid, account.gid

    async def changes(self, request: Request) -> Response:
        container = self._engine.registry.get(request.path_parameters["id"])
        found = await asyncio.to_thread(self._engine.runtime.snapshots.changes, container.id)
        return json_response([{"Path": path, "Kind": kind} for path, kind in found] or None)

    # What they share.

    def _asked(self, request: Request) -> tuple[Container, str]:
        path = request.query.get("path")
        if not path:
            raise BadParameter("bad parameter: pathcannot be empty")
        return self._engine.registry.get(request.path_parameters["id"]), path

    def _rootfs(self, container: Container) -> Rootfs:
        rootfs = self._engine.runtime.snapshots.get(container.id)
        if rootfs is None:
            raise Failed(f"the root file system of container {container.id} is gone")
        return rootfs

    def _mounts(self, container: Container) -> list[Mount]:
        """All that is mounted but temporary file systems: upstream does not show those either."""
        found = [
            mount
            for mount in mounts.runtime_mounts(container, self._engine.volumes)
            if mount.source is not None
        ]
        own = self._rootfs(container).upper.parent / "etc"
        if container.state["StartedAt"]:
            taken = {mount.target for mount in found}
            files = {f"/etc/{name}": own / name for name in _OWN_FILES}
            found += [Mount(target, file) for target, file in files.items() if target not in taken]
        return found

    async def _tree(self, container: Container, *, mounted: bool = True) -> Tree:
        opened = detached.open_to_read(self._rootfs(container), overlay=self._overlay)
        return Tree(await _root(opened), self._mounts(container) if mounted else ())

    def _tell(self, container: Container, action: str) -> None:
        self._engine.events.publish("container", action, container.id, container.event_attributes())


async def _root(opened: Awaitable[int]) -> int:
    try:
        return await opened
    except RuntimeFailure as error:
        raise Failed(str(error)) from None


def _stat_and_open(tree: Tree, path: str) -> tuple[str, Node]:
    return archive.path_stat(tree, path), tree.find(path, follow=False)


def _place(tree: Tree, path: str, container: Container) -> str:
    """Where an archive is to be unpacked, with every link followed."""
    try:
        folder = tree.find(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Failed("EvalSymlinks: too many links") from None
        if error.errno == errno.ENOTDIR:
            raise Failed("not a directory") from None
        raise
    with folder:
        if not folder.is_directory:
            raise BadParameter("extraction point is not a directory")
        if folder.read_only:
            raise Failed("mounted volume is marked read-only")
        if container.host_config["ReadonlyRootfs"] and not tree.is_mounted(folder.path):
            raise Failed("container rootfs is marked read-only")
        return folder.path


def _explained(request: Request, work: Callable[[], Result]) -> Result:
    """Do `work`, and say what the system refuses in upstream's words."""
    path, shown = request.query.get("path"), request.path_parameters["id"]
    try:
        return work()
    except FileNotFoundError:
        raise NotFound(f"Could not find the file {path} in container {shown}") from None
    except OSError as error:
        raise Failed(f"lstat /{path.lstrip('/')}: {(error.strerror or str(error)).lower()}") from None
    except ValueError:  # a zero byte
        raise Failed(f"lstat {path}: invalid argument") from None
