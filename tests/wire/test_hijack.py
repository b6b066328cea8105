"""Connections that leave HTTP: raw streams after 101 and 200, half-closes, websockets."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dockyard.wire.http import ClientDisconnectedError, Request, Response

from .conftest import DEADLINE, Peer, Serve

Connect = Callable[[Path], Awaitable[Peer]]
UPGRADE = b"Connection: Upgrade\r\nUpgrade: tcp\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"


async def shout(request: Request) -> None:
    """Say the request's body, then what comes in capitals, then goodbye once the client has ended."""
    body = await request.body()
    upgraded = "tcp" in request.headers.tokens("upgrade")
    headers = {"Content-Type": "application/vnd.docker.raw-stream"}
    stream = await request.hijack(
        101 if upgraded else 200,
        headers | ({"Upgrade": "tcp"} if upgraded else {}),
        "UPGRADED" if upgraded else "",
    )
    stream.write(body)
    while data := await stream.read():
        stream.write(data.upper())
        await stream.drain()
    stream.write(b"bye")
    stream.write_eof()


@pytest.mark.parametrize("upgrade", [UPGRADE, b""])
@pytest.mark.parametrize(
    ("body", "said"), [(b"\r\n", b""), (b"Content-Length: 2\r\n\r\nhi", b"hi"), (CHUNKED, b"hi")]
)
@pytest.mark.parametrize("together", [True, False])
async def test_hijacked_stream_carries_both_directions_and_half_closes(
    serve: Serve, connect: Connect, upgrade: bytes, body: bytes, said: bytes, together: bool
) -> None:
    peer = await connect(await serve(shout))
    request = b"POST /attach HTTP/1.1\r\nHost: d\r\n" + upgrade + body
    if together:
        peer.send(request + b"early ")
        head = await peer.head()
    else:
        peer.send(request)
        head = await peer.head()
        peer.send(b"early ")
    assert head.startswith(b"HTTP/1.1 101 UPGRADED" if upgrade else b"HTTP/1.1 200 OK")
    assert b"chunked" not in head
    assert await peer.exactly(len(said) + 6) == said + b"EARLY "
    peer.send(b"late")
    peer.writer.write_eof()
    assert await peer.rest() == b"LATEbye"


async def test_server_may_end_its_half_first(serve: Serve, connect: Connect) -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listens(request: Request) -> None:
        stream = await request.hijack(200)
        stream.write(b"over")
        stream.write_eof()
        data = b""
        while piece := await stream.read():
            data += piece
        heard.set_result(data)

    peer = await connect(await serve(listens))
    peer.send(b"POST / HTTP/1.1\r\nHost: d\r\n\r\n")
    await peer.head()
    assert await peer.rest() == b"over"
    peer.send(b"still here")
    peer.writer.write_eof()
    assert await asyncio.wait_for(heard, DEADLINE) == b"still here"


async def test_upgrade_that_the_handler_ignores_is_an_ordinary_request(
    serve: Serve, connect: Connect
) -> None:
    async def plain(request: Request) -> Response:
        return Response(404, body=await request.body())

    peer = await connect(await serve(plain))
    h2c = b"POST /session HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    peer.send(h2c + b"Content-Length: 2\r\n\r\nhi" + h2c + CHUNKED + b"GET / HTTP/1.1\r\nHost: d\r\n\r\n")
    assert [(await peer.answer())[::2] for _ in range(3)] == [(404, b"hi"), (404, b"hi"), (404, b"")]


async def test_hijacked_stream_notices_that_the_client_left(serve: Serve, connect: Connect) -> None:
    gone = asyncio.Event()

    async def talks(request: Request) -> None:
        stream = await request.hijack(200)
        try:
            while True:
                stream.write(b"x" * 4096)
                await stream.drain()
                await asyncio.sleep(0)
        except ClientDisconnectedError:
            await stream.wait_closed()
            gone.set()

    peer = await connect(await serve(talks))
    peer.send(b"POST / HTTP/1.1\r\nHost: d\r\n\r\n")
    await peer.head()
    await peer.close()
    await asyncio.wait_for(gone.wait(), DEADLINE)


async def test_stream_whose_reader_is_slow_stops_the_client(serve: Serve, connect: Connect) -> None:
    go = asyncio.Event()

    async def counts(request: Request) -> None:
        stream = await request.hijack(200)
        await go.wait()
        size = 0
        while data := await stream.read(1000):
            assert len(data) <= 1000
            size += len(data)
        stream.write(str(size).encode())

    peer = await connect(await serve(counts))
    peer.send(b"POST / HTTP/1.1\r\nHost: d\r\n\r\n")
    await peer.head()
    peer.send(bytes(8 * 1024 * 1024))
    peer.writer.write_eof()
    sent = asyncio.ensure_future(peer.writer.drain())
    for _ in range(200):
        await asyncio.sleep(0)
    assert not sent.done()
    go.set()
    assert await peer.rest() == str(8 * 1024 * 1024).encode()
    await sent


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    mask = os.urandom(4)
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack(">H", len(payload))
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return bytes([opcode | (0x80 if fin else 0)]) + size + mask + masked


async def unframe(peer: Peer) -> tuple[int, bytes]:
    first, size = await peer.exactly(2)
    if size == 126:
        (size,) = struct.unpack(">H", await peer.exactly(2))
    return first & 15, await peer.exactly(size)


async def upper(request: Request) -> None:
    socket = await request.websocket(["v5.channel.k8s.io", "v4.channel.k8s.io"])
    while (message := await socket.receive()) is not None:
        await socket.send(message.upper())
    await socket.close()


def handshake(*protocols: bytes) -> bytes:
    key = base64.b64encode(bytes(16))
    lines = b"".join(b"Sec-WebSocket-Protocol: " + p + b"\r\n" for p in protocols)
    return (
        b"GET /ws HTTP/1.1\r\nHost: d\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n" + lines + b"\r\n"
    )


async def test_websocket_carries_text_and_binary_and_answers_pings(serve: Serve, connect: Connect) -> None:
    peer = await connect(await serve(upper))
    peer.send(handshake(b"v9.x, v4.channel.k8s.io"))
    head = await peer.head()
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n" in head
    assert b"Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n" in head
    peer.send(frame(1, b"he", fin=False) + frame(9, b"ping") + frame(0, b"llo") + frame(2, b"a" * 300))
    assert await unframe(peer) == (10, b"ping")
    assert await unframe(peer) == (1, b"HELLO")
    assert await unframe(peer) == (2, b"A" * 300)
    peer.send(frame(8, struct.pack(">H", 1000)))
    assert (await unframe(peer))[0] == 8
    assert await peer.rest() == b""


async def test_websocket_without_a_common_subprotocol_is_refused(serve: Serve, connect: Connect) -> None:
    peer = await connect(await serve(upper))
    peer.send(handshake(b"mqtt"))
    assert (await peer.answer())[0] == 403
    peer.send(b"GET /ws HTTP/1.1\r\nHost: d\r\n\r\n")
    assert (await peer.answer())[0] == 400
