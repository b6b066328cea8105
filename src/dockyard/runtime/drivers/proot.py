"""proot: absolute paths for the unprivileged, by ptrace. Needs 5.4 or newer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dockyard.runtime.drivers.driver import Traits
from dockyard.runtime.drivers.proot_filter import launcher_path
from dockyard.runtime.drivers.wrapped import find_program, library_path, put_mark
from dockyard.runtime.layers import remove_tree
from dockyard.runtime.plan import Plan
from dockyard.runtime.spec import ContainerSpec, ProcessSpec

_GIVES = ("absolute paths", "no privileges needed")
_LOSES = (
    "PID 1 and a pid namespace (programs see the host's processes)",
    "a host name of its own",
    "read-only mounts, tmpfs and capabilities",
    "layers without copying (each container has a copy)",
    "processes that an exec leaves in the background (they end with it)",
    "native speed (system calls on paths are slower)",
)


def remove_left_over(home: Path) -> None:
    """Remove what a proot that was killed has left in `home`; none may run there any more."""
    for directory in home.glob("proot-*-??????"):
        remove_tree(directory)
    for loader in home.glob("prooted-*-??????"):
        loader.unlink(missing_ok=True)


@dataclass(frozen=True)
class Proot:
    """`program` is how to start proot: its path, or its dynamic loader with the libraries beside it.

    With a filter it stops at the system calls that it must change, and not at all of them: much faster.
    Debian's 5.4.0-3 was built without its own and believes that it has it: paths then go through
    unchanged, which the trial notices. `ours` is loaded by a launcher in `home` before the program starts.
    """

    program: tuple[str, ...]
    home: str
    filter: Literal["its own", "ours", "none"]

    @property
    def traits(self) -> Traits:
        return Traits("proot", False, _GIVES, _LOSES)

    def shape(self, plan: Plan, spec: ContainerSpec, process: ProcessSpec) -> None:
        base = plan["root"]["merged"]
        plan["tracer"] = True
        program = find_program(plan)
        argv = [*self.program, "--kill-on-exit", "-r", base, "-w", plan["cwd"]]
        for folder in ("/proc", "/sys", "/dev"):
            argv += ["-b", folder]
        for mount in plan["root"]["mounts"]:
            # Differs: under proot a tmpfs is a folder of the container's own disk, and no mount is read-only.
            if mount["source"] is not None:
                argv += ["-b", f"{mount['source']}:{mount['target']}"]
        # Differs: the user is faked, so that chown seems to work and files seem to be his. Root does so
        # too, since another user could not reach a root file system below a private folder.
        argv += ["-i", f"{plan['uid']}:{plan['gid']}"]
        plan["uid"], plan["gid"], plan["groups"] = os.geteuid(), os.getegid(), []
        plan["style"] = "wrapped"
        if self.filter == "ours":
            # Until the filter is there, paths aren't translated: the launcher is seen where it really is.
            launcher = launcher_path(self.home)
            argv += ["-b", launcher, launcher, program]
        plan["argv"] = [*argv, *plan["argv"]]
        plan["cwd"] = "/"
        # proot hides /proc/self/exe from the loader, and with it what $ORIGIN means.
        plan["env"].setdefault("LD_LIBRARY_PATH", library_path(base))
        plan["env"].setdefault("PROOT_TMP_DIR", self.home)
        # Places for mounts that the tree doesn't have are made outside of it.
        plan["env"].setdefault("PROOT_DONT_POLLUTE_ROOTFS", "1")
        if self.filter == "none":
            plan["env"].setdefault("PROOT_NO_SECCOMP", "1")
        put_mark(plan, self.home)
