"""The docker command line, unmodified, also on a terminal."""

from __future__ import annotations

import os
import pty
import select
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.conftest import Cli, Run


def test_version_and_info_name_both_sides(cli: Cli) -> None:
    assert "Server" in cli("version").stdout
    assert cli("info", "--format", "{{.OSType}}").stdout == "linux\n"


def test_run_passes_streams_and_exit_code(cli: Cli) -> None:
    result = cli("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (result.returncode, result.stdout, result.stderr) == (3, "out\n", "err\n")
    assert cli("run", "--rm", "-i", "busybox", "cat", stdin="piped\n").stdout == "piped\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("nosuchcommand",), 127), (("/etc/passwd",), 126)],
)
def test_run_of_what_cannot_be_executed_exits_as_a_shell_does(
    cli: Cli, arguments: tuple[str, ...], code: int
) -> None:
    result = cli("run", "--rm", "busybox", *arguments)
    assert result.returncode == code
    assert "OCI runtime create failed" in result.stderr


def test_run_that_the_engine_refuses_exits_125(cli: Cli) -> None:
    assert cli("run", "--rm", "-u", "nosuch", "busybox", "id").returncode == 125


def test_verbs_of_a_day(cli: Cli, name: str) -> None:
    assert cli("run", "-d", "--name", name, "busybox", "sh", "-c", "echo log; sleep 60").returncode == 0
    try:
        assert name in cli("ps", "--format", "{{.Names}} {{.Status}}").stdout
        assert cli("exec", name, "echo", "hi").stdout == "hi\n"
        assert cli("exec", name, "sh", "-c", "exit 5").returncode == 5
        # 127 as of Docker 24, 126 before.
        assert cli("exec", name, "nosuch").returncode in (126, 127)
        assert cli("exec", "-i", name, "cat", stdin="x").stdout == "x"
        assert cli("logs", name).stdout == "log\n"
        assert "sleep 60" in cli("top", name).stdout
        assert cli("inspect", "-f", "{{.State.Status}}", name).stdout == "running\n"
        assert cli("stop", "-t", "0", name).stdout == f"{name}\n"
        assert cli("inspect", "-f", "{{.State.ExitCode}}", name).stdout == "137\n"
    finally:
        cli("rm", "-f", name)
    assert name not in cli("ps", "-a", "--format", "{{.Names}}").stdout


def test_build_images_history_and_removal(cli: Cli, name: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text('FROM busybox\nCOPY f /f\nRUN cat /f > /g\nCMD ["cat", "/g"]\n')
    (tmp_path / "f").write_text("built\n")
    result = cli("build", "-t", f"{name}:1", str(tmp_path))
    assert f"Successfully tagged {name}:1" in result.stdout, result.stderr
    assert cli("run", "--rm", f"{name}:1").stdout == "built\n"
    assert name in cli("images", "--format", "{{.Repository}}").stdout
    assert "cat /f > /g" in cli("history", "--no-trunc", f"{name}:1").stdout
    assert f"Untagged: {name}:1" in cli("rmi", f"{name}:1").stdout


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execve(argv[0], argv, environment)
        self.seen = b""

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def wait_for(self, text: str, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        start = len(self.seen)
        while text.encode() not in self.seen[start:]:
            assert time.monotonic() < deadline, (text, self.seen)
            if select.select([self._fd], [], [], 0.1)[0]:
                self.seen += os.read(self._fd, 4096)

    def end(self) -> int:
        """Read to the end and return the exit code."""
        while True:
            try:
                data = os.read(self._fd, 4096)
            except OSError:
                break  # EIO: the other side is closed
            if not data:
                break
            self.seen += data
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


Start = Callable[..., Terminal]


@pytest.fixture
def terminal(docker_host: str, tmp_path: Path) -> Start:
    program = shutil.which("docker")
    if program is None:
        pytest.skip("no docker command line on this machine")
    environment = {**os.environ, "DOCKER_HOST": docker_host, "DOCKER_CONFIG": str(tmp_path), "TERM": "xterm"}
    return lambda *arguments: Terminal([program, *arguments], environment)


def test_interactive_run_is_a_terminal(terminal: Start) -> None:
    session = terminal("run", "-it", "--rm", "busybox", "sh")
    session.wait_for("# ")
    session.type("test -t 1 && echo on a $TERM\n")
    session.wait_for("on a xterm")
    session.type("exit 5\n")
    assert session.end() == 5


def test_interactive_exec_is_a_terminal(terminal: Start, run: Run) -> None:
    container = run("sleep 60")
    session = terminal("exec", "-it", container.id, "sh")
    session.wait_for("# ")
    session.type("echo in$((1 + 1))side; exit 9\n")
    session.wait_for("in2side")
    assert session.end() == 9


def test_detach_keys_leave_the_container_running(terminal: Start, cli: Cli, name: str) -> None:
    session = terminal("run", "-it", "--name", name, "busybox", "sh")
    try:
        session.wait_for("# ")
        session.type("\x10\x11")
        assert session.end() == 0
        assert cli("inspect", "-f", "{{.State.Status}}", name).stdout == "running\n"
    finally:
        cli("rm", "-f", name)
