"""A parent for the network's tests: runs programs under the filter, without root file systems."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

from dockyard.runtime import seccomp
from dockyard.runtime.network import Network

_WORKER = """
import sys
from dockyard.runtime import supervisor
supervisor.main(*map(int, sys.argv[1:]))
"""


class SmallParent:
    """Owns listeners, one worker, and the programs it has run; ends them all on exit."""

    def __init__(self, network: Network) -> None:
        self._tables = network.worker_end
        self._journal = os.memfd_create("journal")
        os.ftruncate(self._journal, 4096)
        self._listeners: dict[int, tuple[str, int]] = {}
        self._programs: list[subprocess.Popen[bytes]] = []
        self.start_worker()

    def __enter__(self) -> "SmallParent":
        return self

    def __exit__(self, *raised: object) -> None:
        for program in self._programs:
            if program.poll() is None:
                try:
                    os.killpg(program.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            program.wait()
            for pipe in (program.stdin, program.stdout):
                if pipe is not None:
                    pipe.close()
        self.worker.kill()
        self.worker.wait()
        self._channel.close()
        for _, fd in self._listeners.values():
            os.close(fd)
        os.close(self._journal)

    def start_worker(self, prelude: str = "") -> None:
        """Start a worker and give it every listener; it runs the `prelude` first."""
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fds = (self._tables.fileno(), theirs.fileno(), self._journal)
        self.worker = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(prelude) + _WORKER, *map(str, fds)], pass_fds=fds
        )
        theirs.close()
        for key in self._listeners:
            self._hand_over(key)
        threading.Thread(target=self._open_memory, args=(self._channel,), daemon=True).start()

    def kill_worker(self) -> None:
        self.worker.kill()
        self.worker.wait()
        self._channel.close()

    def _hand_over(self, key: int) -> None:
        sandbox, fd = self._listeners[key]
        message = json.dumps({"listener": key, "sandbox": sandbox}).encode()
        socket.send_fds(self._channel, [message], [fd])

    def _open_memory(self, channel: socket.socket) -> None:
        while True:
            try:
                raw = channel.recv(4096)
            except OSError:
                return
            if not raw:
                return
            message = json.loads(raw)
            fd = os.open(f"/proc/{message['memory']}/mem", os.O_RDWR)
            socket.send_fds(channel, [raw], [fd])
            os.close(fd)

    def run(self, sandbox: str, *argv: str, user: int | None = None, cwd: Path | None = None) -> "Program":
        """Run a program in a sandbox, as `user` where the tests are root."""
        ours, theirs = socket.socketpair()

        def enter() -> None:
            os.setpgid(0, 0)
            if user is not None and os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
            socket.send_fds(theirs, [b"x"], [seccomp.install()])

        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd, preexec_fn=enter
        )
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        ours.close()
        theirs.close()
        self._programs.append(process)
        key = len(self._listeners)
        self._listeners[key] = (sandbox, fds[0])
        self._hand_over(key)
        return Program(process)

    def python(self, sandbox: str, code: str) -> "Program":
        """Run Python code in a sandbox."""
        return self.run(sandbox, sys.executable, "-u", "-c", textwrap.dedent(code))


class Program:
    """A program in a sandbox, and what it prints."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.pid = process.pid

    async def line(self) -> str:
        """The next line it prints; fails after 30 s."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            raw = await asyncio.to_thread(self.process.stdout.readline)
        assert raw, f"the program ended with {self.process.wait()}"
        return raw.decode().rstrip("\n")

    async def output(self) -> str:
        """All the rest it prints, until it ends by itself within 60 s."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            return (await asyncio.to_thread(self.process.stdout.read)).decode().rstrip("\n")

    def say(self, line: str) -> None:
        """Write a line to its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
