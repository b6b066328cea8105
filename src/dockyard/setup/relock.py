"""`python -m dockyard.setup.relock`: the locks, from pyproject.toml and the apps' requirements."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dockyard.home import project_root
from dockyard.setup.run import run

HEADER = "# Made by `just lock` from {source}; don't edit.\n"


def main() -> int:
    """Write every file of locks/ anew; versions that still fit stay as they are unless --upgrade is given."""
    project = project_root()
    extra = [word for word in sys.argv[1:] if word == "--upgrade"]
    locks = project / "locks"
    compile_lock(project, locks / "course.txt", ["pyproject.toml"], "pyproject.toml", extra)
    for group in ("test", "lint", "setup"):
        sources = ["--group", f"pyproject.toml:{group}", "-c", "locks/course.txt"]
        compile_lock(project, locks / f"{group}.txt", sources, f"the group {group} of pyproject.toml", extra)
    # Only the binaries inside are wanted, not what those packages are for.
    sources = ["--group", "pyproject.toml:clients", "--no-deps"]
    compile_lock(project, locks / "clients.txt", sources, "the group clients of pyproject.toml", extra)
    # What a learner's Dockerfile installs: the apps' requirements and those of the exercises.
    patterns = ("course/apps/*/requirements*.txt", "course/*/lab/**/requirements*.txt")
    found = {str(path.relative_to(project)) for pattern in patterns for path in project.glob(pattern)}
    sources = [*sorted(found), "--group", "pyproject.toml:wheelhouse"]
    compile_lock(project, locks / "wheelhouse.txt", sources, "the requirements files below course", extra)
    return 0


def compile_lock(project: Path, lock: Path, sources: Sequence[str], named: str, extra: Sequence[str]) -> None:
    """Resolve `sources` for every supported Python and Linux platform, with the hash of every file.

    The names of indexes stay out: a lock says what, the machine's own pip configuration says from where.
    """
    uv = Path(sys.prefix) / "bin" / "uv"
    command: list[str | Path] = [
        uv,
        "pip",
        "compile",
        *sources,
        "--universal",
        "--python-version",
        "3.11",
        "--generate-hashes",
    ]
    command += [
        "--no-emit-index-url",
        "--no-header",
        "--no-annotate",
        "--directory",
        project,
        "-o",
        lock,
        *extra,
    ]
    run(command, f"cannot make {lock.name}")
    body = "".join(line for line in lock.read_text().splitlines(keepends=True) if not line.startswith("#"))
    lock.write_text(HEADER.format(source=named) + body)
    print(f"locks/{lock.name}: {body.count('==')} packages")


if __name__ == "__main__":
    sys.exit(main())
