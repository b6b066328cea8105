"""Back-pressure: a writer waits while the client's side of the connection is full."""

from __future__ import annotations

import asyncio

from dockyard.wire.errors import ClientDisconnectedError


class Flow:
    """The writing side of one transport, as its protocol's callbacks report it."""

    __slots__ = ("_lost", "_paused", "_waiters")

    def __init__(self) -> None:
        self._paused = False
        self._lost = False
        self._waiters: list[asyncio.Future[None]] = []

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._wake()

    def lose(self) -> None:
        self._lost = True
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def drain(self) -> None:
        """Return once more may be written.

        Raises:
            ClientDisconnectedError: the connection is gone.
        """
        while self._paused and not self._lost:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        if self._lost:
            raise ClientDisconnectedError("the client closed the connection")
