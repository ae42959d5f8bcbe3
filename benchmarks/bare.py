"""The bare reference: the same rows, served by Starlette routes with SQL written by hand, and nothing else.

No keys, no rules, no log, no rate limit. It runs one statement for each table that a case is made of and joins them by
hand; what it writes are the rows that the service leaves (`lifecycle/effects.py`, pickled on standard input).
`python -m benchmarks.bare URL PORT` serves it.
"""

import hashlib
import pickle
import sqlite3
import sys
import uuid
from typing import Any, Protocol

import asyncpg
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.effect import Effect, filled

Rows = list[dict[str, Any]]
CASE = (
    "id, reference, title, public_summary, country, status, suspended_from, visibility, publication, risk, priority, "
    "danger, region_id, lead_entity_id, received_on, received_precision, acknowledged_on, first_action_on, "
    "accepted_on, review_on, closed_on, close_reason, reopen_count, version, recorded_at, updated_at"
)
CHILDREN = {
    "history": "SELECT sequence, step, from_status, to_status, says, role, occurred_on, occurred_precision, recorded_at"
    " FROM status_history WHERE case_id = ? ORDER BY sequence",
    "violations": "SELECT code, grade FROM violation WHERE case_id = ? ORDER BY id",
    "demands": "SELECT kind, version, disposition, disposed_on FROM demand WHERE case_id = ? ORDER BY id",
    "actions": "SELECT id, kind, channel, corner, status, done_on, done_precision, answer_due_on FROM action"
    " WHERE case_id = ? ORDER BY id",
    "responses": "SELECT action, received_on, received_precision, grade FROM response WHERE case_id = ? ORDER BY id",
    "commitments": "SELECT kind, due_on, status FROM commitment WHERE case_id = ? ORDER BY id",
    "tallies": "SELECT kind, low, high, as_of FROM tally WHERE case_id = ? ORDER BY id",
}


FOUND = 'SELECT id FROM "case" WHERE reference = ?'


class Store(Protocol):
    """A database as its driver gives it."""

    async def rows(self, statement: str, *given: Any) -> Rows:
        """What a statement finds; parameters are written `?`."""

    async def write(self, effect: Effect, reference: str | None) -> None:
        """Leave the rows of a write in one transaction: of a new case, or of the one of this reference."""


class Embedded:
    """SQLite, in the loop."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA foreign_keys=ON")
        self._db.row_factory = sqlite3.Row

    async def rows(self, statement: str, *given: Any) -> Rows:
        return [dict(row) for row in self._db.execute(statement, [_hex(value) for value in given])]

    async def write(self, effect: Effect, reference: str | None) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        case = self._db.execute(FOUND, (reference,)).fetchone()["id"] if reference else None
        put = effect.anew(_hex(case))
        for statement, rows in effect.statements:
            if len(rows) > 1:
                self._db.executemany(statement, filled(rows, put))
                continue
            returned = self._db.execute(statement, *filled(rows, put)).fetchall()
            if effect.change is not None and statement.startswith("INSERT INTO change "):
                put[effect.change] = returned[0]["id"]
        self._db.execute("COMMIT")


class Server:
    """PostgreSQL, by asyncpg."""

    def __init__(self, url: str) -> None:
        self._url, self._pool, self._texts = url, None, dict[str, str]()

    async def pool(self) -> Any:
        if self._pool is None:
            settings = {"jit": "off", "plan_cache_mode": "force_generic_plan", "max_parallel_workers_per_gather": "0"}
            self._pool = await asyncpg.create_pool(self._url, min_size=4, max_size=4, server_settings=settings)
        return self._pool

    async def rows(self, statement: str, *given: Any) -> Rows:
        return [dict(row) for row in await (await self.pool()).fetch(self._numbered(statement), *given)]

    async def write(self, effect: Effect, reference: str | None) -> None:
        async with (await self.pool()).acquire() as connection, connection.transaction():
            locked = f"{self._numbered(FOUND)} FOR UPDATE"
            case = await connection.fetchval(locked, reference) if reference else None
            put = effect.anew(case)
            for statement, rows in effect.statements:
                if len(rows) > 1:
                    await connection.executemany(statement, filled(rows, put))
                    continue
                returned = await connection.fetch(statement, *filled(rows, put)[0])
                if effect.change is not None and statement.startswith("INSERT INTO change "):
                    put[effect.change] = returned[0]["id"]

    def _numbered(self, statement: str) -> str:
        if statement not in self._texts:
            first, *parts = statement.split("?")
            self._texts[statement] = first + "".join(f"${number}{part}" for number, part in enumerate(parts, 1))
        return self._texts[statement]


def _hex(value: Any) -> Any:
    return value.hex if isinstance(value, uuid.UUID) else value


def answer(content: Any, status: int = 200) -> Response:
    """An answer as JSON."""
    return Response(orjson.dumps(content, default=str), status, media_type="application/json")


class Bare:
    """The routes."""

    def __init__(self, store: Store, effects: dict[str, Effect]) -> None:
        self.store, self.effects = store, effects

    async def intake(self, request: Request) -> Response:
        """A new case."""
        orjson.loads(await request.body())
        await self.store.write(self.effects["intake"], None)
        return answer({}, 201)

    async def step(self, request: Request) -> Response:
        """A step of a case."""
        orjson.loads(await request.body())
        await self.store.write(self.effects["step"], request.path_params["ref"])
        return answer({}, 201)

    async def case(self, request: Request) -> Response:
        """One case with history, actions and the rest of what its followers get."""
        (case,) = await self.store.rows(f'SELECT {CASE} FROM "case" WHERE reference = ?', request.path_params["ref"])
        for name, statement in CHILDREN.items():
            case[name] = await self.store.rows(statement, case["id"])
        by_action: dict[Any, Rows] = {}
        for response in case.pop("responses"):
            by_action.setdefault(response.pop("action"), []).append(response)
        for action in case["actions"]:
            action["responses"] = by_action.get(action.pop("id"), [])
        return answer(case)

    async def cases(self, request: Request) -> Response:
        """A page of 50 of one country and status, newest first, with the count of affected workers of each."""
        country, status = request.query_params["country"], request.query_params["status"]
        found = await self.store.rows(
            f'SELECT {CASE} FROM "case" WHERE country = ? AND status = ? ORDER BY received_on DESC, id DESC LIMIT 51',
            country,
            status,
        )
        marks = ", ".join("?" for _ in found)
        tallies = await self.store.rows(
            f"SELECT case_id, kind, low, high, as_of FROM tally WHERE case_id IN ({marks})",
            *(row["id"] for row in found),
        )
        by_case: dict[Any, Rows] = {}
        for tally in tallies:
            by_case.setdefault(tally.pop("case_id"), []).append(tally)
        for row in found:
            row["tallies"] = by_case.get(row["id"], [])
        return answer({"items": found[:50], "next": str(found[50]["id"]) if len(found) > 50 else None})

    async def poll(self, request: Request) -> Response:
        """A case that may not have changed."""
        (case,) = await self.store.rows(
            'SELECT version, updated_at FROM "case" WHERE reference = ?', request.path_params["ref"]
        )
        tag = f'"{case["version"]}-{hashlib.sha256(str(case["updated_at"]).encode()).hexdigest()[:20]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return Response(orjson.dumps(case, default=str), headers={"ETag": tag}, media_type="application/json")

    async def statistics(self, _: Request) -> Response:
        """How many cases of each region are in each status."""
        return answer(await self.store.rows('SELECT region_id, status, count(*) AS cases FROM "case" GROUP BY 1, 2'))

    async def changes(self, request: Request) -> Response:
        """A page of 100 changes with the cases as they stand."""
        after = int(request.query_params["after"])
        listed = ", ".join(f'"case".{name.strip()}' for name in CASE.split(",") if name.strip() != "version")
        return answer(
            await self.store.rows(
                f"SELECT change.id AS change_id, change.at, change.version, {listed} FROM change"
                ' JOIN "case" ON "case".id = change.case_id WHERE change.id > ?'
                " ORDER BY change.id LIMIT 101",
                after,
            )
        )


def application(store: Store, effects: dict[str, Effect]) -> Starlette:
    """The reference."""
    bare = Bare(store, effects)
    return Starlette(
        routes=[
            Route("/cases/{ref}", bare.case),
            Route("/cases", bare.cases),
            Route("/intake", bare.intake, methods=["POST"]),
            Route("/steps/{ref}", bare.step, methods=["POST"]),
            Route("/poll/{ref}", bare.poll),
            Route("/statistics", bare.statistics),
            Route("/changes", bare.changes),
        ]
    )


def store_of(url: str) -> Store:
    """The database at a URL."""
    return Embedded(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else Server(url)


if __name__ == "__main__":
    left: dict[str, Effect] = pickle.load(sys.stdin.buffer)  # noqa: S301 - of the benchmark that starts this
    uvicorn.run(application(store_of(sys.argv[1]), left), port=int(sys.argv[2]), log_level="warning", access_log=False)
