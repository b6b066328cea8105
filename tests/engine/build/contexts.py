"""Archives to build from, as the clients make them."""

import io
import posixpath
import tarfile
from collections.abc import Mapping
from typing import Any

import docker
from docker.errors import BuildError

from dockyard.engine.dockerfile.ignore import IgnoreFile, PatternError

MTIME = 1735689600


def archive(files: Mapping[str, Any]) -> bytes:
    """A tar of `{path: text}`; also `{"link": target}`, `{"text": ..., "mode": ...}`, and "dir/"."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(_with_parents(files)):
            info = tarfile.TarInfo(path.rstrip("/"))
            info.mtime, info.mode = MTIME, 0o644
            content = files.get(path, "")
            if path.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
                continue
            if isinstance(content, dict) and "link" in content:
                info.type, info.linkname = tarfile.SYMTYPE, content["link"]
                tar.addfile(info)
                continue
            if isinstance(content, dict):
                info.mode, content = content.get("mode", 0o644), content["text"]
            data = content if isinstance(content, bytes) else content.encode()
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def build_archive(client: docker.DockerClient, context: bytes, **options: Any) -> tuple[Any, str]:
    """Build with the SDK; the image and the text of the stream."""
    try:
        options = {"rm": True, **options}
        image, log = client.images.build(fileobj=io.BytesIO(context), custom_context=True, **options)
    except BuildError as error:
        # Read to the end: the SDK leaves the connection open otherwise.
        error.build_log = list(error.build_log)
        raise
    return image, "".join(line.get("stream", "") for line in log)


def without_ignored(files: Mapping[str, Any]) -> dict[str, Any]:
    """What a client sends: not what .dockerignore names, but always the two files the daemon reads."""
    if ".dockerignore" not in files:
        return dict(files)
    try:
        ignored = IgnoreFile(files[".dockerignore"])
    except PatternError:
        return dict(files)
    return {
        path: content
        for path, content in _with_parents(files).items()
        if path in (".dockerignore", "Dockerfile") or not ignored.excludes(path.rstrip("/"))
    }


def _with_parents(files: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(files)
    for path in files:
        parent = posixpath.dirname(path.rstrip("/"))
        while parent:
            found.setdefault(parent + "/", "")
            parent = posixpath.dirname(parent)
    return found
