"""Compares HTTP layers: requests a second for small JSON, memory, and a hijack with half-close.

    python bench/http_layer.py [--seconds 3] [ours aiohttp uvicorn ...]

Each candidate serves a unix socket in a process of its own; the client is the same for all, sixteen
keep-alive connections that ask again as soon as they were answered. `aiohttp` and `uvicorn` are not
dependencies of dockyard: install them beside it to repeat the comparison, otherwise they are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CONNECTIONS = 16
BODY = {"kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}}, "status": {"phase": "Running"}}
REQUEST = b"GET /json HTTP/1.1\r\nHost: d\r\nAccept: application/json\r\nUser-Agent: bench/1\r\n\r\n"
HIJACK = (
    b"POST /hijack HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}"
)


async def serve_ours(path: str) -> None:
    from dockyard.wire.http import Request, Response, Server, json_response

    async def handler(request: Request) -> Response | None:
        if request.path == "/json":
            return json_response(BODY)
        stream = await request.hijack(101, {"Upgrade": "tcp"})
        while data := await stream.read():
            stream.write(data)
        stream.write(b"end")
        stream.write_eof()
        return None

    await Server(handler).listen_unix(path)
    await asyncio.Event().wait()


async def serve_aiohttp(path: str) -> None:
    from aiohttp import web

    async def answer(request: Any) -> Any:
        return web.json_response(BODY)

    app = web.Application()
    app.router.add_get("/json", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, path).start()
    await asyncio.Event().wait()


async def serve_uvicorn(path: str) -> None:
    import uvicorn

    body = json.dumps(BODY).encode()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(BODY).encode()})

    options = {"uds": path, "log_level": "error", "http": "httptools", "lifespan": "off", "loop": "asyncio"}
    await uvicorn.Server(uvicorn.Config(app, access_log=False, **options)).serve()


SERVERS = {"ours": serve_ours, "aiohttp": serve_aiohttp, "uvicorn": serve_uvicorn}


async def load(path: str, seconds: float) -> float:
    """Return answers a second."""
    end = time.monotonic() + seconds
    count = 0

    async def one() -> None:
        nonlocal count
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        total = len(head) + length
        while time.monotonic() < end:
            writer.write(REQUEST)
            await reader.readexactly(total)
            count += 1
        writer.close()

    started = time.monotonic()
    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return count / (time.monotonic() - started)


async def hijack(path: str) -> str:
    """Tell whether raw bytes flow both ways after 101, and still flow back after our half has ended."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(HIJACK)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2)
        if b" 101 " not in head:
            return "no"
        writer.write(b"hello ")
        writer.write_eof()
        return "yes" if await asyncio.wait_for(reader.read(), 2) == b"hello end" else "no half-close"
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        return "no"
    finally:
        writer.close()


def answers(path: str) -> bool:
    """Tell whether a server listens there already."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def memory(pid: int) -> float:
    """Return the resident set in MiB."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def measure(name: str, seconds: float) -> dict[str, Any] | None:
    """Run one candidate; None when it is not installed."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/s"
        server = subprocess.Popen([sys.executable, __file__, "--serve", name, path], stderr=subprocess.PIPE)
        try:
            deadline = time.monotonic() + 10
            while not answers(path):
                if server.poll() is not None or time.monotonic() > deadline:
                    return None
                time.sleep(0.01)
            idle = memory(server.pid)
            rates = sorted(asyncio.run(load(path, seconds)) for _ in range(5))
            return {
                "server": name,
                "requests_per_second": round(rates[2]),
                "rates": [round(rate) for rate in rates],
                "hijack_with_half_close": asyncio.run(hijack(path)),
                "idle_mib": round(idle, 1),
                "after_load_mib": round(memory(server.pid), 1),
            }
        finally:
            server.kill()
            server.communicate()


def rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """As bench/rows.py has them."""
    name = result["server"]
    found: list[tuple[str, str, list[float]]] = [
        (f"{name}: small JSON answers", "/s", result["rates"]),
        (f"{name}: memory after load", "MiB", [result["after_load_mib"]]),
    ]
    return [
        {"what": what, "unit": unit, "samples": samples, "budget": None, "note": ""}
        for what, unit, samples in found
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--serve", nargs=2, metavar=("NAME", "PATH"), help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="rows for bench/run")
    parser.add_argument("names", nargs="*", default=list(SERVERS))
    arguments = parser.parse_args()
    if arguments.serve:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(SERVERS[arguments.serve[0]](arguments.serve[1]))
        return
    if arguments.json:
        results = [measure(name, arguments.seconds) for name in arguments.names]
        print(json.dumps([row for result in results if result for row in rows(result)]))
        return
    for name in arguments.names:
        print(json.dumps(measure(name, arguments.seconds) or {"server": name, "skipped": "not installed"}))


if __name__ == "__main__":
    main()
