"""Plays conversations on several stages at once, and finds the steps that differ."""

from __future__ import annotations

import queue
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from dockyard.engine.names import generate_name
from tests import busybox
from tests.parity.docker.comparable import Comparable
from tests.parity.docker.recordings import Conversation, Step, conversations
from tests.parity.docker.stage import Stage

_COMPARED = ("result", "error", "exit_code", "stdout", "stderr", "tty")
STAGES = 4


class Difference(NamedTuple):
    """A step that gave something else than it gave the recorder."""

    step: int
    did: str
    recorded: Any
    given: Any


class Replay:
    """Plays what it is asked for; close it."""

    def __init__(self, homes: Path, program: Path) -> None:
        self._homes = homes
        self._pattern = homes / "pattern"
        self._pattern.mkdir()
        first = Stage(self._pattern)
        first.install(program)
        first.close()
        self._pool = ThreadPoolExecutor(STAGES)
        self._free: queue.SimpleQueue[Stage] = queue.SimpleQueue()
        self._stages: list[Stage] = []
        self._conversations = conversations()
        self._futures: dict[str, Future[list[Step]]] = {}

    def start(self, names: Iterable[str]) -> None:
        """Begin to play; the longest should come first."""
        for name in names:
            self._futures[name] = self._pool.submit(self._play, name)

    def differences(self, name: str) -> list[Difference]:
        """Return a conversation's differences; waits for it."""
        return compare(self._conversations[name], self.given(name))

    def again(self, name: str) -> list[Difference]:
        """Play a conversation once more; its differences then."""
        return compare(self._conversations[name], self._pool.submit(self._play, name).result())

    def given(self, name: str) -> list[Step]:
        """Return what the steps of a conversation gave; waits for it."""
        return self._futures[name].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        for stage in self._stages:
            stage.close()

    def _play(self, name: str) -> list[Step]:
        stage = self._stage()
        try:
            return stage.play(name, self._conversations[name])
        finally:
            self._free.put(stage)

    def _stage(self) -> Stage:
        try:
            return self._free.get_nowait()
        except queue.Empty:
            home = Path(tempfile.mkdtemp(prefix="home-", dir=self._homes))
            shutil.copytree(self._pattern, home, symlinks=True, dirs_exist_ok=True)
            stage = Stage(home)
            self._stages.append(stage)
            return stage


def compare(conversation: Conversation, given: list[Step]) -> list[Difference]:
    """Return the steps whose results differ once ids, times, sizes and addresses are set aside."""
    recorded_names = set(conversation.get("random_names", ()))
    theirs = Comparable(recorded_names.__contains__)
    ours = Comparable(_made_up())
    found = []
    for number, step in enumerate(conversation["steps"]):
        mine = given[number] if number < len(given) else {"player": "did not come back"}
        wanted = {key: step[key] for key in _COMPARED if key in step}
        got = {key: mine[key] for key in (*_COMPARED, "player") if key in mine}
        wanted = {key: value for key, value in wanted.items() if not (key == "tty" and value is False)}
        left, right = theirs.form(wanted), ours.form(got)
        if left != right:
            found.append(Difference(number, step.get("src") or step.get("cmd") or "", left, right))
    return found


def _made_up() -> Callable[[str], bool]:
    shape = re.compile(r"[a-z]+_[a-z]+\d*")
    halves = [half for _ in range(2000) for half in [generate_name(())]]
    first = {name.partition("_")[0] for name in halves}
    second = {name.partition("_")[2] for name in halves}

    def is_made_up(word: str) -> bool:
        left, _, right = word.partition("_")
        return bool(shape.fullmatch(word)) and left in first and right.rstrip("0123456789") in second

    return is_made_up


def described(difference: Difference) -> str:
    """Return a difference in words: what was done, and each value that is another."""
    lines = [f"[{difference.step}] {difference.did}"]
    for path, left, right in leaves(difference.recorded, difference.given):
        lines += [f"    {path or '.'}", f"      - {left!r}", f"      + {right!r}"]
    return "\n".join(lines)


def report(starts: tuple[str, ...]) -> None:
    """Print how conversations differ: python -m tests.parity.docker.replay sdk-images cli/logs ..."""
    chosen = [name for name in conversations() if name.startswith(starts)]
    with tempfile.TemporaryDirectory(prefix="dy-replay-") as homes:
        program = busybox.find(Path(homes))
        assert program, "no static BusyBox on this machine, and none from apt"
        replay = Replay(Path(homes), program)
        try:
            replay.start(chosen)
            for name in chosen:
                differences = replay.differences(name)
                print(f"{'DIFFERS' if differences else 'same   '} {name}", flush=True)
                print("".join(f"  {line}\n" for one in differences for line in described(one).splitlines()))
        finally:
            replay.close()


def leaves(left: Any, right: Any, path: str = "") -> Iterable[tuple[str, Any, Any]]:
    """Yield where two values differ, as deep as they are alike in kind."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            yield from leaves(left.get(key, "(absent)"), right.get(key, "(absent)"), f"{path}.{key}")
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for number, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from leaves(one, other, f"{path}[{number}]")
    elif left != right:
        yield path, left, right


if __name__ == "__main__":
    report(tuple(sys.argv[1:]))
