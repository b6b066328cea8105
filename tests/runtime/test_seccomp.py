"""The filter's program, run by a small interpreter, since no test machine has both architectures."""

import errno
import struct

import pytest

from dockyard.runtime.seccomp import ARM64, X86_64, Calls, calls_of, program

ALLOW, NOTIFY, REFUSE = 0x7FFF0000, 0x7FC00000, 0x00050000 | errno.ENOSYS
OTHER_ARCHITECTURE = 0x40000003  # i386


def verdict(code: bytes, arch: int, number: int, *args: int) -> int:
    """Run the BPF program on one system call."""
    padded = (*args, *(0,) * (6 - len(args)))
    data = struct.pack("<iIQ6Q", number, arch, 0, *padded)
    accumulator, at = 0, 0
    while True:
        operation, true, false, operand = struct.unpack_from("<HBBI", code, at * 8)
        at += 1
        if operation == 0x20:  # load a word
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif operation == 0x15:  # jump if equal
            at += true if accumulator == operand else false
        elif operation == 0x45:  # jump if any bit is set
            at += true if accumulator & operand else false
        elif operation == 0x06:
            return int(operand)
        else:
            raise AssertionError(f"operation {operation:#x} at {at - 1}")


@pytest.mark.parametrize("calls", [X86_64, ARM64], ids=["x86_64", "arm64"])
def test_socket_calls_of_the_internet_families_are_sent_on(calls: Calls) -> None:
    code = program(calls)
    assert verdict(code, calls.audit_arch, calls.socket, 2, 1, 0) == NOTIFY
    assert verdict(code, calls.audit_arch, calls.socket, 10, 2, 0) == NOTIFY
    for family in (1, 16, 17):  # unix, netlink, packet
        assert verdict(code, calls.audit_arch, calls.socket, family, 1, 0) == ALLOW
    for number in (calls.bind, calls.connect, calls.listen):
        assert verdict(code, calls.audit_arch, number, 3) == NOTIFY


@pytest.mark.parametrize("calls", [X86_64, ARM64], ids=["x86_64", "arm64"])
def test_sendto_is_sent_on_only_with_an_address(calls: Calls) -> None:
    code = program(calls)
    assert verdict(code, calls.audit_arch, calls.sendto, 3, 0x1000, 5, 0, 0, 0) == ALLOW
    for pointer in (0x1000, 0x7F00_0000_0000):  # also one whose lower half is zero
        assert verdict(code, calls.audit_arch, calls.sendto, 3, 0x1000, 5, 0, pointer, 16) == NOTIFY


@pytest.mark.parametrize("calls", [X86_64, ARM64], ids=["x86_64", "arm64"])
def test_ways_around_the_filter_are_refused(calls: Calls) -> None:
    code = program(calls)
    for number in (425, 426, 427):  # io_uring
        assert verdict(code, calls.audit_arch, number) == REFUSE
    assert verdict(code, OTHER_ARCHITECTURE, calls.socket, 2, 1, 0) == REFUSE
    assert verdict(code, OTHER_ARCHITECTURE, 0) == REFUSE


def test_x32_calls_are_refused() -> None:
    assert verdict(program(X86_64), X86_64.audit_arch, 0x4000_0000 | X86_64.connect, 3) == REFUSE


@pytest.mark.parametrize("calls", [X86_64, ARM64], ids=["x86_64", "arm64"])
def test_everything_else_is_let_through(calls: Calls) -> None:
    code = program(calls)
    ours = {calls.socket, calls.bind, calls.connect, calls.listen, 425, 426, 427}
    for number in set(range(462)) - ours:
        assert verdict(code, calls.audit_arch, number) == ALLOW


def test_unknown_machine_is_named() -> None:
    with pytest.raises(OSError, match="riscv64"):
        calls_of("riscv64")


@pytest.mark.parametrize("calls", [X86_64, ARM64], ids=["x86_64", "arm64"])
def test_chown_does_nothing_where_there_is_one_user(calls: Calls) -> None:
    for number in calls.chown:
        assert verdict(program(calls, one_user=True), calls.audit_arch, number, 3, 1000, 1000) == 0x00050000
        assert verdict(program(calls), calls.audit_arch, number, 3, 1000, 1000) == ALLOW
