"""Finds a registry's addresses, never waiting long, and says in upstream's words why there are none."""

from __future__ import annotations

import socket
import threading

from dockyard.engine.distribution.errors import Unreachable

PATIENCE = 5.0  # seconds; a resolver that doesn't answer may keep its caller waiting for half a minute


def lookup(host: str, port: int) -> list[str]:
    """The addresses of a host, IPv4 first. Raises Unreachable."""
    answer: list[list[str] | OSError] = []
    done = threading.Event()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.append([str(item[4][0]) for item in sorted(found, key=lambda item: item[0])])
        except OSError as error:
            answer.append(error)
        except UnicodeError:
            answer.append(socket.gaierror(socket.EAI_NONAME, "no name"))
        done.set()

    # Nothing can stop getaddrinfo: its thread ends by itself, later.
    threading.Thread(target=ask, daemon=True, name=f"lookup-{host}").start()
    if not done.wait(PATIENCE):
        raise Unreachable(f"dial tcp: lookup {host}{_server()}: i/o timeout")
    result = answer[0]
    if isinstance(result, list):
        return result
    temporary = isinstance(result, socket.gaierror) and result.errno == socket.EAI_AGAIN
    reason = "server misbehaving" if temporary else "no such host"
    raise Unreachable(f"dial tcp: lookup {host}{_server()}: {reason}")


def _server() -> str:
    """The resolver that was asked, as Go names it."""
    try:
        with open("/etc/resolv.conf", encoding="utf-8", errors="replace") as file:
            words = [line.split() for line in file]
    except OSError:
        return ""
    server = next((line[1] for line in words if len(line) > 1 and line[0] == "nameserver"), "")
    return f" on {f'[{server}]' if ':' in server else server}:53" if server else ""
