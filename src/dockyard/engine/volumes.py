"""Named and anonymous volumes: directories that outlive containers."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from dockyard.engine.errors import BadParameter, Conflict, Failed, NotFound
from dockyard.engine.parameters import Document
from dockyard.engine.sizes import bytes_in
from dockyard.engine.store import Store
from dockyard.wire.clock import Clock, rfc3339

ANONYMOUS = "com.docker.volume.anonymous"
_VALID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


class Volumes:
    """The volumes of one engine, each in `root`/NAME/_data."""

    def __init__(self, root: Path, store: Store, clock: Clock) -> None:
        self._root = root
        self._store = store
        self._clock = clock
        self._volumes: dict[str, Document] = {}

    def load(self) -> None:
        """Read what an earlier engine kept."""
        kept = sorted(self._store.load("volume"), key=lambda document: str(document["CreatedAt"]))
        self._volumes = {document["Name"]: document for document in kept}

    def create(
        self,
        name: str = "",
        driver: str = "",
        options: Document | None = None,
        labels: Document | None = None,
    ) -> tuple[Document, bool]:
        """Return the volume called `name`, and whether it is new; without a name make an anonymous one.

        Raises:
            BadParameter: no valid name or option.
            NotFound: an unknown driver.
        """
        if not name:
            name, labels = secrets.token_hex(32), {ANONYMOUS: "", **(labels or {})}
        if driver not in ("", "local"):
            # Differs: an unknown volume driver is refused at once; upstream looks for a plugin for 15 seconds
            # first.
            raise NotFound(
                f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found'
            )
        if name in self._volumes:
            return self._volumes[name], False
        if len(name) == 1 and name.isalnum():
            raise BadParameter(
                f"create {name}: volume name is too short, "
                "names should be at least two alphanumeric characters"
            )
        if not _VALID.fullmatch(name):
            raise BadParameter(
                f'create {name}: "{name}" includes invalid characters for a local volume name, only '
                '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, '
                "use absolute path"
            )
        for option in options or {}:
            if option not in ("type", "o", "device", "size"):
                raise BadParameter(f'create {name}: invalid option: "{option}"')
        volume: Document = {
            "CreatedAt": rfc3339(self._clock.now()),
            "Driver": "local",
            "Labels": labels,
            "Mountpoint": str(self._root / name / "_data"),
            "Name": name,
            "Options": options or None,
            "Scope": "local",
        }
        (self._root / name / "_data").mkdir(parents=True, exist_ok=True)
        self._store.put("volume", name, volume)
        self._volumes[name] = volume
        return volume, True

    def get(self, name: str) -> Document:
        """Return a volume.

        Raises:
            NotFound: there is none of this name.
        """
        if name not in self._volumes:
            raise NotFound(f"get {name}: no such volume")
        return self._volumes[name]

    def path(self, name: str) -> Path:
        """Return the directory that holds a volume's files."""
        return self._root / name / "_data"

    def source(self, name: str, subpath: str = "") -> Path:
        """Return what is mounted for a volume: its directory, or the one that its options name.

        Raises:
            Failed: there is no such directory, or `subpath` leads to nothing inside it.
        """
        options = self.get(name)["Options"] or {}
        place = self.path(name)
        # Differs: of the local driver's options only a bind is carried out; a volume of another type is a
        # directory like all others.
        if options.get("device") and "bind" in (options.get("o") or "").split(","):
            if not os.path.isdir(options["device"]):
                raise Failed(
                    f"failed to populate volume: error while mounting volume '{place}': failed to mount "
                    f"local volume: mount {options['device']}:{place}, flags: 0x1000: no such file or "
                    "directory"
                )
            place = Path(options["device"])
        if not subpath:
            return place
        inside = Path(os.path.realpath(place / subpath))
        if not inside.is_relative_to(os.path.realpath(place)) or not inside.exists():
            raise Failed(
                f"failed to mount subpath: cannot access path {place / subpath}: no such file or directory"
            )
        return inside

    def all(self) -> list[Document]:
        """Return all volumes, oldest first."""
        return list(self._volumes.values())

    def remove(self, name: str, users: Iterable[str]) -> None:
        """Delete a volume and its files; `users` are the ids of the containers that have it.

        Raises:
            NotFound: there is none.
            Conflict: a container has it.
        """
        self.get(name)
        using = ", ".join(users)
        if using:
            raise Conflict(f"remove {name}: volume is in use - [{using}]")
        self._store.delete("volume", name)
        del self._volumes[name]
        shutil.rmtree(self._root / name, ignore_errors=True)

    def size(self, name: str) -> int:
        """Return the bytes in a volume's files."""
        return bytes_in(self.path(name))
