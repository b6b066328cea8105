"""Fetches what ADD or `remote=` names by URL."""

import email.utils
import os
import posixpath
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from dockyard.engine.build.errors import BuildFailed
from dockyard.engine.distribution.errors import TransferError
from dockyard.engine.distribution.progress import Progress
from dockyard.engine.distribution.transport import Answer, exchange

_CHUNK = 64 << 10
_COMPLAINT = 4 << 10  # bytes of an error page that are shown


def is_url(word: str) -> bool:
    return word.startswith(("http://", "https://"))


def fetch(url: str, sink: IO[bytes], progress: Progress) -> tuple[str, float]:
    """Write what is there to `sink`.

    Returns its name, which may be empty, and its time (0 if none is told). Raises BuildFailed in upstream's
    words, also when the client went away.
    """
    try:
        with exchange("GET", url) as answer:
            if answer.status >= 400:
                text = answer.read(_COMPLAINT).decode("utf-8", "replace").strip()
                reason = f"{answer.status} {answer.reason}"
                raise BuildFailed(f"failed to GET {url} with status {reason}: {text}")
            length = answer.headers.get("Content-Length", "")
            bar = progress.bar("Downloading", "", int(length) if length.isdigit() else -1)
            size = 0
            while chunk := answer.read(_CHUNK):
                sink.write(chunk)
                size += len(chunk)
                bar(size)
            return _name(url, answer), _time(answer)
    except TransferError as error:
        raise BuildFailed(str(error)) from error


def fetch_file(url: str, directory: Path, progress: Progress) -> Path:
    """As `fetch`, into a file that only its owner may read, as upstream makes it."""
    part = directory / "part"
    with open(part, "wb") as sink:
        name, time = fetch(url, sink, progress)
    if not name:
        raise BuildFailed(f"cannot determine filename for source {url}")
    part.chmod(0o600)
    os.utime(part, (time, time))
    target = directory / "file" / name
    target.parent.mkdir()
    return part.rename(target)


def _name(url: str, answer: Answer) -> str:
    """The last part of the path, or what the server says."""
    found = posixpath.basename(unquote(urlsplit(url).path))
    if not found:
        found = posixpath.basename(answer.headers.get_filename() or "")
    return "" if found in (".", "..") or "\0" in found else found


def _time(answer: Answer) -> float:
    try:
        return email.utils.parsedate_to_datetime(answer.headers.get("Last-Modified", "")).timestamp()
    except (ValueError, TypeError):
        return 0
