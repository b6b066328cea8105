"""The addresses of this machine that published ports are listened on."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct

_SIOCGIFADDR = 0x8915
_LINK_LOCAL = "20"  # the scope of an address that needs the interface's name beside it


def addresses_of(host: str, gateway: str) -> list[str]:
    """Return the addresses to listen on for `host`; for 0.0.0.0, each that the machine has now.

    A socket on 0.0.0.0 itself would take the port from every sandbox too, for they are all in 127.0.0.0/8.
    Containers reach the machine at `gateway`, so 0.0.0.0 contains it.
    Differs: a port published on every address doesn't answer on addresses that the machine gets later.
    """
    if host == "::":
        return _ipv6_addresses()
    if host not in ("", "0.0.0.0"):
        return [host]
    found = ["127.0.0.1"]
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(sock, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue  # an interface without an IPv4 address
            found.append(socket.inet_ntoa(answer[20:24]))
    return list(dict.fromkeys([*found, gateway]))


def has_ipv6() -> bool:
    """Tell whether this machine can listen on ::1."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _ipv6_addresses() -> list[str]:
    found = ["::1"]
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as file:
            rows = [line.split() for line in file]
    except OSError:
        return found
    for row in rows:
        if row[3] != _LINK_LOCAL:
            found.append(str(ipaddress.IPv6Address(bytes.fromhex(row[0]))))
    return list(dict.fromkeys(found))
