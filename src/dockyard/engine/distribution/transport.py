"""One HTTP exchange with a registry: addresses, TLS, proxies, redirects, and errors in upstream's words."""

from __future__ import annotations

import errno
import http.client
import os
import ssl
import urllib.request
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urljoin, urlsplit

from dockyard.engine.distribution.errors import TransferError, Unreachable
from dockyard.engine.distribution.location import is_loopback
from dockyard.engine.distribution.lookup import lookup
from dockyard.engine.versions import ENGINE_VERSION

CONNECT = 5.0  # seconds for a connection to stand
SILENCE = 30.0  # seconds without a byte
_REDIRECTS = 5
_AGENT = f"docker/{ENGINE_VERSION} dockyard"


class Body(Protocol):
    """What is sent: an open file, or what looks like one."""

    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...


class Answer:
    """Status and headers are there; the body is read by whoever wants it. Close it."""

    def __init__(
        self, connection: http.client.HTTPConnection, raw: http.client.HTTPResponse, url: str
    ) -> None:
        self._connection = connection
        self._raw = raw
        self.url = url
        self.status = raw.status
        self.reason = raw.reason
        self.headers = raw.headers

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end. Raises TransferError when the connection breaks."""
        try:
            return self._raw.read(size)
        except (OSError, http.client.HTTPException) as error:
            raise TransferError(f"read {self.url}: {reason(error)}") from error

    def read_all(self, limit: int) -> bytes:
        """The whole body. Raises TransferError when it has more than `limit` bytes."""
        parts, left = [], limit + 1
        while left > 0 and (chunk := self.read(left)):
            parts.append(chunk)
            left -= len(chunk)
        if left <= 0:
            raise TransferError(f"read {self.url}: more than {limit} bytes")
        return b"".join(parts)

    def close(self) -> None:
        self._raw.close()
        self._connection.close()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def exchange(
    method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | Body | None = None
) -> Answer:
    """Send one request; follow redirects of GET and HEAD, without taking credentials to another host.

    Raises Unreachable, TransferError; any status is an answer.
    """
    sent = {"User-Agent": _AGENT, **(headers or {})}
    for _ in range(_REDIRECTS):
        answer = _once(method, url, sent, body)
        target = answer.headers.get("Location")
        if answer.status not in (301, 302, 303, 307, 308) or not target or method not in ("GET", "HEAD"):
            return answer
        answer.close()
        following = urljoin(url, target)
        if urlsplit(following).netloc != urlsplit(url).netloc:
            sent.pop("Authorization", None)
        url = following
    raise TransferError(f'{method.capitalize()} "{url}": stopped after {_REDIRECTS} redirects')


def _once(method: str, url: str, headers: Mapping[str, str], body: bytes | Body | None) -> Answer:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TransferError(f'{method.capitalize()} "{url}": unsupported protocol scheme "{parts.scheme}"')
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection, path = _connect(method, url, path)
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        return Answer(connection, connection.getresponse(), url)
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise TransferError(f'{method.capitalize()} "{url}": {reason(error)}') from error


def _connect(method: str, url: str, path: str) -> tuple[http.client.HTTPConnection, str]:
    """A connection for the URL, straight or through a proxy, and the path to ask for on it."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise TransferError(f'{method.capitalize()} "{url}": {error}') from error
    loopback = is_loopback(parts.netloc)
    proxy = (
        None
        if loopback or urllib.request.proxy_bypass(host)
        else urllib.request.getproxies().get(parts.scheme)
    )
    to_host, to_port = host, port
    if proxy:
        via = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        to_host, to_port = via.hostname or "", via.port or 3128
    try:
        addresses = lookup(to_host, to_port)
    except Unreachable as error:
        raise Unreachable(f'{method.capitalize()} "{url}": {error}') from error
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            to_host, to_port, timeout=CONNECT, context=_context(loopback)
        )
        if proxy:
            connection.set_tunnel(host, port)
    else:
        connection = http.client.HTTPConnection(to_host, to_port, timeout=CONNECT)
        path = url if proxy else path
    try:
        connection.connect()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        shown = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        where = "" if isinstance(error, ssl.SSLError) else f"dial tcp {shown}:{to_port}: "
        call = "connect: " if isinstance(error, OSError) and error.errno and where else ""
        raise Unreachable(f'{method.capitalize()} "{url}": {where}{call}{reason(error)}') from error
    connection.sock.settimeout(SILENCE)
    return connection, path


def _context(loopback: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if loopback:  # as upstream takes 127.0.0.0/8
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def reason(error: Exception) -> str:
    """An error in the words that Go has for it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: x509: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(error):
        return "http: server gave HTTP response to HTTPS client"
    if isinstance(error, TimeoutError):
        return "i/o timeout"
    if isinstance(error, http.client.IncompleteRead | http.client.RemoteDisconnected):
        return "unexpected EOF"
    if isinstance(error, OSError) and error.errno in errno.errorcode:
        return os.strerror(error.errno or 0).lower()
    return str(error) or type(error).__name__
