"""The two registries of the recorder, in memory: one that takes images, one that denies everything."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<what>manifests|blobs/uploads|blobs)/(?P<rest>[^/]*)")
_DENIED = 'Bearer realm="https://auth.example.invalid/token",service="x",error="insufficient_scope"'


class RecordersRegistry:
    """On a port of its own; its errors have no details, and repositories below `denied/` are for nobody."""

    def __init__(self, *, denies: bool = False) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, dict[str, tuple[str, bytes]]] = {}
        self.uploads: dict[str, bytes] = {}
        self.denies = denies
        registry = self

        class Handler(_Handler):
            state = registry

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"localhost:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def clear(self) -> None:
        """Forget everything, as before a conversation."""
        for kept in (self.blobs, self.manifests, self.uploads):
            kept.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


class _Handler(BaseHTTPRequestHandler):
    state: RecordersRegistry

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path == "/v2/":
            self._answer(200, b"{}")
            return
        found = _PATH.fullmatch(url.path)
        if found is None:
            self._error(404, "NAME_UNKNOWN")
        elif self.state.denies:
            errors = [{"code": "UNAUTHORIZED", "message": "authentication required", "detail": []}]
            self._answer(401, json.dumps({"errors": errors}).encode(), {"WWW-Authenticate": _DENIED})
        elif found["name"].startswith("denied/"):
            self._error(401, "UNAUTHORIZED")
        elif found["what"] == "manifests":
            self._manifest(found["name"], found["rest"], body)
        elif found["what"] == "blobs":
            self._blob(found["rest"])
        else:
            self._upload(found["name"], found["rest"], parse_qs(url.query).get("digest", [""])[0], body)

    do_PUT = do_GET  # noqa: N815  - the standard library's names
    do_POST = do_GET  # noqa: N815
    do_HEAD = do_GET  # noqa: N815
    do_PATCH = do_GET  # noqa: N815

    def _manifest(self, name: str, reference: str, body: bytes) -> None:
        known = self.state.manifests
        if self.command == "PUT":
            kept = (self.headers["Content-Type"], body)
            known.setdefault(name, {}).update({reference: kept, _sha256(body): kept})
            self._answer(201, b"", {"Docker-Content-Digest": _sha256(body)})
        elif name not in known:
            self._error(404, "NAME_UNKNOWN")
        elif reference not in known[name]:
            self._error(404, "MANIFEST_UNKNOWN")
        else:
            kind, text = known[name][reference]
            self._answer(200, text, {"Content-Type": kind, "Docker-Content-Digest": _sha256(text)})

    def _blob(self, digest: str) -> None:
        blob = self.state.blobs.get(digest)
        if blob is None:
            self._error(404, "BLOB_UNKNOWN")
        else:
            self._answer(200, blob)

    def _upload(self, name: str, upload: str, digest: str, body: bytes) -> None:
        upload = upload or uuid.uuid4().hex
        data = self.state.uploads.get(upload, b"") + body
        self.state.uploads[upload] = data
        if self.command == "PUT":
            assert _sha256(data) == digest
            self.state.blobs[digest] = self.state.uploads.pop(upload)
            self._answer(201, b"")
        else:
            place = {"Location": f"/v2/{name}/blobs/uploads/{upload}", "Range": f"0-{max(0, len(data) - 1)}"}
            self._answer(202, b"", place)

    def _error(self, status: int, code: str) -> None:
        errors = [{"code": code, "message": code.lower().replace("_", " ")}]
        self._answer(status, json.dumps({"errors": errors}).encode())

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
