"""Open-loop load on a service: the generator as a Pod beside it, or as a process here; its log live."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from dockyard.exercises import loadgen
from dockyard.exercises.live import ApiFailed, Live, Manifest, Stream
from dockyard.exercises.traffic import Request, Traffic, parse

IMAGE = "python:3.12-slim"
OURS = {"app.kubernetes.io/managed-by": "dockyard-course"}
START_SECONDS = 30.0
END = b'{"sent"'  # how the generator's last line begins
SCRIPT = Path(loadgen.__file__)


class LoadFailed(Exception):
    """The load could not be generated: nothing can be said about the system."""


class Generator(Protocol):
    """Where loadgen.py runs."""

    def start(self, arguments: list[str]) -> Iterable[bytes]:
        """Start it; its lines as they come. Raises LoadFailed."""
        ...

    def stop(self) -> None:
        """Ask it to finish; the lines then end."""
        ...

    def remove(self) -> None:
        """Leave nothing of it."""
        ...


class PodGenerator:
    """Runs it as a Pod of the namespace, the script in a ConfigMap: so names resolve as for any other Pod."""

    def __init__(self, live: Live, *, patience: float = 6.0) -> None:
        """`patience`: seconds that answers which are due get when the load is told to stop."""
        self.live = live
        self.patience = round(patience)
        self.name = f"load-{secrets.token_hex(3)}"
        self._stream: Stream | None = None
        self._removed = threading.Event()

    def start(self, arguments: list[str]) -> Iterable[bytes]:
        try:
            self.live.call("POST", self.live.path("configmaps"), self._configmap())
            self.live.call("POST", self.live.path("pods"), self._pod(arguments))
            self._wait_until_started()
            self._stream = self._follow()
        except ApiFailed as error:
            raise LoadFailed(f"the load's Pod cannot be started: {error}") from error
        return self._lines(self._stream)

    def _follow(self) -> Stream:
        return self.live.stream(self.live.path("pods", self.name) + "/log", {"follow": "true"})

    def _lines(self, stream: Stream) -> Iterator[bytes]:
        """The log to its end, also over a server that hangs up early; lines may then come twice."""
        while True:
            last = b""
            for line in stream:
                last = line
                yield line
            if self._removed.is_set() or last.startswith(END):
                return
            try:
                pod = self.live.get("pods", self.name)
                if pod is None or pod["status"].get("phase") != "Running":
                    return
                self._removed.wait(0.2)
                stream = self._stream = self._follow()
            except ApiFailed:
                return  # then the log has a hole, and says so

    def _wait_until_started(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            pod = self.live.get("pods", self.name) or {}
            if pod.get("status", {}).get("phase") in ("Running", "Succeeded", "Failed"):
                return
            time.sleep(0.05)
        states = [s.get("state") for s in pod.get("status", {}).get("containerStatuses") or ()]
        raise LoadFailed(f"the load's Pod {self.name} did not start within {START_SECONDS:.0f} s: {states}")

    def stop(self) -> None:
        # Deleting sends SIGTERM; the generator then waits for the answers that are due, and the log ends.
        self._delete("pods", grace=self.patience)

    def remove(self) -> None:
        self._removed.set()
        if self._stream is not None:
            self._stream.close()
        self._delete("pods", grace=0)
        self._delete("configmaps")

    def _delete(self, kind: str, grace: int | None = None) -> None:
        query = {} if grace is None else {"gracePeriodSeconds": str(grace)}
        try:
            self.live.call("DELETE", self.live.path(kind, self.name), query=query)
        except ApiFailed as error:
            if error.code not in (404, 409):
                raise LoadFailed(f"the load's Pod {self.name} cannot be removed: {error}") from error

    def _configmap(self) -> Manifest:
        metadata = {"name": self.name, "labels": OURS}
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {"load.py": SCRIPT.read_text()},
        }

    def _pod(self, arguments: list[str]) -> Manifest:
        container = {
            "name": "load",
            "image": IMAGE,
            "command": ["python", "-u", "/load/load.py", *arguments],
            "volumeMounts": [{"name": "script", "mountPath": "/load", "readOnly": True}],
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "labels": {**OURS, "dockyard.course/role": "load"}},
            "spec": {
                "containers": [container],
                "volumes": [{"name": "script", "configMap": {"name": self.name}}],
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": self.patience,
                "enableServiceLinks": False,
            },
        }


class LocalGenerator:
    """Runs it on this machine, for the published ports of containers."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, arguments: list[str]) -> Iterable[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-u", str(SCRIPT), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        return self._process.stdout

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def remove(self) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(6)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Load(Traffic):
    """A running load, and its log so far. Use it in a `with`; afterwards it is the complete log.

    Raises LoadFailed on entry when nothing could be sent, and on exit when the log has holes.
    """

    def __init__(
        self,
        generator: Generator,
        url: str,
        *,
        rate: float = 10.0,
        seconds: float = 0.0,
        count: int = 0,
        timeout: float = 5.0,
        method: str = "GET",
        body: str = "",
        headers: Iterable[str] = (),
        connections: int = 0,
        on_request: Callable[[Request], None] | None = None,
    ) -> None:
        super().__init__()
        self.url = url
        self.rate = rate
        self.limit = seconds
        self._generator = generator
        self._arguments = [url, f"--rate={rate}", f"--seconds={seconds}", f"--count={count}"]
        self._arguments += [f"--timeout={timeout}", f"--method={method}", f"--body={body}"]
        self._arguments += [f"--header={header}" for header in headers]
        self._arguments += [f"--connections={connections}"] if connections else []
        self._timeout = timeout
        self._on_request = on_request
        self._news = threading.Condition()
        self._begun = False
        self._over = False
        self._sent: int | None = None
        self._noise: list[str] = []
        self._numbers: set[int] = set()
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        lines = self._generator.start(self._arguments)
        self._reader = threading.Thread(target=self._read, args=(lines,), name="load-log", daemon=True)
        self._reader.start()
        with self._news:
            self._news.wait_for(lambda: self._begun or self._over, START_SECONDS)
        if not self._begun:
            self._generator.remove()
            raise LoadFailed(f"the load generator did not start: {' '.join(self._noise[-3:]) or 'no output'}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.finish()
        except LoadFailed:
            if error is None:
                raise

    def finish(self) -> None:
        """Stop sending, wait for the answers that are due, remove the generator."""
        try:
            self._generator.stop()
            if self._reader is not None:
                self._reader.join(self._timeout + 7)
        finally:
            self._generator.remove()
        if missing := self.missing():
            raise LoadFailed(f"the log of the load lost {len(missing)} of {self._sent or '?'} requests")

    def wait(self) -> None:
        """Wait until a load with an end of its own (`seconds`, `count`) has reached it."""
        if self._reader is not None:
            self._reader.join(self.limit + 60 if self.limit else 120)

    def collect(self, count: int, within: float = 30.0) -> bool:
        """Wait until `count` requests in all have come to an end; whether they did in that time."""
        with self._news:
            self._news.wait_for(lambda: len(self.requests) >= count or self._over, within)
            return len(self.requests) >= count

    def missing(self) -> list[int]:
        seen = {request.n for request in self.requests}
        last = self._sent if self._sent is not None else max(seen, default=-1) + 1
        return [n for n in range(last) if n not in seen]

    def _read(self, lines: Iterable[bytes]) -> None:
        try:
            for line in lines:
                self._learn(line.decode(errors="replace").strip())
        except ValueError:
            pass  # the stream was closed while we were reading it
        with self._news:
            self._over = True
            self._news.notify_all()

    def _learn(self, line: str) -> None:
        request = parse(line)
        with self._news:
            if request is not None and request.n in self._numbers:
                return
            if request is not None:
                self._numbers.add(request.n)
                self.requests.append(request)
            elif line.startswith('{"started"'):
                self._begun = True
            elif line.encode().startswith(END):
                self._sent = int(json.loads(line)["sent"])
            elif line:
                self._noise.append(line)
            self._news.notify_all()
        if request is not None and self._on_request:
            self._on_request(request)
