"""A short-lived process with a mount namespace of its own, out of which it passes one mount."""

from __future__ import annotations

import os
import socket
from typing import Any

from dockyard.runtime import libc, rights
from dockyard.runtime.drivers import enter


def main(fd: int) -> None:
    """Does the order on the socket `fd`: answers {} and the mount, or {"error"}."""
    with socket.socket(fileno=fd) as channel:
        received = rights.receive(channel)
        if received is None:
            return
        order, _ = received
        try:
            tree = _join(order["pid"]) if "pid" in order else _mount(order)
        except OSError as error:
            rights.send(channel, {"error": str(error)})
            return
        rights.send(channel, {}, [tree])


def _join(pid: int) -> int:
    """The root of a running container, without what is mounted into it."""
    pidfd = os.pidfd_open(pid)
    libc.setns(pidfd, libc.CLONE_NEWNS | (libc.CLONE_NEWUSER if os.geteuid() != 0 else 0))
    return libc.open_tree("/")


def _mount(order: dict[str, Any]) -> int:
    """An overlay of `layers`, written to `upper` if there is one."""
    user_namespace = os.geteuid() != 0
    if user_namespace:
        libc.unshare(libc.CLONE_NEWUSER | libc.CLONE_NEWNS)
        enter.map_user(0, 0)
    else:
        libc.unshare(libc.CLONE_NEWNS)
    libc.mount("none", "/", flags=libc.MS_REC | libc.MS_PRIVATE)
    enter.mount_overlay(
        order["layers"], order["upper"], order["work"], order["merged"], user_namespace=user_namespace
    )
    return libc.open_tree(order["merged"])
