"""Certificates: who is believed, what a client is called, when they are made again."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from dockyard.wire.clock import FakeClock, SystemClock
from dockyard.wire.http import Request, Response, Server, json_response
from dockyard.wire.tls import Pki


async def who(request: Request) -> Response:
    certificate = request.peer_certificate or {}
    return json_response({"subject": certificate.get("subject"), "scheme": request.scheme})


async def ask(port: int, host: str, context: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    writer.write(b"GET / HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    try:
        await writer.wait_closed()
    except (ConnectionError, ssl.SSLError):
        pass  # the server was faster
    return answer.partition(b"\r\n\r\n")[2]


async def test_client_certificate_names_the_user_and_is_optional(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    server = Server(who)
    port = await server.listen_tcp("127.0.0.1", 0, pki.server_context())
    try:
        admin = pki.client("admin", "kubernetes-admin", ["system:masters", "dev"])
        for host in ("127.0.0.1", "localhost"):
            answer = await ask(port, host, pki.client_context(admin))
            assert b'["organizationName","system:masters"]' in answer
            assert b'["organizationName","dev"]' in answer
            assert b'["commonName","kubernetes-admin"]' in answer
        assert await ask(port, "127.0.0.1", pki.client_context()) == b'{"subject":null,"scheme":"https"}\n'
    finally:
        await server.close()


async def test_strangers_are_not_believed_in_either_direction(tmp_path: Path) -> None:
    ours, theirs = Pki(tmp_path / "ours"), Pki(tmp_path / "theirs")
    server = Server(who)
    port = await server.listen_tcp("127.0.0.1", 0, ours.server_context())
    try:
        with pytest.raises(ssl.SSLCertVerificationError):
            await ask(port, "127.0.0.1", theirs.client_context())
        context = ours.client_context(theirs.client("admin", "kubernetes-admin"))
        try:
            answer = await ask(port, "127.0.0.1", context)
        except (ssl.SSLError, ConnectionError):
            answer = b""
        assert answer == b""
    finally:
        await server.close()


def test_files_are_kept_private_and_made_again_only_when_needed(tmp_path: Path) -> None:
    clock = FakeClock(SystemClock().now())
    pki = Pki(tmp_path / "pki", clock=clock)
    first = pki.client("admin", "admin").certificate.read_bytes()
    assert (tmp_path / "pki" / "admin.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700
    assert Pki(tmp_path / "pki", clock=clock).client("admin", "admin").certificate.read_bytes() == first
    clock.advance(360 * 86400)
    renewed = pki.client("admin", "admin").certificate.read_bytes()
    assert renewed != first
    assert pki.client("admin", "admin", ["dev"]).certificate.read_bytes() != renewed
    authority = pki.ca_certificate.read_bytes()
    clock.advance(10 * 365 * 86400)
    assert pki.ca_certificate.read_bytes() != authority


@pytest.mark.parametrize("damage", [b"", b"garbage"])
def test_damaged_files_are_replaced(tmp_path: Path, damage: bytes) -> None:
    pki = Pki(tmp_path / "pki")
    pki.server_context()
    (tmp_path / "pki" / "server.key").write_bytes(damage)
    (tmp_path / "pki" / "made.json").write_bytes(damage)
    pki.server_context()


def test_existing_certificates_are_served_without_the_library_that_makes_them(tmp_path: Path) -> None:
    Pki(tmp_path / "pki").server_context()
    code = (
        "import sys, pathlib; from dockyard.wire.tls import Pki;"
        f"Pki(pathlib.Path({str(tmp_path / 'pki')!r})).server_context();"
        "sys.exit('cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
