"""Layers as archives: one archive for one content, and unpacking that never leaves its directory."""

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockyard.runtime.layer_tar import LayerError, digest, extract, is_whiteout, scan, write, write_whiteout


def archive(*members: tarfile.TarInfo, content: bytes = b"") -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content) if member.isreg() else None)
    buffer.seek(0)
    return buffer


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    return tree


def fill(tree: Path, *, names: list[str], mtime: int) -> None:
    for name in names:
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        os.utime(path, (mtime, mtime))
    (tree / "link").symlink_to("a/one")
    os.utime(tree / "link", (mtime, mtime), follow_symlinks=False)
    os.link(tree / "a/one", tree / "b-hard")
    write_whiteout(tree / "a/deleted")


def test_equal_content_gives_equal_digests_whatever_the_order_and_the_time(tmp_path: Path) -> None:
    digests = set()
    for index, names in enumerate((["a/one", "b", "a-b"], ["a-b", "b", "a/one"])):
        tree = tmp_path / str(index)
        tree.mkdir()
        fill(tree, names=names, mtime=1_000_000_000 + index)
        digests.add(digest(scan(tree, keep_mtime=False, keep_bytecode=False), tree))
    assert len(digests) == 1


def test_byte_code_stays_on_the_disk_and_out_of_the_layer(tree: Path) -> None:
    (tree / "__pycache__").mkdir()
    (tree / "__pycache__" / "x.pyc").write_bytes(b"x")
    (tree / "x.py").touch()
    assert [entry.path for entry in scan(tree, keep_mtime=False, keep_bytecode=False)] == ["x.py"]
    assert len(scan(tree, keep_mtime=False, keep_bytecode=True)) == 3


def test_archive_comes_back_as_it_went(tree: Path, tmp_path: Path) -> None:
    fill(tree, names=["a/one", "b", "a-b", "n" * 200], mtime=1_500_000_000)
    os.chmod(tree / "b", 0o751)
    entries = scan(tree, keep_mtime=True, keep_bytecode=True)
    buffer = io.BytesIO()
    write(entries, tree, buffer)
    assert "sha256:" + hashlib.sha256(buffer.getvalue()).hexdigest() == digest(entries, tree)
    with tarfile.open(fileobj=io.BytesIO(buffer.getvalue())) as tar:
        assert "a/.wh.deleted" in tar.getnames()
    again = tmp_path / "again"
    again.mkdir()
    buffer.seek(0)
    extract(buffer, again)
    assert scan(again, keep_mtime=True, keep_bytecode=True) == entries
    assert is_whiteout(os.lstat(again / "a/deleted"))
    assert (again / "b-hard").samefile(again / "a/one")


@pytest.mark.parametrize("name", ["../x", "a/../../x", "..", "a/.."])
def test_name_with_two_dots_is_refused(tree: Path, name: str) -> None:
    with pytest.raises(LayerError, match="points out of the layer"):
        extract(archive(member(name)), tree)


def test_absolute_name_is_inside(tree: Path) -> None:
    extract(archive(member("/etc/dockyard-test-absolute")), tree)
    assert (tree / "etc/dockyard-test-absolute").exists()
    assert not Path("/etc/dockyard-test-absolute").exists()


def test_nothing_is_written_through_a_link(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    through = archive(member("d", tarfile.SYMTYPE, str(outside)), member("d/x"), content=b"x")
    with pytest.raises(LayerError, match="no directory"):
        extract(through, tree)
    assert list(outside.iterdir()) == []


def test_file_in_place_of_a_link_doesnt_follow_it(tree: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("old")
    extract(archive(member("f", tarfile.SYMTYPE, str(victim)), member("f"), content=b"new"), tree)
    assert victim.read_text() == "old"
    assert (tree / "f").read_text() == "new"


@pytest.mark.parametrize("target", ["../victim", "/victim", "missing"])
def test_hard_link_to_what_the_layer_doesnt_hold_is_refused(tree: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "victim").write_text("secret")
    with pytest.raises(LayerError):
        extract(archive(member("h", tarfile.LNKTYPE, target)), tree)


def test_bomb_is_stopped_at_the_limit(tree: Path) -> None:
    with pytest.raises(LayerError, match="more than 1000 bytes"):
        extract(archive(member("a"), member("b"), content=bytes(600)), tree, limit=1000)
    assert sum(file.stat().st_size for file in tree.iterdir()) <= 1000


def test_directory_takes_the_place_of_a_file_of_the_same_name(tree: Path) -> None:
    extract(archive(member("a"), member("a", tarfile.DIRTYPE), member("a/b"), content=b"x"), tree)
    assert (tree / "a" / "b").read_bytes() == b"x"


NAMES = st.lists(
    st.sampled_from(["..", ".", "", "a", "b", "link", "etc", ".wh.a", ".wh..wh..opq"]), max_size=4
)
KINDS = st.sampled_from(
    [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]
)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(NAMES, KINDS, NAMES), max_size=6))
def test_no_archive_writes_outside(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[list[str], bytes, list[str]]]
) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / "victim").mkdir()
    (home / "tree").mkdir()
    before = sorted(str(path) for path in home.rglob("*"))
    made = [member("/".join(name), kind, "/".join(link)) for name, kind, link in members]
    try:
        extract(archive(*made, content=b"x"), home / "tree")
    except LayerError:
        pass  # refusing is one of the two right answers
    outside = [str(path) for path in home.rglob("*") if (home / "tree") not in path.parents]
    assert sorted(outside) == before


@pytest.mark.parametrize("link", ["", "x" * 5000])
def test_impossible_name_is_an_error_of_the_archive(tree: Path, link: str) -> None:
    with pytest.raises(LayerError, match="a name that can't be"):
        extract(archive(member("l", tarfile.SYMTYPE, link)), tree)
    with pytest.raises(LayerError):
        extract(archive(member("d/" * 10 + "n" * 300), content=b"x"), tree)
