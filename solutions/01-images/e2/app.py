"""quotes: what an order will cost, computed by a small C library because it runs a million times a day."""

import ctypes
import os

from fastapi import FastAPI

pricing = ctypes.CDLL(os.path.join(os.path.dirname(__file__), "libpricing.so"))
app = FastAPI(title="quotes")


@app.get("/healthz")
def alive() -> dict[str, str]:
    return {"status": "alive"}


@app.get("/quote")
def quote(cents: int, quantity: int) -> dict[str, int]:
    """The price of an order in cents: 1 % off for every ten pieces, 20 % at most."""
    return {"cents": pricing.total(cents, quantity)}
