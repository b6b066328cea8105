"""proot, for machines that allow no user namespaces: fetched with apt, as a plain user, installed nowhere.

Older proots (5.1, in Debian 12 and Ubuntu 24.04) crash PostgreSQL's initdb, so a newer one is taken from the
distribution's next release and unpacked together with the C library that it was built for.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from dockyard.errors import UserError
from dockyard.setup.apt import Apt
from dockyard.setup.environment import Environment
from dockyard.setup.report import say, step
from dockyard.setup.run import run

# Where each distribution's next release is found, below the mirror that this machine uses already.
NEXT_RELEASE = {"debian": "testing", "ubuntu": "devel"}
PACKAGES = ("proot", "libc6", "libtalloc2", "libarchive13t64")
LOADERS = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}


def fetch_if_needed(environment: Environment) -> None:
    """Put proot below share/dockyard/proot where namespaces don't work; without apt only say what that costs.

    Never fails the set-up: the platform runs without it, with fewer features, and `doctor` says which.
    """
    target = environment.stamps.directory / "proot"
    always = os.environ.get("DOCKYARD_FETCH_PROOT")
    if (target / "proot").exists() or not (always or needed()):
        return
    try:
        with step("fetching proot, because this machine allows no user namespaces"):
            fetch(target)
    except (UserError, OSError) as error:
        say(f"proot can't be had: {error}")
        say("dockyard works without it, with fewer features: `./dockyard doctor` lists them")


def needed() -> bool:
    """Whether namespaces can't be made here; tried, not guessed, because versions and settings don't tell."""
    command = ["unshare", "-m", "true"] if os.getuid() == 0 else ["unshare", "-Urm", "true"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return True
    return done.returncode != 0


def fetch(target: Path) -> None:
    """Download and unpack proot and its libraries into `target`. Raises UserError when that can't be."""
    work = target.with_name("proot.part")
    apt = Apt(work, _source())
    apt.update()
    packages = list(PACKAGES)
    try:
        apt.download(packages)
    except UserError:
        # Releases from before the change to 64-bit times call the library by its older name.
        packages[-1] = "libarchive13"
        apt.download(packages)
    _assemble(apt.unpack(), work / "done")
    shutil.rmtree(target, ignore_errors=True)
    (work / "done").rename(target)
    shutil.rmtree(work)


def _assemble(root: Path, target: Path) -> None:
    """Pick proot, its dynamic loader and the libraries that it needs out of the unpacked packages."""
    library = target / "lib"
    library.mkdir(parents=True)
    shutil.copy2(root / "usr/bin/proot", target / "proot")
    wanted = (LOADERS[platform.machine()], "libc.so.6", "libtalloc.so.2", "libarchive.so.13", "libm.so.6")
    for name in wanted:
        for found in root.rglob(name):
            shutil.copy2(found, library / name)  # follows the link to the real file
            break


def _source() -> str:
    """The apt source of the next release: this machine's mirror, checked with its distribution's keys."""
    known = dict(line.partition("=")[::2] for line in Path("/etc/os-release").read_text().splitlines())
    distribution = known.get("ID", "").strip('"')
    release = NEXT_RELEASE.get(distribution)
    if release is None:
        raise UserError(f"it is not known where {distribution or 'this system'} keeps a newer proot")
    listing = run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT) $(CREATED_BY)"],
        "apt has no mirror configured",
    )
    mirrors = [line.split() for line in listing.splitlines()]
    for uri, component, created in (words for words in mirrors if len(words) == 3):
        if component == "main" and created == "Packages":
            components = "main" if distribution == "debian" else "main universe"
            keys = f"/usr/share/keyrings/{distribution}-archive-keyring.gpg"
            return f"deb [signed-by={keys}] {uri} {release} {components}\n"
    raise UserError("apt has no mirror configured")


if __name__ == "__main__":
    fetch(Path(sys.argv[1]).absolute())
