"""Published ports: from the machine into a container."""

import asyncio
import socket

import pytest

from dockyard.runtime.network import AddressInUse, Network
from tests.runtime.small_parent import SmallParent
from tests.runtime.test_supervisor import serve


async def test_published_port_reaches_the_container(network: Network, parent: SmallParent) -> None:
    await serve(parent, "orders", port=80)
    port = await network.publish("127.0.0.1", 0, "orders", 80)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"one\n")
    assert await reader.readline() == b"orders got one\n"
    writer.write(b"two\n")
    writer.write_eof()
    assert await reader.read() == b"orders got two\n"
    writer.close()


async def test_container_sees_the_gateway(network: Network, parent: SmallParent) -> None:
    server = parent.python(
        "orders",
        """
        import socket
        server = socket.create_server(("0.0.0.0", 8000))
        print("ready")
        print(server.accept()[1][0])
        """,
    )
    await server.line()
    port = await network.publish("127.0.0.1", 0, "orders", 8000)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await server.line() == network.block.gateway
    writer.close()


async def test_much_data_passes_both_ways_at_once(network: Network, parent: SmallParent) -> None:
    server = parent.python(
        "orders",
        """
        import socket
        server = socket.create_server(("0.0.0.0", 8000))
        print("ready")
        connection, _ = server.accept()
        while data := connection.recv(65536):
            connection.sendall(data)
        connection.close()
        """,
    )
    await server.line()
    port = await network.publish("127.0.0.1", 0, "orders", 8000)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = bytes(range(256)) * (1 << 15)

    async def send() -> None:
        writer.write(sent)
        await writer.drain()
        writer.write_eof()

    _, received = await asyncio.gather(send(), reader.read())
    assert received == sent
    writer.close()


async def test_port_that_nobody_listens_on_resets_the_connection(network: Network) -> None:
    port = await network.publish("127.0.0.1", 0, "orders", 8000)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_taken_port_is_refused_and_free_again_after_unpublish(network: Network) -> None:
    port = await network.publish("127.0.0.1", 0, "orders", 8000)
    with pytest.raises(AddressInUse, match=str(port)):
        await network.publish("127.0.0.1", port, "database", 8000)
    await network.unpublish("127.0.0.1", port)
    await network.unpublish("127.0.0.1", port)
    assert await network.publish("127.0.0.1", port, "database", 8000) == port
    network.detach("database")
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_connection_waits_while_the_container_is_cut_off(network: Network, parent: SmallParent) -> None:
    await serve(parent, "orders")
    port = await network.publish("127.0.0.1", 0, "orders", 8000)
    network.cut(["orders"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello\n")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await reader.readline()
    network.restore(["orders"])
    assert await reader.readline() == b"orders got hello\n"
    writer.close()


async def test_port_forward_reaches_a_server_on_localhost(network: Network, parent: SmallParent) -> None:
    await serve(parent, "orders", "127.0.0.1")
    with pytest.raises(ConnectionRefusedError):
        await network.dial("orders", 8000)
    reader, writer = await network.dial("orders", 8000, localhost=True)
    writer.write(b"hi\n")
    assert await reader.readline() == b"orders got hi\n"
    writer.close()


async def test_container_may_listen_on_the_port_that_it_is_published_at(
    network: Network, parent: SmallParent
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    await network.publish("0.0.0.0", port, "orders", port)
    await serve(parent, "orders", port=port)
    await serve(parent, "database", port=port)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello\n")
    assert await reader.readline() == b"orders got hello\n"
    writer.close()
    with pytest.raises(AddressInUse):
        await network.publish("0.0.0.0", port, "database", port)
