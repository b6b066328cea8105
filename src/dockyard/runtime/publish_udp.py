"""Published UDP ports: datagrams to the machine are passed on to a container, and its answers back."""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

logger = logging.getLogger(__name__)

Target = Callable[[], tuple[str, int]]
"""Where the container's server is now; raises ConnectionRefusedError."""

_IDLE_SECONDS = 90.0  # as long as docker-proxy remembers a silent client
_MOST_CLIENTS = 1024


class DatagramPort:
    """One port: each client gets a socket of its own towards the container, so that answers find back."""

    def __init__(self, source: str, sandbox: str, target: Target, connected: asyncio.Event) -> None:
        self.sandbox = sandbox
        self._source = source
        self._target = target
        self._connected = connected
        self._listening: list[asyncio.DatagramTransport] = []
        self._clients: dict[tuple[int, Any], _Client] = {}

    async def listen(self, addresses: list[str], port: int) -> int:
        """Listen on `port` (0: a free one) of each address and return it. Raises OSError."""
        loop = asyncio.get_running_loop()
        for address in addresses:
            number = len(self._listening)
            transport, _ = await loop.create_datagram_endpoint(
                functools.partial(_Listener, self, number), (address, port)
            )
            self._listening.append(transport)
            port = transport.get_extra_info("sockname")[1]
        return port

    def receive(self, number: int, data: bytes, sender: Any) -> None:
        """Pass a client's datagram on; where nobody listens it is lost, as the network would lose it."""
        client = self._clients.get((number, sender))
        if not self._connected.is_set():
            return
        if client is None:
            if len(self._clients) >= _MOST_CLIENTS:
                return
            try:
                client = _Client(self, (number, sender), (self._source, 0), self._target())
            except OSError as error:
                logger.debug("sandbox %s: a datagram found no server: %s", self.sandbox, error)
                return
            self._clients[number, sender] = client
        client.send(data)

    def give_back(self, key: tuple[int, Any], data: bytes) -> None:
        """Send a container's answer to the client that it is for."""
        number, sender = key
        self._listening[number].sendto(data, sender)

    def forget(self, key: tuple[int, Any]) -> None:
        """Let a client go that has been silent, or whose server has."""
        self._clients.pop(key, None)

    def stop(self) -> None:
        for transport in self._listening:
            transport.close()
        for client in list(self._clients.values()):
            client.close()

    async def close(self) -> None:
        self.stop()


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, port: DatagramPort, number: int) -> None:
        self._port = port
        self._number = number

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._port.receive(self._number, data, addr)

    def error_received(self, exc: Exception) -> None:
        logger.debug("a published datagram port: %s", exc)


class _Client:
    """The way from one client to the container and back; it closes itself after a while of silence."""

    def __init__(
        self, port: DatagramPort, key: tuple[int, Any], source: tuple[str, int], target: tuple[str, int]
    ) -> None:
        self._port = port
        self._key = key
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.bind(source)
            self._socket.connect(target)
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._read)
        self._timer = self._loop.call_later(_IDLE_SECONDS, self.close)

    def send(self, data: bytes) -> None:
        self._wait_on()
        with suppress(OSError):  # refused or too much at once: lost
            self._socket.send(data)

    def _read(self) -> None:
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            self.close()  # the server is gone; the next datagram looks for it anew
            return
        self._wait_on()
        self._port.give_back(self._key, data)

    def _wait_on(self) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(_IDLE_SECONDS, self.close)

    def close(self) -> None:
        self._timer.cancel()
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        self._port.forget(self._key)
