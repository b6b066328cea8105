"""A service that answers out of its memory, and how much memory that is can be told.

`python cache.py [MIB]` holds so many MiB from the start. GET / answers; POST /warm?mib=120 lets the whole process hold
120 MiB from then on, as a day with many customers would.
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

MIB = 1 << 20
held: list[bytes] = []


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def warm(mebibytes: int) -> None:
    """Hold so much in all, filled with something, as a cache is."""
    while resident() < mebibytes * MIB:
        held.append(os.urandom(1024) * 1024)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer(f"{resident() // MIB} MiB\n")

    def do_POST(self) -> None:
        warm(int(parse_qs(urlparse(self.path).query)["mib"][0]))
        self.answer(f"{resident() // MIB} MiB\n")

    def answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("X-Pod", os.environ.get("HOSTNAME", ""))
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: one line a request helps nobody here."""


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
warm(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
ThreadingHTTPServer(("", 8000), Handler).serve_forever()
