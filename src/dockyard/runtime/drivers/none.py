"""No root file system at all: the program runs from the container's tree, and sees the host's."""

from __future__ import annotations

from dataclasses import dataclass

from dockyard.runtime.drivers.driver import Traits
from dockyard.runtime.drivers.wrapped import find_program, library_path, put_mark
from dockyard.runtime.plan import Plan
from dockyard.runtime.resolve import inside
from dockyard.runtime.spec import ContainerSpec, ProcessSpec

_GIVES = ("no privileges and no other program needed", "native speed")
_LOSES = (
    "absolute paths (programs see the host's files)",
    "volumes and ConfigMaps as files at their paths",
    "PID 1, a host name, users other than your own, read-only mounts, tmpfs, capabilities",
    "layers without copying (each container has a copy)",
)


@dataclass(frozen=True)
class NoRoot:
    """The last resort; `DOCKYARD_ROOT` tells a program where its tree is."""

    home: str

    @property
    def traits(self) -> Traits:
        return Traits("none", False, _GIVES, _LOSES)

    def shape(self, plan: Plan, spec: ContainerSpec, process: ProcessSpec) -> None:
        base = plan["root"]["merged"]
        name = find_program(plan)
        env = plan["env"]
        plan["style"] = "wrapped"
        plan["argv"] = [inside(base, name), *plan["argv"][1:]]
        plan["cwd"] = inside(base, plan["cwd"])
        own = [inside(base, folder) for folder in env.get("PATH", "").split(":") if folder]
        env["PATH"] = ":".join([*own, "/usr/local/bin", "/usr/bin", "/bin"])
        env.setdefault("LD_LIBRARY_PATH", ":".join(base + folder for folder in library_path(base).split(":")))
        env["DOCKYARD_ROOT"] = base
        put_mark(plan, self.home)
