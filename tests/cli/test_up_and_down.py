"""The platform's life, seen from outside: up, status, down, and what happens when it goes wrong."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dockyard.cli._processes import Identity, alive, descendants
from dockyard.home import LONGEST_SOCKET_PATH, Home
from tests.cli.conftest import CommandLine
from tests.deadline import eventually


def family(pid: int) -> set[Identity]:
    return alive(descendants(pid))


def test_status_names_pid_backend_driver_and_endpoints(running: CommandLine) -> None:
    status = running.json("status")
    assert status["running"] is True
    assert status["node_ready"] is True
    assert status["backend"] == "embedded"
    assert status["driver"]
    assert status["docker_host"] == running.home.docker_host
    assert status["kubeconfig"] == str(running.home.kubeconfig)
    os.kill(status["pid"], 0)


def test_status_of_a_platform_that_is_down_is_3(cli: CommandLine) -> None:
    done = cli.run("status", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["running"] is False


def test_second_up_finds_the_first(running: CommandLine) -> None:
    first = running.json("status")
    assert running.json("up")["pid"] == first["pid"]


def test_two_ups_at_once_start_one_platform(cli: CommandLine) -> None:
    starts = [cli.start("up", "--json") for _ in range(3)]
    pids = {json.loads(start.communicate(timeout=100)[0])["pid"] for start in starts}
    assert pids == {cli.json("status")["pid"]}


def test_down_leaves_no_process_and_no_socket(running: CommandLine) -> None:
    pid = running.json("status")["pid"]
    members = family(pid)
    assert members, "the platform has processes of its own"
    assert running.json("down")["stopped"] == pid
    assert not alive(members)
    assert running.home.daemon_pid() is None
    assert not list(running.home.run.glob("*.sock"))
    assert running.run("status").returncode == 3


def test_down_of_nothing_is_no_error(cli: CommandLine) -> None:
    done = cli.run("down", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["stopped"] is None
    assert not cli.home.root.exists(), "`down` made a home"


def test_two_homes_run_side_by_side(running: CommandLine, tmp_path: Path) -> None:
    other = CommandLine(Home(tmp_path / "other"))
    try:
        one, two = running.json("status"), other.json("up")
        assert one["pid"] != two["pid"]
        assert one["docker_host"] != two["docker_host"]
        server = [
            line
            for home in (running.home, other.home)
            for line in home.kubeconfig.read_text().split()
            if "https" in line
        ]
        assert len(set(server)) == 2
        other.run("down")
        assert running.run("status").returncode == 0
    finally:
        other.run("down")


def test_killed_daemon_takes_its_processes_along_and_can_be_started_again(running: CommandLine) -> None:
    pid = running.json("status")["pid"]
    members = family(pid)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(members), "every process of the killed daemon is gone")
    assert running.run("status").returncode == 3
    assert running.json("up")["pid"] != pid, "stale sockets, state and locks don't stand in the way"


def test_stopped_daemon_is_killed(running: CommandLine) -> None:
    pid = running.json("status")["pid"]
    members = family(pid)
    os.kill(pid, signal.SIGSTOP)
    assert running.json("down")["stopped"] == pid
    assert not alive({*members, *family(pid)})
    assert running.home.daemon_pid() is None


def test_kubeconfig_is_private_and_keeps_its_port_over_restarts(running: CommandLine) -> None:
    before = running.home.kubeconfig.read_text()
    assert stat.S_IMODE(running.home.kubeconfig.stat().st_mode) == 0o600
    assert stat.S_IMODE(running.home.docker_socket.stat().st_mode) == 0o600
    running.run("down")
    assert running.run("up").returncode == 0
    assert running.home.kubeconfig.read_text() == before


def test_platform_touches_no_configuration_of_the_learner(cli: CommandLine, tmp_path: Path) -> None:
    person = tmp_path / "person"
    person.mkdir()
    cli.environ["HOME"] = str(person)
    assert cli.run("up").returncode == 0
    assert cli.run("down").returncode == 0
    assert not list(person.rglob("*"))


def test_home_on_a_long_path_works(cli: CommandLine, tmp_path: Path) -> None:
    deep = Home(tmp_path / ("d" * 60) / ("e" * 60))
    line = CommandLine(deep)
    try:
        status = line.json("up")
        socket = status["docker_host"].removeprefix("unix://")
        assert len(socket) <= LONGEST_SOCKET_PATH
        assert Path(socket).is_socket()
        assert stat.S_IMODE(Path(socket).parent.stat().st_mode) == 0o700
    finally:
        line.run("down")
    assert not Path(socket).exists()


def test_daemon_outlives_the_terminal_that_started_it(cli: CommandLine) -> None:
    command = [sys.executable, "-P", "-m", "dockyard", "up"]
    subprocess.run(command, env=cli.environment(), start_new_session=True, capture_output=True, check=True)
    pid = cli.json("status")["pid"]
    assert os.getsid(pid) == pid


@pytest.mark.parametrize("place", ["a file", "below a file"])
def test_home_that_can_not_be_is_explained(tmp_path: Path, place: str) -> None:
    file = tmp_path / "file"
    file.touch()
    line = CommandLine(Home(file if place == "a file" else file / "home"))
    done = line.run("up")
    assert done.returncode == 4
    assert "home" in done.stderr
    assert "Traceback" not in done.stderr


IN_A_NAMESPACE = """
set -e
mount -t tmpfs -o size={size} tmpfs {home}
{more}
exec "$@"
"""


def in_namespace(
    line: CommandLine, size: str, more: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with a home on a file system of its own; skips where nobody may make one."""
    line.home.root.mkdir(exist_ok=True)
    unshare = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-Urm"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("this machine allows no mount namespace")
    script = IN_A_NAMESPACE.format(size=size, home=line.home.root, more=more)
    command = [*unshare, "sh", "-c", script, "sh", sys.executable, "-P", "-m", "dockyard", *arguments]
    return subprocess.run(
        command, env=line.environment(), capture_output=True, text=True, timeout=100, check=False
    )


def test_full_disk_is_explained(cli: CommandLine) -> None:
    done = in_namespace(cli, "32k", "", "up")
    assert done.returncode == 4, done.stderr
    assert "No space left" in done.stderr
    assert "Free some disk space" in done.stderr
    assert "Traceback" not in done.stderr


def needs_root() -> None:
    if os.getuid() != 0:
        pytest.skip("in a user namespace, mounts can't be changed as root changes them")


def test_read_only_home_is_explained(cli: CommandLine) -> None:
    needs_root()
    done = in_namespace(cli, "1m", f"mount -o remount,ro {cli.home.root}", "up")
    assert done.returncode == 4, done.stderr
    assert "DOCKYARD_HOME" in done.stderr
    assert "Traceback" not in done.stderr


def test_machine_without_shared_memory_still_works(cli: CommandLine) -> None:
    needs_root()
    hide = "mkdir {0}/empty && mount --bind {0}/empty /dev/shm && mount -o remount,bind,ro /dev/shm"
    script = textwrap.dedent("""
        import subprocess, sys
        up = [sys.executable, "-P", "-m", "dockyard"]
        status = subprocess.run([*up, "up"]).returncode
        subprocess.run([*up, "down"])
        sys.exit(status)
    """)
    line = CommandLine(cli.home)
    probe = line.home.root.with_name("probe.py")
    probe.write_text(script)
    line.home.root.mkdir(exist_ok=True)
    unshare = ["unshare", "-m"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("this machine allows no mount namespace")
    body = IN_A_NAMESPACE.format(size="500m", home=line.home.root, more=hide.format(line.home.root))
    command = [*unshare, "sh", "-c", body, "sh", sys.executable, str(probe)]
    done = subprocess.run(
        command, env=line.environment(), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_daemon_that_dies_while_starting_is_reported(cli: CommandLine) -> None:
    # A directory where the daemon's own file must be makes it fail late, behind the checks of `up`.
    cli.home.state_file.mkdir(parents=True)
    done = cli.run("up")
    assert done.returncode in (4, 70)
    assert "Traceback" not in done.stderr
    assert str(cli.home.root) in done.stderr
    assert cli.home.daemon_pid() is None, "nothing is left running"
