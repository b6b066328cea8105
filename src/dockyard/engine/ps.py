"""The processes of a container as `ps` prints them, read from /proc: there may be no ps on this machine."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dockyard.engine.errors import Failed
from dockyard.engine.parameters import Document

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Row:
    """One process."""

    pid: int
    ppid: int
    user: str
    uid: int
    state: str
    cpu_seconds: float
    started: float
    now: float
    virtual: int
    resident: int
    terminal: int
    threads: int
    comm: str
    command: str

    @property
    def cpu_percent(self) -> float:
        """CPU time over life time, in per cent."""
        return 100 * self.cpu_seconds / max(self.now - self.started, 0.01)


def read(pids: Iterable[int], now: float) -> list[Row]:
    """Return the processes that still live, by pid; `now` in Unix seconds."""
    boot = _boot_time()
    rows = []
    for pid in sorted(pids):
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            uid = os.stat(f"/proc/{pid}").st_uid
        except OSError:
            continue  # it has ended meanwhile
        comm = stat[stat.index("(") + 1 : stat.rindex(")")]
        fields = stat[stat.rindex(")") + 2 :].split()
        words = command.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
        rows.append(
            Row(
                pid=pid,
                ppid=int(fields[1]),
                user=_user(uid),
                uid=uid,
                state=fields[0],
                cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
                started=boot + int(fields[19]) / _TICKS,
                now=now,
                virtual=int(fields[20]) // 1024,
                resident=int(fields[21]) * _PAGE // 1024,
                terminal=int(fields[4]),
                threads=int(fields[17]),
                comm=comm,
                command=words or f"[{comm}]",
            )
        )
    return rows


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _boot_time() -> float:
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def _clock(row: Row) -> str:
    whole = int(row.cpu_seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def _minutes(row: Row) -> str:
    whole = int(row.cpu_seconds)
    return f"{whole // 60}:{whole % 60:02}"


def _start(row: Row) -> str:
    return time.strftime("%H:%M", time.localtime(row.started))


def _terminal(row: Row) -> str:
    minor = (row.terminal & 0xFF) | ((row.terminal >> 12) & 0xFFF00)
    return f"pts/{minor}" if row.terminal else "?"


_COLUMNS: Mapping[str, tuple[str, Callable[[Row], str]]] = {
    "user": ("USER", lambda row: row.user),
    "uid": ("UID", lambda row: str(row.uid)),
    "pid": ("PID", lambda row: str(row.pid)),
    "ppid": ("PPID", lambda row: str(row.ppid)),
    "comm": ("COMMAND", lambda row: row.comm),
    "args": ("COMMAND", lambda row: row.command),
    "cmd": ("CMD", lambda row: row.command),
    "command": ("COMMAND", lambda row: row.command),
    "stat": ("STAT", lambda row: row.state),
    "state": ("S", lambda row: row.state),
    "time": ("TIME", _clock),
    "tty": ("TT", _terminal),
    "rss": ("RSS", lambda row: str(row.resident)),
    "vsz": ("VSZ", lambda row: str(row.virtual)),
    "nlwp": ("NLWP", lambda row: str(row.threads)),
    "%cpu": ("%CPU", lambda row: f"{row.cpu_percent:.1f}"),
    "pcpu": ("%CPU", lambda row: f"{row.cpu_percent:.1f}"),
    "start": ("STARTED", _start),
}
_FULL = (
    ("UID", lambda row: row.user),
    ("PID", lambda row: str(row.pid)),
    ("PPID", lambda row: str(row.ppid)),
    ("C", lambda row: str(min(99, int(row.cpu_percent)))),
    ("STIME", _start),
    ("TTY", _terminal),
    ("TIME", _clock),
    ("CMD", lambda row: row.command),
)
_BSD = (
    ("USER", lambda row: row.user),
    ("PID", lambda row: str(row.pid)),
    ("%CPU", lambda row: f"{row.cpu_percent:.1f}"),
    ("%MEM", lambda row: f"{100 * row.resident * 1024 / (os.sysconf('SC_PHYS_PAGES') * _PAGE):.1f}"),
    ("VSZ", lambda row: str(row.virtual)),
    ("RSS", lambda row: str(row.resident)),
    ("TTY", _terminal),
    ("STAT", lambda row: row.state),
    ("START", _start),
    ("TIME", _minutes),
    ("COMMAND", lambda row: row.command),
)


def table(pids: Iterable[int], arguments: str, now: float) -> Document:
    """Return Titles and Processes for `ps_args`: -ef, aux, or -o with columns.

    Raises:
        Failed: arguments that are not understood. Differs: of ps' options
        `docker top` knows -ef, aux, and -o with the usual columns.
    """
    words = arguments.split()
    columns: list[tuple[str, Callable[[Row], str]]]
    if any(word.startswith("-o") or word == "o" for word in words):
        listed = " ".join(words).partition("o")[2].replace(",", " ").split()
        unknown = [name for name in listed if name.lower() not in _COLUMNS]
        if unknown or not listed:
            raise Failed(f'ps: error: unknown user-defined format specifier "{(unknown or [""])[0]}"')
        columns = [_COLUMNS[name.lower()] for name in listed]
    elif words and words[0].startswith("--"):
        raise Failed("ps: error: unknown gnu long option")
    elif words and set(words[0]) <= set("auxw") and "u" in words[0]:
        columns = list(_BSD)
    else:
        columns = list(_FULL)
    return {
        "Processes": [[show(row) for _, show in columns] for row in read(pids, now)],
        "Titles": [title for title, _ in columns],
    }
