"""ledger: orders and who placed them. Three releases, which differ in nothing but the columns they name.

RELEASE 1 writes and reads `cust`.
RELEASE 2 writes both columns, and reads `customer_id`, or `cust` where that one is empty.
RELEASE 3 writes and reads `customer_id`.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from psycopg import Error
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

RELEASE = os.environ["RELEASE"]
POD = os.environ.get("HOSTNAME", "")
WRITE = {
    "1": "INSERT INTO orders (cust, item) VALUES (%(customer)s, %(item)s)",
    "2": "INSERT INTO orders (cust, customer_id, item) VALUES (%(customer)s, %(customer)s, %(item)s)",
    "3": "INSERT INTO orders (customer_id, item) VALUES (%(customer)s, %(item)s)",
}[RELEASE]
CUSTOMER = {"1": "cust", "2": "coalesce(customer_id, cust)", "3": "customer_id"}[RELEASE]
READ = f"SELECT id, {CUSTOMER} AS customer, item FROM orders"

# On a busy machine a connection takes its time, and slow is not refused.
pool = AsyncConnectionPool(os.environ["DATABASE_URL"], min_size=1, max_size=3, open=False, timeout=15)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await pool.open()
    yield
    await pool.close()


app = FastAPI(title="ledger", version=RELEASE, lifespan=lifespan)


class NewOrder(BaseModel):
    customer: str
    item: str


class Order(NewOrder):
    id: int


@app.middleware("http")
async def sign(request: Request, call_next):
    response = await call_next(request)
    response.headers["x-pod"], response.headers["x-version"] = POD, RELEASE
    return response


@app.exception_handler(Error)
async def refused(_: Request, error: Error) -> Response:
    said = str(error).splitlines()[0]
    print(f"release {RELEASE}: {said}", flush=True)
    return Response(said, status_code=500)


@app.post("/orders")
async def place_order(order: NewOrder) -> list[Order]:
    """Places an order; answers with the ten newest orders and the ten oldest."""
    async with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(WRITE, order.model_dump())
        await cursor.execute(f"({READ} ORDER BY id DESC LIMIT 10) UNION ({READ} ORDER BY id LIMIT 10)")
        rows = await cursor.fetchall()
    nameless = [row["id"] for row in rows if not row["customer"]]
    if nameless:
        said = f"order {nameless[0]} has no customer"
        print(f"release {RELEASE}: {said}", flush=True)
        raise LookupError(said)
    return [Order(**row) for row in rows]


@app.exception_handler(LookupError)
async def nameless_order(_: Request, error: LookupError) -> Response:
    return Response(str(error), status_code=500)


@app.get("/healthz")
async def alive() -> dict[str, str]:
    return {"status": "alive"}
