"""The address plan: which loopback addresses a home, its services and its sandboxes have."""

import errno
import os
import socket
import zlib
from typing import NamedTuple

# Differs: programs see 127.x addresses where a container has 172.17.x.y or 10.244.x.y, their own 127.0.0.1 in
# getsockname() and getpeername() too.
# 127.N.0.0/16 holds the sandboxes' own addresses, 127.(N+128) their private localhosts, 127.(N+192) what
# plays ::1. So whatever comes from 127.128.0.0/9 comes from the same sandbox (a line for pg_hba.conf, for
# example).
BLOCKS = range(16, 63)
LOCALHOST_OFFSET = 128
IPV6_OFFSET = 192

SERVICE_PREFIX = b"\x0a\x60"  # 10.96.0.0/16

_LOCK_PORT = 61999
_LOW_PORTS_MOVE_TO = 61000  # above the usual range of ephemeral ports, which ends at 60999


class Block(NamedTuple):
    """One home's addresses: `number` is N above; `floor` the lowest port that its processes may bind."""

    number: int
    floor: int

    @property
    def gateway(self) -> str:
        """Where published ports come from, as a bridge's gateway is in Docker."""
        return f"127.{self.number}.0.1"

    @property
    def dns(self) -> str:
        return f"127.{self.number}.0.2"

    @property
    def hole(self) -> str:
        """Connections that a real network would drop are made to this address, and stay unanswered."""
        return f"127.{self.number}.0.3"

    @property
    def octets(self) -> tuple[int, int, int]:
        """The second octets of own addresses, private localhosts and ::1."""
        return self.number, self.number + LOCALHOST_OFFSET, self.number + IPV6_OFFSET

    def sandbox(self, index: int) -> str:
        """Return the own address of sandbox `index` (from 0); raises OSError (ENOSPC) past the last one."""
        third, fourth = divmod(index, 254)
        if third > 254:
            raise OSError(errno.ENOSPC, f"all addresses of 127.{self.number}.0.0/16 are in use")
        return f"127.{self.number}.{third + 1}.{fourth + 1}"

    def real_port(self, port: int) -> int:
        """Return the port really bound for `port`: low ones move up where the user may not have them."""
        return port + _LOW_PORTS_MOVE_TO if 0 < port < min(self.floor, 1024) else port


def localhost_of(address: str) -> str:
    """Return the private localhost that belongs to a sandbox's own address."""
    return _shifted(address, LOCALHOST_OFFSET)


def ipv6_of(address: str) -> str:
    """Return the address that plays ::1, and every IPv6-only server, for a sandbox's own address."""
    return _shifted(address, IPV6_OFFSET)


def _shifted(address: str, offset: int) -> str:
    first, second, rest = address.split(".", 2)
    return f"{first}.{int(second) + offset}.{rest}"


def claim_block(home: str) -> tuple[Block, socket.socket]:
    """Take a block that no other home on this machine holds, the same one as last time where it is free.

    The block is held as long as the returned socket is open. Raises OSError (EADDRINUSE) when all are taken.
    """
    preferred = zlib.crc32(os.path.realpath(home).encode()) % len(BLOCKS)
    for step in range(len(BLOCKS)):
        number = BLOCKS[(preferred + step) % len(BLOCKS)]
        held = socket.socket()
        try:
            held.bind((f"127.{number}.0.1", _LOCK_PORT))
        except OSError as error:
            held.close()
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        return Block(number, _lowest_port(f"127.{number}.0.1")), held
    raise OSError(
        errno.EADDRINUSE, f"{len(BLOCKS)} homes are running on this machine: stop one with `dockyard down`"
    )


def _lowest_port(address: str) -> int:
    with socket.socket() as trial:
        try:
            trial.bind((address, 1))
        except PermissionError:
            try:
                with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
                    return int(file.read())
            except (OSError, ValueError):
                return 1024
        return 0
