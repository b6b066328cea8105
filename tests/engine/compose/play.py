"""Plays the steps of a recorded session of docker compose again, in a project directory of its own."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Step = dict[str, Any]

RECORDED_PORT = re.compile(r"\b1800\d\b")


@dataclass
class Outcome:
    """What one step said: of a command its exit code and output, of a request its status and body."""

    code: int
    stdout: str = ""
    stderr: str = ""


@dataclass
class Player:
    """Runs steps in `project` with the environment `environ`; recorded ports become free ones."""

    project: Path
    environ: dict[str, str]
    ports: dict[str, str] = field(default_factory=dict)

    def translate(self, text: str) -> str:
        """Return `text` with this machine's ports in place of the recorded ones."""
        if not self.ports and RECORDED_PORT.search(text):
            first = free_ports(10)
            self.ports = {str(18000 + number): str(first + number) for number in range(10)}
        return RECORDED_PORT.sub(lambda match: self.ports[match[0]], text)

    def translate_back(self, text: str) -> str:
        """Undo `translate`, and call the project's directory as the recorder did."""
        for recorded, own in self.ports.items():
            text = re.sub(rf"\b{own}\b", recorded, text)
        return text.replace(str(self.project), "/home/student/project")

    def write(self, name: str, text: str) -> None:
        """Put a file of the recording into the project."""
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.translate(text))

    def play(self, step: Step) -> Outcome | None:
        """Do one step; None when there is nothing to compare."""
        if "first" in step:
            self._command({"cmd": step["first"]})
        if "write_file" in step:
            self.write(step["write_file"], step["text"])
            return None
        if "http_get" in step:
            return self._ask(step)
        if "tty" in step:
            return self._on_a_terminal(step)
        return self._command(step)

    def clean_up(self) -> None:
        """Remove every container, network and volume of the engine, which is the session's alone."""
        for command in (
            "docker ps -aq | xargs -r docker rm -fv",
            "docker network prune -f",
            "docker volume prune -af",
        ):
            self._command({"cmd": command})

    def _ask(self, step: Step) -> Outcome:
        # The recorder asked until it was answered, and left the method out: what adds was a POST.
        url = self.translate(step["http_get"])
        added = step["body"].startswith('{"added"')
        request = urllib.request.Request(url, method="POST" if added else "GET")
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as response:
                    return Outcome(response.status, response.read().decode())
            except (urllib.error.URLError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _command(self, step: Step) -> Outcome:
        command = self.translate(step["cmd"])
        process = subprocess.Popen(
            # A shell between would die of the interrupt itself.
            ["sh", "-c", f"exec {command}" if step.get("interrupted") else command],
            cwd=self.project,
            env=self.environ | step.get("env", {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        collected: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        enough = threading.Event()
        wanted = step.get("stdout", "").count("\n")

        def collect(name: str, descriptor: int) -> None:
            while chunk := os.read(descriptor, 65536):
                collected[name] += chunk
                if collected["stdout"].count(b"\n") >= wanted:
                    enough.set()

        readers = [
            threading.Thread(target=collect, args=(name, stream.fileno()))
            for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
        ]
        for reader in readers:
            reader.start()
        process.stdin.write(step.get("stdin", "").encode())
        process.stdin.close()
        try:
            if step.get("interrupted"):
                assert enough.wait(60), f"{step['cmd']} said no more than {collected}"
                os.killpg(process.pid, signal.SIGINT)
            process.wait(120)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            for reader in readers:
                reader.join(30)
            process.stdout.close()
            process.stderr.close()
        texts = {name: self.translate_back(data.decode()) for name, data in collected.items()}
        return Outcome(process.returncode, texts["stdout"], texts["stderr"])

    def _on_a_terminal(self, step: Step) -> Outcome:
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.project)
            environ = self.environ | step.get("env", {})
            script = "stty rows 24 cols 120 && exec " + self.translate(step["cmd"])
            os.execvpe("sh", ["sh", "-c", script], environ)
        output = bytearray()
        typed = step.get("stdin", "").encode()
        while True:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:  # the last one has closed its end
                break
            if not chunk:
                break
            output += chunk
            if typed and b"Created" in output:
                os.write(terminal, typed)
                typed = b""
        _pid, status = os.waitpid(child, 0)
        os.close(terminal)
        return Outcome(os.waitstatus_to_exitcode(status), self.translate_back(output.decode()))


def free_ports(count: int) -> int:
    """Return the first of `count` neighbouring ports that nothing listens on now."""
    while True:
        with contextlib.ExitStack() as held:
            first = 0
            try:
                for number in range(count):
                    probe = held.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", first + number if first else 0))
                    first = first or int(probe.getsockname()[1])
            except (OSError, OverflowError):
                continue
            return first
