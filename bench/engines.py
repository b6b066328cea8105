"""Our engine beside a real Docker Engine, through the same client, one after the other in one run.

The real one is the engine at $DOCKYARD_REAL_DOCKER_HOST; without it only ours is measured. It needs
python:3.12-slim and busybox, and is left as it was.
"""

from __future__ import annotations

import http.client
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import docker

from bench.build import APP, clocked, connect
from bench.engine_processes import Processes
from bench.place import home
from bench.rows import Row, main

CONTAINERS = 50
LISTED = 500
AT_ONCE = 4
REQUESTS = 300
Samples = dict[str, list[float]]


class Engine:
    """One engine under measurement: everything made there carries a label, and is removed at the end."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client
        self.processes = Processes.behind(client)
        self._label = f"bench.{uuid.uuid4().hex[:12]}"
        self._tag = f"orders:{self._label}"

    def measure(self, rounds: int) -> Samples:
        """Samples by the name of the figure."""
        found: Samples = {
            "build cold": [],
            "build cached": [],
            "first 200": [],
            "run": [],
            "up": [],
            "down": [],
            "memory idle": [self.processes.memory()],
        }
        self._build()
        for _ in range(rounds):
            found["build cold"].append(clocked(lambda: self._build(nocache=True)))
            found["build cached"].append(clocked(self._build))
            found["first 200"].append(self._first_answer())
            found["run"] += [clocked(self._run) for _ in range(5)]
        for number in range(2):
            found["up"].append(clocked(self._up))
            if number == 0:
                found["memory with containers"] = [self.processes.memory()]
                found["stats"] = self._stats(4 * rounds)
            found["down"].append(clocked(self._down))
        found["ping"] = [self._pings_a_second() for _ in range(rounds)]
        self._many(lambda _: self._create(["true"]), LISTED)
        found["ps"] = [
            clocked(lambda: self.client.api.containers(all=True)) * 1000 for _ in range(4 * rounds)
        ]
        self._down()
        return found

    def close(self) -> None:
        self._down()
        try:
            self.client.images.remove(self._tag, force=True)
        except docker.errors.ImageNotFound:
            pass  # the build has failed
        self.client.close()

    def _build(self, **options: Any) -> None:
        self.client.images.build(path=str(APP), tag=self._tag, rm=True, **options)

    def _create(self, command: list[str], image: str = "busybox", **options: Any) -> Any:
        return self.client.containers.create(image, command, labels=[self._label], **options)

    def _run(self) -> None:
        container = self._create(["true"])
        container.start()
        container.wait()
        container.remove()

    def _first_answer(self) -> float:
        """Seconds from `docker run` of the FastAPI image to its first answer on the published port."""
        started = time.perf_counter()
        container = self.client.containers.run(
            self._tag,
            detach=True,
            labels=[self._label],
            environment={"DATABASE_URL": ""},
            ports={"8000/tcp": ("127.0.0.1", None)},
        )
        container.reload()
        port = int(container.ports["8000/tcp"][0]["HostPort"])
        while not _answers(port):
            if time.perf_counter() - started > 60:
                raise TimeoutError(container.logs().decode())
            time.sleep(0.005)
        took = time.perf_counter() - started
        container.remove(force=True)
        return took

    def _up(self) -> None:
        self._many(lambda _: self._create(["sleep", "600"], detach=True).start(), CONTAINERS)

    def _stats(self, times: int) -> list[float]:
        """Milliseconds that one sample of one container took, each time."""
        one = self._mine()[0]
        return [clocked(lambda: one.stats(stream=False, one_shot=True)) * 1000 for _ in range(times)]

    def _down(self) -> None:
        self._many(lambda one: one.remove(force=True), self._mine())

    def _mine(self) -> list[Any]:
        return list(
            self.client.containers.list(all=True, filters={"label": self._label}, ignore_removed=True)
        )

    def _many(self, action: Callable[[Any], object], what: int | list[Any]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(action, range(what) if isinstance(what, int) else what))

    def _pings_a_second(self) -> float:
        took = clocked(lambda: [self.client.ping() for _ in range(REQUESTS)])
        return REQUESTS / took


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def ours() -> Iterator[Engine]:
    """The platform of a home of its own, Kubernetes included."""
    with home() as environ:
        client = connect(environ)
        for image in ("busybox:latest", "python:3.12-slim"):
            client.images.pull(image)
        engine = Engine(client)
        yield engine
        engine.close()


@contextmanager
def real(host: str) -> Iterator[Engine]:
    engine = Engine(docker.DockerClient(base_url=host, timeout=120))
    try:
        yield engine
    finally:
        engine.close()


def measure(rounds: int) -> list[Row]:
    """Ours first, then the real one, each alone."""
    with ours() as engine:
        mine = engine.measure(rounds)
    theirs: Samples = {}
    host = os.environ.get("DOCKYARD_REAL_DOCKER_HOST")
    if host:
        with real(host) as engine:
            theirs = engine.measure(rounds)

    def row(key: str, what: str, unit: str, note: str = "", *, more: bool = False) -> Row:
        return Row(what, unit, mine[key], None, note, theirs.get(key, []), more)

    return [
        row("build cold", "build the FastAPI image, no cache", "s"),
        row("build cached", "build it again unchanged", "s"),
        row("first 200", "run the FastAPI image to the first 200 on its published port", "s"),
        row("run", "run and remove `true`", "s"),
        row("up", f"{CONTAINERS} containers up", "s", f"{AT_ONCE} at once"),
        row("down", f"{CONTAINERS} containers down and removed", "s", f"{AT_ONCE} at once"),
        row("ps", f"`ps -a` with {LISTED} containers", "ms"),
        row("stats", f"one `stats` beside {CONTAINERS} containers", "ms"),
        row("ping", "pings, one client", "/s", more=True),
        row("memory idle", "the engine's processes, no container", "MB", "PSS; ours with its Kubernetes API"),
        row("memory with containers", f"the engine's processes, {CONTAINERS} containers", "MB", "PSS"),
    ]


if __name__ == "__main__":
    main(measure, __doc__, rounds=2)
