"""From a thread that writes to an answer that is sent: a pipe, so that neither gets ahead of the other."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from typing import BinaryIO


async def outflow(write: Callable[[BinaryIO], None]) -> AsyncIterator[bytes]:
    """Run `write` in a thread of its own and yield what it writes.

    It waits while the client doesn't read, and gets BrokenPipeError when the client leaves. What it raises
    is raised here, behind the bytes that went before.
    """
    loop = asyncio.get_running_loop()
    source, sink = os.pipe2(os.O_CLOEXEC)
    done: asyncio.Future[None] = loop.create_future()

    def end(failure: BaseException | None) -> None:
        if done.done():
            return
        if failure is None:
            done.set_result(None)
        else:
            done.set_exception(failure)

    def run() -> None:
        failure: BaseException | None = None
        try:
            with open(sink, "wb") as file:
                write(file)
        except BaseException as error:
            failure = error
        try:
            loop.call_soon_threadsafe(end, failure)
        except RuntimeError:
            pass  # the loop has ended meanwhile, and with it whoever waited

    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(source, "rb", buffering=0)
    )
    # Not of the pool: as many slow clients as it has threads would stop the whole engine.
    threading.Thread(target=run, name="outflow", daemon=True).start()
    try:
        while chunk := await reader.read(1 << 18):
            yield chunk
    except BaseException:
        done.add_done_callback(lambda future: future.exception())
        raise
    finally:
        transport.close()
    await done
