"""Published TCP ports: what connects to the machine is passed on to a container, half-close included."""

import asyncio
import errno
import logging
import socket
from contextlib import suppress
from typing import Protocol

from dockyard.runtime.publish_udp import DatagramPort, Target
from dockyard.runtime.reachable import addresses_of

logger = logging.getLogger(__name__)

_CHUNK = 1 << 16


class AddressInUse(OSError):
    """The port is taken on the machine, by another container or another program."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(errno.EADDRINUSE, f"{host}:{port} is already in use")
        self.host = host
        self.port = port


class _Published(Protocol):
    """A port that is listened on, of either protocol."""

    sandbox: str

    async def listen(self, addresses: list[str], port: int) -> int: ...

    def stop(self) -> None: ...

    async def close(self) -> None: ...


class Publisher:
    """All published ports. Containers see connections come from `source`, as from a bridge's gateway."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._ports: dict[tuple[str, int, str], _Published] = {}

    async def publish(
        self,
        host: str,
        port: int,
        sandbox: str,
        target: Target,
        connected: asyncio.Event,
        protocol: str = "tcp",
    ) -> int:
        """Listen on `host`:`port` (0: a free one), return it; connections wait while `connected` is clear.

        Datagrams (`protocol` udp) are lost then. Raises AddressInUse, other OSErrors of bind(2).
        """
        kind = _Port if protocol == "tcp" else DatagramPort
        listening: _Published = kind(self._source, sandbox, target, connected)
        try:
            actual = await listening.listen(addresses_of(host, self._source), port)
        except OSError as error:
            listening.stop()
            if error.errno == errno.EADDRINUSE:
                raise AddressInUse(host or "0.0.0.0", port) from error
            raise
        self._ports[host, actual, protocol] = listening
        return actual

    async def unpublish(self, host: str, port: int, protocol: str = "tcp") -> None:
        listening = self._ports.pop((host, port, protocol), None)
        if listening is not None:
            await listening.close()

    def forget(self, sandbox: str) -> None:
        """Stop at once whatever is published for a sandbox."""
        for key, listening in list(self._ports.items()):
            if listening.sandbox == sandbox:
                del self._ports[key]
                listening.stop()

    async def close(self) -> None:
        ports, self._ports = list(self._ports.values()), {}
        for listening in ports:
            await listening.close()


class _Port:
    def __init__(self, source: str, sandbox: str, target: Target, connected: asyncio.Event) -> None:
        self.sandbox = sandbox
        self.servers: list[asyncio.Server] = []
        self._source = source
        self._target = target
        self._connected = connected
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, addresses: list[str], port: int) -> int:
        for address in addresses:
            server = await asyncio.start_server(self.accept, address, port, limit=_CHUNK)
            self.servers.append(server)
            port = server.sockets[0].getsockname()[1]
        return port

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        for server in self.servers:
            server.close()
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        self.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner: asyncio.StreamWriter | None = None
        try:
            await self._connected.wait()
            back, inner = await asyncio.open_connection(
                *self._target(), local_addr=(self._source, 0), limit=_CHUNK
            )
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(reader, inner))
                pumps.create_task(_pump(back, writer))
        except (OSError, ExceptionGroup) as error:
            logger.debug("sandbox %s: a published connection ended: %s", self.sandbox, error)
            _reset(writer)
        except asyncio.CancelledError:
            for side in (writer, inner):
                if side is not None:
                    side.transport.abort()  # what is still to be sent may never go, as after a cut
            raise
        finally:
            writer.close()
            if inner is not None:
                inner.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    # What failed inside shows outside as a reset, not as a polite end of the stream.
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()
