"""SPDY frames: round trips, the published dictionary, bad input."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockyard.wire.spdy import (
    Data,
    Frame,
    Framer,
    GoAway,
    HeadersFrame,
    Ping,
    RstStream,
    Settings,
    SpdyError,
    SynReply,
    SynStream,
    WindowUpdate,
)
from dockyard.wire.spdy_dictionary import dictionary

FRAMES: list[Frame] = [
    SynStream(1, {"streamtype": "error", "port": "8000", "requestid": "0"}, fin=True, priority=3),
    SynStream(3, {"streamtype": "data", "port": "8000", "requestid": "0"}, unidirectional=True, associated=1),
    SynReply(1, {}),
    HeadersFrame(1, {"a": "ä"}, fin=True),
    Data(3, b"x" * 70_000),
    Data(3, b"", fin=True),
    RstStream(3, 5),
    Settings({4: 100, 7: 65536}),
    Ping(1),
    WindowUpdate(0, 65536),
    GoAway(3, 0),
]


def test_dictionary_is_the_published_one() -> None:
    assert len(dictionary()) == 1423
    assert zlib.adler32(dictionary()) == 0xE3C6A7C2


@pytest.mark.parametrize("size", [1, 5, 100_000])
def test_frames_survive_the_wire_in_pieces(size: int) -> None:
    sender, receiver = Framer(), Framer()
    wire = b"".join(sender.encode(frame) for frame in FRAMES)
    seen = [
        frame for start in range(0, len(wire), size) for frame in receiver.feed(wire[start : start + size])
    ]
    assert seen == FRAMES


@given(st.binary(max_size=200))
def test_garbage_is_an_error_or_waits_and_nothing_else(data: bytes) -> None:
    try:
        list(Framer().feed(data))
    except SpdyError:
        pass  # the one thing that it may raise


def test_other_versions_and_huge_frames_are_refused() -> None:
    with pytest.raises(SpdyError, match="version 2"):
        list(Framer().feed(b"\x80\x02\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01"))
    with pytest.raises(SpdyError, match="too large"):
        list(Framer().feed(b"\x00\x00\x00\x01\x00\xff\xff\xff"))


def test_unknown_control_frame_is_ignored() -> None:
    assert list(Framer().feed(b"\x80\x03\x00\x63\x00\x00\x00\x01z")) == []
