"""A client of the platform's control socket, for the command line, the judge and notebooks."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

from dockyard.errors import EXIT_NOT_RUNNING, UserError
from dockyard.home import Home


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("dockyard", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Control:
    """One home's control API. Each call is one connection, so an instance may be kept across restarts."""

    def __init__(self, home: Home, *, timeout: float = 30.0) -> None:
        self._path = str(home.control_socket)
        self._timeout = timeout

    def get(self, path: str) -> Any:
        """The JSON answer. Raises UserError: not running (code 3), or what the platform says is wrong."""
        return self._call("GET", path, None)

    def post(self, path: str, document: Any = None) -> Any:
        """As `get`, with a JSON document to send."""
        return self._call("POST", path, json.dumps(document).encode())

    def _call(self, method: str, path: str, body: bytes | None) -> Any:
        connection = _UnixConnection(self._path, self._timeout)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (ConnectionRefusedError, FileNotFoundError) as error:
            raise UserError(
                "the platform is not running", "Start it with: ./dockyard up", code=EXIT_NOT_RUNNING
            ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UserError(
                f"the platform doesn't answer on {self._path}: {error}",
                "Restart it with: ./dockyard down && ./dockyard up",
            ) from error
        finally:
            connection.close()
        if response.status >= 400:
            raise UserError(answer.get("error", f"HTTP {response.status}"), answer.get("advice", ""))
        return answer
