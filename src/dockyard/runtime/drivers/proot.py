"""proot: absolute paths for the unprivileged, by ptrace. Needs 5.4 or newer."""

from __future__ import annotations

import os
from dataclasses import dataclass

from dockyard.runtime.drivers.driver import Traits
from dockyard.runtime.drivers.wrapped import find_program, library_path, put_mark
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


@dataclass(frozen=True)
class Proot:
    """`program` is how to start proot: its path, or its dynamic loader with the libraries beside it.

    `accelerated` lets it stop only at the system calls it must change. Debian's 5.4.0-3 was built without
    that filter and believes it has it: paths then go through unchanged, which the trial notices.
    """

    program: tuple[str, ...]
    home: str
    accelerated: bool

    @property
    def traits(self) -> Traits:
        return Traits("proot", False, _GIVES, _LOSES)

    def shape(self, plan: Plan, spec: ContainerSpec, process: ProcessSpec) -> None:
        base = plan["root"]["merged"]
        plan["tracer"] = True
        find_program(plan)
        argv = [*self.program, "--kill-on-exit", "-r", base, "-w", plan["cwd"]]
        for folder in ("/proc", "/sys", "/dev"):
            argv += ["-b", folder]
        for mount in plan["root"]["mounts"]:
            # Differs: a tmpfs is a folder of the container's own disk, and nothing is read-only.
            if mount["source"] is not None:
                argv += ["-b", f"{mount['source']}:{mount['target']}"]
        # Differs: the user is faked, so that chown seems to work and files seem to be his. Root does so
        # too, since another user could not reach a root file system below a private folder.
        argv += ["-i", f"{plan['uid']}:{plan['gid']}"]
        plan["uid"], plan["gid"], plan["groups"] = os.geteuid(), os.getegid(), []
        plan["style"] = "wrapped"
        plan["argv"] = [*argv, *plan["argv"]]
        plan["cwd"] = "/"
        # proot hides /proc/self/exe from the loader, and with it what $ORIGIN means.
        plan["env"].setdefault("LD_LIBRARY_PATH", library_path(base))
        plan["env"].setdefault("PROOT_TMP_DIR", self.home)
        if not self.accelerated:
            plan["env"].setdefault("PROOT_NO_SECCOMP", "1")
        put_mark(plan, self.home)
