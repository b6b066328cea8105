"""Certificates of one home: its own authority, the server's, and clients' (CN = user, O = groups)."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockyard.wire.clock import Clock, SystemClock

RENEW_BEFORE_SECONDS = 7 * 86400
SERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
SERVER_ADDRESSES = ("127.0.0.1", "::1", "10.96.0.1")


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key as PEM files; the key is readable by its owner only."""

    certificate: Path
    key: Path


class Pki:
    """The certificates in one directory; each is made when first asked for, and again before it expires.

    `cryptography` is imported only when something must be made, so a daemon that finds its files in place
    never pays the memory for it.
    """

    def __init__(self, directory: Path, *, clock: Clock | None = None) -> None:
        """Keep the files in `directory`, which is made with mode 0700."""
        self._directory = directory
        self._clock: Clock = clock or SystemClock()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def ca_certificate(self) -> Path:
        """The authority's certificate, for clients to trust."""
        return self._authority().certificate

    def server(
        self, names: Sequence[str] = SERVER_NAMES, addresses: Sequence[str] = SERVER_ADDRESSES
    ) -> KeyPair:
        """Return the pair for a server on loopback."""
        return self._leaf("server", "dockyard", (), names=tuple(names), addresses=tuple(addresses))

    def client(self, name: str, common_name: str, organizations: Sequence[str] = ()) -> KeyPair:
        """Return the pair of a client, in files called `name`; an API sees its names in peer_certificate."""
        return self._leaf(name, common_name, tuple(organizations))

    def server_context(self, *, require_client: bool = False) -> ssl.SSLContext:
        """Return a context that serves our certificate and verifies clients' against our authority."""
        pair = self.server()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(pair.certificate, pair.key)
        context.load_verify_locations(self.ca_certificate)
        context.verify_mode = ssl.CERT_REQUIRED if require_client else ssl.CERT_OPTIONAL
        context.set_alpn_protocols(["http/1.1"])
        return context

    def client_context(self, pair: KeyPair | None = None) -> ssl.SSLContext:
        """Return a context that trusts our authority only, and shows `pair` when given."""
        context = ssl.create_default_context(cafile=str(self.ca_certificate))
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return context

    def _pair(self, name: str) -> KeyPair:
        return KeyPair(self._directory / f"{name}.crt", self._directory / f"{name}.key")

    def _authority(self) -> KeyPair:
        pair = self._pair("ca")
        if not self._is_fresh(pair, ["authority"]):
            from dockyard.wire.certificates import make_authority

            # What an old authority signed is worthless now.
            (self._directory / "made.json").unlink(missing_ok=True)
            self._keep(pair, make_authority(self._clock.now()), ["authority"])
        return pair

    def _leaf(
        self,
        name: str,
        common_name: str,
        organizations: tuple[str, ...],
        *,
        names: tuple[str, ...] = (),
        addresses: tuple[str, ...] = (),
    ) -> KeyPair:
        authority = self._authority()
        pair = self._pair(name)
        says = [common_name, list(organizations), list(names), list(addresses)]
        if not self._is_fresh(pair, says):
            from dockyard.wire.certificates import make_leaf

            made = make_leaf(
                authority.certificate.read_bytes(),
                authority.key.read_bytes(),
                common_name,
                organizations,
                names,
                addresses,
                self._clock.now(),
            )
            self._keep(pair, made, says)
        return pair

    # `made.json` says until when each certificate is good, so that it need not be parsed to know.

    def _made(self) -> dict[str, Any]:
        try:
            made = json.loads((self._directory / "made.json").read_text())
        except (OSError, ValueError):
            return {}
        return made if isinstance(made, dict) else {}

    def _is_fresh(self, pair: KeyPair, says: list[Any]) -> bool:
        try:
            record = self._made()[pair.certificate.stem]
            digest = hashlib.sha256(pair.certificate.read_bytes() + pair.key.read_bytes()).hexdigest()
            expires = float(record["expires"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        remaining = expires - self._clock.now()
        return remaining > RENEW_BEFORE_SECONDS and record["files"] == digest and record["says"] == says

    def _keep(self, pair: KeyPair, made: tuple[bytes, bytes, float], says: list[Any]) -> None:
        certificate, key, expires = made
        self._write(pair.key, key)
        self._write(pair.certificate, certificate)
        files = hashlib.sha256(certificate + key).hexdigest()
        records = self._made() | {pair.certificate.stem: {"expires": expires, "files": files, "says": says}}
        self._write(self._directory / "made.json", json.dumps(records, indent=1).encode())

    def _write(self, path: Path, content: bytes) -> None:
        part = path.with_suffix(path.suffix + ".part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        part.replace(path)
