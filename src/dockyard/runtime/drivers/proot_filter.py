"""The filter that a proot was built without: a tiny program that loads it and becomes the real one.

proot must stop at the system calls that it changes, and waits for the rest for nothing. Ours lets through the
calls that it never looks at and are made all the time; the others it sends to proot, whatever they are.
"""

from __future__ import annotations

import os
import platform
import struct

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
_ALLOW = 0x7FFF0000  # SECCOMP_RET_ALLOW
_TRACE = 0x7FF00001  # SECCOMP_RET_TRACE; its data 1 asks proot for a second stop, at the call's end
_AUDIT_ARCH = 0xC000003E  # x86_64
_BASE = 0x400000

# The numbers of linux/arch/x86/entry/syscalls/syscall_64.tbl. What carries a path, a user, a working
# directory, an address of a socket, or a child, is not here, nor is brk, which proot emulates.
_LET_THROUGH = {
    "read": 0, "write": 1, "close": 3, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11,
    "rt_sigaction": 13, "rt_sigprocmask": 14, "pread64": 17, "pwrite64": 18, "readv": 19, "writev": 20,
    "select": 23, "sched_yield": 24, "mremap": 25, "msync": 26, "madvise": 28, "dup": 32, "dup2": 33,
    "nanosleep": 35, "setitimer": 38, "getpid": 39, "sendfile": 40, "shutdown": 48, "setsockopt": 54,
    "getsockopt": 55, "exit": 60, "fcntl": 72, "flock": 73, "fsync": 74, "fdatasync": 75, "ftruncate": 77,
    "getdents": 78, "gettimeofday": 96, "sigaltstack": 131, "gettid": 186, "futex": 202,
    "sched_getaffinity": 204, "getdents64": 217, "clock_gettime": 228, "clock_nanosleep": 230,
    "exit_group": 231, "epoll_wait": 232, "epoll_ctl": 233, "pselect6": 270, "ppoll": 271,
    "sync_file_range": 277, "epoll_pwait": 281, "fallocate": 285, "timerfd_settime": 286, "eventfd2": 290,
    "epoll_create1": 291, "dup3": 292, "pipe2": 293, "preadv": 295, "pwritev": 296, "getrandom": 318,
    "membarrier": 324, "rseq": 334,
}  # fmt: skip


def launcher_path(home: str) -> str:
    """Where the launcher of a home is."""
    return f"{home}/proot-launcher"


def write_launcher(home: str) -> bool:
    """Puts the launcher there, whole or not at all; False where there is none for this machine."""
    content = launcher()
    if content is None:
        return False
    path = launcher_path(home)
    with open(f"{path}.{os.getpid()}", "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o755)
    os.replace(file.name, path)
    return True


def launcher() -> bytes | None:
    """An ELF program: `launcher PATH ARGV0 [ARG...]` loads the filter and executes PATH; None elsewhere.

    It needs no_new_privs, and exits with 127 when PATH can't be executed.
    """
    if platform.machine() != "x86_64":
        return None
    instructions = _instructions()
    header_size = 64 + 56
    code_size = len(_code(0))
    table = header_size + code_size + 8 - (header_size + code_size) % 8
    program = table + 16
    code = _code(_BASE + table)
    body = code.ljust(table - header_size, b"\0")
    body += struct.pack("<HxxxxxxQ", len(instructions) // 8, _BASE + program) + instructions
    size = header_size + len(body)
    # Elf64_Ehdr and one Elf64_Phdr (elf(5)): a static program, readable and executable, loaded as a whole.
    elf = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        2,
        62,
        1,
        _BASE + header_size,
        64,
        0,
        0,
        64,
        56,
        1,
        0,
        0,
        0,
    )
    elf += struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return elf + body


def _instructions() -> bytes:
    numbers = sorted(_LET_THROUGH.values())
    code = [(_LOAD, 0, 0, 4), (_EQUAL, 0, len(numbers) + 1, _AUDIT_ARCH), (_LOAD, 0, 0, 0)]
    code += [(_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    code += [(_RETURN, 0, 0, _TRACE), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("<HBBI", *one) for one in code)


def _code(program: int) -> bytes:
    return b"".join(
        (
            b"\xbf" + struct.pack("<I", 22),  # mov edi, PR_SET_SECCOMP
            b"\xbe" + struct.pack("<I", 2),  # mov esi, SECCOMP_MODE_FILTER
            b"\xba" + struct.pack("<I", program),  # mov edx, the filter
            b"\xb8" + struct.pack("<I", 157),  # mov eax, prctl
            b"\x0f\x05",  # syscall
            b"\x48\x8b\x7c\x24\x10",  # mov rdi, [rsp + 16]: PATH
            b"\x48\x8d\x74\x24\x18",  # lea rsi, [rsp + 24]: from ARGV0 on
            b"\x48\x8b\x04\x24",  # mov rax, [rsp]: how many arguments
            b"\x48\x8d\x54\xc4\x10",  # lea rdx, [rsp + rax * 8 + 16]: the environment
            b"\xb8" + struct.pack("<I", 59),  # mov eax, execve
            b"\x0f\x05",  # syscall
            b"\xbf" + struct.pack("<I", 127),  # mov edi, 127
            b"\xb8" + struct.pack("<I", 60),  # mov eax, exit
            b"\x0f\x05",  # syscall
        )
    )
