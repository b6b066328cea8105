"""Set-up of a fresh clone, what the launcher adds later, and `./dockyard lab` to the first cell."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.place import PROJECT
from bench.rows import Row, main

TOKEN = "bench"
PATIENCE = 600.0


def clone(directory: Path) -> Path:
    """A fresh clone of what is committed."""
    target = directory / "clone"
    subprocess.run(["git", "clone", "--quiet", f"file://{PROJECT}", target], check=True)
    return target


def seconds(command: list[str], environ: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environ, capture_output=True, check=True)
    return time.perf_counter() - started


def first_cell(project: Path, environ: dict[str, str]) -> float:
    """Seconds from `./dockyard lab` until a kernel of its server is idle, ready for the first cell."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = time.perf_counter()
    process = subprocess.Popen(
        [project / "dockyard", "lab", "--no-browser", "--port", str(port)],
        env={**environ, "JUPYTER_TOKEN": TOKEN},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        base = f"http://localhost:{port}/api/kernels"
        kernel = wait(lambda: ask("POST", base))["id"]
        wait(
            lambda: (
                ask("GET", f"{base}/{kernel}")["execution_state"] in ("idle", "starting")
                and channel(port, kernel)
            )
        )
        return time.perf_counter() - started
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        subprocess.run([project / "dockyard", "down"], env=environ, capture_output=True, check=True)


def channel(port: int, kernel: str) -> bool:
    """Whether a cell that is sent to the kernel comes back with its answer, as JupyterLab would send it."""
    import websocket

    url = f"ws://localhost:{port}/api/kernels/{kernel}/channels?token={TOKEN}"
    connection = websocket.create_connection(url, timeout=PATIENCE)
    header = {
        "msg_id": "1",
        "session": "bench",
        "username": "",
        "msg_type": "execute_request",
        "version": "5.3",
    }
    content = {"code": "print(6 * 7)", "silent": False, "store_history": False, "user_expressions": {},
               "allow_stdin": False}  # fmt: skip
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    connection.send(json.dumps(message))
    while True:
        answer = json.loads(connection.recv())
        if answer["msg_type"] == "stream":
            connection.close()
            return "42" in answer["content"]["text"]


def ask(method: str, url: str) -> Any:
    request = urllib.request.Request(url, method=method, headers={"Authorization": f"token {TOKEN}"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def wait(condition: Any) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if found := condition():
                return found
        time.sleep(0.05)
    raise TimeoutError("JupyterLab did not get ready")


def measure(rounds: int) -> list[Row]:
    """Every sample of the set-up is a clone of its own."""
    cold: list[float] = []
    overhead: list[float] = []
    lab: list[float] = []
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DOCKYARD_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    for number in range(rounds):
        with tempfile.TemporaryDirectory(prefix="dockyard-bench-", ignore_cleanup_errors=True) as directory:
            project = clone(Path(directory))
            cold.append(first_cell(project, environ))
            if number == rounds - 1:
                for _ in range(rounds):
                    through = seconds([str(project / "dockyard"), "--version"], environ)
                    python = str(project / ".venv" / "bin" / "python")
                    overhead.append(through - seconds([python, "-P", "-m", "dockyard", "--version"], environ))
                    lab.append(first_cell(project, environ))
    return [
        Row("fresh clone: ./dockyard lab to the first cell", "s", cold, 90.0, "package cache warm"),
        Row("second ./dockyard lab to the first cell", "s", lab, 5.0, "with the platform's start"),
        Row("what the launcher adds to a command", "s", overhead, 0.15),
    ]


if __name__ == "__main__":
    main(measure, __doc__, rounds=1)
