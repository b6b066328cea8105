"""The Linux calls that Python has no name for: clone, mount, open_tree, pivot_root, setns, prctl, pidfd."""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import struct

CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

_MOUNT_ATTR_RDONLY = 0x1
_AT_RECURSIVE = 0x8000
_OPEN_TREE = 428  # the same number on every architecture
_OPEN_TREE_CLONE = 0x1
# clone, pivot_root, mount_setattr: arch/x86/entry/syscalls and include/uapi/asm-generic/unistd.h
_SYSCALLS = {
    "x86_64": (56, 155, 442),
    "aarch64": (220, 41, 442),
}
_CLONE, _PIVOT_ROOT, _MOUNT_SETATTR = _SYSCALLS.get(platform.machine(), (-1, -1, -1))

# PyDLL keeps the interpreter lock over the call: after clone() the child must go on holding it.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def clone(flags: int) -> int:
    """fork() into new namespaces: 0 in the child, its pid in the caller. For single-threaded callers only."""
    arguments = [ctypes.c_long(flags | 17), *[ctypes.c_long(0)] * 4]  # 17: SIGCHLD
    return _check(_libc.syscall(ctypes.c_long(_CLONE), *arguments), "clone")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        os.fsencode(data) or None,
    )
    _check(result, f"mount {kind or source} on {target}")


def make_read_only(target: str) -> None:
    """Makes the mount at `target` and those below it read-only, other flags untouched (Linux 5.12)."""
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    result = _libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR),
        ctypes.c_long(-100),  # AT_FDCWD
        os.fsencode(target),
        ctypes.c_long(_AT_RECURSIVE),
        attributes,
        ctypes.c_long(len(attributes)),
    )
    _check(result, f"make {target} read-only")


def unshare(kinds: int) -> None:
    """Leaves the namespaces `kinds` (CLONE_NEW*) for new ones. For single-threaded callers only."""
    _check(_libc.unshare(kinds), "unshare")


def open_tree(path: str) -> int:
    """A descriptor of a copy of the mount at `path`, without those below it, that is mounted nowhere.

    It behaves like one opened with O_PATH, and the mount is gone when it is closed (Linux 5.2).
    """
    result = _libc.syscall(
        ctypes.c_long(_OPEN_TREE),
        ctypes.c_long(-100),  # AT_FDCWD
        os.fsencode(path),
        ctypes.c_long(_OPEN_TREE_CLONE | os.O_CLOEXEC),
    )
    return _check(result, f"open_tree {path}")


def pivot_root(new_root: str) -> None:
    """Makes `new_root` (a mount point) the root and drops the old one."""
    os.chdir(new_root)
    _check(_libc.syscall(ctypes.c_long(_PIVOT_ROOT), b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "umount the old root")
    os.chdir("/")


def setns(fd: int, kinds: int) -> None:
    """Joins the namespaces `kinds` (CLONE_NEW*) of the process behind the pidfd `fd` (Linux 5.8)."""
    _check(_libc.setns(fd, kinds), "setns")


def sethostname(name: str) -> None:
    """Sets the host name of the caller's UTS namespace."""
    raw = os.fsencode(name)
    _check(_libc.sethostname(raw, len(raw)), "sethostname")


def prctl(option: int, argument: int = 0) -> None:
    """prctl(2) with one argument."""
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(option, ctypes.c_ulong(argument), zero, zero, zero), f"prctl {option}")


def prctl_text(option: int, text: bytes) -> None:
    """prctl(2) with a string."""
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(option, ctypes.c_char_p(text), zero, zero, zero), f"prctl {option}")


def exit_status(pidfd: int) -> int | None:
    """The wait status of a dead process that is not our child, or None where the kernel can't say.

    PIDFD_GET_INFO with PIDFD_INFO_EXIT, Linux 6.15 (include/uapi/linux/pidfd.h).
    """
    wanted = 1 << 3
    block = bytearray(struct.pack("=Q", wanted).ljust(64, b"\0"))
    try:
        fcntl.ioctl(pidfd, 0xC040FF0B, block, True)
    except OSError:
        return None
    mask, *_ = struct.unpack_from("=Q", block)
    return int(struct.unpack_from("=i", block, 60)[0]) if mask & wanted else None
