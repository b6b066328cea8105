"""Fetches one blob into a file: again from where it broke off, and only as what its digest says."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import IO

from dockyard.engine.distribution.client import Client
from dockyard.engine.distribution.errors import Refused, Stopped, TransferError, Unreachable
from dockyard.engine.distribution.manifests import Descriptor

ATTEMPTS = 5
_PAUSE = 0.2  # seconds before the second attempt; each later one waits twice as long
_CHUNK = 256 << 10


def download(client: Client, blob: Descriptor, target: IO[bytes], move: Callable[[int], None]) -> None:
    """Write the blob to the empty file `target`; `move` hears how many bytes are there.

    Raises TransferError: refused, broken off for good, or not what its digest says.
    """
    pause = _PAUSE
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _continue(client, blob, target, move)
            break
        except (Refused, Stopped, Unreachable):
            raise
        except TransferError:
            if attempt == ATTEMPTS:
                raise
        time.sleep(pause)
        pause *= 2
    _verify(blob, target)


def _continue(client: Client, blob: Descriptor, target: IO[bytes], move: Callable[[int], None]) -> None:
    at = target.seek(0, 2)
    if at == blob.size and at:
        return
    answer, at = client.blob(blob.digest, at)
    with answer:
        target.seek(at)
        target.truncate()
        while chunk := answer.read(_CHUNK):
            at += len(chunk)
            if at > blob.size:
                raise TransferError(f"filesystem layer verification failed for digest {blob.digest}")
            target.write(chunk)
            move(at)
    if at < blob.size:
        raise TransferError(f"read {answer.url}: unexpected EOF")


def _verify(blob: Descriptor, target: IO[bytes]) -> None:
    target.flush()
    target.seek(0)
    found = hashlib.sha256()
    while chunk := target.read(_CHUNK):
        found.update(chunk)
    if "sha256:" + found.hexdigest() != blob.digest:
        raise TransferError(f"filesystem layer verification failed for digest {blob.digest}")
    target.seek(0)
