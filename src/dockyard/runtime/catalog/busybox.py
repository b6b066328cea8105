"""busybox: the shell and everyday tools of this machine and an /etc of our own; other stand-ins sit on it."""

import os
import shutil
from pathlib import Path
from typing import Any

from dockyard.runtime import elf
from dockyard.runtime.catalog import copying
from dockyard.runtime.catalog.accounts import write_accounts
from dockyard.runtime.catalog.stand_in import StandIn, Unavailable

_TOOLS = """
sh bash ls cat mkdir cp mv rm rmdir ln sed grep egrep fgrep id env sleep ps echo printf pwd test [ touch
chmod chown chgrp head tail wc sort uniq cut tr tee date uname whoami hostname which find xargs basename
dirname readlink realpath stat du df kill true false seq mktemp dd od tar gzip gunzip zcat awk diff cmp
nice timeout md5sum sha1sum sha256sum install expr yes getent nohup nproc sync tac comm paste join split
fold expand locale base64 more less clear top free uptime pgrep pkill nc ping wget
""".split()  # noqa: SIM905  - as many quotes would hide the words

# Needed by no program here and loaded later: by glibc for its name services, by wheels as far as manylinux
# (PEP 600) lets them expect it. Found by name at run time.
_LOADED_LATER = (
    *("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2", "libgcc_s.so.1", "libstdc++.so.6"),
    *("libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libanl.so.1", "libz.so.1"),
)

_CERTIFICATES = "ca-certificates.crt"
_FROM_ETC = (
    f"/etc/ssl/certs/{_CERTIFICATES}",
    "/etc/debian_version",
    "/etc/ssl/openssl.cnf",
    "/etc/mime.types",
    "/etc/services",
    "/etc/protocols",
    "/etc/ld.so.cache",
)

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class HostTools(StandIn):
    repository = "busybox"

    def plays(self, tag: str) -> bool:
        return True

    def version(self) -> str:
        return _release().get("VERSION_ID", "unknown")

    def description(self) -> str:
        return f"the shell and tools of this machine ({_release().get('PRETTY_NAME', 'Linux')}), not BusyBox"

    def sources(self) -> list[Path]:
        return [_tool("sh"), _tool("ls")]

    def fill(self, tree: Path, below: tuple[Path, ...]) -> dict[str, Any]:
        for link, target in copying.MERGED.items():
            (tree / target).mkdir(parents=True, exist_ok=True)
            os.symlink(target, tree / link)
        for directory in ("dev", "proc", "sys", "run", "home", "mnt", "opt", "srv", "var/log", "var/cache",
                          "usr/local/bin", "usr/local/lib", "usr/share/dockyard/wheelhouse"):  # fmt: skip
            (tree / directory).mkdir(parents=True, exist_ok=True)
        for directory, mode in (("tmp", 0o1777), ("var/tmp", 0o1777), ("root", 0o700)):
            (tree / directory).mkdir(parents=True)
            os.chmod(tree / directory, mode)
        os.symlink("../run", tree / "var/run")
        self._copy_tools(tree)
        write_accounts(tree)
        _write_etc(tree)
        _write_data(tree)
        return {"Env": [f"PATH={_PATH}"], "Cmd": ["sh"]}

    @staticmethod
    def _copy_tools(tree: Path) -> None:
        programs = []
        for name in _TOOLS:
            found = shutil.which(name, path="/bin:/usr/bin:/sbin:/usr/sbin:/run/current-system/sw/bin")
            if found is None:
                continue
            real = Path(os.path.realpath(found))
            if elf.read(real) is None and not real.read_bytes().startswith((b"#!/bin/sh", b"#! /bin/sh")):
                continue  # a script for an interpreter that the image doesn't have
            copying.copy_file(real, tree, f"usr/bin/{real.name}", mode=0o755)
            if real.name != name:  # awk is mawk here; with BusyBox or uutils everything is one program
                os.symlink(real.name, tree / "usr/bin" / name)
            programs.append(real)
        libraries = [path for name in _LOADED_LATER if (path := elf.find_library(name)) is not None]
        copying.copy_libraries([*programs, *libraries], tree)
        for library in libraries:
            copying.copy_file(library, tree, copying.merged(str(library)))


def _tool(name: str) -> Path:
    found = shutil.which(name, path="/bin:/usr/bin:/run/current-system/sw/bin")
    if found is None:
        raise Unavailable(
            f"this machine has no `{name}` in /bin or /usr/bin, which every stand-in image needs"
        )
    return Path(found)


def _release() -> dict[str, str]:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return {}
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines) if value}


def _write_etc(tree: Path) -> None:
    release = _release()
    lines = {
        "PRETTY_NAME": f"dockyard stand-in ({release.get('PRETTY_NAME', 'Linux')})",
        "NAME": "dockyard",
        "ID": "dockyard",
        "ID_LIKE": release.get("ID", "linux"),
        "VERSION_ID": release.get("VERSION_ID", ""),
    }
    copying.write_text(tree, "etc/os-release", "".join(f'{key}="{value}"\n' for key, value in lines.items()))
    switch = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
    copying.write_text(tree, "etc/nsswitch.conf", switch)
    copying.write_text(tree, "etc/profile", f"export PATH={_PATH}\n")
    for empty in ("etc/hosts", "etc/hostname", "etc/resolv.conf"):  # each container gets its own
        copying.write_text(tree, empty, "")
    for optional in _FROM_ETC:
        if os.path.isfile(optional):
            copying.copy_file(Path(optional), tree, optional.lstrip("/"), mode=0o644)
    # Debian's OpenSSL looks here; the certificates are where everybody has them.
    (tree / "usr/lib/ssl").mkdir(parents=True)
    for link, target in (
        ("certs", "certs"),
        ("openssl.cnf", "openssl.cnf"),
        ("cert.pem", f"certs/{_CERTIFICATES}"),
    ):
        os.symlink(f"/etc/ssl/{target}", tree / "usr/lib/ssl" / link)


def _write_data(tree: Path) -> None:
    """Time zones, the UTF-8 locale and terminals: data that programs look up by name."""
    if os.path.isdir("/usr/share/zoneinfo"):
        copying.copy_tree(
            Path("/usr/share/zoneinfo"), tree, "usr/share/zoneinfo", lambda path: path in ("posix", "right")
        )
    if os.path.isdir("/usr/lib/locale/C.utf8"):
        copying.copy_tree(Path("/usr/lib/locale/C.utf8"), tree, "usr/lib/locale/C.utf8", lambda path: False)
    for terminal in ("x/xterm", "x/xterm-256color", "l/linux", "s/screen", "v/vt100", "d/dumb"):
        for place in ("/usr/share/terminfo", "/lib/terminfo"):
            if os.path.isfile(f"{place}/{terminal}"):
                target = copying.merged(f"{place}/{terminal}")
                copying.copy_file(Path(place, terminal), tree, target, mode=0o644)


STAND_IN = HostTools()
