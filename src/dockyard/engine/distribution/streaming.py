"""Runs a transfer in a thread and turns what it says into the lines of a streamed answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable

from dockyard.engine.distribution.errors import Stopped, TransferError
from dockyard.engine.distribution.progress import Message, Progress
from dockyard.engine.distribution.threads import start

logger = logging.getLogger(__name__)

Work = Callable[[Progress], None]


def line(message: Message) -> bytes:
    """One message as it goes over the wire."""
    text = json.dumps(message, separators=(",", ":"))
    # As Go writes JSON, since some show it as it came.
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode() + b"\r\n"


def failure(text: str) -> Message:
    """The message that ends a stream badly."""
    return {"errorDetail": {"message": text}, "error": text}


async def stream(work: Work, explain: Callable[[TransferError], str] = str) -> AsyncIterator[bytes]:
    """Yield the lines; a client that goes away stops the work."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[Message | None]()

    def say(message: Message) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, message)

    progress = Progress(say)
    task = asyncio.wrap_future(start(work, progress))
    task.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (message := await queue.get()) is not None:
            yield line(message)
        try:
            task.result()
        except TransferError as error:
            yield line(failure(explain(error)))
        except Exception:
            logger.exception("a transfer failed")
            yield line(failure("dockyard: an internal mistake; see the daemon's log"))
    finally:
        progress.stop()
        task.add_done_callback(_retrieve)


def _retrieve(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (error := task.exception()) and not isinstance(error, Stopped):
        logger.debug("a transfer that nobody waits for ended: %s", error)
