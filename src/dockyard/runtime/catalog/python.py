"""python:3.x-slim: the interpreter that runs dockyard, its standard library and pip.

It is taken from `sys.base_prefix`, so it works from a virtual environment, pyenv, conda or a distribution.
"""

import importlib.util
import os
import re
import shutil
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

from dockyard.runtime import elf
from dockyard.runtime.catalog import copying
from dockyard.runtime.catalog.stand_in import StandIn, Unavailable

# What the image doesn't need of the standard library: its own tests, and what needs a display.
_LEFT_OUT = re.compile(
    r"(test|tests|idlelib|tkinter|turtledemo|lib2to3|site-packages|dist-packages|config-[^/]*|EXTERNALLY-MANAGED"
    r"|turtle\.py|lib-dynload/_(test|tkinter|ctypes_test|xxtest)[^/]*)"
    r"|(unittest|distutils|ctypes|sqlite3|json)/tests?|.*\.opt-[12]\.pyc|.*\.a"
)
_WHEELHOUSE = "/usr/share/dockyard/wheelhouse"
_DEBIAN_VERSION = Path("/etc/debian_version")
_TAGS = re.compile(r"latest|slim|3([.\d]*)((-slim)(-\w+)?|-\w+)?")


class Python(StandIn):
    repository = "python"
    base = "busybox"

    def plays(self, tag: str) -> bool:
        return _TAGS.fullmatch(tag) is not None and "alpine" not in tag and "windows" not in tag

    def version(self) -> str:
        return sys.version.split()[0]

    def description(self) -> str:
        name = "CPython" if sys.implementation.name == "cpython" else sys.implementation.name
        return f"{name} {self.version()} of this machine, with the tools of this machine"

    def sources(self) -> list[Path]:
        return [_executable(), Path(sysconfig.get_path("stdlib"), "os.py"), _pip()]

    def fill(self, tree: Path, below: tuple[Path, ...]) -> dict[str, Any]:
        # A distribution's Python has its places compiled in; any other runs wherever its prefix is put.
        own = os.path.realpath(sys.base_prefix)
        prefix = "usr" if own == "/usr" else "usr/local"
        name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        programs = self._copy_library(tree, own, prefix)
        copying.copy_file(_executable(), tree, f"{prefix}/bin/{name}", mode=0o755)
        copying.copy_libraries(programs, tree, below, moved="" if own == "/usr" else own)
        if prefix == "usr/local":
            copying.link_libraries(tree, "usr/local/lib", below)
        (tree / "usr/local/bin").mkdir(parents=True, exist_ok=True)
        for alias in ("python3", "python", *((name,) if prefix == "usr" else ())):
            os.symlink(name if prefix == "usr/local" else f"/usr/bin/{name}", tree / "usr/local/bin" / alias)
        packages = _packages_directory(prefix, name)
        _copy_pip(tree, packages, f"/{prefix}/bin/{name}")
        _configure_pip(tree)
        if _DEBIAN_VERSION.exists():
            # The real image is Debian's; where this machine is too, it says so in the same place.
            copying.copy_file(_DEBIAN_VERSION, tree, "etc/debian_version")
        env = ["PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
        env.append(f"PYTHON_VERSION={self.version()}")
        return {"Env": env, "Cmd": ["python3"]}

    @staticmethod
    def _copy_library(tree: Path, own: str, prefix: str) -> list[Path]:
        """The standard library and what stands beside it; returns the binaries among it."""
        binaries = [_executable()]
        for key in ("stdlib", "platstdlib"):
            source = os.path.realpath(sysconfig.get_path(key, vars={"base": own, "platbase": own}))
            target = f"{prefix}/{os.path.relpath(source, own)}"
            if not (tree / target).exists():
                binaries += copying.copy_tree(
                    Path(source), tree, target, lambda path: _LEFT_OUT.fullmatch(path) is not None
                )
        if own != "/usr":
            # conda and shared builds keep libraries beside the interpreter.
            for library in sorted(elf.closure(binaries)):
                if str(library).startswith(own + "/"):
                    copying.copy_file(library, tree, f"{prefix}/{os.path.relpath(library, own)}")
        return binaries


def _executable() -> Path:
    base = getattr(sys, "_base_executable", None) or sys.executable
    found = Path(os.path.realpath(base))
    if elf.read(found) is None:
        # pyenv's shims and the like are scripts; the prefix has the program itself.
        found = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}").resolve()
    if not found.exists():
        raise Unavailable(f"the Python interpreter {found} has gone; set dockyard up again")
    return found


def _packages_directory(prefix: str, name: str) -> str:
    # Debian's own interpreter looks for what pip installs in dist-packages of /usr/local.
    return (
        f"usr/local/lib/{name}/dist-packages"
        if prefix == "usr" and _is_debian()
        else f"{prefix}/lib/{name}/site-packages"
    )


def _is_debian() -> bool:
    return "deb_system" in sysconfig.get_scheme_names()


def _pip() -> Path:
    """A directory that holds the package `pip`, or a wheel of it."""
    for directory in (
        sysconfig.get_path("purelib", vars={"base": sys.base_prefix}),
        sysconfig.get_path("purelib"),
    ):
        if Path(directory, "pip", "__init__.py").exists():
            return Path(directory)
    for place in (
        Path(sysconfig.get_path("stdlib"), "ensurepip", "_bundled"),
        Path("/usr/share/python-wheels"),
    ):
        wheels = sorted(place.glob("pip-*.whl"))
        if wheels:
            return wheels[-1]
    found = importlib.util.find_spec("pip")
    if found is None or found.origin is None:
        raise Unavailable("this machine's Python has no pip and no ensurepip, which a python image needs")
    return Path(found.origin).parent.parent


def _copy_pip(tree: Path, packages: str, interpreter: str) -> None:
    source = _pip()
    if source.suffix == ".whl":
        with zipfile.ZipFile(source) as wheel:
            wheel.extractall(tree / packages)
    else:
        unwanted = (".exe", ".opt-1.pyc", ".opt-2.pyc")
        copying.copy_tree(source / "pip", tree, f"{packages}/pip", lambda path: path.endswith(unwanted))
        for information in source.glob("pip-*.dist-info"):
            shutil.copytree(information, tree / packages / information.name)
    for record in (tree / packages).glob("pip-*.dist-info/direct_url.json"):
        record.unlink()
    script = f"#!{interpreter}\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n"
    for name in ("pip", "pip3", f"pip{sys.version_info[0]}.{sys.version_info[1]}"):
        copying.write_text(tree, f"usr/local/bin/{name}", script, 0o755)


def _configure_pip(tree: Path) -> None:
    # No warning about root: the container is the environment. No cache: it would end up in the layer.
    copying.write_text(
        tree,
        "etc/pip.conf",
        f"[global]\nno-index = true\nfind-links = {_WHEELHOUSE}\nroot-user-action = ignore\n"
        "disable-pip-version-check = true\nno-cache-dir = true\n",
    )


STAND_IN = Python()
