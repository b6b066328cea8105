"""Sessions of commands at a real cluster, held again at ours with all its controllers: the same output."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dockyard.wire.http import StreamResponse
from tests.cluster.conversations import Conversations, content, differences, drain, shape
from tests.cluster.fakes import FakeProcess
from tests.cluster.stage import Stage

DATA = Path(__file__).parent.parent / "data" / "kubernetes"
RECORDED: dict[str, dict[str, Any]] = json.loads((DATA / "sessions.json").read_text())
# session -> number of the step -> why it differs.
DIFFERENT: dict[str, dict[str, str]] = json.loads((DATA / "sessions-different.json").read_text())
_CHANGES = (
    (r"<uid-\d+>|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|T[+-][\d.]+s|\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000", "TIME"),
    (r"(containerd|sha256|docker\.io/library/\S+@sha256):(//)?\S+|<cid-\d+>", "ID"),
    (r"(?<=[-=\"])(<hash\d+>|[0-9a-f]{8,10}\b)", "HASH"),
    (r"(?<=HASH-)(<r\d+>|[a-z0-9]{5}\b)", "RANDOM"),
    (
        r"\b(access|withside|gen|cip|headless|lb|multi|nomatch|np|np2|web|exposed|db)-(<r\d+>|[a-z0-9]{5}\b)",
        r"\1-RANDOM",
    ),
    (r"<r\d+>", "RANDOM"),
    (r"node-001|\bdockyard\b(?!\.)", "NODE"),
    (r"resourceVersion(\"?): \S+", r"resourceVersion\1: N"),
    (r"\b3[0-2]\d{3}\b", "NODEPORT"),
    (r"\b(10\.(96|88)|127\.0|192\.0)(\.\d+)+", "ADDRESS"),
    (r"(?<![\w.:])(\d+m)?\d+(\.\d+)?(ms|s)\b|<(invalid|unknown)>", "AGE"),
    (r" ?\(x\d+ over AGE\)", ""),  # how often depends on how long it took
    (r"[ \t]+", " "),
)


def comparable(text: str) -> list[str]:
    """The lines without what is different in every run; names are random, so their order is, too.

    Each line once: how often an Event was told depends on how long things took.
    """
    for pattern, replacement in _CHANGES:
        text = re.sub(pattern, replacement, text)
    # klog says of a watch that its time was over before it had begun, when the machine is busy.
    # Which steps `rollout status` sees is chance.
    text = re.sub(r"^Waiting for deployment .*\n", "", text, flags=re.MULTILINE)
    lines = (line.strip() for line in text.splitlines() if not re.match(r"[EWI]\d{4} ", line))
    return sorted(set(lines))


def unlike(ours: tuple[int, str, str], theirs: tuple[int, str, str]) -> list[Any]:
    """The exit codes, and the lines that only one of two outputs has."""
    found: list[Any] = [] if ours[0] == theirs[0] else [f"exit code {ours[0]} for {theirs[0]}"]
    for left, right in zip(ours[1:], theirs[1:], strict=True):
        one, other = comparable(str(left)), comparable(str(right))
        found += [f"+ {line}" for line in one if line not in other]
        found += [f"- {line}" for line in other if line not in one]
    return found


def web(stage: Stage, process: FakeProcess) -> None:
    """The recorder's FastAPI app."""
    servers, clock = stage.cluster.runtime.network.servers, stage.cluster.clock
    clock.call_later(
        2.0, lambda: servers.update({process.pod: lambda path: 200}) if process.running else None
    )
    process.on_end.append(lambda: servers.pop(process.pod, None) and None)
    process.on_signal = lambda signum: process.end(0 if signum == signal.SIGTERM else 137)


def shell(stage: Stage, process: FakeProcess) -> None:
    """The scripts of the recorded Pods, told apart by what they say."""
    clock, script = stage.cluster.clock, process.argv[2]
    for line, code, after in (
        ("echo a; sleep 2", 0, 2.0),
        ("echo b; sleep 1", 0, 1.0),
        ("echo no; exit 1", 1, 0.1),
    ):
        if script == line:
            clock.call_later(0, lambda line=line: process.say(line[5:].partition(";")[0] + "\n"))
            clock.call_later(after, lambda code=code: process.end(code))
    if "sleep 4; echo done" in script:
        clock.call_later(3.9, lambda: process.say("done\n"))
        clock.call_later(4.0, lambda: process.end(0))
    if "'sleep 1; exit 0' TERM" in script:
        process.on_signal = lambda signum: clock.call_later(1.0, lambda: process.end(0)) and None
    elif "exit 0' TERM" in script:
        process.on_signal = lambda signum: process.end(0 if signum == signal.SIGTERM else 137)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("stage"))
    runtime = made.cluster.runtime
    starts = itertools.cycle((0.3, 1.4))
    runtime.start_seconds = lambda: next(starts)  # Pods that start together are not ready together
    runtime.programs["python"] = lambda process: web(made, process)
    runtime.programs["sh"] = lambda process: shell(made, process)
    for name in ("/pause", "postgres"):
        runtime.programs[name] = lambda process: setattr(process, "on_signal", lambda _: process.end(0))
    yield made
    made.close()


def parsed(text: str) -> Any:
    """The lines of a watch, or an object in YAML, or a text as it is."""
    if text.startswith("{"):
        return [json.loads(line) for line in text.splitlines()]
    return yaml.safe_load(text) if text.startswith("apiVersion") else text


def asked(stage: Stage, play: Conversations, step: dict[str, Any]) -> Any:
    """One plain request; what is different about the answer."""

    async def ask() -> Any:
        answer = await play.ask(step)
        if isinstance(answer, StreamResponse):
            chunks: list[bytes] = []
            reading = asyncio.create_task(drain(answer.body, chunks))
            limit = re.search(r"timeoutSeconds=(\d+)", step["path"])
            await stage.advance(float(limit[1]) + 0.1 if limit else 1.0)
            reading.cancel()
            return answer.status, b"".join(chunks).decode()
        return answer.status, content(answer)

    status, ours = stage.call(ask())
    theirs = step["reply"]
    if isinstance(theirs, str):
        theirs = parsed(theirs)
        ours = parsed(ours) if isinstance(ours, str) else ours
    if status != step["status"]:
        return status, ours
    if isinstance(ours, str) and isinstance(theirs, (dict, list)):
        lines = [json.loads(line) for line in ours.splitlines()]
        ours = lines[0] if isinstance(theirs, dict) and lines else lines
    elif isinstance(ours, str):
        return [] if comparable(ours) == comparable(theirs) else ours
    play.learn(theirs, ours)
    return differences(shape(ours), shape(theirs))


async def compact(stage: Stage) -> None:
    """Forget the history, which was long in the recorder's cluster."""
    stage.cluster.api.store.compact()


@pytest.mark.timeout(300)  # up to forty runs of kubectl in one test
@pytest.mark.parametrize("name", sorted(RECORDED))
def test_session_is_answered_as_recorded(name: str, stage: Stage) -> None:
    session = RECORDED[name]
    namespace = {"metadata": {"name": session["namespace"]}}

    async def begin() -> Conversations:
        stage.cluster.api.create("Namespace", namespace)
        made = Conversations(stage.cluster, stage.server.handle)
        made.begin()
        return made

    play = stage.call(begin())
    if name == "api-semantics":
        stage.call(compact(stage))
    started = stage.cluster.clock.monotonic() + 1
    stage.advance_to(started)
    known = DIFFERENT.get(name, {})
    wrong: dict[str, Any] = {}
    for number, step in enumerate(session["steps"]):
        if "sleep" in step:
            continue  # the next step has its time
        stage.advance_to(started + step["t_ms"] / 1000)
        if "cmd" in step:
            done = stage.run(play.named(step["cmd"]), play.named(step.get("stdin", "")))
            ours = (done.returncode, done.stdout, done.stderr)
            found: Any = unlike(ours, (step["rc"], step["stdout"], step["stderr"]))
            found = [step["cmd"], *found] if found else []
        else:
            found = asked(stage, play, step)
            found = [step["method"], step["path"], found] if found else []
        if bool(found) != (str(number) in known):
            wrong[str(number)] = found or "is as recorded by now: take it off sessions-different.json"
    assert not wrong, "\n".join(f"{number}: {found}" for number, found in wrong.items())


def test_nearly_all_steps_are_as_recorded() -> None:
    steps = sum("sleep" not in step for session in RECORDED.values() for step in session["steps"])
    different = [why for session in DIFFERENT.values() for why in session.values()]
    assert steps > 200
    assert len(different) < steps / 10
    assert all(len(why) > 20 for why in different)
