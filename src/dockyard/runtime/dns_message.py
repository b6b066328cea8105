"""DNS messages, as far as a name server for a few record types needs them (RFC 1035, RFC 2782)."""

import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

A, CNAME, PTR, AAAA, SRV = 1, 5, 12, 28, 33
IN = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)

_LARGEST_DATAGRAM = 512
_RESPONSE, _TRUNCATED, _RECURSION_DESIRED, _RECURSION_AVAILABLE = (
    0x8000,
    0x200,
    0x100,
    0x80,
)


class Question(NamedTuple):
    """A query with its one question; `name` in lower case, without the last dot."""

    id: int
    flags: int
    name: str
    type: int
    raw: bytes  # the question section as it came, to be repeated in the answer


class Record(NamedTuple):
    """One answer; the name is the question's, unless it has an owner of its own."""

    type: int
    data: bytes
    owner: str = ""


def parse_query(message: bytes) -> Question:
    """Read a query; raises ValueError for what isn't a standard query with one question."""
    if len(message) < 12:
        raise ValueError("shorter than a header")
    id_, flags, questions = struct.unpack_from("!HHH", message)
    if flags & _RESPONSE or flags >> 11 & 0xF or questions != 1:
        raise ValueError("not a standard query with one question")
    labels, at = [], 12
    while True:
        if at >= len(message):
            raise ValueError("the name has no end")
        length = message[at]
        at += 1
        if length == 0:
            break
        if length > 63 or at + length > len(message):
            raise ValueError("a broken label")
        labels.append(message[at : at + length].decode("ascii", "replace"))
        at += length
    if at + 4 > len(message):
        raise ValueError("no type and class")
    type_, class_ = struct.unpack_from("!HH", message, at)
    if class_ != IN:
        raise ValueError("not of class IN")
    return Question(id_, flags, ".".join(labels).lower(), type_, message[12 : at + 4])


def respond(question: Question, code: int, records: Sequence[Record] = (), ttl: int = 5) -> bytes:
    """Write the answer to a question: whole, however long it gets."""
    flags = _RESPONSE | _RECURSION_AVAILABLE | question.flags & _RECURSION_DESIRED | code
    header = struct.pack("!6H", question.id, flags, 1, len(records), 0, 0)
    answers = b"".join(
        (_encode(record.owner) if record.owner else b"\xc0\x0c")
        + struct.pack("!HHIH", record.type, IN, ttl, len(record.data))
        + record.data
        for record in records
    )
    return header + question.raw + answers


def ask(question: Question, name: str) -> bytes:
    """The same question about another name."""
    header = struct.pack("!6H", question.id, _RECURSION_DESIRED, 1, 0, 0, 0)
    return header + _encode(name) + struct.pack("!HH", question.type, IN)


def answers(message: bytes, type: int, owner: str) -> tuple[int, list[Record]]:
    """The code of an answer and its addresses of this type (A or AAAA), as those of `owner`.

    Raises ValueError for what can't be read.
    """
    try:
        _, flags, questions, count = struct.unpack_from("!4H", message)
        at = 12
        for _ in range(questions):
            at = _skip_name(message, at) + 4
        found = []
        for _ in range(count):
            at = _skip_name(message, at)
            kind, _, _, length = struct.unpack_from("!HHIH", message, at)
            at += 10
            if kind == type:
                found.append(Record(kind, message[at : at + length], owner))
            at += length
    except (struct.error, IndexError) as error:
        raise ValueError("a broken answer") from error
    return flags & 0xF, found


def _skip_name(message: bytes, at: int) -> int:
    while message[at]:
        if message[at] & 0xC0 == 0xC0:
            return at + 2
        at += 1 + message[at]
    return at + 1


def truncate(message: bytes, question: Question) -> bytes:
    """Return the message as it fits into a datagram: a longer one is cut, and the client tries TCP."""
    if len(message) <= _LARGEST_DATAGRAM:
        return message
    id_, flags = struct.unpack_from("!HH", message)
    return struct.pack("!6H", id_, flags | _TRUNCATED, 1, 0, 0, 0) + question.raw


def address(value: str, owner: str = "") -> Record:
    return Record(A, socket.inet_aton(value), owner)


def alias(target: str, owner: str = "") -> Record:
    return Record(CNAME, _encode(target), owner)


def pointer(name: str) -> Record:
    return Record(PTR, _encode(name))


def service(name: str, port: int) -> Record:
    return Record(SRV, struct.pack("!HHH", 0, 100, port) + _encode(name))


def _encode(name: str) -> bytes:
    parts = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    return b"".join(bytes((len(part),)) + part for part in parts) + b"\0"
