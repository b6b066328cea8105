"""till: books sales in PostgreSQL. It has no pool: each request logs in anew, as behind many a proxy.

DATABASE_URL       where to log in, for example postgresql://till:secret@db:5432/shop
DATABASE_URL_FILE  or a file that says so; it is read again for each login
"""

import os
import time
from pathlib import Path

import psycopg
from fastapi import FastAPI, Response

POD = os.environ.get("HOSTNAME", "")
app = FastAPI(title="till")


def login() -> psycopg.Connection:
    """A connection of our own. Raises psycopg.OperationalError, KeyError and OSError."""
    file = os.environ.get("DATABASE_URL_FILE")
    url = Path(file).read_text().strip() if file else os.environ["DATABASE_URL"]
    return psycopg.connect(url, connect_timeout=5, application_name=POD)


@app.get("/")
def book(response: Response) -> dict[str, str]:
    """Book a sale of nothing; says as whom."""
    response.headers["x-pod"] = POD
    try:
        with login() as connection:
            user = connection.execute("INSERT INTO sales DEFAULT VALUES RETURNING session_user").fetchone()[0]
    except (psycopg.Error, KeyError, OSError) as error:
        said = str(error).strip().splitlines()[-1]
        print(f"{time.strftime('%H:%M:%S')} not booked: {said}", flush=True)
        response.status_code = 503
        return {"error": said}
    response.headers["x-version"] = user
    return {"booked as": user}


@app.get("/readyz")
def ready(response: Response) -> dict[str, str]:
    """Whether a sale could be booked."""
    try:
        with login() as connection:
            connection.execute("SELECT 1")
    except (psycopg.Error, KeyError, OSError) as error:
        response.status_code = 503
        return {"error": str(error).strip().splitlines()[-1]}
    return {"status": "ready"}
