"""A parent for the network's tests: runs programs under the filter, without root file systems."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from dockyard.runtime import seccomp
from dockyard.runtime.network import Network


class SmallParent:
    """Owns listeners, one worker, and the programs it has run; ends them all on exit."""

    def __init__(self, network: Network) -> None:
        self._tables = network.worker_end
        self._journal = os.memfd_create("journal")
        os.ftruncate(self._journal, 4096)
        self._listeners: dict[int, tuple[str, int]] = {}
        self._programs: list[subprocess.Popen[bytes]] = []
        self.memory_by_parent = False
        self.start_worker()

    def __enter__(self) -> "SmallParent":
        return self

    def __exit__(self, *_: object) -> None:
        for program in self._programs:
            if program.poll() is None:
                try:
                    os.killpg(program.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            program.wait()
            for stream in (program.stdin, program.stdout):
                if stream is not None:
                    stream.close()
        self.worker.kill()
        self.worker.wait()
        self._channel.close()
        for _, fd in self._listeners.values():
            os.close(fd)
        os.close(self._journal)

    def start_worker(self, *options: str) -> None:
        """Start a worker and give it every listener."""
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fds = (self._tables.fileno(), theirs.fileno(), self._journal)
        self.worker = subprocess.Popen(
            [sys.executable, *options, "-m", "dockyard.runtime.supervisor", *map(str, fds)], pass_fds=fds
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

    def run(
        self,
        sandbox: str,
        *argv: str,
        env: dict[str, str] | None = None,
        user: int | None = None,
        cwd: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Run a program in a sandbox, its stdin and stdout as pipes."""
        ours, theirs = socket.socketpair()

        def enter() -> None:
            os.setpgid(0, 0)
            if user is not None and os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
            socket.send_fds(theirs, [b"x"], [seccomp.install()])

        program = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            cwd=cwd,
            preexec_fn=enter,
        )
        _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        ours.close()
        theirs.close()
        self._programs.append(program)
        key = len(self._listeners)
        self._listeners[key] = (sandbox, fds[0])
        self._hand_over(key)
        return program

    def python(self, sandbox: str, code: str, **options: object) -> subprocess.Popen[bytes]:
        """Run Python code in a sandbox."""
        return self.run(sandbox, sys.executable, "-c", code, **options)  # type: ignore[arg-type]
