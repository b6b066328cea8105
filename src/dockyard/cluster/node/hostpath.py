"""Directories of the machine that Pods see: hostPath volumes, and those that were provisioned for claims."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePath, PurePosixPath

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key
from dockyard.cluster.storage.binding import VOLUME
from dockyard.cluster.storage.provisioning import DIRECTORY
from dockyard.cluster.store import Event

logger = logging.getLogger(__name__)


class HostPathError(Exception):
    """The path is not what its type says, or cannot be made; the text is the kubelet's."""


class HostPaths:
    """Where the paths of hostPath volumes are, for all nodes of a cluster: they share one machine.

    Differs: a path that the machine does not have is made below dockyard's own directory and not on the
    machine, so that nothing is left behind and a plain user can have it; all nodes see the same files.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.provisioned = root / "provisioned"

    def place(self, path: str) -> Path:
        """Where the path is or would be made."""
        clean = PurePosixPath(os.path.normpath("/" + path.lstrip("/")))
        if clean.is_relative_to(DIRECTORY):
            return self.provisioned / clean.relative_to(DIRECTORY)
        made = self.root / "made" / clean.relative_to("/")
        return Path(clean) if not made.exists() and _is_there(clean) else made

    def open(self, path: str, kind: str) -> Path:
        """The path, after the check that its hostPath type asks for. Raises HostPathError."""
        place = self.place(path)
        exists = _is_there(place)
        if kind in ("", "DirectoryOrCreate") and not exists:
            self._make(path, place)
        elif kind == "FileOrCreate" and not exists:
            self._make(path, place.parent)
            place.touch(0o666)
        elif kind in ("Directory", "DirectoryOrCreate") and not place.is_dir():
            raise HostPathError(f"hostPath type check failed: {path} is not a directory")
        elif kind in ("File", "FileOrCreate") and not place.is_file():
            raise HostPathError(f"hostPath type check failed: {path} is not a file")
        elif kind == "Socket" and not place.is_socket():
            raise HostPathError(f"hostPath type check failed: {path} is not a socket file")
        elif kind in ("CharDevice", "BlockDevice"):
            raise HostPathError(f"hostPath type check failed: {path} is a device, and Pods get none here")
        return place

    @staticmethod
    def _make(path: str, place: Path) -> None:
        try:
            place.mkdir(parents=True, exist_ok=True)
            place.chmod(0o777)  # whatever user the container has
        except OSError as error:
            raise HostPathError(f"mkdir {path}: {(error.strerror or str(error)).lower()}") from error


def _is_there(path: PurePath) -> bool:
    """Whether the path can be seen; what a plain user may not look into counts as absent."""
    try:
        return Path(path).exists()
    except OSError:
        return False


class Sweeper:
    """Deletes provisioned directories that no volume names any more; a controller with one key."""

    name = "hostpath"

    def __init__(self, api: Api, paths: HostPaths) -> None:
        self._api = api
        self._paths = paths
        self._tasks: set[asyncio.Task[None]] = set()

    def existing(self) -> Iterable[Key]:
        return (Key("", "sweep"),)

    def keys(self, event: Event) -> Iterable[Key]:
        return (Key("", "sweep"),) if event.kind == VOLUME and event.type == "DELETED" else ()

    def reconcile(self, key: Key) -> None:
        """Compare the directories with the volumes, and remove what is over, beside the event loop."""
        if not self._paths.provisioned.is_dir():
            return
        sources = (volume["spec"].get("hostPath") or {} for volume in self._api.list(VOLUME))
        named = {PurePosixPath(source.get("path", "")).name for source in sources}
        for directory in self._paths.provisioned.iterdir():
            if directory.name not in named:
                logger.info("hostpath/%s: its volume is gone, so its data goes", directory.name)
                task = asyncio.get_running_loop().create_task(
                    asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
                )
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)


def sweeper(api: Api, paths: HostPaths) -> Controller:
    """The controller that frees what deleted volumes have left on the machine."""
    return Sweeper(api, paths)
