"""Names in sandboxes, asked by the C library's resolver over a resolv.conf of ours, and by raw queries."""

import asyncio
import struct
from pathlib import Path
from typing import cast

import pytest

from dockyard.runtime import dns_message as dns
from dockyard.runtime.dns import Names, NameServer
from dockyard.runtime.network import Network
from tests.runtime.small_parent import SmallParent
from tests.runtime.test_supervisor import address

# Asks as a C library does: a connected UDP socket to the name server, port 53.
ASK = """
    import socket, struct
    def ask(name, kind):
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.settimeout(10)
        sock.connect((SERVER, 53))
        labels = b"".join(bytes((len(part),)) + part.encode() for part in name.split(".")) + b"\\0"
        sock.send(struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + labels + struct.pack("!HH", kind, 1))
        answer = sock.recv(512)
        code, count = answer[3] & 15, struct.unpack_from("!H", answer, 6)[0]
        rest, found = answer[12 + len(labels) + 4:], []
        for _ in range(count):
            length = struct.unpack_from("!H", rest, 10)[0]
            found.append(rest[12:12 + length])
            rest = rest[12 + length:]
        return code, found
    def show(name, kind=1):
        code, found = ask(name, kind)
        print(code, *sorted(socket.inet_ntoa(one) if kind == 1 else one.hex() for one in found))
"""


async def ask(network: Network, parent: SmallParent, sandbox: str, *questions: str) -> list[str]:
    code = ASK.replace("SERVER", repr(network.block.dns)) + "".join(f"    show({one})\n" for one in questions)
    return (await parent.python(sandbox, code).output()).splitlines()


async def test_names_belong_to_groups(network: Network, parent: SmallParent) -> None:
    database = address(network, "database")
    network.set_names("shop", {"db": [database], "Web.Example": ["10.96.0.9"]})
    answers = await ask(network, parent, "orders", "'db'", "'DB'", "'web.example'")
    assert answers == [f"0 {database}", f"0 {database}", "0 10.96.0.9"]
    assert await ask(network, parent, "stranger", "'db'") == ["3"]
    network.join("stranger", "shop")
    assert await ask(network, parent, "stranger", "'db'") == [f"0 {database}"]
    network.set_names("shop", {"db": []})
    assert await ask(network, parent, "orders", "'db'", "'web.example'") == ["3", "0 10.96.0.9"]


async def test_name_with_several_addresses_gives_all_in_turn(network: Network, parent: SmallParent) -> None:
    network.set_names("shop", {"web": ["127.1.0.1", "127.1.0.2"]})
    assert await ask(network, parent, "orders", "'web'") == ["0 127.1.0.1 127.1.0.2"]
    code = ASK.replace("SERVER", repr(network.block.dns))
    code += "    print(len({ask('web', 1)[1][0] for _ in range(4)}))\n"
    assert await parent.python("orders", code).output() == "2"


async def test_ipv6_has_no_records_but_the_name_exists(network: Network, parent: SmallParent) -> None:
    network.set_names("shop", {"db": ["127.1.0.1"]})
    assert await ask(network, parent, "orders", "'db', 28", "'ghost', 28") == ["0", "3"]


async def test_services_and_reverse_names_resolve(network: Network, parent: SmallParent) -> None:
    network.set_names("shop", {"db.shop.svc.cluster.local": ["10.96.0.3"]})
    network.set_srv("shop", "_pg._tcp.db.shop.svc.cluster.local", [("db.shop.svc.cluster.local", 5432)])
    target = dns.service("db.shop.svc.cluster.local", 5432).data.hex()
    pointer = dns.pointer("db.shop.svc.cluster.local").data.hex()
    assert await ask(
        network,
        parent,
        "orders",
        "'_pg._tcp.db.shop.svc.cluster.local', 33",
        "'3.0.96.10.in-addr.arpa', 12",
        "'9.0.96.10.in-addr.arpa', 12",
    ) == [f"0 {target}", f"0 {pointer}", "3"]


async def test_cut_sandbox_gets_no_answer(network: Network, parent: SmallParent) -> None:
    network.set_names("shop", {"db": ["127.1.0.1"]})
    network.cut(["orders"])
    code = ASK.replace("SERVER", repr(network.block.dns)).replace("settimeout(10)", "settimeout(0.2)")
    code += """
    try:
        print(ask("db", 1))
    except TimeoutError:
        print("silence")
    """
    assert await parent.python("orders", code).output() == "silence"


async def test_resolv_conf_names_the_server_and_the_search_list(network: Network) -> None:
    described = network.attach("web", search=("shop.svc.cluster.local", "cluster.local"))
    assert described.resolv_conf.splitlines() == [
        f"nameserver {network.block.dns}",
        "search shop.svc.cluster.local cluster.local",
        "options ndots:5",
    ]
    assert network.attach("plain").resolv_conf.endswith("options ndots:0\n")


async def test_bad_address_of_a_name_is_refused(network: Network) -> None:
    with pytest.raises(ValueError, match="'db' is not an IPv4 address"):
        network.set_names("shop", {"web": ["db"]})


class Upstream(asyncio.DatagramProtocol):
    """A resolver that knows every name, or never answers."""

    def __init__(self, silent: bool) -> None:
        self._silent = silent
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.parse_query(data)
        self.asked.append(question.name)
        if not self._silent:
            self._transport.sendto(dns.respond(question, dns.NOERROR, [dns.address("192.0.2.1")]), addr)


def query(name: str) -> bytes:
    labels = b"".join(bytes((len(part),)) + part.encode() for part in name.split(".")) + b"\0"
    return struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + labels + struct.pack("!HH", dns.A, 1)


async def exchange(server: tuple[str, int], message: bytes) -> bytes:
    """Ask over TCP, so that a lost datagram can't fail a test."""
    reader, writer = await asyncio.open_connection(*server)
    writer.write(len(message).to_bytes(2) + message)
    try:
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("silent", "name", "code", "reaches_upstream"),
    [
        (False, "www.example.org", dns.NOERROR, True),
        (True, "www.example.org", dns.SERVFAIL, True),
        (False, "ghost", dns.NXDOMAIN, False),
        (False, "ghost.default.svc.cluster.local", dns.NXDOMAIN, False),
    ],
)
async def test_other_names_go_to_the_machine_s_resolver(
    tmp_path: Path, silent: bool, name: str, code: int, reaches_upstream: bool
) -> None:
    loop = asyncio.get_running_loop()
    transport, upstream = await loop.create_datagram_endpoint(
        lambda: Upstream(silent), local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("search example.org\nnameserver 127.0.0.1\n")
    server = NameServer(Names(), lambda _: (frozenset(("shop",)), True), resolv_conf, upstream_port=port)
    await server.start("127.0.0.1", 0)
    answer = await exchange(server.address, query(name))
    assert answer[3] & 15 == code
    assert upstream.asked == ([name] if reaches_upstream else [])
    await server.close()
    transport.close()


def addresses_in(answer: bytes) -> tuple[int, list[bytes]]:
    code, found = dns.answers(answer, dns.A, "")
    return code, [record.data for record in found]


async def test_an_alias_is_followed_inside_and_outside(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    transport, upstream = await loop.create_datagram_endpoint(
        lambda: Upstream(False), local_addr=("127.0.0.1", 0)
    )
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 127.0.0.1\n")
    names = Names()
    names.set_addresses("shop", {"db.shop.svc.cluster.local": ["10.96.0.3"]})
    for alias, target in (
        ("own", "db.shop.svc.cluster.local"),
        ("again", "own"),
        ("bank", "api.example.org"),
        ("ghost", "nobody.shop.svc.cluster.local"),
        ("ring", "gnir"),
        ("gnir", "ring"),
    ):
        names.set_alias("shop", alias, target)
    server = NameServer(
        names,
        lambda _: (frozenset(("shop",)), True),
        resolv_conf,
        upstream_port=transport.get_extra_info("sockname")[1],
    )
    await server.start("127.0.0.1", 0)
    inside = (dns.NOERROR, [bytes((10, 96, 0, 3))])
    assert addresses_in(await exchange(server.address, query("own"))) == inside
    assert addresses_in(await exchange(server.address, query("again"))) == inside
    assert upstream.asked == []
    assert addresses_in(await exchange(server.address, query("bank"))) == (
        dns.NOERROR,
        [bytes((192, 0, 2, 1))],
    )
    assert upstream.asked == ["api.example.org"]
    for name in ("ghost", "ring"):
        assert addresses_in(await exchange(server.address, query(name))) == (dns.NXDOMAIN, [])
    names.set_alias("shop", "own", "")
    assert addresses_in(await exchange(server.address, query("own"))) == (dns.NXDOMAIN, [])
    await server.close()
    transport.close()


async def test_machine_without_a_resolver_knows_no_other_names(tmp_path: Path) -> None:
    server = NameServer(Names(), lambda _: (frozenset(), True), tmp_path / "missing")
    await server.start("127.0.0.1", 0)
    assert (await exchange(server.address, query("www.example.org")))[3] & 15 == dns.NXDOMAIN
    await server.close()


async def test_strangers_are_refused_and_garbage_ends_the_stream(tmp_path: Path) -> None:
    server = NameServer(Names(), lambda _: None, tmp_path / "missing")
    await server.start("127.0.0.1", 0)
    assert (await exchange(server.address, query("db")))[3] & 15 == dns.REFUSED
    with pytest.raises(asyncio.IncompleteReadError):
        await exchange(server.address, b"garbage")
    await server.close()


def test_long_answer_is_cut_to_a_datagram_with_the_truncation_bit() -> None:
    question = dns.parse_query(query("web"))
    answer = dns.respond(question, dns.NOERROR, [dns.address("127.0.0.1")] * 40)
    short = dns.truncate(answer, question)
    assert len(answer) > 512 >= len(short)
    assert short[2] & 2


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0" * 12,
        query("web")[:-1],
        query("web")[:14],
        query("web")[:2] + b"\x80" + query("web")[3:],
        query("web")[:12] + b"\xc0\x0c\0\1\0\1",
        query("web")[:-1] + b"\3",
    ],
)
def test_malformed_query_is_no_query(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        dns.parse_query(message)
