"""Reads tar headers without trust: what the standard library passes over or believes is an error here."""

import tarfile
from typing import Any

from dockyard.runtime.layer_entry import LayerError

MAX_HEADER = 1 << 20  # bytes of one extended header; it is read into memory
_LONG = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, b"X")
# At these the standard library takes an archive to be at its end, and the rest would be missing in silence.
_DAMAGED = ("InvalidHeaderError", "TruncatedHeaderError")


class StrictInfo(tarfile.TarInfo):
    """To be given as `tarinfo` to `tarfile.open`. Raises LayerError while the archive is read."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "StrictInfo":
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if type(error).__name__ in _DAMAGED:
                raise LayerError(f"not a tar archive: {error}") from error
            raise

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        """Called for each header, before what belongs to it is read."""
        if self.size < 0:
            raise LayerError(f"{self.name!r}: a size below zero")
        if self.type in _LONG and self.size > MAX_HEADER:
            raise LayerError("an extended header that is too long")
        hidden: Any = super()
        return hidden._proc_member(archive)

    def _block(self, count: int) -> Any:
        """Called with sizes of extended headers too; a negative one would make reading go in circles."""
        if count < 0:
            raise LayerError(f"{self.name!r}: a size below zero")
        hidden: Any = super()
        return hidden._block(count)
