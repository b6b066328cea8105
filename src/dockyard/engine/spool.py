"""Keeps the body of a request on the disk while it is worked on, and no more of it than the disk can take."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from dockyard.engine.errors import Failed
from dockyard.runtime.disk_room import Budget, NoRoom, full, room


async def spool(body: AsyncIterator[bytes], directory: Path) -> IO[bytes]:
    """Return a file without a name, at its beginning; the caller closes it.

    Raises:
        Failed: the disk has no room for it.
    """
    budget = Budget(room(directory))
    file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  - the caller closes it
    try:
        async for chunk in body:
            budget.take(len(chunk))
            file.write(chunk)
        file.seek(0)
    except BaseException as error:
        file.close()
        if isinstance(error, NoRoom) or (isinstance(error, OSError) and full(error)):
            raise Failed(str(error) if isinstance(error, NoRoom) else str(NoRoom())) from error
        raise
    return file
