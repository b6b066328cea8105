"""Listening sockets, and the handler behind them."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

from dockyard.wire.clock import Clock, SystemClock, http_date
from dockyard.wire.connection import Connection
from dockyard.wire.request import Request
from dockyard.wire.response import Response, StreamResponse

Handler = Callable[[Request], Awaitable[Response | StreamResponse | None]]
"""Answers a request. None means that it was hijacked, or became a websocket."""

CLOSE_SECONDS = 0.3
BACKLOG = 4096


class Server:
    """HTTP/1.1 for one handler on any number of sockets."""

    def __init__(self, handler: Handler, *, clock: Clock | None = None) -> None:
        self.handler = handler
        self.clock: Clock = clock or SystemClock()
        self.connections: set[Connection] = set()
        self.closing = False
        self._listeners: list[asyncio.Server] = []
        self._paths: list[tuple[Path, int]] = []
        self._date = (0, "")

    async def listen_unix(self, path: Path | str, mode: int = 0o600) -> None:
        """Listen on a unix socket that only `mode` may open; a stale socket at `path` is replaced.

        Raises:
            OSError: something answers at `path` already (EADDRINUSE), or it cannot be made.
        """
        path = Path(path)
        _remove_stale(path)
        listener = socket.socket(socket.AF_UNIX)
        try:
            # The mode is set by the umask, not afterwards: there is no moment in which others can connect.
            umask = os.umask(0o777 & ~mode)
            try:
                listener.bind(str(path))
            finally:
                os.umask(umask)
            listener.setblocking(False)
            server = await asyncio.get_running_loop().create_unix_server(
                lambda: Connection(self, "http"), sock=listener, backlog=BACKLOG
            )
        except BaseException:
            listener.close()
            raise
        self._listeners.append(server)
        self._paths.append((path, path.stat().st_ino))

    async def listen_tcp(self, host: str, port: int = 0, ssl_context: ssl.SSLContext | None = None) -> int:
        """Listen on `host`:`port` (0 = the system chooses) and return the port.

        Raises:
            OSError: the address is taken, or not ours.
        """
        scheme = "http" if ssl_context is None else "https"
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self, scheme), host, port, ssl=ssl_context, backlog=BACKLOG, reuse_address=True
        )
        self._listeners.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stop listening and end every connection; answers under way get CLOSE_SECONDS."""
        self.closing = True
        for listener in self._listeners:
            listener.close()
        for path, inode in self._paths:
            try:
                if path.stat().st_ino == inode:
                    path.unlink()
            except FileNotFoundError:
                pass  # somebody tidied up before us
        self._listeners.clear()
        self._paths.clear()
        tasks = [task for connection in list(self.connections) if (task := connection.shut_down())]
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
        for connection in list(self.connections):
            connection.abort()
        rest = [task for task in tasks if not task.done()]
        if rest:
            await asyncio.wait(rest, timeout=CLOSE_SECONDS / 2)
        # One more turn, so that the transports report their end.
        await asyncio.sleep(0)

    def forget(self, connection: Connection) -> None:
        """Called by a connection when it is gone."""
        self.connections.discard(connection)

    def date(self) -> str:
        """Return the value of the Date header; made once a second."""
        second = int(self.clock.now())
        if second != self._date[0]:
            self._date = (second, http_date(second))
        return self._date[1]


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on any more."""
    if not path.is_socket():
        return
    probe = socket.socket(socket.AF_UNIX)
    try:
        probe.connect(str(path))
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
    except OSError:
        pass  # bind will say what is wrong
    finally:
        probe.close()
