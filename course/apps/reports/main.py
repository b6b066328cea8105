"""reports: the service of lesson 02. It writes invoices, needs memory for a report, and CPU for a price.

Configuration comes from the environment:
INVOICES  the folder that invoices are written to (default /srv/invoices)
"""

import os
import tempfile
import time
import uuid
from pathlib import Path

from fastapi import FastAPI, HTTPException

MEGABYTE = 1024 * 1024
app = FastAPI(title="reports")
leaked: list[bytearray] = []


def fresh_memory(megabytes: int) -> bytearray:
    """Memory that is really used: every page of it is written to."""
    block = bytearray(megabytes * MEGABYTE)
    block[::4096] = b"x" * len(block[::4096])
    return block


@app.get("/healthz")
async def alive() -> dict[str, str]:
    return {"status": "alive"}


@app.get("/self")
async def self() -> dict[str, str]:
    """What the kernel says of this very process: proc(5), /proc/PID/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    said = dict(line.split(":", 1) for line in lines)
    return {key: said[key].strip() for key in ("Pid", "Uid", "CapEff", "CapBnd", "NoNewPrivs")}


@app.post("/invoices", status_code=201)
def write_invoice(text: str = "one teapot") -> dict[str, str]:
    """Drafts in the temporary folder, then files the invoice under its number."""
    number = uuid.uuid4().hex[:12]
    with tempfile.TemporaryFile("w+") as draft:
        draft.write(text)
        draft.seek(0)
        folder = Path(os.environ.get("INVOICES", "/srv/invoices"))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / number).write_text(draft.read())
    return {"number": number}


@app.get("/invoices/{number}")
def read_invoice(number: str) -> dict[str, str]:
    place = Path(os.environ.get("INVOICES", "/srv/invoices"), number)
    if not number.isalnum() or not place.is_file():
        raise HTTPException(404, f"there is no invoice {number}")
    return {"number": number, "text": place.read_text()}


@app.get("/report")
async def report(megabytes: int = 60) -> dict[str, int]:
    """The monthly report: it needs memory while it is made and gives it back. One at a time."""
    rows = fresh_memory(min(megabytes, 200))
    return {"bytes": len(rows)}


@app.post("/leak")
async def leak(megabytes: int = 10) -> dict[str, int]:
    """A bug to order: memory that is never given back."""
    leaked.append(fresh_memory(min(megabytes, 50)))
    return {"leaked_megabytes": sum(map(len, leaked)) // MEGABYTE}


@app.get("/price")
async def price(milliseconds: float = 30) -> dict[str, float]:
    """Works for so many milliseconds of CPU time, however long the clock on the wall says it takes."""
    end = time.thread_time() + min(milliseconds, 1000) / 1000
    while time.thread_time() < end:
        pass
    return {"milliseconds": milliseconds}
