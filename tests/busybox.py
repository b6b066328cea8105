"""The recorder's `busybox:latest`: Debian's BusyBox, with a link for each of its commands."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import docker

_PASSWD = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
"""
_GROUP = "root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nstaff:x:50:\nnobody:x:65534:\n"
_DIRECTORIES = "bin dev etc home proc root sys tmp usr usr/bin usr/sbin var var/www"


def find(directory: Path) -> Path | None:
    """Return a static BusyBox: this machine's, or Debian's, unpacked in `directory`; or None."""
    installed = shutil.which("busybox")
    if installed and _is_static(Path(installed)):
        return Path(installed)
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return None
    done = subprocess.run(
        ["apt-get", "-q", "download", "busybox-static"], cwd=directory, capture_output=True, check=False
    )
    for package in directory.glob("busybox-static*.deb") if done.returncode == 0 else ():
        subprocess.run(["dpkg-deb", "-x", package, directory / "unpacked"], check=True)
    found = next((directory / "unpacked").rglob("bin/busybox"), None)
    return found if found and _is_static(found) else None


def install(client: docker.DockerClient, program: Path) -> None:
    """Make the image, with the two steps of its history, on an engine."""
    dockerfile = b'FROM scratch\nADD root.tar /\nCMD ["sh"]\n'
    context = archived({"root.tar": _root(program), "Dockerfile": dockerfile})
    client.images.build(fileobj=context, custom_context=True, tag="busybox:latest", rm=True)


def archived(files: dict[str, bytes]) -> io.BytesIO:
    """Return files as a build's context."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, content in files.items():
            _add(archive, name, content)
    context.seek(0)
    return context


def _root(program: Path) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in _DIRECTORIES.split():
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, {"root": 0o700, "tmp": 0o1777}.get(name, 0o755)
            archive.addfile(member)
        _add(archive, "bin/busybox", program.read_bytes(), 0o755)
        listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
        links = {f"bin/{command}": "busybox" for command in listed.stdout.split() if command != "busybox"}
        for name, target in {**links, "usr/bin/env": "../../bin/env"}.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
        _add(archive, "etc/passwd", _PASSWD.encode())
        _add(archive, "etc/group", _GROUP.encode())
    return content.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    archive.addfile(member, io.BytesIO(content))


def _is_static(program: Path) -> bool:
    """No dynamic loader is named in it, so that it runs in an empty image."""
    return b"/ld-linux" not in program.read_bytes() and b"/ld-musl" not in program.read_bytes()
