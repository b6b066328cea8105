"""What the virtual network costs: connecting, bursts, the worker's CPU, traffic on connections that stand.

    python bench/network.py [--json] [--rounds N]

Each sample comes from fresh processes: once without the filter, once in two sandboxes. Needs no privileges.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.runtime.small_parent import SmallParent

from bench.rows import Row, main
from dockyard.runtime.network import Network

SERVER = """
    import socket, sys, threading
    server = socket.create_server((sys.argv[1], 8000), backlog=1024)
    print("ready", flush=True)
    def serve(connection):
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""

CLIENT = """
    import json, socket, statistics, sys, threading, time
    target = (sys.argv[1], 8000)

    def connect():
        started = time.perf_counter()
        sock = socket.create_connection(target)
        taken = time.perf_counter() - started
        sock.close()
        return taken

    def burst(threads):
        barrier, taken = threading.Barrier(threads), []
        def one():
            barrier.wait()
            taken.append(connect())
        running = [threading.Thread(target=one) for _ in range(threads)]
        for thread in running: thread.start()
        for thread in running: thread.join()
        return sorted(taken)

    for _ in range(50):
        connect()
    latencies = sorted(connect() for _ in range(1000))
    started = time.perf_counter()
    for _ in range(2000):
        with socket.create_connection(target) as sock:
            sock.sendall(b"x")
            sock.recv(1)
    rate = 2000 / (time.perf_counter() - started)
    print("measured", flush=True)
    at_once = burst(200)
    with socket.create_connection(target) as sock:
        started = time.perf_counter()
        for _ in range(5000):
            sock.sendall(b"x" * 200)
            sock.recv(65536)
        trips = 5000 / (time.perf_counter() - started)
    print(json.dumps({
        "connect_us": statistics.median(latencies) * 1e6,
        "connect_p99_us": latencies[989] * 1e6,
        "connects_per_second": rate,
        "burst_200_p99_ms": at_once[197] * 1e3,
        "keep_alive_per_second": trips,
    }), flush=True)
"""


FIGURES = {
    "connect_us": ("connect, median", "us"),
    "connect_p99_us": ("connect, 99th percentile", "us"),
    "connects_per_second": ("connections with one round trip each", "per s"),
    "burst_200_p99_ms": ("200 threads at once, 99th percentile", "ms"),
    "keep_alive_per_second": ("round trips on a standing connection", "per s"),
    "worker_cpu_us_per_connect": ("worker's CPU a connection", "us"),
    "worker_mb": ("worker's memory (PSS)", "MB"),
}


def cpu_seconds(pid: int) -> float:
    """The user and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """The memory of a process that is its alone or its share of (PSS), in MB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def plain() -> dict[str, float]:
    """One run without any filter, on the machine's own 127.77.77.77."""
    argv = [sys.executable, "-c", textwrap.dedent(SERVER), "127.77.77.77"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        client = [sys.executable, "-c", textwrap.dedent(CLIENT), "127.77.77.77"]
        output = subprocess.run(client, check=True, capture_output=True).stdout
        server.kill()
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


async def filtered(home: Path) -> dict[str, float]:
    """One run between two sandboxes."""
    network = Network(home)
    await network.start()
    address = network.attach("server", groups=["bench"]).address
    network.attach("client", groups=["bench"])
    with SmallParent(network) as parent:
        server = parent.run("server", sys.executable, "-c", textwrap.dedent(SERVER), "0.0.0.0")
        await server.line()
        before = cpu_seconds(parent.worker.pid)
        client = parent.run("client", sys.executable, "-c", textwrap.dedent(CLIENT), address)
        await client.line()
        used = cpu_seconds(parent.worker.pid) - before
        result: dict[str, float] = json.loads(await client.line())
        result["worker_cpu_us_per_connect"] = used / 3050 * 1e6
        result["worker_mb"] = resident_mb(parent.worker.pid)
    await network.close()
    return result


def measure(rounds: int) -> list[Row]:
    """Plain and filtered in turn, so that a busy moment of the machine hits both."""
    without, within = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            without.append(plain())
            within.append(asyncio.run(filtered(Path(folder))))
    rows = []
    for name, (what, unit) in FIGURES.items():
        rows += [Row(f"{what}, without", unit, [run[name] for run in without])] if name in without[0] else []
        rows.append(Row(what, unit, [run[name] for run in within]))
    return rows


if __name__ == "__main__":
    main(measure, __doc__)
