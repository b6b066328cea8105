"""Brings recorded and replayed results into one form: without ids, times, sizes, addresses, random names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

# Numbers that are moments, sizes, or the machine's.
_NUMBERS = {
    *("Created", "created", "time", "timeNano", "mtime", "t_ms", "stop_took_s", "execDuration", "SystemTime"),
    *("Size", "SizeRw", "SizeRootFs", "SharedSize", "VirtualSize", "LayersSize", "SpaceReclaimed", "size"),
    *("Pid", "current", "total", "NFd", "NGoroutines", "NEventsListener", "MemTotal", "NCPU"),
}
_TWINS = re.compile(r"(<Image: '|\"RepoTags\": \[\")(busybox:latest|python:3.12-slim)")
_TWIN_ROWS = re.compile(r"(?m)(?:^(?:busybox:? *latest|python:? *3\.12-slim).*\n){2}")
_CHANGES = re.compile(r"(?m)(?:^[ACD] /.*\n){2,}")
_STORAGE = frozenset({"GraphDriver"})
_ID = re.compile(r"\b(?:(?:a[0-9a-f]{3}){16}|[0-9a-f]{64})\b")
_SHORT_ID = re.compile(r"\b(?:(?:a[0-9a-f]{3}){3}|[0-9a-f]{12})\b")
_SHORTER_ID = re.compile(r"(?<=sha256:)(?:a[0-9a-f]{3}a[0-9a-f]{3}a[0-9a-f]|[0-9a-f]{10})\b")
_TEXTS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|[+-]\d\d:?\d\d))?( UTC)?", "TIME"),
        (r"\w{3} \w{3} +\d+ \d\d:\d\d:\d\d (UTC )?\d{4}( UTC)?", "TIME"),
        (r"\b[A-Z][a-z]{2} +\d{1,2} +(\d\d:\d\d|\d{4})\b", "TIME"),
        (r"\b(Less than a second|About an? \w+|\d+ (second|minute|hour|day|week|month)s?)( ago)?\b", "AGE"),
        (r"\b\d{1,3}(\.\d{1,3}){3}(/\d+)?\b", "ADDRESS"),
        (r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "MAC"),
        (r"\b\d+(\.\d+)?(e[+-]\d+)?(B|kB|KB|MB|GB|KiB|MiB|GiB)\b", "SIZE"),
        (r"\b\d+(\.\d+)?%", "N%"),
        (r"(?<=:)(3[2-9]\d{3}|4[0-9]\d{3}|5\d{4}|6[0-5]\d{3})\b", "PORT"),
        (
            r"lookup (\S+?)( on ADDRESS:53)?: [^\"\n\\]*(no such host|refused|unreachable|misbehaving)",
            r"lookup \1: NO NAMES",
        ),
        (r"\b28\.5\.2(\+dfsg4)?", "VERSION"),
        (r"/(var/lib/docker|tmp/\S*?/home-\w+)(?=/)", "ROOT"),
        (r"execDuration=\d+", "execDuration=N"),
        (r"(?m)^(\S+ +)\d+ +\d+ +\d+ +\d\d:\d\d ", r"\1PS "),  # docker top
        (r"(?m)^\d{2,7}(?= +\S+$)", "PID"),
        (r"(?m)^( +|(?=PID +USER))(?:\d+|PID) +(?=root|USER)", "PID "),  # BusyBox's ps
        (r"time=\d+\.\d+ ms|(?<== )[\d.]+/[\d.]+/[\d.]+ ms", "MS"),
        (r"/\S*/docker-import-\d+/", "/TMP/"),
        (r"(?<= )(19|20)\d\d-\d\d-\d\d \d\d:\d\d(?= )", "TIME"),
        # The client's own words, when it happens to notice that the engine listens no more.
        (r'time="TIME" level=error msg="Can\'t (add file|close tar)[^\n]*\n', ""),
        # nslookup asks for both kinds of address, and shows the answers as they come.
        (
            r"(Non-authoritative answer:\nName:[^\n]*\nAddress: [^\n]*\n\n)(Non-authoritative answer:\n\n)",
            r"\2\1",
        ),
        # Two streams of one moment may come in either order.
        (r"((?:.*err|bad)(\d*)\n)((?:TIME )?(?:out|one)\2\n)", r"\3\1"),
        (r"  +", "  "),
        (r"--+", "--"),
        (r"\[=*> *\](?= +SIZE)", "[>]"),
        (r"Path:  \S+/\.docker/", "Path:  /home/student/.docker/"),
        (r"\b(file|dir|multi):[0-9a-f]+…", r"\1:HASH…"),
        (r"(?<=size: )\d+|\b1[67]\d{8}\b", "N"),
    )
)


class Comparable:
    """One side of a comparison. Ids keep within a step whether they are the same."""

    def __init__(self, random_names: Callable[[str], bool]) -> None:
        self._random = random_names
        self._ids: dict[str, str] = {}

    def form(self, value: Any) -> Any:
        """Return a step's result without what differs from run to run."""
        self._ids.clear()
        return self._value(value, "")

    def _value(self, value: Any, key: str) -> Any:
        if isinstance(value, dict):
            if key == "GraphDriver":
                value = {**value, "Data": sorted(value.get("Data") or ())}
            value = _less_timely(value)
            # Storage comes last: its paths are not compared, and must not number the ids that are.
            names = sorted(value, key=lambda name: (name in _STORAGE, name))
            return {self._text(name): self._value(value[name], name) for name in names}
        if isinstance(value, list):
            if key == "Processes":
                return [_process(row) for row in value]
            if value and all(isinstance(item, dict) and item.keys() == {"Path", "Kind"} for item in value):
                value = sorted(value, key=lambda item: str(item["Path"]))  # upstream's order is by chance
            if value and all("<Volume: " in str(item) for item in value):
                value = sorted(value, key=lambda item: bool(_ID.search(_SHORT_ID.sub("0" * 64, str(item)))))
            if key == "ImagesDeleted":  # by chance too, and so are their ids' numbers
                return sorted({_ID.sub("ID", str(item)) for item in value})
            items = [self._value(item, key) for item in _ordered(_joined(value))]
            return [item for number, item in enumerate(items) if not _seen_again(items, number)]
        if isinstance(value, str):
            return self._structured(value) if key in ("stdout", "bytes") else self._text(value, key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            moment = 1_600_000_000 < value < 2_000_000_000 or value > 10**18
            return "N" if moment or (key in _NUMBERS and value) or key == "stop_took_s" else value
        return value

    def _structured(self, text: str) -> Any:
        """Look into JSON in texts, whole or a line each, as commands print it."""
        if not text.lstrip().startswith(("{", "[")):
            return self._text(text)
        for parts in ([text], text.splitlines()):
            try:
                return {"json": [self._value(json.loads(part), "") for part in parts]}
            except ValueError:
                continue
        return self._text(text)

    def _text(self, text: str, key: str = "") -> str:
        if key in ("HostnamePath", "HostsPath", "LogPath", "ResolvConfPath"):
            return "PATH" if text else ""
        if key in _NUMBERS and text.isdigit():
            return "N"
        if key in ("Name", "name", "Names", "HostPort") and (
            self._random(text.removeprefix("/"))
            or (key == "HostPort" and text.isdigit() and int(text) > 32767)
        ):
            return "RANDOM"
        text = _CHANGES.sub(lambda rows: "".join(sorted(rows[0].splitlines(keepends=True))), text)
        text = _TWIN_ROWS.sub(lambda rows: "".join(sorted(rows[0].splitlines(keepends=True))), text)
        text = _ID.sub(self._known, text)
        text = _SHORT_ID.sub(self._known, text)
        text = _SHORTER_ID.sub(self._known, text)
        for pattern, replacement in _TEXTS:
            text = pattern.sub(replacement, text)
        words = re.split(r"(\b[a-z]+_[a-z]+\b)", text)
        return "".join("RANDOM" if self._random(word) else word for word in words)

    def _known(self, found: re.Match[str]) -> str:
        start = found[0][:10]
        return self._ids.setdefault(start, f"ID{len(self._ids) + 1}")


def _joined(items: list[Any]) -> list[Any]:
    """Put together what a stream happened to bring in pieces, and a build step's errors behind its words."""
    joined: list[Any] = []
    for item in items:
        last = joined[-1] if joined else None
        for key in ("bytes", "stream"):
            if not (isinstance(item, dict) and isinstance(last, dict) and set(item) == set(last) == {key}):
                continue
            if key == "stream" and not (_is_error(item) and _is_error(last)):
                if _is_error(last) and not item[key].startswith((" --->", "Step ", "Removing ")):
                    joined[-1:] = [item, last]
                    break
                continue
            joined[-1] = {key: (last[key] + item[key]).replace("\x1b[0m\x1b[91m", "")}
            break
        else:
            joined.append(item)
    return joined


def _is_error(item: Any) -> bool:
    return str(item.get("stream", "")).startswith("\x1b[91m")


def _ordered(items: list[Any]) -> list[Any]:
    """Put the two images that the recorder made in the same second into one order."""
    twins = [number for number, item in enumerate(items) if _TWINS.search(json.dumps(item))]
    if len(twins) == 2 and twins[1] == twins[0] + 1:
        first, second = sorted((items[number] for number in twins), key=lambda item: "python" in str(item))
        items = [*items[: twins[0]], first, second, *items[twins[1] + 1 :]]
    return items


def _less_timely(value: dict[str, Any]) -> dict[str, Any]:
    """Leave out how many probes there were by the moment when somebody looked."""
    if "FailingStreak" in value:
        results = [(entry["ExitCode"], entry["Output"]) for entry in value.get("Log") or ()]
        last = [list(result) for result in results[-1:]]
        return {**value, "FailingStreak": bool(value["FailingStreak"]), "Log": last}
    if {"health", "streak", "log_len"} <= value.keys():
        return {**value, "streak": bool(value["streak"]), "log_len": bool(value["log_len"])}
    return value


def _process(row: list[str]) -> list[str]:
    """Leave out of a line of ps what is a number, a moment, or the state at that moment."""
    return ["N" if re.fullmatch(r"[\d.:]+|[RSD][s+]?", cell) else cell for cell in row]


def _seen_again(items: list[Any], number: int) -> bool:
    """Tell whether an entry of a timeline is as the one before it, once its time is left out."""
    item = items[number]
    return number > 0 and isinstance(item, dict) and "t_ms" in item and item == items[number - 1]
