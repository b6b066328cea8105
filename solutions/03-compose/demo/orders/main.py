"""orders: the service that the whole course runs. FastAPI in front of PostgreSQL.

Configuration comes from the environment:
DATABASE_URL     where PostgreSQL is, for example postgresql://orders:secret@postgres:5432/orders
DATABASE_PASSWORD_FILE
                 a file with the password, instead of one in DATABASE_URL; read anew for every connection
APP_VERSION      what GET / reports, so that a request log can tell two releases apart
STARTUP_SECONDS  how long the price catalogue takes to load before the first request (default 0)
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, Field

from database import Database, Unreachable
from metrics import Metrics

VERSION = os.environ.get("APP_VERSION", "1")
POD = os.environ.get("POD_NAME") or os.environ.get("HOSTNAME") or socket.gethostname()
database = Database(os.environ.get("DATABASE_URL"), os.environ.get("DATABASE_PASSWORD_FILE"))
metrics = Metrics()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await asyncio.sleep(float(os.environ.get("STARTUP_SECONDS", "0")))
    # Like many services, orders gives up when its database is not there at the start.
    await database.open(patience=4)
    yield
    await database.close()


app = FastAPI(title="orders", version=VERSION, lifespan=lifespan)


@app.middleware("http")
async def measure(request: Request, call_next):
    started = time.perf_counter()
    response = await call_next(request)
    route = request.scope.get("route")
    metrics.observe(getattr(route, "path", "unmatched"), response.status_code, time.perf_counter() - started)
    response.headers["x-pod"] = POD
    response.headers["x-version"] = VERSION
    return response


@app.exception_handler(Unreachable)
async def database_unreachable(_: Request, error: Unreachable) -> Response:
    return Response(f'{{"detail": "{error}"}}', status_code=503, media_type="application/json")


class NewOrder(BaseModel):
    customer: str = Field(min_length=1, max_length=100)
    item: str = Field(min_length=1, max_length=100)
    quantity: int = Field(gt=0, le=1000)


class Order(NewOrder):
    id: int


@app.get("/")
async def about() -> dict[str, str]:
    return {"service": "orders", "version": VERSION, "pod": POD}


@app.get("/orders")
async def list_orders() -> list[Order]:
    """The 20 newest orders."""
    rows = await database.fetch("SELECT id, customer, item, quantity FROM orders ORDER BY id DESC LIMIT 20")
    return [Order(**row) for row in rows]


@app.post("/orders", status_code=201)
async def place_order(order: NewOrder) -> Order:
    rows = await database.fetch(
        "INSERT INTO orders (customer, item, quantity) VALUES (%(customer)s, %(item)s, %(quantity)s)"
        " RETURNING id, customer, item, quantity",
        order.model_dump(),
    )
    return Order(**rows[0])


@app.get("/orders/{order_id}")
async def read_order(order_id: int) -> Order:
    rows = await database.fetch("SELECT id, customer, item, quantity FROM orders WHERE id = %s", (order_id,))
    if not rows:
        raise HTTPException(404, f"there is no order {order_id}")
    return Order(**rows[0])


@app.get("/healthz")
async def alive() -> dict[str, str]:
    """The process answers. Nothing else is asked."""
    return {"status": "alive"}


@app.get("/readyz")
async def ready() -> dict[str, str]:
    """The process can serve orders: the database answers SELECT 1 within a second."""
    await database.fetch("SELECT 1")
    return {"status": "ready"}


@app.get("/metrics")
async def prometheus() -> Response:
    return Response(metrics.render(), media_type="text/plain; version=0.0.4")


@app.get("/slow")
async def slow(seconds: float = 2.0) -> dict[str, float]:
    """A request that takes its time without using the CPU."""
    await asyncio.sleep(min(seconds, 60))
    return {"seconds": seconds}


@app.get("/burn")
def burn(seconds: float = 0.1) -> dict[str, int]:
    """A request that keeps one core busy."""
    deadline = time.perf_counter() + min(seconds, 60)
    rounds = 0
    while time.perf_counter() < deadline:
        rounds += 1
    return {"rounds": rounds}


@app.post("/wedge", status_code=202)
async def wedge() -> dict[str, str]:
    """A bug to order: after this answer the event loop never turns again, yet the process lives on."""
    asyncio.get_running_loop().call_later(0.05, _hold_the_event_loop_for_ever)
    return {"status": "wedged"}


@app.post("/crash")
async def crash() -> None:
    """A bug to order: the process ends at once, and what was in flight is lost with it."""
    os._exit(1)


def _hold_the_event_loop_for_ever() -> None:
    while True:
        time.sleep(3600)
