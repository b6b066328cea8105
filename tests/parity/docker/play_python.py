"""Plays Python steps of a conversation against an engine: those on stdin, a line of JSON a step on stdout."""

from __future__ import annotations

import ast
import http.client
import io
import json
import os
import re
import socket
import sys
import tarfile
import threading
import time
import types
from collections.abc import Iterator
from typing import Any

import docker


class _Unix(http.client.HTTPConnection):
    """HTTP on a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self._path)


def requester(path: str) -> Any:
    """Return what the recordings of raw requests call `req`."""

    def req(method: str, target: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        connection = _Unix(path)
        try:
            sent = dict(headers or {})
            if body is not None and "Content-Type" not in sent:
                sent["Content-Type"] = "application/json"
            data = body if isinstance(body, str) or body is None else json.dumps(body)
            connection.request(method, target, data, sent)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
            try:
                answer = json.loads(text)
            except ValueError:
                answer = text
            return {"status": response.status, "body": answer}
        except (OSError, http.client.HTTPException) as error:
            return {"error": repr(error)}
        finally:
            connection.close()

    return req


def tarlist(data: bytes) -> list[dict[str, Any]]:
    """What the recordings show of an archive."""
    kinds = {tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink"}
    listed = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            shown: dict[str, Any] = {
                "name": member.name,
                "type": kinds.get(member.type, "file"),
                "mode": oct(member.mode),
                "uid": member.uid,
                "gid": member.gid,
                "size": member.size,
            }
            if member.linkname:
                shown["linkname"] = member.linkname
            content = archive.extractfile(member) if member.isfile() and member.size < 4000 else None
            if content is not None:
                try:
                    shown["text"] = content.read().decode()
                except UnicodeDecodeError:
                    pass  # only texts are shown
            listed.append(shown)
    return listed


def shown(value: Any) -> Any:
    """Return a result in the recordings' JSON."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return {"bytes": value.decode("utf-8", "replace")}
    if isinstance(value, dict):
        return {str(key): shown(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return {"tuple": [shown(item) for item in value]}
    if isinstance(value, list):
        return [shown(item) for item in value]
    return {"repr": re.sub(r" at 0x[0-9a-f]+", "", repr(value))}


def refused(error: Exception) -> dict[str, Any]:
    """Return an exception in the recordings' JSON."""
    kind = type(error)
    found: dict[str, Any] = {"type": f"{kind.__module__}.{kind.__name__}", "str": str(error)}
    if isinstance(error, docker.errors.APIError):
        found["status_code"] = error.status_code
        found["explanation"] = error.explanation
    for name in ("exit_status", "command", "image", "stderr", "build_log"):
        if hasattr(error, name):
            value = getattr(error, name)
            found[name] = shown(list(value) if isinstance(value, Iterator) else value)
    if isinstance(error, docker.errors.BuildError):
        found["msg"] = error.msg
    return found


def play(source: str, names: dict[str, Any]) -> dict[str, Any]:
    """Do one step."""
    tree = ast.parse(source)
    try:
        if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
            value = eval(compile(source, "step", "eval"), names)
            if isinstance(value, types.GeneratorType) or type(value).__name__ == "CancellableStream":
                value = list(value)
            return {"result": shown(value)}
        exec(compile(source, "step", "exec"), names)
    except Exception as error:
        return {"error": refused(error)}
    return {}


def main() -> None:
    host = sys.argv[1]
    sources = json.load(sys.stdin)
    client = docker.DockerClient(base_url=host, version="auto", timeout=60)
    names: dict[str, Any] = {
        "client": client,
        "docker": docker,
        "req": requester(host.removeprefix("unix://")),
        "tarlist": tarlist,
        **{module.__name__: module for module in (io, json, os, socket, sys, tarfile, threading, time)},
    }
    lines, sys.stdout = sys.stdout, sys.stderr  # what a step prints is none of ours
    for source in sources:
        lines.write(json.dumps(play(source, names)) + "\n")
        lines.flush()
    os._exit(0)  # threads of the conversation may still listen


if __name__ == "__main__":
    main()
