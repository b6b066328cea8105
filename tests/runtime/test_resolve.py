"""Paths of a root file system, resolved from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockyard.runtime.resolve import inside, program


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "usr/bin/tool").write_text("")
    (tmp_path / "usr/bin/tool").chmod(0o755)
    (tmp_path / "usr/bin/text").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("link", "path", "expected"),
    [
        ("/etc/passwd", "/link", "/etc/passwd"),
        ("../../../etc", "/link/passwd", "/etc/passwd"),
        ("/link2", "/link", "/link2"),
        ("usr/bin/../bin", "/link/tool", "/usr/bin/tool"),
    ],
)
def test_links_never_lead_out(tree: Path, link: str, path: str, expected: str) -> None:
    (tree / "link").symlink_to(link)
    assert inside(str(tree), path) == f"{tree}{expected}"


def test_dots_never_lead_out(tree: Path) -> None:
    assert inside(str(tree), "/../../bin/../../x") == f"{tree}/x"


def test_ring_of_links_is_an_error(tree: Path) -> None:
    (tree / "a").symlink_to("b")
    (tree / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        inside(str(tree), "/a")


def test_bound_folder_is_seen_at_its_place(tree: Path) -> None:
    bound = {"/data": "/host/volume", "/data/inner": "/host/inner"}
    assert inside(str(tree), "/data/x/y", bound) == "/host/volume/x/y"
    assert inside(str(tree), "/data/inner/z", bound) == "/host/inner/z"
    assert inside(str(tree), "/database", bound) == f"{tree}/database"


def test_program_is_found_as_a_shell_finds_it(tree: Path) -> None:
    assert program(str(tree), "tool", "/sbin:/bin", "/") == "/bin/tool"
    assert program(str(tree), "./tool", "", "/usr/bin") == "/usr/bin/./tool"
    with pytest.raises(FileNotFoundError):
        program(str(tree), "tool", "/sbin", "/")
    with pytest.raises(PermissionError):
        program(str(tree), "text", "/bin", "/")
