"""shop: two services in one image, and what each of them does when somebody it depends on is away.

GET /orders  needs the database. Without the cache it is slower; a mail that can't be sent is sent later.
GET /prices  answers from memory; the list is read again from the database every minute, when that is there.
GET /readyz?need=db&need=cache  200 when everybody named answers, else 503. Known are db, cache and mail.
GET /healthz  the process answers; nobody else is asked.
"""

import asyncio

from fastapi import FastAPI, Query, Response

PORTS = {"db": 5432, "cache": 6379, "mail": 2525}
app = FastAPI(title="shop")


async def answers(name: str) -> bool:
    """Whether somebody accepts connections there, within a second."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(name, PORTS[name]), 1.0)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


@app.get("/orders")
async def orders(response: Response) -> dict[str, str]:
    database, cache, mail = await asyncio.gather(answers("db"), answers("cache"), answers("mail"))
    if not database:
        response.status_code = 503
        return {"detail": "the database does not answer"}
    return {"orders": "from the cache" if cache else "from the database", "mail": "sent" if mail else "later"}


@app.get("/prices")
async def prices() -> dict[str, int]:
    return {"lamp": 4000, "table": 25000}


@app.get("/readyz")
async def ready(response: Response, need: list[str] = Query(default=[])) -> dict[str, list[str]]:
    unknown = [name for name in need if name not in PORTS]
    away = [name for name in need if name in PORTS and not await answers(name)]
    if unknown or away:
        response.status_code = 503
    return {"away": away, "unknown": unknown}


@app.get("/healthz")
async def alive() -> dict[str, str]:
    return {"status": "alive"}
