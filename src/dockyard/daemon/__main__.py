"""The daemon's process: one a home, its log, its signals, and the word to whoever started it."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import gc
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from dockyard.errors import EXIT_BUG, UserError, explain
from dockyard.home import Home

logger = logging.getLogger("dockyard.daemon")

# What stopping may take: clients expect `down` to return within a second, and the rest is the kernel's work.
STOP_SECONDS = 0.8
# Python looks for cycles after so many new containers (700 by itself). Parsed objects are trees of thousands
# of dicts without any, so most looks are for nothing; twenty thousand are a few megabytes.
COLLECT_AFTER = 20_000


def main() -> int:
    """Run the platform until SIGTERM, SIGINT or POST /stop; the exit status says how it ended."""
    parser = argparse.ArgumentParser(prog="python -m dockyard.daemon", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the directory that holds the state")
    parser.add_argument("--ready-fd", type=int, help="where to write one JSON line once ready, or why not")
    parser.add_argument("--driver", help="use this file-system driver instead of choosing one")
    options = parser.parse_args()
    home = Home(options.home.absolute())
    try:
        home.prepare()
        lock = take_lock(home)
        logging.basicConfig(
            level=os.environ.get("DOCKYARD_LOG", "INFO").upper(),
            format="%(asctime)s %(levelname)-7s %(name)s %(message)s",
        )
        return asyncio.run(serve(home, options.driver, options.ready_fd))
    except UserError as error:
        tell(options.ready_fd, {"error": error.message, "advice": error.advice})
        logger.error("not started: %s", error.message)
        return error.code
    except OSError as error:
        logger.exception("not started")
        problem = explain(error, "the platform could not start")
        tell(
            options.ready_fd, {"error": problem.message, "advice": problem.advice or f"The log is {home.log}"}
        )
        return problem.code
    except Exception as error:
        logger.exception("not started: this is a bug in dockyard")
        detail = f"a bug in dockyard: {type(error).__name__}: {error}"
        tell(options.ready_fd, {"error": detail, "advice": f"Please report it with the log, {home.log}"})
        return EXIT_BUG
    finally:
        if "lock" in locals():
            tidy(home)
            os.close(lock)


def take_lock(home: Home) -> int:
    """The lock that says a daemon lives here; the kernel lets it go however the daemon ends."""
    descriptor = os.open(home.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UserError(
            f"another daemon (pid {home.daemon_pid()}) uses {home.root}",
            "Use it, stop it with `dockyard down`, or set DOCKYARD_HOME for a second one.",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def tidy(home: Home) -> None:
    """Remove the short directory of a home on a long path; the home itself stays."""
    if home.sockets != home.run:
        try:
            home.sockets.rmdir()
        except OSError:
            pass  # something of another's lies in it, or it has gone already


async def serve(home: Home, driver: str | None, ready: int | None) -> int:
    """Start the platform, say that it is ready, wait to be told to stop, and stop it."""
    # Imported here, behind the lock: a second daemon is refused before it loads anything.
    from dockyard.daemon.platform import Platform

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    platform = Platform(home, stop, driver=driver)
    try:
        await platform.start()
        gc.freeze()  # what is there now stays, and is looked at no more
        gc.set_threshold(COLLECT_AFTER, 20, 50)
        tell(ready, {"ready": platform.describe()})
        await stop.wait()
    finally:
        home.state_file.unlink(missing_ok=True)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await platform.stop()
        except TimeoutError:
            logger.warning("stopping took longer than %s s; what is left is killed", STOP_SECONDS)
    return 0


def tell(descriptor: int | None, message: dict[str, Any]) -> None:
    """Write one line for the starter, who may have gone away."""
    if descriptor is None:
        return
    try:
        os.write(descriptor, json.dumps(message).encode() + b"\n")
        os.close(descriptor)
    except OSError:
        pass  # nobody waits any more, and that changes nothing for the platform


if __name__ == "__main__":
    sys.exit(main())
