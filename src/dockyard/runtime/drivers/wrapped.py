"""What the drivers share that run the program without namespaces: a copied tree, and their losses."""

from __future__ import annotations

import errno
import os

from dockyard.runtime import resolve
from dockyard.runtime.census import MARK
from dockyard.runtime.plan import Plan
from dockyard.runtime.wording import cannot_enter, cannot_execute


def find_program(plan: Plan) -> str:
    """The path inside the root of the plan's program; raises StartError where execve or chdir would fail."""
    base = plan["root"]["merged"]
    # Only what really is bound into the tree: without a root file system, mounts don't happen.
    bound = {m["target"]: m["source"] for m in plan["root"]["mounts"] if plan["tracer"] and m["source"]}
    if not os.path.isdir(resolve.inside(base, plan["cwd"], bound)):
        raise cannot_enter(plan["cwd"], errno.ENOENT)
    try:
        return resolve.program(base, plan["argv"][0], plan["env"].get("PATH", ""), plan["cwd"], bound)
    except OSError as error:
        raise cannot_execute(plan["argv"][0], error.errno or 0) from error


def put_mark(plan: Plan, home: str) -> None:
    """Marks the process and its children as the container's: the only trace that an orphan keeps."""
    plan["env"][MARK] = f"{home}/{plan['container']}"


def library_path(base: str) -> str:
    """Folders of the root that hold libraries, for programs whose own search would look at the host's."""
    folders = ("usr/local/lib", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib", "lib")
    return ":".join(f"/{folder}" for folder in folders if os.path.isdir(f"{base}/{folder}"))
