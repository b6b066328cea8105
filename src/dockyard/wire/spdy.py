"""SPDY/3.1 frames, as kubectl's port-forward speaks them: bytes to frames and back, no sockets.

Source: draft-mbelshe-httpbis-spdy-00 with 3.1's session flow control. A frame is a control frame (version,
type, flags, length) or data (stream, flags, length); header blocks share one zlib stream a direction.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dockyard.wire.spdy_dictionary import dictionary

VERSION = 3
FIN = 0x01
UNIDIRECTIONAL = 0x02
MAX_FRAME = 4 * 1024 * 1024

Fields = Mapping[str, str]


class SpdyError(Exception):
    """The other side broke the protocol; the session cannot go on."""


@dataclass(frozen=True, slots=True)
class SynStream:
    """Opens a stream; clients use odd ids."""

    stream: int
    headers: Fields = field(default_factory=dict)
    fin: bool = False
    unidirectional: bool = False
    associated: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class SynReply:
    """Accepts a stream."""

    stream: int
    headers: Fields = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class HeadersFrame:
    """More headers for an open stream."""

    stream: int
    headers: Fields = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a stream; `fin` ends the sender's half."""

    stream: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True, slots=True)
class RstStream:
    """Ends a stream in both directions; status 1 = protocol error, 5 = cancel."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings by id; none of them needs an answer."""

    values: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Ping:
    """To be sent back as it is by whoever did not begin it (clients begin odd ids)."""

    id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """No new streams; status 0 = all is well."""

    last_stream: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class WindowUpdate:
    """The receiver took `delta` bytes of a stream (0 = of the session)."""

    stream: int
    delta: int


Frame = SynStream | SynReply | HeadersFrame | Data | RstStream | Settings | Ping | GoAway | WindowUpdate

_SYN_STREAM, _SYN_REPLY, _RST, _SETTINGS, _PING, _GOAWAY, _HEADERS, _WINDOW = 1, 2, 3, 4, 6, 7, 8, 9


class Framer:
    """One end of one session: `encode` for what is sent, `feed` for what arrives.

    Frames must be sent in the order in which they were encoded, because headers share a compressor.
    """

    def __init__(self) -> None:
        words = dictionary()
        self._deflate = zlib.compressobj(zdict=words)
        self._inflate = zlib.decompressobj(zdict=words)
        self._waiting = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that `data` completes.

        Raises:
            SpdyError: a frame is malformed or larger than MAX_FRAME bytes.
        """
        self._waiting += data
        while len(self._waiting) >= 8:
            first, second = struct.unpack_from(">II", self._waiting)
            flags, length = second >> 24, second & 0xFFFFFF
            if length > MAX_FRAME:
                raise SpdyError(f"a frame of {length} bytes is too large")
            if len(self._waiting) < 8 + length:
                return
            payload, self._waiting = self._waiting[8 : 8 + length], self._waiting[8 + length :]
            if not first >> 31:
                yield Data(first, payload, bool(flags & FIN))
                continue
            if (first >> 16) & 0x7FFF != VERSION:
                raise SpdyError(f"unsupported SPDY version {(first >> 16) & 0x7FFF}")
            try:
                frame = self._decode(first & 0xFFFF, flags, payload)
            except (struct.error, zlib.error, UnicodeDecodeError) as error:
                raise SpdyError(f"malformed control frame: {error}") from error
            if frame is not None:
                yield frame

    def _decode(self, kind: int, flags: int, payload: bytes) -> Frame | None:
        fin = bool(flags & FIN)
        match kind:
            case 1:
                stream, associated, priority = struct.unpack_from(">IIB", payload)
                headers = self._read_headers(payload[10:])
                one_way = bool(flags & UNIDIRECTIONAL)
                return SynStream(stream & 0x7FFFFFFF, headers, fin, one_way, associated, priority >> 5)
            case 2:
                return SynReply(_word(payload, 0) & 0x7FFFFFFF, self._read_headers(payload[4:]), fin)
            case 8:
                return HeadersFrame(_word(payload, 0) & 0x7FFFFFFF, self._read_headers(payload[4:]), fin)
            case 3:
                return RstStream(_word(payload, 0) & 0x7FFFFFFF, _word(payload, 4))
            case 4:
                pairs = (struct.unpack_from(">II", payload, 4 + 8 * n) for n in range(_word(payload, 0)))
                return Settings({key & 0xFFFFFF: value for key, value in pairs})
            case 6:
                return Ping(_word(payload, 0))
            case 7:
                return GoAway(_word(payload, 0) & 0x7FFFFFFF, _word(payload, 4))
            case 9:
                return WindowUpdate(_word(payload, 0) & 0x7FFFFFFF, _word(payload, 4) & 0x7FFFFFFF)
            case _:
                return None  # unknown control frames are ignored, as the draft asks

    def _read_headers(self, block: bytes) -> dict[str, str]:
        plain = self._inflate.decompress(block, MAX_FRAME)
        if self._inflate.unconsumed_tail:
            raise SpdyError("a header block is too large")
        headers: dict[str, str] = {}
        offset = 4
        for _ in range(_word(plain, 0)):
            parts: list[str] = []
            for _ in range(2):
                length = _word(plain, offset)
                if offset + 4 + length > len(plain):
                    raise SpdyError("a header block is cut short")
                parts.append(plain[offset + 4 : offset + 4 + length].decode())
                offset += 4 + length
            headers[parts[0].lower()] = parts[1]
        return headers

    def encode(self, frame: Frame) -> bytes:
        """Return the bytes of a frame."""
        match frame:
            case Data(stream, data, fin):
                return struct.pack(">II", stream, (FIN if fin else 0) << 24 | len(data)) + data
            case SynStream(stream, headers, fin, one_way, associated, priority):
                flags = (FIN if fin else 0) | (UNIDIRECTIONAL if one_way else 0)
                start = struct.pack(">IIBB", stream, associated, priority << 5, 0)
                return _control(_SYN_STREAM, flags, start + self._write_headers(headers))
            case SynReply(stream, headers, fin):
                return _control(_SYN_REPLY, int(fin), _words(stream) + self._write_headers(headers))
            case HeadersFrame(stream, headers, fin):
                return _control(_HEADERS, int(fin), _words(stream) + self._write_headers(headers))
            case RstStream(stream, status):
                return _control(_RST, 0, _words(stream, status))
            case Settings(values):
                pairs = (_words(key, value) for key, value in values.items())
                return _control(_SETTINGS, 0, _words(len(values)) + b"".join(pairs))
            case Ping(number):
                return _control(_PING, 0, _words(number))
            case GoAway(last, status):
                return _control(_GOAWAY, 0, _words(last, status))
            case WindowUpdate(stream, delta):
                return _control(_WINDOW, 0, _words(stream, delta))

    def _write_headers(self, headers: Fields) -> bytes:
        plain = _words(len(headers))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                plain += _words(len(text)) + text
        return self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def _word(payload: bytes, offset: int) -> int:
    value: int = struct.unpack_from(">I", payload, offset)[0]
    return value


def _words(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def _control(kind: int, flags: int, payload: bytes) -> bytes:
    return _words(0x80000000 | VERSION << 16 | kind, flags << 24 | len(payload)) + payload
