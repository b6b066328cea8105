"""A sandbox that is cut off: what its neighbours, its own processes and the node see."""

import os
import socket

import pytest

from dockyard.runtime import supervisor_faults
from dockyard.runtime.network import Network
from tests.runtime.small_parent import Program, SmallParent
from tests.runtime.test_supervisor import address, call, serve

PINGER = """
    import socket
    sock = socket.create_connection((HOST, 8000))
    sock.settimeout(0.1)
    print("connected")
    while True:
        sock.sendall(b"ping\\n")
        answer = b""
        try:
            while not answer.endswith(b"\\n"):
                answer += sock.recv(100)
            print("answered")
        except TimeoutError:
            print("silence")
"""

REFUSE_SOCKETS = """
    from dockyard.runtime import supervisor_faults
    def refuse(pid, fd):
        raise PermissionError(1, "refused")
    supervisor_faults._take_socket = refuse
"""


def sockets_can_be_taken() -> bool:
    """Whether this machine lets a process take another's sockets; Docker's seccomp profile doesn't."""
    left, right = socket.socketpair()
    with left, right:
        try:
            supervisor_faults._take_socket(os.getpid(), left.fileno()).close()
        except PermissionError:
            return False
    return True


async def ping(network: Network, parent: SmallParent) -> Program:
    await serve(parent, "database")
    pinger = parent.python("orders", PINGER.replace("HOST", repr(address(network, "database"))))
    assert await pinger.line() == "connected"
    await until(pinger, "answered")
    return pinger


async def until(program: Program, wanted: str, times: int = 1) -> None:
    """Read lines until `wanted` comes so many times in a row."""
    seen = 0
    while seen < times:
        seen = seen + 1 if await program.line() == wanted else 0


@pytest.mark.parametrize("victim", ["database", "orders"])
@pytest.mark.parametrize("prelude", ["", REFUSE_SOCKETS], ids=["sockets", "processes"])
async def test_standing_connection_falls_silent_while_cut_and_goes_on_when_restored(
    network: Network, parent: SmallParent, victim: str, prelude: str
) -> None:
    parent.kill_worker()
    parent.start_worker(prelude)
    pinger = await ping(network, parent)
    network.cut([victim])
    network.cut([victim, "nobody"])
    # Where sockets can't be reached, the pinger itself is stopped, and says nothing at all.
    if victim == "database" or (not prelude and sockets_can_be_taken()):
        await until(pinger, "silence", times=3)
    network.restore([victim])
    network.restore([victim])
    await until(pinger, "answered", times=3)


@pytest.mark.parametrize("prelude", ["", REFUSE_SOCKETS], ids=["sockets", "processes"])
async def test_cut_outlives_the_worker_and_so_does_its_end(
    network: Network, parent: SmallParent, prelude: str
) -> None:
    parent.kill_worker()
    parent.start_worker(prelude)
    pinger = await ping(network, parent)
    network.cut(["database"])
    await until(pinger, "silence", times=3)
    parent.kill_worker()
    parent.start_worker(prelude)
    await until(pinger, "silence", times=3)
    assert await call(parent, "orders", address(network, "database"), timeout=0.2) == "TimeoutError"
    parent.kill_worker()
    network.restore(["database"])
    parent.start_worker(prelude)
    await until(pinger, "answered", times=3)


async def test_new_connections_to_and_from_a_cut_sandbox_hang(network: Network, parent: SmallParent) -> None:
    await serve(parent, "database")
    await serve(parent, "orders")
    network.set_service("shop", "10.96.0.7", 80, [(address(network, "database"), 8000)])
    network.cut(["database"])
    assert await call(parent, "orders", address(network, "database"), timeout=0.2) == "TimeoutError"
    assert await call(parent, "orders", "10.96.0.7", 80, timeout=0.2) == "TimeoutError"
    assert await call(parent, "database", address(network, "orders"), timeout=0.2) == "TimeoutError"
    network.restore(["database"])
    assert await call(parent, "orders", address(network, "database")) == "database got hello"


async def test_cut_sandbox_still_reaches_itself_and_is_reached_by_the_node(
    network: Network, parent: SmallParent
) -> None:
    await serve(parent, "database")
    network.cut(["database"])
    assert await call(parent, "database", "127.0.0.1") == "database got hello"
    reader, writer = await network.dial("database", 8000)
    writer.write(b"probe\n")
    assert await reader.readline() == b"database got probe\n"
    writer.close()


async def test_stopped_process_goes_on_although_its_connection_is_gone(
    network: Network, parent: SmallParent
) -> None:
    parent.kill_worker()
    parent.start_worker(REFUSE_SOCKETS)
    pinger = await ping(network, parent)
    network.cut(["database"])
    await until(pinger, "silence", times=3)
    pinger.process.kill()
    pinger.process.wait()
    network.restore(["database"])
    assert await call(parent, "orders", address(network, "database")) == "database got hello"
