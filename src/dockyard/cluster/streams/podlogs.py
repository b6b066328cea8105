"""`kubectl logs`: a container's log as plain text, from its file and, when followed, as it is written."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from dockyard.cluster.errors import BadRequest
from dockyard.cluster.http.nodes import Answer
from dockyard.cluster.node.agent import NodeAgent
from dockyard.cluster.node.logfiles import log_path
from dockyard.cluster.podstate import unix
from dockyard.cluster.store import Manifest
from dockyard.cluster.streams.containers import choose
from dockyard.runtime.logs import Line, LogFile
from dockyard.wire.http import Request, Response, StreamResponse

_TEXT = [("Content-Type", "text/plain")]
_STREAMS = {"All": (1, 2), "Stdout": (1,), "Stderr": (2,)}


def answer(agent: NodeAgent, request: Request, pod: Manifest) -> Answer:
    """The log that the query asks for. Raises BadRequest when there is none yet."""
    query = request.query
    name = choose(pod, query.get("container"))
    run = _which_run(pod, name, previous=_is_set(query.get("previous")))
    metadata = pod["metadata"]
    worker = agent.worker_of(metadata["namespace"], metadata["name"])
    container = next((c for c in worker.containers if c.name == name), None) if worker else None
    live = container.log if container is not None and container.restarts == run else None
    log = live or LogFile(log_path(agent.node, pod, name, run))
    tail = _number(query.get("tailLines"))
    since = _since(agent, query.get("sinceSeconds"), query.get("sinceTime"))
    limit = _number(query.get("limitBytes"))
    streams = _STREAMS.get(query.get("stream") or "All", (1, 2))
    stamped = _is_set(query.get("timestamps"))
    if _is_set(query.get("follow")) and live is not None:
        return StreamResponse(200, _TEXT, _follow(live, tail, since, limit, streams, stamped))
    text = b"".join(
        _render(line, stamped) for line in log.read(tail=tail, since=since) if line.stream in streams
    )
    return Response(200, _TEXT, text[:limit])


def _is_set(text: str | None) -> bool:
    return text is not None and text.lower() in ("true", "1", "t")


def _number(text: str | None) -> int | None:
    return int(text) if text else None


def _since(agent: NodeAgent, seconds: str | None, moment: str | None) -> float | None:
    if seconds:
        return agent.node.clock.now() - int(seconds)
    return unix(moment) if moment else None


async def _follow(
    log: LogFile,
    tail: int | None,
    since: float | None,
    limit: int | None,
    streams: tuple[int, ...],
    stamped: bool,
) -> AsyncIterator[bytes]:
    sent = 0
    async for line in log.follow(tail=tail, since=since):
        if line.stream not in streams:
            continue
        text = _render(line, stamped)
        if limit is not None:
            text = text[: limit - sent]
        sent += len(text)
        yield text
        if limit is not None and sent >= limit:
            return


def _render(line: Line, stamped: bool) -> bytes:
    if not stamped:
        return line.data
    whole, nanos = divmod(round(line.time * 1_000_000_000), 1_000_000_000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return f"{stamp}.{nanos:09d}Z ".encode() + line.data


def _which_run(pod: Manifest, name: str, *, previous: bool) -> int:
    """The number of the run whose log is meant, judged by the container's status as the kubelet does."""
    status = next(
        (
            s
            for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
            for s in pod["status"].get(field, ())
            if s["name"] == name
        ),
        None,
    )
    where = f'container "{name}" in pod "{pod["metadata"]["name"]}"'
    if status is None:
        raise BadRequest(f"{where} is not available")
    state, last = status["state"], status.get("lastState") or {}
    restarts = int(status["restartCount"])
    if previous:
        if "terminated" not in last or (restarts == 0 and "waiting" not in state):
            what = f'previous terminated container "{name}" in pod "{pod["metadata"]["name"]}" not found'
            raise BadRequest(what)
        return restarts if "waiting" in state else restarts - 1
    if "running" in state or "terminated" in state or "terminated" in last:
        return restarts
    reason = state.get("waiting", {}).get("reason", "")
    if reason in ("ErrImagePull", "ImagePullBackOff"):
        detail = (
            "trying and failing to pull image" if reason == "ImagePullBackOff" else "image can't be pulled"
        )
        raise BadRequest(f"{where} is waiting to start: {detail}")
    raise BadRequest(f"{where} is waiting to start: {reason}")
