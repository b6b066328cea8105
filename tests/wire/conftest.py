"""A running server for each test, and clients that speak bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from dockyard.wire.http import Handler, Server

DEADLINE = 10.0
Serve = Callable[[Handler], Awaitable[Path]]


class Peer:
    """A client's end of a connection, with a deadline on every read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), DEADLINE)

    async def exactly(self, n: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(n), DEADLINE)

    async def rest(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(), DEADLINE)

    async def answer(self) -> tuple[int, bytes, bytes]:
        """Read one answer that has a Content-Length: status, head, body."""
        head = await self.head()
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        return int(head.split()[1]), head, await self.exactly(length)

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass  # the server was faster


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    servers: list[Server] = []

    async def start(handler: Handler) -> Path:
        server = Server(handler)
        servers.append(server)
        path = tmp_path / f"s{len(servers)}"
        await server.listen_unix(path)
        return path

    yield start
    for server in servers:
        await server.close()


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[Path], Awaitable[Peer]]]:
    peers: list[Peer] = []

    async def open_(path: Path) -> Peer:
        peer = Peer(*await asyncio.open_unix_connection(str(path)))
        peers.append(peer)
        return peer

    yield open_
    for peer in peers:
        await peer.close()
