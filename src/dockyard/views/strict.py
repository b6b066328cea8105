"""Makes a cell fail where IPython only prints: shell lines, scripts, magics, threads and tasks.

The runner loads it (`%load_ext dockyard.views.strict`, or DOCKYARD_STRICT=1); a learner's kernel doesn't.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from IPython.core.error import UsageError

Excuse = tuple[type[BaseException], BaseException, TracebackType | None]


class ShellFailed(Exception):
    """A shell line ended with an exit code other than 0."""


class Strict:
    """One kernel's strictness."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self._tasks: set[asyncio.Task[Any]] = set()
        self._behind: list[Excuse] = []  # what failed in threads and tasks since the cell began

    def install(self) -> None:
        """Replace what lets failures pass. Idempotent."""
        if getattr(self.shell, "_dockyard_strict", None):
            return
        self.shell._dockyard_strict = self
        # ipykernel 7.4 answers an unknown magic from this attribute, which no error has set yet, and hangs.
        self.shell._last_traceback = getattr(self.shell, "_last_traceback", None)
        self.shell.system = self._system
        self.shell.getoutput = self._getoutput
        for name in ("bash", "sh"):
            self.shell.register_magic_function(self._script(name), "cell", name)
        threading.excepthook = self._thread_failed
        # Cells without an await would run on a path of their own, where tasks get no turn.
        self.shell.should_run_async = lambda *args, **kwargs: True
        self.shell.run_cell_async = self._with_background(self.shell.run_cell_async)

    def _system(self, command: str) -> None:
        """`!command`: bash with pipefail, and an exit code other than 0 raises."""
        expanded = self.shell.var_expand(command, depth=1)
        code = stream(["bash", "-o", "pipefail", "-c", expanded])
        self.shell.user_ns["_exit_code"] = code
        if code:
            raise ShellFailed(f"exit code {code}: {expanded.strip()}")

    def _getoutput(self, command: str, split: bool = True, depth: int = 0) -> Any:
        """`lines = !command`."""
        from IPython.utils.text import LSString, SList

        expanded = self.shell.var_expand(command, depth=depth + 1)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", expanded],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise ShellFailed(f"exit code {done.returncode}: {expanded.strip()}\n{done.stdout}")
        return SList(done.stdout.splitlines()) if split else LSString(done.stdout)

    def _script(self, name: str) -> Callable[[str, str], None]:
        """`%%bash` and `%%sh`: any line that fails ends the script and the cell."""
        options = ["-e", "-o", "pipefail"] if name == "bash" else ["-e"]

        def run(line: str, cell: str) -> None:
            if line.strip():
                raise UsageError(f"%%{name} takes no arguments in lessons: {line.strip()}")
            if code := stream([name, *options, "-c", cell]):
                raise ShellFailed(f"%%{name}: exit code {code}")

        return run

    def _thread_failed(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            self._behind.append((args.exc_type, args.exc_value, args.exc_traceback))

    def _task_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None:
            loop.default_exception_handler(context)
        else:
            self._behind.append((type(error), error, error.__traceback__))

    def _with_background(self, run_cell_async: Callable[..., Any]) -> Callable[..., Any]:
        """Run a cell, give its tasks and threads a turn, and fail it for what failed in them.

        A failure that comes later fails the next cell: late, but never silent.
        """

        async def run(*args: Any, **kwargs: Any) -> Any:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(self._task_failed)
            before = asyncio.all_tasks(loop)
            result = await run_cell_async(*args, **kwargs)
            self._tasks |= asyncio.all_tasks(loop) - before
            for _ in range(3):
                await asyncio.sleep(0)
            self._collect()
            if self._behind and result.success:
                kind, error, trace = self._behind[0]
                self._behind.clear()
                self.shell.showtraceback((kind, error, trace))
                result.error_in_exec = error
            return result

        return run

    def _collect(self) -> None:
        """Note what failed in finished tasks that nobody awaited."""
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            # Private, and the only word on whether somebody has seen the exception already.
            unseen = getattr(task, "_log_traceback", True)
            if not task.cancelled() and unseen and (error := task.exception()) is not None:
                self._behind.append((type(error), error, error.__traceback__))
        gc.collect()  # a task that nobody holds reports when it is collected


def stream(argv: list[str]) -> int:
    """Run a command with its output in the cell; its exit code. No terminal: outputs get stored."""
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for said in process.stdout:
                print(said, end="", flush=True)
        except KeyboardInterrupt:
            process.kill()
            raise
    return process.returncode


def load_ipython_extension(shell: Any) -> None:
    """Called by `%load_ext dockyard.views.strict`."""
    Strict(shell).install()
