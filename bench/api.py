"""The Kubernetes API server alone: creates and lists a second, fan-out of watches, start and memory.

The server runs in a process of its own on a real state file; clients speak HTTP over TLS, on one connection
each.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.rows import Row, main
from dockyard.cluster.controlplane import ControlPlane
from dockyard.wire.clock import SystemClock
from dockyard.wire.http import Server
from dockyard.wire.tls import Pki

CREATES = 2000
LISTED = 5000
LISTS = 5
NAMESPACE, IN_NAMESPACE, NAMESPACE_LISTS = "listed", 100, 800
WATCHERS = 100
CHANGES = 50
PATH = "/api/v1/namespaces/default/configmaps"


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port, self._context = port, context

    async def open(self) -> Client:
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._context, server_hostname="127.0.0.1", limit=1 << 25
        )
        return self

    def send(self, method: str, path: str, body: bytes = b"") -> None:
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        self.writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        self.send(method, path, body)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r", 1)[0])
        return await self.reader.readexactly(length)

    async def follow(self, changes: int) -> None:
        """Read a watch until that many events have come."""
        while changes:
            changes -= (await self.reader.readline()).count(b'{"type"')

    def close(self) -> None:
        self.writer.close()


async def serve(directory: Path) -> None:
    begin = time.perf_counter()
    pki = Pki(directory / "pki")
    plane = ControlPlane(directory / "state.sqlite", SystemClock(), root_ca=pki.ca_certificate.read_text())
    port = await Server(plane.handler).listen_tcp("127.0.0.1", 0, pki.server_context())
    print(json.dumps({"port": port, "start": time.perf_counter() - begin}), flush=True)
    await asyncio.Event().wait()


async def measure_one(directory: Path) -> dict[str, float]:
    """One round against a fresh server process."""
    pki = Pki(directory / "pki")
    pki.server()
    context = pki.client_context(pki.client("admin", "kubernetes-admin", ["system:masters"]))
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", str(directory), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())
    found = {"start": told["start"] * 1000, "memory": resident(process.pid)}
    try:
        for clients in (1, 8, 16):
            found[f"creates {clients}"] = await creates(told["port"], context, clients)
        await fill(told["port"], context)
        for clients in (1, 8, 16):
            found[f"lists {clients}"] = await lists_at_once(told["port"], context, clients)
        found |= await lists(told["port"], context)
        found["fan-out"] = await fan_out(told["port"], context)
        found["memory full"] = resident(process.pid)
    finally:
        process.terminate()
        await process.wait()
    return found


def resident(pid: int) -> float:
    """MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def configmap(name: str, label: str = "plain") -> bytes:
    return json.dumps(
        {"metadata": {"name": name, "labels": {"of": label}}, "data": {"key": "value"}}
    ).encode()


async def creates(port: int, context: ssl.SSLContext, clients: int) -> float:
    opened = [await Client(port, context).open() for _ in range(clients)]

    async def work(number: int, client: Client) -> None:
        for index in range(CREATES // clients):
            await client.ask("POST", PATH, configmap(f"c{clients}-{number}-{index}"))

    seconds = await clocked(lambda: asyncio.gather(*(work(n, client) for n, client in enumerate(opened))))
    for client in opened:
        client.close()
    return CREATES / seconds


async def fill(port: int, context: ssl.SSLContext) -> None:
    """A namespace of the size that people list."""
    client = await Client(port, context).open()
    await client.ask("POST", "/api/v1/namespaces", json.dumps({"metadata": {"name": NAMESPACE}}).encode())
    for index in range(IN_NAMESPACE):
        await client.ask("POST", PATH.replace("default", NAMESPACE), configmap(f"listed-{index}"))
    client.close()


async def lists_at_once(port: int, context: ssl.SSLContext, clients: int) -> float:
    opened = [await Client(port, context).open() for _ in range(clients)]
    path = PATH.replace("default", NAMESPACE)

    async def work(client: Client) -> None:
        await repeat(lambda: client.ask("GET", path), NAMESPACE_LISTS // clients)

    seconds = await clocked(lambda: asyncio.gather(*(work(client) for client in opened)))
    for client in opened:
        client.close()
    return NAMESPACE_LISTS / seconds


async def lists(port: int, context: ssl.SSLContext) -> dict[str, float]:
    client = await Client(port, context).open()
    have = len(json.loads(await client.ask("GET", PATH))["items"])
    for index in range(LISTED - have):
        await client.ask("POST", PATH, configmap(f"filler-{index}"))
    whole = await clocked(lambda: repeat(lambda: client.ask("GET", PATH), LISTS)) / LISTS
    page = await clocked(lambda: repeat(lambda: client.ask("GET", f"{PATH}?limit=100"), 20)) / 20
    client.close()
    return {"list all": whole * 1000, "list page": page * 1000}


async def repeat(work: Callable[[], Awaitable[object]], times: int) -> None:
    for _ in range(times):
        await work()


async def fan_out(port: int, context: ssl.SSLContext) -> float:
    """Seconds a change until each of many watchers has it."""
    watchers = [await Client(port, context).open() for _ in range(WATCHERS)]
    for watcher in watchers:
        watcher.send("GET", f"{PATH}?watch=true&labelSelector=of%3Dfan")
        await watcher.reader.readuntil(b"\r\n\r\n")
    writer = await Client(port, context).open()

    async def write() -> None:
        for index in range(CHANGES):
            await writer.ask("POST", PATH, configmap(f"fan-{index}", "fan"))

    seconds = await clocked(
        lambda: asyncio.gather(write(), *(watcher.follow(CHANGES) for watcher in watchers))
    )
    for client in (*watchers, writer):
        client.close()
    return WATCHERS * CHANGES / seconds


async def clocked(work: Callable[[], Awaitable[object]]) -> float:
    begin = time.perf_counter()
    await work()
    return time.perf_counter() - begin


def measure(rounds: int) -> list[Row]:
    """A fresh server process for each round."""
    found = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as directory:
            found.append(asyncio.run(measure_one(Path(directory))))

    def row(name: str, unit: str, key: str, note: str = "") -> Row:
        return Row(name, unit, [one[key] for one in found], None, note)

    return [
        row("API server: open its state and listen", "ms", "start", "the process itself not counted"),
        row("API server: resident, empty", "MiB", "memory"),
        *(
            row(
                f"API server: creates by {n} client{'s' if n > 1 else ''}",
                "/s",
                f"creates {n}",
                "raw HTTP over TLS",
            )
            for n in (1, 8, 16)
        ),
        *(
            row(
                f"API server: lists of {IN_NAMESPACE} by {n} client{'s' if n > 1 else ''}",
                "/s",
                f"lists {n}",
                "raw HTTP over TLS",
            )
            for n in (1, 8, 16)
        ),
        row(f"API server: list of {LISTED} ConfigMaps", "ms", "list all"),
        row(f"API server: page of 100 of {LISTED}", "ms", "list page"),
        row(f"API server: events to {WATCHERS} watchers", "/s", "fan-out"),
        row(f"API server: resident with {LISTED} ConfigMaps", "MiB", "memory full"),
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve(Path(sys.argv[2])))
    else:
        main(measure, __doc__)
