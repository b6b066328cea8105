"""One client's connection: requests in, answers out, in order; then perhaps raw bytes."""

from __future__ import annotations

import asyncio
import logging
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from dockyard.wire.body import IncomingBody
from dockyard.wire.errors import ClientDisconnectedError, HttpError
from dockyard.wire.flow import Flow
from dockyard.wire.headers import HeaderItems, Headers, header_pairs
from dockyard.wire.parser import RequestParser
from dockyard.wire.rawstream import RawStream
from dockyard.wire.request import Request
from dockyard.wire.response import Response, StreamResponse, has_no_body, render_head, text_response

if TYPE_CHECKING:
    from dockyard.wire.server import Server

logger = logging.getLogger(__name__)

MAX_WAITING = 256 * 1024
LINGER_SECONDS = 2.0
LINGER_BYTES = 4 * 1024 * 1024


class Connection(asyncio.Protocol):
    """The protocol of one accepted socket."""

    def __init__(self, server: Server, scheme: str) -> None:
        self._server = server
        self._scheme = scheme
        self._certificate: dict[str, Any] | None = None
        self._flow = Flow()
        self._parser = RequestParser(self)
        self._waiting = b""
        self._request: Request | None = None
        self._body: IncomingBody | None = None
        self._task: asyncio.Task[None] | None = None
        self._stream: RawStream | None = None
        self._keep_alive = True
        self._eof = False
        self._streaming = False
        self._interrupted = False
        self._lingering = 0
        self._head_sent = False
        self._transport: asyncio.Transport

    # What the transport reports.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._stream is not None:
            self._stream.feed(data)
        elif self._lingering:
            self._lingering -= len(data)
            if self._lingering <= 0:
                self._transport.abort()
        else:
            self._waiting = self._waiting + data if self._waiting else data
            self._advance()

    def eof_received(self) -> bool:
        self._eof = True
        if self._stream is not None:
            self._stream.feed_eof()
        elif self._task is None:
            self._close()
        else:
            self._client_left()
        # Keep our half open, so that the answer can still be sent; TLS cannot.
        return self._scheme == "http"

    def connection_lost(self, exc: Exception | None) -> None:
        self._eof = True
        self._flow.lose()
        if self._stream is not None:
            self._stream.lose()
        self._client_left()
        self._server.forget(self)

    def pause_writing(self) -> None:
        self._flow.pause()

    def resume_writing(self) -> None:
        self._flow.resume()

    def _client_left(self) -> None:
        if self._body is not None and not self._body.complete:
            self._body.finish(ClientDisconnectedError("the client closed the connection"))
        if self._request is not None:
            self._request.note_disconnected()
        if self._streaming:
            self._interrupt()

    def _interrupt(self) -> None:
        """End the task at its next wait, as something that we asked for."""
        if self._task is not None and not self._task.done() and not self._interrupted:
            self._interrupted = True
            self._task.cancel()

    def _pause(self, paused: bool) -> None:
        if self._transport.is_closing():
            return
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # Requests.

    def _advance(self) -> None:
        """Parse what waits, as far as the current request goes."""
        if self._body is None or not self._body.complete:
            try:
                self._waiting = self._parser.feed(self._waiting)
            except HttpError as error:
                self._refuse(error)
                return
        if len(self._waiting) > MAX_WAITING:
            self._pause(True)

    def _refuse(self, error: HttpError) -> None:
        """Deal with bytes that are no HTTP: the handler's read fails, or we answer ourselves."""
        self._waiting = b""
        self._keep_alive = False
        self._transport.pause_reading()
        if self._body is not None:
            self._body.finish(error)
        else:
            logger.debug("connection: %s", error.message)
            self._send(text_response(error.message, error.status), "GET")
            self._linger()

    def head_arrived(
        self, method: str, target: str, version: str, headers: list[tuple[str, str]], *, keep_alive: bool
    ) -> None:
        fields = Headers(headers)
        self._keep_alive = keep_alive
        self._head_sent = False
        announce = self._send_continue if fields.get("expect").lower() == "100-continue" else None
        self._body = IncomingBody(self._pause, announce)
        self._request = Request(
            method,
            target,
            fields,
            self._body,
            self,
            scheme=self._scheme,
            http_version=version,
            peer_certificate=self._peer_certificate(),
        )
        self._task = asyncio.get_running_loop().create_task(self._serve(self._request))

    def body_arrived(self, chunk: bytes) -> None:
        assert self._body is not None
        self._body.feed(chunk)

    def message_ended(self) -> None:
        assert self._body is not None
        self._body.finish()

    def _peer_certificate(self) -> dict[str, Any] | None:
        if self._scheme == "http":
            return None
        if self._certificate is None:
            tls = self._transport.get_extra_info("ssl_object")
            subject = tls.getpeercert() if tls is not None else None
            # It says the same in every request of the connection.
            digest = sha256(tls.getpeercert(binary_form=True)).hexdigest() if subject else ""
            self._certificate = {**subject, "sha256": digest} if subject else {}
        return self._certificate or None

    def _send_continue(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    # Answers.

    async def _serve(self, request: Request) -> None:
        try:
            await self._answer(request)
        except asyncio.CancelledError:
            self._keep_alive = False
            if not self._interrupted:
                raise
        except ClientDisconnectedError:
            self._keep_alive = False
        except Exception:
            logger.exception("%s %s: failed while answering", request.method, request.raw_path)
            self._keep_alive = False
        finally:
            self._finish()

    async def _answer(self, request: Request) -> None:
        try:
            response = await self._server.handler(request)
        except (ClientDisconnectedError, asyncio.CancelledError):
            raise
        except HttpError as error:
            response = text_response(error.message, error.status)
        except Exception:
            logger.exception("%s %s: the handler failed", request.method, request.raw_path)
            response = text_response(
                "internal error: the handler failed; the daemon's log has the details", 500
            )
        if self._stream is not None:
            return
        if response is None:
            logger.error("%s %s: the handler gave no answer", request.method, request.raw_path)
            response = text_response("internal error: the handler gave no answer", 500)
        if isinstance(response, Response):
            self._send(response, request.method)
            await self._flow.drain()
        else:
            await self._send_stream(response, request)

    def _send(self, response: Response, method: str) -> None:
        pairs = self._common(response.headers)
        body = response.body
        if has_no_body(response.status):
            body = b""
        elif not any(name.lower() == "content-length" for name, _ in pairs):
            pairs.append(("Content-Length", str(len(body))))
        if method == "HEAD":
            body = b""
        self._write(render_head(response.status, pairs) + body)

    async def _send_stream(self, response: StreamResponse, request: Request) -> None:
        chunked = request.http_version != "1.0" and not has_no_body(response.status)
        self._keep_alive = self._keep_alive and chunked
        pairs = self._common(response.headers)
        if chunked:
            pairs.append(("Transfer-Encoding", "chunked"))
        body = response.body
        try:
            self._write(render_head(response.status, pairs))
            if request.method == "HEAD" or has_no_body(response.status):
                return
            self._streaming = True
            if self._eof:
                raise ClientDisconnectedError("the client closed the connection")
            async for chunk in body:
                if chunk:
                    self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
                    await self._flow.drain()
            self._streaming = False
            self._write(b"0\r\n\r\n" if chunked else b"")
            await self._flow.drain()
        finally:
            self._streaming = False
            close = getattr(body, "aclose", None)
            if close is not None:
                await close()

    def _common(self, headers: HeaderItems) -> list[tuple[str, str]]:
        pairs = header_pairs(headers)
        pairs.append(("Date", self._server.date()))
        if self._server.closing or (self._body is not None and not self._body.complete):
            self._keep_alive = False
        if not self._keep_alive:
            pairs.append(("Connection", "close"))
        return pairs

    def _write(self, data: bytes) -> None:
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def hijack(self, status: int, headers: HeaderItems, reason: str) -> RawStream:
        if self._transport.is_closing():
            raise ClientDisconnectedError("the client closed the connection")
        pairs = header_pairs(headers)
        if status == 101 and not any(name.lower() == "connection" for name, _ in pairs):
            pairs.append(("Connection", "Upgrade"))
        self._stream = stream = RawStream(self._transport, self._flow, self._pause)
        self._keep_alive = False
        self._write(render_head(status, pairs, reason))
        waiting, self._waiting = self._waiting, b""
        self._pause(False)
        if waiting:
            stream.feed(waiting)
        if self._eof:
            stream.feed_eof()
        return stream

    def _finish(self) -> None:
        """Go on after an answer: to the next request, or to the end."""
        body, self._task, self._request, self._body = self._body, None, None, None
        if self._stream is not None or self._transport.is_closing():
            self._close()
        elif self._interrupted:
            # A stream that was cut must not look complete.
            self._transport.abort()
        elif body is not None and not body.complete:
            self._linger()
        elif not self._keep_alive or self._server.closing or (self._eof and not self._waiting):
            self._close()
        else:
            self._parser.restart()
            self._pause(False)
            if self._waiting:
                self._advance()

    def _linger(self) -> None:
        """Let a client that is still sending read our answer: a close now would reset the connection."""
        self._lingering = LINGER_BYTES
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._pause(False)
        self._server.clock.call_later(LINGER_SECONDS, self._transport.abort)

    def shut_down(self) -> asyncio.Task[None] | None:
        """Close as soon as decency allows; return the task that still works, if any."""
        if self._task is None:
            self._close()
        elif self._streaming or self._stream is not None:
            self._interrupt()
        return self._task

    def _close(self) -> None:
        # Never twice: asyncio's TLS transport forgets itself on the second call, and then cannot be aborted.
        if not self._transport.is_closing():
            self._transport.close()

    def abort(self) -> None:
        """Close now, whatever happens to go on."""
        self._interrupt()
        self._transport.abort()
