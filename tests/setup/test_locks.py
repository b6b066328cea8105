"""The locks say exactly what pyproject.toml says, with hashes, and from nowhere in particular."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.setup.conftest import PROJECT

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
GROUPS = {"course": PYPROJECT["project"]["dependencies"], **PYPROJECT["dependency-groups"]}
LOCKS = sorted(path.stem for path in (PROJECT / "locks").glob("*.txt"))


def pins(text: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def test_every_group_has_a_lock() -> None:
    assert sorted(GROUPS) == LOCKS


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_lock_holds_the_pinned_versions(group: str) -> None:
    wanted = pins("\n".join(GROUPS[group]))
    assert len(wanted) == len(GROUPS[group]), "every dependency is pinned with =="
    locked = pins((PROJECT / "locks" / f"{group}.txt").read_text())
    assert {name: locked.get(name) for name in wanted} == wanted, "run `just lock`"


def test_wheelhouse_holds_what_the_apps_install() -> None:
    requirements = list((PROJECT / "course" / "apps").glob("*/requirements.txt"))
    assert requirements
    locked = pins((PROJECT / "locks" / "wheelhouse.txt").read_text())
    for path in requirements:
        wanted = pins(path.read_text())
        assert wanted
        assert {name: locked.get(name) for name in wanted} == wanted, "run `just lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_hashes_and_names_no_index(lock: str) -> None:
    text = (PROJECT / "locks" / f"{lock}.txt").read_text()
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert "index" not in re.sub(r"[A-Za-z0-9_-]+==", "", text)


def test_test_and_lint_locks_agree_with_the_course_s() -> None:
    course = pins((PROJECT / "locks" / "course.txt").read_text())
    for group in ("test", "lint"):
        other = pins((PROJECT / "locks" / f"{group}.txt").read_text())
        assert {name: course[name] for name in other if name in course} == {
            name: version for name, version in other.items() if name in course
        }
