"""Capability names and the set that Docker leaves to a container."""

from __future__ import annotations

from collections.abc import Iterable

# In the order of include/uapi/linux/capability.h: the index is the number.
_TABLE = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
    SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
    AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM
    BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
_LEFT_BY_DOCKER = """
    CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE
    SYS_CHROOT KILL AUDIT_WRITE
"""
_NAMES = tuple(_TABLE.split())
_DEFAULT = frozenset(_LEFT_BY_DOCKER.split())


def kept(drop: Iterable[str], add: Iterable[str]) -> list[int]:
    """The numbers of the capabilities that stay, Docker's defaults changed by `drop` and `add`.

    Names come with or without CAP_, in any case, or as ALL. Raises ValueError for an unknown one.
    """
    dropped, added = {_plain(name) for name in drop}, {_plain(name) for name in add}
    names = set() if "ALL" in dropped else set(_DEFAULT - dropped)
    names |= set(_NAMES) - dropped if "ALL" in added else added
    return sorted(_NAMES.index(name) for name in names)


def _plain(name: str) -> str:
    plain = name.upper().removeprefix("CAP_")
    if plain != "ALL" and plain not in _NAMES:
        raise ValueError(f"invalid capability: {name!r}")
    return plain
