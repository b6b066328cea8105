"""The repository as a whole: one list of packages, licences, pages that exist, nothing of one machine."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
# In pieces, so that this file doesn't name what it forbids.
INDEXES = ("py" + "pi.org", "python" + "hosted.org", "deb." + "debian.org", "registry." + "npmjs")


def tracked() -> list[Path]:
    """The files of the repository; without git (an unpacked archive) those outside of what set-up makes."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=False
    )
    if listed.returncode == 0:
        names = [name for name in listed.stdout.decode().split("\0") if name]
    else:
        names = [str(path.relative_to(PROJECT)) for path in PROJECT.rglob("*") if path.is_file()]
    return [PROJECT / name for name in names if not name.startswith((".venv", ".git/", ".dockyard"))]


def test_no_file_names_a_package_index() -> None:
    files = [path for path in tracked() if path.is_file()]
    assert len(files) > 100
    found = [
        (str(path.relative_to(PROJECT)), index)
        for path in files
        for index in INDEXES
        if index.encode() in path.read_bytes()
    ]
    assert not found


def test_licences_are_the_full_texts() -> None:
    assert "Version 2.0, January 2004" in (PROJECT / "LICENSE").read_text()
    course = (PROJECT / "LICENSE-course").read_text()
    assert "SPDX-License-Identifier: CC-BY-4.0" in course
    assert "Section 8 -- Interpretation." in course


def test_every_way_to_launch_installs_from_the_same_locks() -> None:
    container = json.loads((PROJECT / ".devcontainer" / "devcontainer.json").read_text())
    assert "./dockyard" in container["postStartCommand"]
    assert "./dockyard" in (PROJECT / "binder" / "postBuild").read_text()
    for name in ("environment.yml", "binder/environment.yml"):
        text = (PROJECT / name).read_text()
        packages = re.findall(r"^  - (\S+)$", text.partition("dependencies:")[2], re.MULTILINE)
        assert {package.partition("=")[0] for package in packages} == {"python", "pip"}, (
            "the rest is in locks/"
        )


@pytest.mark.parametrize("page", sorted(path.name for path in (PROJECT / "docs").glob("*.md")))
def test_page_is_listed_in_the_index(page: str) -> None:
    if page != "README.md":
        assert f"({page})" in (PROJECT / "docs" / "README.md").read_text()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/README.md", "docs/setup.md"])
def test_links_lead_somewhere(page: str) -> None:
    source = PROJECT / page
    links = re.findall(r"\]\((?!https?:)([^)#]+)", source.read_text())
    for link in links:
        assert (source.parent / link).exists(), f"{page} links to {link}"


def test_readme_s_commands_exist() -> None:
    text = (PROJECT / "README.md").read_text()
    names = set(re.findall(r"\./dockyard ([a-z]+)", text))
    assert {"lab", "run", "up", "down", "doctor", "check"} <= names
    for name in names:
        assert (PROJECT / "src" / "dockyard" / "cli" / f"{name}.py").is_file(), name


@pytest.mark.parametrize(
    "script", ["dockyard", "binder/postBuild", "binder/start", ".ci/run", ".ci/engine.bash"]
)
def test_shell_scripts_parse(script: str) -> None:
    shell = "sh" if (PROJECT / script).read_text().startswith("#!/bin/sh") else "bash"
    subprocess.run([shell, "-n", PROJECT / script], check=True)
