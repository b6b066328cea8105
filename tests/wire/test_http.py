"""The HTTP server through its sockets: answers, bodies, bad input, clients that leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from dockyard.wire.http import (
    ClientDisconnectedError,
    Handler,
    Request,
    Response,
    Server,
    StreamResponse,
    json_response,
)

from .conftest import DEADLINE, Peer, Serve

Connect = Callable[[Path], Awaitable[Peer]]


async def echo(request: Request) -> Response:
    body = await request.body()
    return json_response(
        {
            "method": request.method,
            "path": request.path,
            "query": list(request.query.items()),
            "body": body.decode(),
            "probe": request.headers.get("X-Probe"),
        }
    )


GET = b"GET /a%20b?x=1&x=2&y= HTTP/1.1\r\nHost: d\r\nx-PROBE: yes\r\n\r\n"


async def test_request_reaches_the_handler_decoded(serve: Serve, connect: Connect) -> None:
    peer = await connect(await serve(echo))
    peer.send(GET)
    status, _, body = await peer.answer()
    assert status == 200
    assert body == (
        b'{"method":"GET","path":"/a b","query":[["x","1"],["x","2"],["y",""]],"body":"","probe":"yes"}\n'
    )


async def test_pipelined_requests_are_answered_in_order(serve: Serve, connect: Connect) -> None:
    async def slow_first(request: Request) -> Response:
        for _ in range(5 if request.path == "/0" else 0):
            await asyncio.sleep(0)
        return Response(body=request.path.encode() + await request.body())

    peer = await connect(await serve(slow_first))
    chunked = (
        b"POST /1 HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\r\n\r\n1\r\nz\r\n0\r\n\r\n"
    )
    sized = b"POST /2 HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\n\r\nabc"
    peer.send(b"GET /0 HTTP/1.1\r\nHost: d\r\n\r\n" + chunked + sized + b"GET /3 HTTP/1.1\r\nHost: d\r\n\r\n")
    assert [(await peer.answer())[2] for _ in range(4)] == [b"/0", b"/1\r\nz", b"/2abc", b"/3"]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_request_may_arrive_in_pieces_of_any_size(serve: Serve, connect: Connect, size: int) -> None:
    peer = await connect(await serve(echo))
    wire = (
        b"POST /p HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"4\r\n\r\n\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n" + GET
    )
    for start in range(0, len(wire), size):
        peer.send(wire[start : start + size])
        await asyncio.sleep(0)
    assert b'"body":"\\r\\n\\r\\nabc"' in (await peer.answer())[2]
    assert b'"path":"/a b"' in (await peer.answer())[2]


async def test_head_has_the_length_and_no_body(serve: Serve, connect: Connect) -> None:
    async def ping(request: Request) -> Response:
        return Response(200, {"Api-Version": "1.51"}, b"OK")

    peer = await connect(await serve(ping))
    peer.send(b"HEAD / HTTP/1.1\r\nHost: d\r\n\r\nGET / HTTP/1.1\r\nHost: d\r\n\r\n")
    head = await peer.head()
    assert b"Content-Length: 2\r\n" in head
    assert (await peer.answer())[2] == b"OK"


async def test_body_is_asked_for_with_100_continue_only_when_it_is_read(
    serve: Serve, connect: Connect
) -> None:
    async def choosy(request: Request) -> Response:
        return Response(body=await request.body()) if request.path == "/read" else Response(403)

    path = await serve(choosy)
    ask = b" HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    peer = await connect(path)
    peer.send(b"PUT /read" + ask)
    assert await peer.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    peer.send(b"hi")
    assert (await peer.answer())[2] == b"hi"
    peer.send(b"PUT /no" + ask)
    status, head, _ = await peer.answer()
    assert status == 403
    assert b"Connection: close" in head


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: d\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: d\r\nBad Name: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: d\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: d\r\n\r\n", 414),
        (b"POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 99999999999\r\n\r\n", 413),
    ],
)
async def test_malformed_or_oversized_request_gets_its_status_and_a_close(
    serve: Serve, connect: Connect, wire: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await connect(await serve(echo))
    peer.send(wire)
    answer = await peer.rest()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in answer
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_client_that_keeps_sending_still_reads_why_it_was_refused(
    serve: Serve, connect: Connect
) -> None:
    async def refuse(request: Request) -> Response:
        return Response(403, body=b"no")

    peer = await connect(await serve(refuse))
    peer.send(b"POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 3000000\r\n\r\n")
    peer.send(b"x" * 1_000_000)
    assert (await peer.answer())[::2] == (403, b"no")


async def test_failing_handler_gives_500_and_a_log_line_and_the_next_request_works(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(request: Request) -> Response:
        if request.path == "/bad":
            raise KeyError("oops")
        return Response(body=b"fine")

    peer = await connect(await serve(fails))
    peer.send(b"GET /bad HTTP/1.1\r\nHost: d\r\n\r\nGET /good HTTP/1.1\r\nHost: d\r\n\r\n")
    assert (await peer.answer())[0] == 500
    assert (await peer.answer())[2] == b"fine"
    assert "GET /bad: the handler failed" in caplog.text


async def test_stream_sends_its_head_before_the_first_chunk(serve: Serve, connect: Connect) -> None:
    go = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        await go.wait()
        yield b"one"
        yield b""
        yield b"two"

    async def stream(request: Request) -> StreamResponse:
        return StreamResponse(200, {"Content-Type": "text/plain"}, chunks())

    peer = await connect(await serve(stream))
    peer.send(b"GET / HTTP/1.1\r\nHost: d\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in await peer.head()
    go.set()
    assert await peer.exactly(21) == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    peer.send(b"HEAD / HTTP/1.1\r\nHost: d\r\n\r\n")
    await peer.head()


async def test_http_1_0_client_gets_a_stream_that_ends_with_the_connection(
    serve: Serve, connect: Connect
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"all"

    async def stream(request: Request) -> StreamResponse:
        return StreamResponse(body=chunks())

    peer = await connect(await serve(stream))
    peer.send(b"GET / HTTP/1.0\r\n\r\n")
    answer = await peer.rest()
    assert answer.endswith(b"\r\n\r\nall")
    assert b"chunked" not in answer


def endless(ended: asyncio.Event) -> Handler:
    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def stream(request: Request) -> StreamResponse:
        return StreamResponse(body=chunks())

    return stream


async def test_client_that_leaves_a_quiet_stream_is_noticed(serve: Serve, connect: Connect) -> None:
    ended = asyncio.Event()
    peer = await connect(await serve(endless(ended)))
    peer.send(b"GET / HTTP/1.1\r\nHost: d\r\n\r\n")
    await peer.head()
    await peer.close()
    await asyncio.wait_for(ended.wait(), DEADLINE)


async def test_client_that_leaves_in_the_middle_of_its_body_is_noticed(
    serve: Serve, connect: Connect
) -> None:
    seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def read(request: Request) -> Response:
        try:
            await request.body()
        except ClientDisconnectedError as error:
            seen.set_result(str(error))
            raise
        return Response()

    peer = await connect(await serve(read))
    peer.send(b"POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 9\r\n\r\nabc")
    await peer.close()
    assert "closed" in await asyncio.wait_for(seen, DEADLINE)


async def test_waiting_handler_is_told_that_its_client_left(serve: Serve, connect: Connect) -> None:
    started, told = asyncio.Event(), asyncio.Event()

    async def waits(request: Request) -> Response:
        started.set()
        await request.disconnected.wait()
        told.set()
        return Response()

    peer = await connect(await serve(waits))
    peer.send(b"POST /wait HTTP/1.1\r\nHost: d\r\n\r\n")
    await asyncio.wait_for(started.wait(), DEADLINE)
    await peer.close()
    await asyncio.wait_for(told.wait(), DEADLINE)


async def test_slow_reader_stops_its_stream_and_nobody_elses(serve: Serve, connect: Connect) -> None:
    produced = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal produced
        while True:
            produced += 1
            yield b"x" * 65536

    async def handler(request: Request) -> Response | StreamResponse:
        return StreamResponse(body=chunks()) if request.path == "/flood" else Response(body=b"quick")

    path = await serve(handler)
    slow = await connect(path)
    slow.send(b"GET /flood HTTP/1.1\r\nHost: d\r\n\r\n")
    await slow.head()
    quick = await connect(path)
    for _ in range(50):
        quick.send(b"GET / HTTP/1.1\r\nHost: d\r\n\r\n")
        assert (await quick.answer())[2] == b"quick"
    assert produced < 200


async def test_slow_handler_stops_its_clients_body(serve: Serve, connect: Connect) -> None:
    go = asyncio.Event()
    total = 64 * 1024 * 1024

    async def handler(request: Request) -> Response:
        await go.wait()
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
        return Response(body=str(size).encode())

    peer = await connect(await serve(handler))
    peer.send(b"POST / HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n" % total)
    peer.send(bytes(total))
    quick = asyncio.ensure_future(peer.writer.drain())
    for _ in range(200):
        await asyncio.sleep(0)
    assert not quick.done()
    go.set()
    assert (await peer.answer())[2] == str(total).encode()
    await quick


async def test_close_ends_streams_and_lets_a_short_answer_finish(tmp_path: Path, connect: Connect) -> None:
    ended, started, finish = asyncio.Event(), asyncio.Event(), asyncio.Event()
    stream = endless(ended)

    async def handler(request: Request) -> Response | StreamResponse | None:
        if request.path == "/stream":
            return await stream(request)
        started.set()
        await finish.wait()
        return Response(body=b"done")

    server = Server(handler)
    await server.listen_unix(tmp_path / "s")
    streaming, working, idle = [await connect(tmp_path / "s") for _ in range(3)]
    streaming.send(b"GET /stream HTTP/1.1\r\nHost: d\r\n\r\n")
    await streaming.head()
    working.send(b"GET / HTTP/1.1\r\nHost: d\r\n\r\n")
    await asyncio.wait_for(started.wait(), DEADLINE)
    closing = asyncio.ensure_future(server.close())
    await asyncio.sleep(0)
    finish.set()
    await asyncio.wait_for(closing, DEADLINE)
    assert ended.is_set()
    assert (await working.answer())[2] == b"done"
    assert await idle.rest() == b""
    assert not server.connections
    assert not (tmp_path / "s").exists()


async def test_close_does_not_wait_for_a_handler_that_hangs(tmp_path: Path, connect: Connect) -> None:
    cancelled = asyncio.Event()

    async def hangs(request: Request) -> Response:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return Response()

    server = Server(hangs)
    await server.listen_unix(tmp_path / "s")
    peer = await connect(tmp_path / "s")
    peer.send(b"GET / HTTP/1.1\r\nHost: d\r\n\r\n")
    while not server.connections:
        await asyncio.sleep(0)
    await asyncio.wait_for(server.close(), DEADLINE)
    assert await peer.rest() == b""


async def test_socket_is_private_and_a_stale_one_is_replaced(tmp_path: Path, connect: Connect) -> None:
    import socket

    path = tmp_path / "s"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    server, second = Server(echo), Server(echo)
    await server.listen_unix(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OSError, match="in use"):
        await second.listen_unix(path)
    peer = await connect(path)
    peer.send(GET)
    assert (await peer.answer())[0] == 200
    await server.close()


async def test_header_value_cannot_forge_another_header(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async def forge(request: Request) -> Response:
        return Response(200, {"X-Name": "a\r\nSet-Cookie: b"})

    peer = await connect(await serve(forge))
    peer.send(b"GET / HTTP/1.1\r\nHost: d\r\n\r\n")
    assert b"Set-Cookie" not in await peer.rest()
    assert "line break" in caplog.text
