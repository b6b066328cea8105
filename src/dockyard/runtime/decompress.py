"""Reads an archive as its bytes were before they were compressed, whatever compressed them."""

import bz2
import gzip
import lzma
import zlib
from typing import IO, Protocol

from dockyard.runtime.layer_entry import LayerError


class Source(Protocol):
    """Where bytes come from: a file, a member of an archive, a decompressor."""

    def read(self, size: int, /) -> bytes: ...


class Decompressed:
    """A source of plain bytes. `read` raises LayerError when what comes is damaged or ends too early."""

    def __init__(self, file: IO[bytes]) -> None:
        """`file` is at its beginning and can seek. Raises LayerError for a compression that we lack."""
        start = file.read(6)
        file.seek(0)
        self.compressed = True
        self._source: Source
        if start.startswith(b"\x1f\x8b"):
            self._source = gzip.GzipFile(fileobj=file)
        elif start.startswith(b"BZh"):
            self._source = bz2.BZ2File(file)
        elif start.startswith(b"\xfd7zXZ\0"):
            self._source = lzma.LZMAFile(file)  # noqa: SIM115  - it closes nothing of ours
        elif start.startswith(b"\x28\xb5\x2f\xfd"):
            # Differs: Python 3.11 can't read zstd, so layers compressed so are refused.
            raise LayerError("layers compressed with zstd are not supported")
        else:
            self.compressed = False
            self._source = file

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        try:
            return self._source.read(size)
        except EOFError:
            raise LayerError("unexpected EOF") from None
        except (zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise LayerError(f"the compressed archive is damaged: {error}") from error
        except OSError as error:
            if error.errno is None:  # bz2's word for damage
                raise LayerError(f"the compressed archive is damaged: {error}") from error
            raise
