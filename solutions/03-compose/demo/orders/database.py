"""PostgreSQL, asked with a deadline: no answer within a second counts as unreachable."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

Result = TypeVar("Result")

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer text NOT NULL,
    item text NOT NULL,
    quantity integer NOT NULL
)
"""
# Several replicas may start at once; CREATE TABLE IF NOT EXISTS alone can collide (PostgreSQL raises a
# unique violation on pg_type), so the first one to take this lock creates the table.
SCHEMA_LOCK = "SELECT pg_advisory_xact_lock(0x6f7264)"


class Unreachable(Exception):
    """The database did not answer in time, refused, or is not configured."""


class Database:
    def __init__(self, url: str | None, password_file: str | None = None, *, deadline: float = 1.0) -> None:
        self._deadline = deadline
        self._password_file = password_file
        self._pool: AsyncConnectionPool | None = None
        if url:
            self._pool = AsyncConnectionPool(
                url,
                min_size=1,
                max_size=5,
                open=False,
                timeout=deadline,
                reconnect_timeout=2,
                kwargs=self._settings,
                check=AsyncConnectionPool.check_connection,
            )

    async def _settings(self) -> dict[str, Any]:
        """What a new connection is opened with. A password from a file may have changed since the last one."""
        settings: dict[str, Any] = {"row_factory": dict_row, "connect_timeout": 2}
        if self._password_file:
            settings["password"] = Path(self._password_file).read_text().strip()
        return settings

    async def open(self, *, patience: float) -> None:
        """Connect and create the schema. Raises Unreachable after `patience` seconds without an answer."""
        if self._pool is None:
            return
        await self._pool.open()
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            try:
                await self._within_deadline(self._create_schema())
                return
            except Unreachable:
                if asyncio.get_running_loop().time() > deadline:
                    await self._pool.close()
                    raise
                await asyncio.sleep(0.2)

    async def _create_schema(self) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(SCHEMA_LOCK)
            await connection.execute(SCHEMA)

    async def fetch(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> list[dict]:
        """All rows of `query`. Raises Unreachable when there is no answer within the deadline."""
        if self._pool is None:
            raise Unreachable("DATABASE_URL is not set")
        return await self._within_deadline(self._fetch(query, parameters))

    async def _fetch(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None) -> list[dict]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(query, parameters)
            return await cursor.fetchall()

    async def _within_deadline(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of `work`, or Unreachable at the deadline.

        asyncio.timeout would wait until the cancelled query has ended, and psycopg asks the server to
        cancel it: a server that is silent would hold the caller for ten seconds more. So the query is
        cancelled, and left to end on its own.
        """
        task = asyncio.ensure_future(work)
        task.add_done_callback(_retrieve)
        done, _ = await asyncio.wait({task}, timeout=self._deadline)
        if not done:
            task.cancel()
            raise Unreachable("the database does not answer")
        try:
            return task.result()
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise Unreachable("the database does not answer") from error

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close(timeout=1)


def _retrieve(task: asyncio.Task) -> None:
    """Take the exception of a query that nobody waits for any more, so that asyncio does not report it."""
    if not task.cancelled():
        task.exception()
