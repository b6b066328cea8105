"""Layers made in error or in malice: a clear error, nothing outside, nothing that stays."""

import gzip
import io
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dockyard.runtime import layer_unpack
from dockyard.runtime.decompress import Decompressed
from dockyard.runtime.images import ImageStore
from dockyard.runtime.incoming import BadImage
from dockyard.runtime.layer_tar import LayerError, extract, is_whiteout
from dockyard.runtime.strict_tar import MAX_HEADER
from dockyard.wire.clock import FakeClock


def tar(*members: tarfile.TarInfo, content: bytes = b"content") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for each in members:
            each.size = len(content) if each.isreg() else 0
            archive.addfile(each, io.BytesIO(content) if each.isreg() else None)
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    return tree


def damaged_header() -> bytes:
    data = bytearray(tar(member("first"), member("second")))
    data[1024 + 150] ^= 1  # in the second header, over which its checksum goes
    return bytes(data)


def cut_in_the_middle_of_a_header() -> bytes:
    return tar(member("first"), member("second"))[: 1024 + 100]


def cut_in_the_middle_of_a_file() -> bytes:
    return tar(member("first"), content=bytes(3000))[:2000]


def endless_extended_header() -> bytes:
    header = member("long", tarfile.XHDTYPE)
    header.size = MAX_HEADER + 1
    return header.tobuf() + bytes(4096)


def size_below_zero() -> bytes:
    return tar(member("a", pax_headers={"size": "-1024"}), member("b"))


def sparse_giant() -> bytes:
    pax = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 50)}
    return tar(member("GNUSparseFile.0/giant", pax_headers=pax), content=b"1\n0\n0\n".ljust(512, b"\0"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (damaged_header, "not a tar archive"),
        (cut_in_the_middle_of_a_header, "not a tar archive"),
        (cut_in_the_middle_of_a_file, "unexpected end of data"),
        (endless_extended_header, "too long"),
        (size_below_zero, "below zero"),
        (sparse_giant, "no space left on device"),
        (lambda: b"x" * 5000, "not a tar archive"),
        (lambda: tar(member("d/" * 3000 + "f")), "file name too long"),
        (lambda: tar(member("x" * 5000)), "file name too long"),
        (lambda: tar(member("x" * 300)), "File name too long"),
        (lambda: tar(member("l", tarfile.SYMTYPE, linkname="t" * 5000)), "File name too long"),
        (lambda: tar(member("f", pax_headers={"mtime": "inf"})), "a time that can't be"),
        (lambda: tar(member("f", pax_headers={"mtime": "nan"})), "a time that can't be"),
        (lambda: tar(member("f", pax_headers={"mtime": "1e300"})), "can't be"),
        (lambda: tar(member("f", b"Z")), "f"),
    ],
)
def test_what_no_tar_writer_makes_is_refused(tree: Path, data: Callable[[], bytes], words: str) -> None:
    with pytest.raises(LayerError, match=words):
        extract(io.BytesIO(data()), tree)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owner_that_can_not_be_is_refused(tree: Path) -> None:
    with pytest.raises(LayerError, match="can't be"):
        extract(io.BytesIO(tar(member("f", pax_headers={"uid": str(1 << 40)}))), tree)


def test_nodes_of_the_machines_disks_are_left_out(tree: Path) -> None:
    disk = member("disk", tarfile.BLKTYPE, devmajor=8, devminor=0)
    memory = member("mem", tarfile.CHRTYPE, devmajor=1, devminor=1)
    pretended_whiteout = member("gone", tarfile.CHRTYPE, devmajor=0, devminor=0)
    extract(io.BytesIO(tar(disk, memory, pretended_whiteout, member("file"))), tree)
    assert os.listdir(tree) == ["file"]


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "a/.wh...", ".wh..wh.plnk", ".wh..wh..wh.x"])
def test_whiteout_of_no_name_deletes_nothing(tree: Path, name: str) -> None:
    entries, opaque = extract(io.BytesIO(tar(member(name), member("b"))), tree)
    assert not any(entry.kind == "w" for entry in entries)
    assert opaque == []
    assert not any(is_whiteout(path.lstat()) for path in tree.rglob("*"))


def test_too_many_files_are_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_unpack, "MAX_ENTRIES", 10)
    with pytest.raises(LayerError, match="more than 10 files"):
        extract(io.BytesIO(tar(*(member(str(number)) for number in range(11)))), tree)


def test_damaged_archive_is_refused_or_unpacked_but_never_more(tmp_path: Path) -> None:
    whole = tar(
        member("d", tarfile.DIRTYPE), member("d/f"), member("l", tarfile.SYMTYPE, linkname="d/f"),
        member("h", tarfile.LNKTYPE, linkname="d/f"), member("d/.wh.x"), member("long" * 60),
    )  # fmt: skip
    chance = random.Random(3)
    for number in range(300):
        home = tmp_path / str(number)
        (home / "tree").mkdir(parents=True)
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            extract(
                io.BytesIO(bytes(data[: chance.choice([len(data), chance.randrange(len(data))])])),
                home / "tree",
            )
        except LayerError:
            pass  # refusing is one of the two right answers
        assert os.listdir(home) == ["tree"]


# --- in the store ---


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images", clock=FakeClock(1000))


def left(store: ImageStore) -> list[str]:
    """What stands in the layers' directory."""
    return sorted(str(path.relative_to(store.root)) for path in (store.root / "layers").rglob("*"))


def take(store: ImageStore, data: bytes, expected: str | None = None, document: bytes | None = None) -> None:
    with store.incoming() as incoming:
        incoming.add(Decompressed(io.BytesIO(data)), expected)
        if document is not None:
            incoming.finish(document)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gzip.compress(tar(member("f")))[:-12], "unexpected EOF"),
        (b"\x1f\x8b" + bytes(100), "damaged"),
        (b"\x28\xb5\x2f\xfd" + bytes(100), "zstd"),
        (b"BZh9" + bytes(100), "damaged"),
        (b"\xfd7zXZ\0" + bytes(100), "damaged"),
        (tar(member("../escaped")), "points out of the layer"),
        (tar(member("d/" * 390 + "f"), member("../escaped")), "points out of the layer"),
    ],
)
def test_refused_layer_leaves_nothing(store: ImageStore, data: bytes, words: str) -> None:
    before = left(store)
    with pytest.raises(LayerError, match=words):
        take(store, data)
    assert left(store) == before


def test_layer_with_another_digest_leaves_nothing(store: ImageStore) -> None:
    before = left(store)
    with pytest.raises(LayerError, match="invalid diffID"):
        take(store, tar(member("f")), "sha256:" + "0" * 64)
    assert left(store) == before


def test_bomb_stops_before_the_disk_is_full(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dockyard.runtime.disk_room.os.statvfs", lambda path: _Small())
    before = left(store)
    with pytest.raises(LayerError, match="no space left on device"):
        take(store, gzip.compress(tar(member("zeros"), content=bytes(8 << 20))))
    assert left(store) == before


class _Small:
    """A disk with two megabytes free."""

    f_blocks, f_frsize, f_bavail = 512, 4096, 512


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"\xff", "invalid image configuration"),
        (b"[]", "no JSON object"),
        (b"{}", "no list of layers"),
        (b'{"rootfs": {"diff_ids": ["sha256:../../x"]}}', "no list of layers"),
        (b'{"rootfs": {"diff_ids": []}, "config": []}', "don't match|wrong kind"),
        (b'{"rootfs": {"diff_ids": []}, "os": "windows"}', "cannot load windows image on linux"),
        (b'{"rootfs": {"diff_ids": []}}', "don't match"),
    ],
)
def test_image_without_a_sound_configuration_is_refused(
    store: ImageStore, document: bytes, words: str
) -> None:
    before = left(store)
    with pytest.raises(BadImage, match=words):
        take(store, tar(member("f")), document=document)
    assert store.list(all=True) == []
    assert left(store) == before
