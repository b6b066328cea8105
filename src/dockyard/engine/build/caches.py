"""The directories of `RUN --mount=type=cache`: they outlive the builds that use them."""

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from dockyard.engine.dockerfile.mounts import RunMount
from dockyard.engine.sizes import bytes_in
from dockyard.runtime.layers import remove_tree

_PRUNED = "pruned-"


class CacheMounts:
    """One directory for each id below `root`; a private one that is in use has more than one."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)
        for unfinished in root.glob(f"{_PRUNED}*"):
            remove_tree(unfinished)
        self._users: Counter[str] = Counter()
        self._locks: dict[str, asyncio.Lock] = {}

    @contextlib.asynccontextmanager
    async def use(self, mount: RunMount) -> AsyncIterator[tuple[Path, bool]]:
        """The directory of the mount's id, and whether it is new; `locked` waits until nobody has it."""
        async with contextlib.AsyncExitStack() as held:
            if mount.sharing == "locked":
                await held.enter_async_context(self._locks.setdefault(mount.id, asyncio.Lock()))
            name = self._name(mount)
            self._users[name] += 1
            try:
                directory = self._root / name
                new = not directory.exists()
                if new:
                    directory.mkdir()
                    if os.geteuid() == 0:
                        os.chown(directory, mount.uid, mount.gid)
                    # A plain user must be able to remove it again.
                    os.chmod(directory, mount.mode | (0 if os.geteuid() == 0 else 0o700))
                yield directory, new
            finally:
                self._users[name] -= 1

    def _name(self, mount: RunMount) -> str:
        name = hashlib.sha256(mount.id.encode()).hexdigest()[:32]
        number = 0
        while mount.sharing == "private" and self._users[f"{name}-{number}"]:
            number += 1
        return f"{name}-{number}"

    async def prune(self) -> tuple[list[str], int]:
        """Remove those that no build uses: their names, and the bytes that were in them."""
        gone = [
            name
            for name in sorted(os.listdir(self._root))
            if not (self._users[name] or name.startswith(_PRUNED))
        ]
        doomed = Path(tempfile.mkdtemp(prefix=_PRUNED, dir=self._root))
        for name in gone:
            # At once, so that a build that begins meanwhile makes its own.
            os.rename(self._root / name, doomed / name)
        size = await asyncio.to_thread(bytes_in, doomed)
        await asyncio.to_thread(remove_tree, doomed)
        return gone, size
