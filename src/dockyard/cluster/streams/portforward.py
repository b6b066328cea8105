"""`kubectl port-forward`: SPDY streams inside a websocket, or a pair of channels a port for older clients."""

from __future__ import annotations

import asyncio
import struct

from dockyard.cluster.errors import BadRequest
from dockyard.cluster.http.nodes import Answer
from dockyard.cluster.node.agent import NodeAgent
from dockyard.cluster.store import Manifest
from dockyard.cluster.streams.containers import upgrade_failed
from dockyard.wire.http import ClientDisconnectedError, Request
from dockyard.wire.spdy import Data, Frame, Framer, GoAway, Ping, RstStream, SpdyError, SynReply, SynStream
from dockyard.wire.websocket import WebSocket

TUNNEL = "SPDY/3.1+portforward.k8s.io"
CHANNELS = "v4.channel.k8s.io"
_CHUNK = 65536


async def answer(agent: NodeAgent, request: Request, pod: Manifest) -> Answer:
    """Serve the websocket until the client closes it. Raises BadRequest, InternalError before it begins."""
    metadata = pod["metadata"]
    if not pod["spec"].get("nodeName"):
        raise BadRequest(f"pod {metadata['name']} does not have a host assigned")
    worker = agent.worker_of(metadata["namespace"], metadata["name"])
    if worker is None or not worker.address:
        raise upgrade_failed(f"pod not found ({metadata['name']}_{metadata['namespace']})")
    ports = [
        int(text) for item in request.query.getlist("ports") for text in item.split(",") if text.isdigit()
    ]
    socket = await request.websocket([CHANNELS] if ports else [TUNNEL])
    if ports:
        await _Channels(agent, worker.uid, socket, ports).serve()
    else:
        await _Tunnel(agent, worker.uid, socket).serve()
    return None


def _refusal(pod: str, port: int, error: Exception) -> bytes:
    reason = "connection refused" if isinstance(error, ConnectionRefusedError) else str(error)
    return (
        f"error forwarding port {port} to pod {pod}, uid : "
        f'failed to execute portforward in network namespace "{pod}": '
        f'failed to connect to localhost:{port} inside namespace "{pod}", IPv4: dial tcp4 127.0.0.1:{port}: '
        f"connect: {reason} IPv6 dial tcp6: address localhost: no suitable address found "
    ).encode()


class _Tunnel:
    """One SPDY session. Each connection is two streams of one request id: `error`, then `data`."""

    def __init__(self, agent: NodeAgent, pod: str, socket: WebSocket) -> None:
        self._network = agent.node.runtime.network
        self._pod = pod
        self._socket = socket
        self._framer = Framer()
        self._errors: dict[str, int] = {}
        self._incoming: dict[int, asyncio.Queue[bytes]] = {}
        self._connections: dict[int, asyncio.Task[None]] = {}
        self._lock = asyncio.Lock()

    async def serve(self) -> None:
        try:
            while (message := await self._socket.receive()) is not None:
                data = message.encode() if isinstance(message, str) else message
                for frame in self._framer.feed(data):
                    await self._take(frame)
        except (ClientDisconnectedError, SpdyError):
            pass  # the client is gone, or speaks something else: both end the session
        finally:
            for task in self._connections.values():
                task.cancel()
            await asyncio.gather(*self._connections.values(), return_exceptions=True)
            await self._socket.close()

    async def _send(self, frame: Frame) -> None:
        async with self._lock:  # headers share a compressor, so frames leave in the order they were made
            await self._socket.send(self._framer.encode(frame))

    async def _take(self, frame: Frame) -> None:
        if isinstance(frame, SynStream):
            await self._send(SynReply(frame.stream))
            kind, request = frame.headers.get("streamtype"), frame.headers.get("requestid", "")
            if kind == "error":
                self._errors[request] = frame.stream
            elif kind == "data":
                self._incoming[frame.stream] = asyncio.Queue()
                port = int(frame.headers.get("port", "0"))
                work = self._connect(frame.stream, self._errors.pop(request, 0), port)
                self._connections[frame.stream] = asyncio.get_running_loop().create_task(work)
        elif isinstance(frame, Data):
            queue = self._incoming.get(frame.stream)
            if queue is not None:
                if frame.data:
                    queue.put_nowait(frame.data)
                if frame.fin:
                    queue.put_nowait(b"")
        elif isinstance(frame, RstStream):
            task = self._connections.get(frame.stream)
            if task is not None:
                task.cancel()
        elif isinstance(frame, Ping):
            await self._send(frame)
        elif isinstance(frame, GoAway):
            await self._socket.close()

    async def _connect(self, stream: int, error_stream: int, port: int) -> None:
        try:
            await self._forward(stream, error_stream, port)
        except ClientDisconnectedError:
            return
        finally:
            self._incoming.pop(stream, None)
            self._connections.pop(stream, None)

    async def _forward(self, stream: int, error_stream: int, port: int) -> None:
        try:
            reader, writer = await self._network.dial(self._pod, port, localhost=True)
        except (OSError, LookupError) as error:
            await self._send(Data(error_stream, _refusal(self._pod, port, error)))
            await self._send(Data(error_stream, b"", fin=True))
            await self._send(Data(stream, b"", fin=True))
            return
        upload = asyncio.ensure_future(self._upload(self._incoming[stream], writer))
        try:
            while data := await reader.read(_CHUNK):
                await self._send(Data(stream, data))
        except OSError:
            pass  # reset by the program: the client sees the end
        finally:
            upload.cancel()
            writer.close()
        await self._send(Data(stream, b"", fin=True))
        await self._send(Data(error_stream, b"", fin=True))

    @staticmethod
    async def _upload(queue: asyncio.Queue[bytes], writer: asyncio.StreamWriter) -> None:
        try:
            while data := await queue.get():
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            return  # the reading side ends the connection


class _Channels:
    """The older protocol, which the Python client speaks: data on channel 2n, errors on 2n + 1."""

    def __init__(self, agent: NodeAgent, pod: str, socket: WebSocket, ports: list[int]) -> None:
        self._network = agent.node.runtime.network
        self._pod = pod
        self._socket = socket
        self._ports = ports

    async def serve(self) -> None:
        writers: dict[int, asyncio.StreamWriter] = {}
        downloads: list[asyncio.Task[None]] = []
        try:
            for index, port in enumerate(self._ports):
                number = struct.pack("<H", port)
                await self._socket.send(bytes([2 * index]) + number)
                await self._socket.send(bytes([2 * index + 1]) + number)
                try:
                    reader, writers[2 * index] = await self._network.dial(self._pod, port, localhost=True)
                except (OSError, LookupError) as error:
                    await self._socket.send(bytes([2 * index + 1]) + _refusal(self._pod, port, error))
                    continue
                work = self._download(2 * index, reader)
                downloads.append(asyncio.get_running_loop().create_task(work))
            await self._upload(writers, downloads)
        except ClientDisconnectedError:
            return
        finally:
            for task in downloads:
                task.cancel()
            for writer in writers.values():
                writer.close()
            await self._socket.close()

    async def _upload(
        self, writers: dict[int, asyncio.StreamWriter], downloads: list[asyncio.Task[None]]
    ) -> None:
        ended = asyncio.ensure_future(_all_of(downloads))
        while True:
            message = asyncio.ensure_future(self._socket.receive())
            waiting: set[asyncio.Future[object]] = {message, ended}  # type: ignore[arg-type]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not message.done():
                message.cancel()
                return
            data = message.result()
            if data is None:
                return
            raw = data.encode() if isinstance(data, str) else data
            writer = writers.get(raw[0]) if raw else None
            if writer is not None:
                writer.write(raw[1:])

    async def _download(self, channel: int, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._socket.send(bytes([channel]) + data)
        except (OSError, ClientDisconnectedError):
            return


async def _all_of(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
