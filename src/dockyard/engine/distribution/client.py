"""What a registry can be asked: manifests and blobs of one repository (distribution-spec v1.1)."""

from __future__ import annotations

import json
from urllib.parse import urlencode, urljoin, urlsplit

from dockyard.engine.distribution.authorization import Authorization, challenges
from dockyard.engine.distribution.credentials import Credentials
from dockyard.engine.distribution.errors import Refused, TransferError, Unreachable, refusal
from dockyard.engine.distribution.location import Location, is_loopback
from dockyard.engine.distribution.manifests import ACCEPTED, MAX_MANIFEST, Manifest, read_manifest
from dockyard.engine.distribution.transport import Answer, Body, exchange

_ERROR_BODY = 64 << 10


class Client:
    """One repository of one registry, for one client of ours. Blocking: use it in a thread."""

    def __init__(self, location: Location, credentials: Credentials, *, actions: str = "pull") -> None:
        self._location = location
        self._authorization = Authorization(credentials)
        self._scope = f"repository:{location.path}:{actions}"
        self._base = ""

    def ping(self) -> None:
        """Find out how the registry is spoken to. Raises Unreachable, Refused."""
        if self._base:
            return
        endpoint = self._location.endpoint
        last: TransferError | None = None
        for scheme in ("https", "http") if is_loopback(endpoint) else ("https",):
            base = f"{scheme}://{endpoint}/v2/"
            try:
                with exchange("GET", base) as answer:
                    if answer.status not in (200, 401):
                        raise _refused(answer)
                    self._authorization.learn(challenges(answer.headers.get_all("WWW-Authenticate") or []))
            except Unreachable as error:
                last = error
                continue
            self._base = base
            return
        assert last is not None
        raise last

    def login(self) -> None:
        """Only try the credentials. Raises TransferError, Refused."""
        self.ping()
        with exchange("GET", self._base, self._authorization.header("")) as answer:
            if answer.status != 200:
                raise TransferError(
                    f"login attempt to {self._base} failed with status: {answer.status} {answer.reason}"
                )

    def tags(self) -> list[str]:
        """All tags of the repository. Raises Refused, TransferError."""
        with self._ask("GET", self._url("tags/list")) as answer:
            try:
                listed = json.loads(answer.read_all(MAX_MANIFEST)).get("tags")
            except (ValueError, AttributeError):
                listed = None
        return [tag for tag in listed or () if isinstance(tag, str)]

    # --- manifests ---

    def manifest(self, wanted: str) -> Manifest:
        """By tag or digest; one asked for by digest has it. Raises Refused, TransferError."""
        url = self._url(f"manifests/{wanted}")
        with self._ask("GET", url, {"Accept": ", ".join(ACCEPTED)}) as answer:
            body = answer.read_all(MAX_MANIFEST)
            kind = answer.headers.get_content_type()
        return read_manifest(body, kind, wanted if ":" in wanted else "")

    def put_manifest(self, tag: str, kind: str, body: bytes) -> None:
        self._ask("PUT", self._url(f"manifests/{tag}"), {"Content-Type": kind}, body).close()

    # --- blobs ---

    def blob(self, digest: str, start: int = 0) -> tuple[Answer, int]:
        """A blob's bytes from `start` on if the registry can do that, and where they really start."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        answer = self._ask("GET", self._url(f"blobs/{digest}"), headers)
        return answer, start if start and answer.status == 206 else 0

    def has_blob(self, digest: str) -> bool:
        try:
            self._ask("HEAD", self._url(f"blobs/{digest}")).close()
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return True

    def begin_upload(self, mount: str = "", source: str = "") -> str:
        """The URL for an upload; none when the blob `mount` was taken over from the repository `source`."""
        query = "?" + urlencode({"mount": mount, "from": source}) if mount else ""
        url = self._url("blobs/uploads/" + query)
        with self._ask("POST", url, {"Content-Length": "0"}, b"") as answer:
            if answer.status == 201:
                return ""
            return self._next(url, answer)

    def append(self, upload: str, file: Body, start: int, size: int) -> str:
        """Send the bytes from `start` on; returns the URL for what follows."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size - start),
            "Content-Range": f"{start}-{max(start, size - 1)}",
        }
        with self._ask("PATCH", upload, headers, file) as answer:
            return self._next(upload, answer)

    def uploaded(self, upload: str) -> tuple[str, int]:
        """How many bytes of a broken upload the registry has, and the URL to go on with."""
        with self._ask("GET", upload) as answer:
            _, _, last = (answer.headers.get("Range") or "0--1").removeprefix("bytes=").partition("-")
            return self._next(upload, answer), int(last) + 1 if last.lstrip("-").isdigit() else 0

    def finish_upload(self, upload: str, digest: str) -> None:
        separator = "&" if urlsplit(upload).query else "?"
        url = upload + separator + urlencode({"digest": digest})
        self._ask("PUT", url, {"Content-Length": "0"}, b"").close()

    # --- one request ---

    def _url(self, rest: str) -> str:
        self.ping()
        return f"{self._base}{self._location.path}/{rest}"

    def _next(self, url: str, answer: Answer) -> str:
        target = urljoin(url, answer.headers.get("Location") or url)
        if urlsplit(target).scheme != urlsplit(self._base).scheme:
            # A registry behind a proxy may not know that it is spoken to over TLS.
            target = target.replace(urlsplit(target).scheme, urlsplit(self._base).scheme, 1)
        return target

    def _ask(
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
        body: bytes | Body | None = None,
    ) -> Answer:
        """One request with what the registry wants to see of us; a new token when an old one has expired."""
        start = body.tell() if body is not None and not isinstance(body, bytes) else 0
        for attempt in (1, 2):
            try:
                authorized = {**(headers or {}), **self._authorization.header(self._scope)}
            except Refused:
                raise
            except TransferError as error:
                raise TransferError(f'{method.capitalize()} "{url}": {error}') from error
            answer = exchange(method, url, authorized, body)
            if answer.status < 400:
                return answer
            with answer:
                expired = (
                    answer.status == 401 and attempt == 1 and "Bearer" in authorized.get("Authorization", "")
                )
                error_found = _refused(answer)
            if not expired:
                raise error_found
            self._authorization.forget(self._scope)
            if body is not None and not isinstance(body, bytes):
                body.seek(start)
        raise AssertionError("unreachable")


def _refused(answer: Answer) -> Refused:
    found = challenges(answer.headers.get_all("WWW-Authenticate") or [])
    return refusal(answer.status, answer.reason, answer.read_all(_ERROR_BODY), found)
