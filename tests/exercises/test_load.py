"""The load generator against a real server on this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dockyard.exercises.load import Load, LoadFailed, LocalGenerator


class Handler(BaseHTTPRequestHandler):
    """`/slow` answers nobody until twenty have asked; `/cut` breaks off in the body."""

    together = threading.Barrier(20)

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.together.wait(20)
        status = 503 if self.path == "/broken" else 200
        self.send_response(status)
        self.send_header("X-Pod", "pod-1")
        self.send_header("X-Version", "7")
        self.send_header("Content-Length", "99" if self.path == "/cut" else "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test looks at the client's side."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.together = threading.Barrier(20)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        Handler.together.abort()
        httpd.shutdown()
        thread.join()


def test_every_request_is_logged_with_pod_version_and_status(server: str) -> None:
    with Load(LocalGenerator(), server + "/", rate=50, count=5) as load:
        load.wait()
    assert [request.status for request in load] == [200] * 5
    assert (load[0].pod, load[0].version) == ("pod-1", "7")
    assert load.missing() == []


def test_slow_answers_do_not_slow_the_load_down(server: str) -> None:
    with Load(LocalGenerator(), server + "/slow", rate=100, count=20, timeout=15) as load:
        # All twenty are under way before the first is answered: a closed loop would wait for it for ever.
        assert load.collect(20, within=15)
    assert [request.status for request in load] == [200] * 20
    due = [request.t for request in sorted(load, key=lambda request: request.n)]
    assert due[-1] - due[0] == pytest.approx(0.19, abs=0.001)  # the schedule, not the clock


def test_a_refused_connection_is_a_request_that_failed() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with Load(LocalGenerator(), url, rate=50, count=3) as load:
            load.wait()
    assert [request.label for request in load] == ["refused"] * 3


@pytest.mark.parametrize(("path", "label"), [("/broken", "503"), ("/cut", "reset")])
def test_half_an_answer_is_no_answer(server: str, path: str, label: str) -> None:
    with Load(LocalGenerator(), server + path, rate=50, count=2) as load:
        load.wait()
    assert {request.label for request in load} == {label}


def test_a_tcp_target_is_only_connected_to(server: str) -> None:
    with Load(LocalGenerator(), server.replace("http", "tcp"), rate=50, count=2) as load:
        load.wait()
    assert [request.label for request in load] == ["connected"] * 2


def test_a_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with Load(LocalGenerator(), url, rate=50, count=1, timeout=0.3) as load:
            load.wait()
    assert load[0].label == "timeout"


def test_a_load_without_an_end_stops_with_its_block(server: str) -> None:
    with Load(LocalGenerator(), server + "/", rate=50) as load:
        assert load.collect(3, within=10)
    assert load.missing() == []
    assert len(load) >= 3


def test_a_generator_that_cannot_start_says_why() -> None:
    with pytest.raises(LoadFailed, match="URL must look like"), Load(LocalGenerator(), "ftp://nowhere/"):
        pass


class Keeper(Handler):
    """Keeps connections open, and closes each after its third answer without saying so before."""

    protocol_version = "HTTP/1.1"
    opened = 0

    def setup(self) -> None:
        super().setup()
        type(self).opened += 1
        self.answers = 0

    def do_GET(self) -> None:
        super().do_GET()
        self.answers += 1
        self.close_connection = self.answers == 3 or self.path == "/cut"


@pytest.fixture
def keeper() -> Iterator[str]:
    Keeper.opened = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Keeper) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


def test_a_kept_connection_is_used_again_and_replaced_when_the_server_closed_it(keeper: str) -> None:
    with Load(LocalGenerator(), keeper + "/", rate=50, count=9, connections=1) as load:
        load.wait()
    assert [request.status for request in load] == [200] * 9
    assert Keeper.opened == 3
    assert [request.n for request in load if request.moved] == [3, 6]


def test_a_kept_connection_that_breaks_within_an_answer_is_a_request_that_failed(keeper: str) -> None:
    with Load(LocalGenerator(), keeper + "/cut", rate=50, count=2, connections=1) as load:
        load.wait()
    assert [request.label for request in load] == ["reset"] * 2
