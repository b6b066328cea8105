"""`POST /build`: from the request to the builder, and its messages back as lines of JSON."""

import json
from collections.abc import AsyncIterator

from dockyard.engine.build.builder import Builder
from dockyard.engine.build.errors import Message
from dockyard.engine.build.options import Options
from dockyard.wire.http import Handler, Request, StreamResponse


def build_endpoint(builder: Builder) -> Handler:
    """The handler. It raises EngineError for what is wrong before the first step."""

    async def build(request: Request) -> StreamResponse:
        options = Options.read(request)
        messages = await builder.build(request.stream(), options)
        return StreamResponse(200, [("Content-Type", "application/json")], _lines(messages))

    return build


async def _lines(messages: AsyncIterator[Message]) -> AsyncIterator[bytes]:
    try:
        async for message in messages:
            yield json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode() + b"\r\n"
    finally:
        await messages.aclose()  # type: ignore[attr-defined]
