"""A running process as the daemon sees it: its output, its input, its terminal, its end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import struct
import termios
from collections.abc import Callable
from dataclasses import dataclass

Sink = Callable[[int, bytes], None]
_CHUNK = 65536
_LAST_CHUNKS = 16  # a pipe holds no more than 1 MiB (pipe(7))
_MOST_WAITING = 1 << 20  # bytes of input kept for a program that doesn't read


@dataclass(frozen=True)
class ExitStatus:
    """How a process ended: its exit code, or 128 + the signal that killed it; `finished_at` is Unix time."""

    code: int
    signal: int | None
    oom_killed: bool
    finished_at: float


class Process:
    """The first process of a container, or one that was started in it later. Made by `Runtime` only."""

    def __init__(self, key: str, send_signal: Callable[[str, int], None]) -> None:
        self.key = key
        self.pid = 0
        self.started_at = 0.0
        self._send_signal = send_signal
        self._loop = asyncio.get_running_loop()
        self._exited: asyncio.Future[ExitStatus] = self._loop.create_future()
        self._sinks: list[Sink] = []
        self._outputs: dict[int, int] = {}
        self._ended: list[int] = []
        self._early: list[tuple[int, bytes]] = []
        self._input = -1
        self._terminal = False
        self._waiting = bytearray()
        self._close_after = False
        self._room = asyncio.Event()
        self._room.set()

    # -- output

    def subscribe(self, sink: Sink) -> Callable[[], None]:
        """Calls `sink(stream, data)` for all later output; b"" ends that stream (a terminal has only 1).

        What was written before the first subscription is kept for it. Returns a function that ends it.
        """
        self._sinks.append(sink)
        early, self._early = self._early, []
        for stream, data in early:
            sink(stream, data)
        if not early:
            for stream in self._ended:
                sink(stream, b"")

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._sinks.remove(sink)

        return unsubscribe

    def pause_output(self) -> None:
        """Stops reading: a program that writes on waits once its pipes are full. Its end is still noticed."""
        for fd in self._outputs.values():
            self._loop.remove_reader(fd)

    def resume_output(self) -> None:
        """Reads again."""
        for stream, fd in self._outputs.items():
            self._loop.add_reader(fd, self._read, stream)

    # -- input

    def write_stdin(self, data: bytes) -> None:
        """Queues `data` for the program; dropped when its input is closed."""
        if self._input < 0 or self._close_after:
            return
        self._waiting += data
        self._flush()

    async def drain_stdin(self) -> None:
        """Returns when so little input is waiting that more may be written."""
        await self._room.wait()

    def close_stdin(self) -> None:
        """Ends the program's input after what is queued; a terminal gets its end-of-file character."""
        if self._input < 0 or self._close_after:
            return
        if self._terminal:
            self.write_stdin(b"\x04")
            return
        self._close_after = True
        self._flush()

    def resize(self, rows: int, columns: int) -> None:
        """Sets the terminal's size; the program gets SIGWINCH. Nothing happens without a terminal."""
        if self._terminal and self._input >= 0:
            fcntl.ioctl(self._input, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    # -- life

    def signal(self, signum: int) -> None:
        """Sends `signum` to the program itself (never to a wrapper); nothing happens when it has ended."""
        if not self._exited.done():
            self._send_signal(self.key, signum)

    @property
    def status(self) -> ExitStatus | None:
        """How it ended, None while it runs."""
        return self._exited.result() if self._exited.done() else None

    async def wait(self) -> ExitStatus:
        """Returns when the program has ended and all that it wrote was given to the sinks."""
        return await asyncio.shield(self._exited)

    # -- for Runtime

    def attach(self, outputs: dict[int, int], stdin: int, *, terminal: bool) -> None:
        """Takes over the daemon's ends of the pipes, or of the terminal, and starts to read."""
        self._outputs, self._input, self._terminal = dict(outputs), stdin, terminal
        for fd in {*outputs.values(), stdin} - {-1}:
            os.set_blocking(fd, False)
        for stream, fd in outputs.items():
            self._loop.add_reader(fd, self._read, stream)

    def finish(self, status: ExitStatus) -> None:
        """The program has ended: what it left in the pipes is given out, then everything is closed."""
        for stream, fd in list(self._outputs.items()):
            # What was written before the end is in the pipe; those that it left behind may write on for ever.
            for _ in range(_LAST_CHUNKS):
                if not self._read(stream):
                    break
            if stream in self._outputs:
                self._end(stream, keep=True)
                if not self._terminal:
                    self._loop.add_reader(fd, self._discard, fd)
        self._close_input()
        if not self._exited.done():
            self._exited.set_result(status)

    def _read(self, stream: int) -> bool:
        try:
            data = os.read(self._outputs[stream], _CHUNK)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:  # a terminal whose last program is gone
                raise
            data = b""
        if data:
            self._give(stream, data)
            return True
        self._end(stream)
        return False

    def _discard(self, fd: int) -> None:
        """Reads on for processes that were left behind, so that writing doesn't kill them."""
        try:
            if os.read(fd, _CHUNK):
                return
        except BlockingIOError:
            return
        self._loop.remove_reader(fd)
        os.close(fd)

    def _end(self, stream: int, *, keep: bool = False) -> None:
        fd = self._outputs.pop(stream)
        self._loop.remove_reader(fd)
        if not self._terminal and not keep:
            os.close(fd)
        self._ended.append(stream)
        self._give(stream, b"")

    def _give(self, stream: int, data: bytes) -> None:
        if not self._sinks:
            self._early.append((stream, data))
        for sink in list(self._sinks):
            sink(stream, data)

    def _flush(self) -> None:
        try:
            while self._waiting:
                written = os.write(self._input, self._waiting[:_CHUNK])
                del self._waiting[:written]
        except BlockingIOError:
            self._loop.add_writer(self._input, self._flush)
            if len(self._waiting) > _MOST_WAITING:
                self._room.clear()
            return
        except OSError:
            self._waiting.clear()
            self._close_after = not self._terminal  # the program closed its input
        self._loop.remove_writer(self._input)
        self._room.set()
        if self._close_after:
            self._close_input()

    def _close_input(self) -> None:
        if self._input >= 0:
            self._loop.remove_writer(self._input)
            os.close(self._input)
            self._input = -1
        self._waiting.clear()
        self._room.set()
