"""The load generator: open loop, standard library only, one JSON line a request; a Pod or a process.

Requests are sent when the clock says so, however slow the answers are: a closed loop would slow down with the
system and hide the very outage that it should show (coordinated omission).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import ssl
import sys
import time
import urllib.parse


def say(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields, separators=(",", ":")) + "\n")
    sys.stdout.flush()


class Target:
    """What is asked, parsed once."""

    def __init__(self, url: str, method: str, body: str, headers: list[str]) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https", "tcp") or not parts.hostname:
            raise SystemExit("the URL must look like http://host:port/path or tcp://host:port, not " + url)
        self.connect_only = parts.scheme == "tcp"
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        self.host = parts.hostname
        self.port = parts.port or (443 if self.tls else 80)
        path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        payload = body.encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: " + parts.netloc, "Connection: close"]
        if payload:
            lines += ["Content-Type: application/json", f"Content-Length: {len(payload)}"]
        elif method in ("POST", "PUT", "PATCH"):
            lines.append("Content-Length: 0")
        self.message = ("\r\n".join(lines + headers) + "\r\n\r\n").encode() + payload


async def ask(target: Target) -> dict[str, object]:
    """One request on a connection of its own; what came back."""
    reader, writer = await asyncio.open_connection(target.host, target.port, ssl=target.tls)
    try:
        if target.connect_only:
            return {"status": 0}
        writer.write(target.message)
        await writer.drain()
        status_line = await reader.readline()
        if not status_line:
            raise ConnectionResetError("closed without an answer")
        words = status_line.split(None, 2)
        if len(words) < 2 or not words[1].isdigit():
            raise ValueError(f"not HTTP: {status_line[:60]!r}")
        answer: dict[str, object] = {"status": int(words[1])}
        length, chunked = None, False
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
        # An answer counts when it is whole: a connection that breaks in the body is a failed request.
        if length is not None and not chunked:
            await reader.readexactly(length)
        else:
            rest = await reader.read()
            if chunked and not rest.endswith(b"0\r\n\r\n"):
                raise ConnectionResetError("closed within the body")
        return answer
    finally:
        writer.close()


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


async def one(target: Target, n: int, due: float, timeout: float) -> None:
    """Send request `n` and log it. `due` is wall-clock time; latency counts from there."""
    began = time.monotonic() - max(0.0, time.time() - due)
    answer: dict[str, object]
    try:
        answer = await asyncio.wait_for(ask(target), timeout)
    except Exception as error:
        answer = {"status": None, "error": reason(error)}
    latency = (time.monotonic() - began) * 1000
    say(n=n, t=round(due, 4), latency_ms=round(latency, 1), **answer)


async def generate(options: argparse.Namespace) -> None:
    target = Target(options.url, options.method, options.body, options.header)
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
        task = asyncio.ensure_future(one(target, n, start_wall + due, options.timeout))
        running.add(task)
        task.add_done_callback(running.discard)
        n += 1
    if running:
        await asyncio.gather(*running)
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
    parser.add_argument("--header", action="append", default=[], help="Name: value")
    asyncio.run(generate(parser.parse_args()))


if __name__ == "__main__":
    main()
