"""The load generator: open loop, standard library only, one JSON line a request; a Pod or a process.

Requests are sent when the clock says so, however slow the answers are: a closed loop would slow down with the
system and hide the very outage that it should show (coordinated omission).
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import signal
import ssl
import sys
import time
import urllib.parse
from collections.abc import Callable, Coroutine


def say(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields, separators=(",", ":")) + "\n")
    sys.stdout.flush()


class Target:
    """What is asked, parsed once."""

    def __init__(self, url: str, method: str, body: str, headers: list[str], *, keep: bool = False) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https", "tcp") or not parts.hostname:
            raise SystemExit("the URL must look like http://host:port/path or tcp://host:port, not " + url)
        self.connect_only = parts.scheme == "tcp"
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        self.host = parts.hostname
        self.port = parts.port or (443 if self.tls else 80)
        path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        payload = body.encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: " + parts.netloc]
        lines.append("Connection: " + ("keep-alive" if keep else "close"))
        if payload:
            lines += ["Content-Type: application/json", f"Content-Length: {len(payload)}"]
        elif method in ("POST", "PUT", "PATCH"):
            lines.append("Content-Length: 0")
        self.message = ("\r\n".join(lines + headers) + "\r\n\r\n").encode() + payload


async def read_answer(reader: asyncio.StreamReader, status_line: bytes) -> dict[str, object]:
    """The rest of one answer, head and whole body; `close` is there when no other one follows."""
    if not status_line:
        raise ConnectionResetError("closed without an answer")
    words = status_line.split(None, 2)
    if len(words) < 2 or not words[1].isdigit():
        raise ValueError(f"not HTTP: {status_line[:60]!r}")
    answer: dict[str, object] = {"status": int(words[1])}
    length, chunked, close = None, False, False
    while True:
        line = await reader.readline()
        if line in (b"\r\n", b"\n"):
            break
        if not line:
            raise ConnectionResetError("closed within the headers")
        name, _, value = line.decode("latin-1").partition(":")
        name, value = name.strip().lower(), value.strip()
        if name == "x-pod":
            answer["pod"] = value
        elif name == "x-version":
            answer["version"] = value
        elif name == "content-length":
            length = int(value)
        elif name == "transfer-encoding":
            chunked = "chunked" in value.lower()
        elif name == "connection":
            close = "close" in value.lower()
    # An answer counts when it is whole: a connection that breaks in the body is a failed request.
    if length is not None and not chunked:
        await reader.readexactly(length)
    else:
        close = True  # its end is the end of the connection
        rest = await reader.read()
        if chunked and not rest.endswith(b"0\r\n\r\n"):
            raise ConnectionResetError("closed within the body")
    if close:
        answer["close"] = True
    return answer


async def ask(target: Target) -> dict[str, object]:
    """One request on a connection of its own; what came back."""
    reader, writer = await asyncio.open_connection(target.host, target.port, ssl=target.tls)
    try:
        if target.connect_only:
            return {"status": 0}
        writer.write(target.message)
        await writer.drain()
        answer = await read_answer(reader, await reader.readline())
        answer.pop("close", None)
        return answer
    finally:
        writer.close()


class Kept:
    """One connection that is kept open from request to request, as a client's connection pool does.

    A server may close an idle connection at any moment (RFC 9112, section 9.3.1), so a client has to send a
    request again, once, on a new connection when the kept one turns out to be closed before any answer.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._turn = asyncio.Lock()
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> dict[str, object]:
        """One request; `moved` in the answer says that its connection was gone and it took a new one."""
        async with self._turn:
            moved = False
            if self._open is not None:
                answer = await self._on(*self._open, last=False)
                if answer:
                    return answer
                moved = True
            self._open = await asyncio.open_connection(
                self._target.host, self._target.port, ssl=self._target.tls
            )
            answer = await self._on(*self._open, last=True)
            return {**answer, "moved": True} if moved else answer

    async def _on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, last: bool
    ) -> dict[str, object]:
        """The answer on this connection, which is kept if another one may follow.

        Without a byte of an answer: {} unless this is the `last` attempt.
        """
        open_still = False
        try:
            status_line = b""
            try:
                writer.write(self._target.message)
                await writer.drain()
                status_line = await reader.readline()
            except OSError:
                if last:
                    raise
            if not status_line and not last:
                return {}
            answer = await read_answer(reader, status_line)
            open_still = not answer.pop("close", False)
            return answer
        finally:
            if not open_still:
                self.close()

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


def reason(error: BaseException) -> str:
    """A short name for what went wrong, then what the system said."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, (ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError)):
        return "reset: " + str(error)
    name = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return "unreachable: " + name if isinstance(error, OSError) else name


async def one(
    asked: Callable[[], Coroutine[None, None, dict[str, object]]], n: int, due: float, timeout: float
) -> None:
    """Send request `n` and log it. `due` is wall-clock time; latency counts from there."""
    began = time.monotonic() - max(0.0, time.time() - due)
    answer: dict[str, object]
    try:
        answer = await asyncio.wait_for(asked(), timeout)
    except Exception as error:
        answer = {"status": None, "error": reason(error)}
    latency = (time.monotonic() - began) * 1000
    say(n=n, t=round(due, 4), latency_ms=round(latency, 1), **answer)


async def generate(options: argparse.Namespace) -> None:
    keep = options.connections > 0
    target = Target(options.url, options.method, options.body, options.header, keep=keep)
    kept = [Kept(target) for _ in range(options.connections)]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running: set[asyncio.Task[None]] = set()
    start_wall, start = time.time(), loop.time()
    say(started=round(start_wall, 4))
    n = 0
    while not stop.is_set() and (not options.count or n < options.count):
        due = n / options.rate
        if options.seconds and due >= options.seconds:
            break
        pause = start + due - loop.time()
        if pause > 0:
            try:
                await asyncio.wait_for(stop.wait(), pause)
                break
            except TimeoutError:
                pass
        asked = kept[n % len(kept)].ask if kept else functools.partial(ask, target)
        task = asyncio.ensure_future(one(asked, n, start_wall + due, options.timeout))
        running.add(task)
        task.add_done_callback(running.discard)
        n += 1
    if running:
        await asyncio.gather(*running)
    for connection in kept:
        connection.close()
    say(sent=n)


def main() -> None:
    """Generate load until --seconds, --count, or SIGTERM; then wait for the answers that are due."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, default=10.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long; 0: until stopped")
    parser.add_argument("--count", type=int, default=0, help="how many; 0: any number")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds to wait for each answer")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--body", default="")
    parser.add_argument(
        "--connections", type=int, default=0, help="keep so many open and take turns; 0: one a request"
    )
    parser.add_argument("--header", action="append", default=[], help="Name: value")
    asyncio.run(generate(parser.parse_args()))


if __name__ == "__main__":
    main()
