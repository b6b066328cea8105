"""Threads for what waits on a network: they hold up neither other work nor the end of the daemon."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

Result = TypeVar("Result")
P = ParamSpec("P")


def start(function: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> Future[Result]:
    """Run it in a thread of its own. A registry that is silent may keep it for as long as it likes."""
    future: Future[Result] = Future()

    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, daemon=True, name=f"registry-{function.__name__}").start()
    return future


async def aside(function: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> Result:
    """As `asyncio.to_thread`, whose few threads are shared with everything else."""
    return await asyncio.wrap_future(start(function, *args, **kwargs))
