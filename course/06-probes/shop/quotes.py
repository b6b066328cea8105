"""quotes: a service with four workers and a short queue, as most services have somewhere.

GET /quote    takes a worker for 0.4 s, so that a Pod gives 10 quotes a second. Eight may wait; the next one gets 503 at once.
GET /readyz   the workers get something done: nobody is busy, or somebody has finished in the last 5 s. It waits in no queue.
GET /healthz  the process answers.
POST /stick   a bug to order: every quote that begins from now on never ends.
"""

import asyncio
import time

from fastapi import FastAPI, Response

WORKERS, SECONDS, MAY_WAIT = 4, 0.4, 8
app = FastAPI(title="quotes")
free = asyncio.Semaphore(WORKERS)
state = {"waiting": 0, "busy": 0, "stuck": False, "done": time.monotonic()}


@app.get("/quote")
async def quote(response: Response) -> dict[str, object]:
    if state["waiting"] >= MAY_WAIT:
        response.status_code = 503
        return {"detail": "too many are waiting"}
    state["waiting"] += 1
    await free.acquire()
    state["waiting"] -= 1
    if not state["busy"]:
        state["done"] = time.monotonic()  # nobody was busy: the clock begins now
    state["busy"] += 1
    if state["stuck"]:
        await asyncio.Event().wait()
    await asyncio.sleep(SECONDS)
    state["busy"] -= 1
    state["done"] = time.monotonic()
    free.release()
    return {"lamp": 4000}


@app.get("/readyz")
async def ready(response: Response) -> dict[str, float]:
    since = time.monotonic() - state["done"]
    if state["busy"] and since > 5:
        response.status_code = 503
    return {"busy": state["busy"], "seconds since the last quote": round(since, 1)}


@app.get("/healthz")
async def alive() -> dict[str, str]:
    return {"status": "alive"}


@app.post("/stick", status_code=202)
async def stick() -> dict[str, str]:
    state["stuck"] = True
    return {"status": "stuck"}
