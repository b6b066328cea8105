"""What was acknowledged survives the daemon's sudden end, and damage is reported as such."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

import pytest
from kubernetes import client

from tests.cli.conftest import CommandLine
from tests.daemon.kills import Killing
from tests.daemon.writers import connected
from tests.deadline import eventually

SEED = 4  # with which a start is among the moments


@pytest.mark.parametrize("moment", [3, 40])
def test_kill_loses_no_acknowledged_write(cli: CommandLine, moment: int) -> None:
    pid = cli.json("up")["pid"]
    acknowledged: list[str] = []

    def write() -> None:
        with connected(cli.home.kubeconfig) as api:
            core = client.CoreV1Api(api)
            for number in range(100_000):
                name = f"entry-{number}"
                body = {"metadata": {"name": name}, "data": {"number": str(number)}}
                try:
                    core.create_namespaced_config_map("default", body)
                except Exception:  # the daemon was killed, and the client says so in one of many ways
                    return
                acknowledged.append(name)

    writer = threading.Thread(target=write)
    writer.start()
    eventually(lambda: len(acknowledged) >= moment, "some writes are acknowledged")
    os.kill(pid, signal.SIGKILL)
    writer.join(timeout=60)
    assert not writer.is_alive()
    assert cli.run("up").returncode == 0
    with connected(cli.home.kubeconfig) as api:
        found = client.CoreV1Api(api).list_namespaced_config_map("default").items
    kept = {item.metadata.name for item in found}
    assert set(acknowledged) <= kept


@pytest.mark.timeout(300)  # a few starts of the platform, beside other tests
def test_kills_at_random_lose_no_acknowledged_write_and_the_cluster_converges(cli: CommandLine) -> None:
    """Clients of several kinds; `python -m tests.daemon.kills` does it two hundred times."""
    outcome = Killing(cli.home, SEED).run(5)
    assert outcome.lost == []
    assert outcome.at_start
    assert outcome.writes > 20


@pytest.mark.parametrize("file", ["state.sqlite", "engine.sqlite", "images/images.sqlite"])
def test_damaged_state_is_reported_with_a_way_out(cli: CommandLine, file: str) -> None:
    damaged: Path = cli.home.root / file
    damaged.parent.mkdir(parents=True, exist_ok=True)
    damaged.write_bytes(b"this is no database" * 1000)
    done = cli.run("up")
    assert done.returncode == 4, done.stderr
    assert "mv " in done.stderr
    assert "Traceback" not in done.stderr
    assert cli.home.daemon_pid() is None


def test_taken_port_of_last_time_is_replaced(cli: CommandLine) -> None:
    cli.json("up")
    cli.run("down")
    remembered = cli.home.root / "kubernetes.port"
    port = int(remembered.read_text())
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        assert cli.run("up").returncode == 0
        assert int(remembered.read_text()) != port
        assert f"127.0.0.1:{remembered.read_text().strip()}\n" in cli.home.kubeconfig.read_text()
