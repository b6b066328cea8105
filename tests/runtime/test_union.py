"""What a path means inside a stack of layers."""

from pathlib import Path

import pytest

from dockyard.runtime.layer_tar import write_whiteout
from dockyard.runtime.union import Union


@pytest.fixture
def layers(tmp_path: Path) -> list[Path]:
    low, high = tmp_path / "low", tmp_path / "high"
    for path, text in {"etc/passwd": "low", "etc/group": "low", "gone/x": "x", "usr/lib/l": "lib"}.items():
        (low / path).parent.mkdir(parents=True, exist_ok=True)
        (low / path).write_text(text)
    (low / "lib").symlink_to("usr/lib")
    (low / "loop").symlink_to("loop")
    (low / "out").symlink_to("../../../../etc")
    (high / "etc").mkdir(parents=True)
    (high / "etc/passwd").write_text("high")
    (high / "etc/new").write_text("new")
    write_whiteout(high / "gone")
    write_whiteout(high / "etc/group")
    return [low, high]


def test_upper_file_hides_the_lower(layers: list[Path]) -> None:
    assert Union(layers).read_text("/etc/passwd") == "high"


def test_directories_are_merged_without_what_was_deleted(layers: list[Path]) -> None:
    assert Union(layers).listdir("/etc") == ["new", "passwd"]
    assert not Union(layers).exists("/gone/x")
    assert "gone" not in Union(layers).listdir("/")


def test_links_are_followed_inside_the_image(layers: list[Path]) -> None:
    union = Union(layers)
    assert union.read_text("/lib/l") == "lib"
    assert union.resolve("/lib/new/file") == "/usr/lib/new/file"
    assert union.resolve("/out/passwd") == "/etc/passwd"
    assert union.read_text("/out/passwd") == "high"


def test_ring_of_links_is_nothing(layers: list[Path]) -> None:
    assert Union(layers).lookup("/loop") is None
    assert Union(layers).lookup("/loop", follow=False) is not None


def test_file_is_no_directory(layers: list[Path]) -> None:
    assert Union(layers).lookup("/etc/passwd/x") is None
