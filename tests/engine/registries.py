"""Registries to test with: a real one (Debian's docker-registry) on this machine, and one that misbehaves."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.deadline import eventually

# The password is `right`.
_HTPASSWD = "learner:$2b$04$mFHARm7euCLbx2LdPla0pul9CjrkLxoWssnzUlkitOAbcXCjycAeK\n"


class RegistryProcess:
    """Runs docker-registry on a port of its own; with `password`, only for user learner, password right."""

    def __init__(self, directory: Path, *, password: bool = False) -> None:
        program = program_of_registry()
        assert program is not None
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.host = f"localhost:{port}"
        storage = {"filesystem": {"rootdirectory": str(directory / "data")}, "delete": {"enabled": True}}
        config: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "error"},
            "storage": storage,
            "http": {"addr": f"127.0.0.1:{port}"},
        }
        if password:
            (directory / "htpasswd").write_text(_HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}
        (directory / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        self._log = open(directory / "log", "wb")  # noqa: SIM115  - closed in close
        self._process = subprocess.Popen(
            [program, "serve", str(directory / "config.yml")], stdout=self._log, stderr=self._log
        )
        eventually(self._answers, "the registry to answer")

    def _answers(self) -> bool:
        assert self._process.poll() is None, "the registry ended"
        try:
            return self.ask("GET", "/v2/")[0] in (200, 401)
        except OSError:
            return False

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> tuple[int, bytes]:
        """One request, without a password."""
        connection = http.client.HTTPConnection(self.host, timeout=10)
        try:
            headers = {"Content-Type" if body else "Accept": kind} if kind else {}
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)
        self._log.close()


def program_of_registry() -> str | None:
    """Where docker-registry is, if this machine has it."""
    return shutil.which("docker-registry")


Reply = tuple[int, dict[str, str], bytes]
Handle = Callable[[str, str, dict[str, str]], Reply]


class PretendRegistry:
    """Answers GET requests with what a test's function says; it remembers the requests."""

    def __init__(self, handle: Handle) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append((self.command, self.path, headers))
                status, extra, body = handle(self.command, self.path, headers)
                self.send_response(status)
                extra.setdefault("Content-Length", str(len(body)))
                for name, value in extra.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"localhost:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


class BreakingRegistry:
    """Takes one blob after another; the first time that bytes come it keeps `keeps` of them and hangs up."""

    def __init__(self, keeps: int) -> None:
        self.requests: list[tuple[str, str, str]] = []  # method, path, Content-Range
        self.blobs: dict[str, bytes] = {}
        self.manifest = b""
        outer, kept = self, bytearray()
        broken: list[bool] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.command, self.path, self.headers.get("Content-Range", "")))
                length = int(self.headers.get("Content-Length") or 0)
                if self.command == "PATCH" and not broken:
                    broken.append(True)
                    kept.extend(self.rfile.read(keeps))
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                body = self.rfile.read(length)
                status, headers = 200, {}
                if "/uploads/" in self.path:
                    status = 202
                    headers = {"Location": "/v2/up/blobs/uploads/one", "Range": f"0-{len(kept) - 1}"}
                    if self.command == "PATCH":
                        kept.extend(body)
                    elif self.command == "PUT":
                        outer.blobs[sha256(bytes(kept))] = bytes(kept)
                        kept.clear()
                        status = 201
                elif self.command == "HEAD":
                    status = 404
                elif self.command == "PUT":
                    outer.manifest, status = body, 201
                self.send_response(status)
                for name, value in {**headers, "Content-Length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def __getattr__(self, name: str) -> Callable[[], None]:
                if name.startswith("do_"):
                    return self.do_GET
                raise AttributeError(name)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"localhost:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


class Shelf:
    """One image to be served: `answer` is a `Handle` that serves it as a registry does."""

    def __init__(self, layers: list[bytes], diff_ids: list[str], **config: object) -> None:
        self.blobs: dict[str, bytes] = {}
        document = {"architecture": "amd64", "os": "linux", "config": {}, **config}
        document["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
        self.manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self.add(json.dumps(document).encode(), "application/vnd.oci.image.config.v1+json"),
            "layers": [self.add(layer, "application/vnd.oci.image.layer.v1.tar+gzip") for layer in layers],
        }

    def add(self, blob: bytes, kind: str) -> dict[str, Any]:
        digest = sha256(blob)
        self.blobs[digest] = blob
        return {"mediaType": kind, "digest": digest, "size": len(blob)}

    def answer(self, method: str, path: str, headers: dict[str, str]) -> Reply:
        if path == "/v2/":
            return 200, {}, b"{}"
        if "/manifests/" in path:
            kind = str(self.manifest["mediaType"])
            return 200, {"Content-Type": kind}, json.dumps(self.manifest).encode()
        blob = self.blobs.get(path.rpartition("/")[2])
        if blob is None:
            return 404, {}, b'{"errors":[{"code":"BLOB_UNKNOWN"}]}'
        return 200, {}, blob


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
