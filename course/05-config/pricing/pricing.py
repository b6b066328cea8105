"""pricing: what a net price is with value-added tax. Where it finds the rate of the tax, in percent:

RATE         in the environment, if it is set; else
RATE_FILE    in this file, which is read for every request (default /app/rate, which is part of the image)
PINNED_FILE  a second file, for GET /sources only

GET /?net=100  the price, and with which rate; X-Version has the rate as well
GET /sources   what the environment and the files say, and what RATE_FILE said when the process started; in X-Version too
POST /crash    a bug to order: a second later the process ends
"""

import asyncio
import os
import socket
from pathlib import Path

from fastapi import FastAPI, Response

POD = os.environ.get("HOSTNAME") or socket.gethostname()
app = FastAPI(title="pricing")


def read(variable: str, default: str = "") -> str:
    """The content of the file that a variable names; "-" without one."""
    try:
        return Path(os.environ.get(variable, default)).read_text().strip()
    except OSError:
        return "-"


AT_START = read("RATE_FILE", "/app/rate")


@app.get("/")
async def price(response: Response, net: float = 100.0) -> dict[str, float]:
    rate = float(os.environ.get("RATE") or read("RATE_FILE", "/app/rate"))
    response.headers["x-pod"], response.headers["x-version"] = POD, f"{rate:g}"
    return {"net": net, "rate": rate, "gross": round(net * (100 + rate) / 100, 2)}


@app.get("/sources")
async def sources(response: Response) -> dict[str, str]:
    found = {
        "environment": os.environ.get("RATE", "-"),
        "file": read("RATE_FILE", "/app/rate"),
        "subpath": read("PINNED_FILE"),
        "at-start": AT_START,
    }
    response.headers["x-pod"] = POD
    response.headers["x-version"] = " ".join(f"{name}={value}" for name, value in found.items())
    return found


@app.get("/healthz")
async def alive() -> dict[str, str]:
    return {"status": "alive"}


@app.post("/crash", status_code=202)
async def crash() -> dict[str, str]:
    asyncio.get_running_loop().call_later(1, os._exit, 1)
    return {"status": "crashing"}
