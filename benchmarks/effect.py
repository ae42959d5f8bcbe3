"""What one write leaves in the database, taken from the service itself, so that the reference can leave the same rows.

Like requests are sent to the application in this process, a first one to warm it and two more, and what these add and
change is written down as its statements. What differs between the two (ids, references, places) has to be new each
time.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import getrandbits
from typing import Any
from uuid import UUID, uuid4

from fastapi.testclient import TestClient
from psycopg import Binary
from psycopg.types.json import Jsonb
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, event

from appeals.app import create_app
from appeals.settings import Settings

Rows = list[tuple[Any, ...]]
NAMED = re.compile(r"%\((\w+)\)s")
REFERENCE = re.compile(r"UA-[A-Z]{3}-\d{4}-[0-9A-Z]+")
HEX = re.compile(r"([0-9a-f]{32}){1,2}")
SMALL = 1 << 31
"""Whole numbers from here on are made of an id, not counted."""


@dataclass(frozen=True)
class Effect:
    """Statements with their rows, the values in them that are new each time, the case, and the number of the change.

    The number is what `RETURNING id` gave, where a later row holds it.
    """

    statements: list[tuple[str, Rows]]
    fresh: frozenset[Any]
    case: Any
    change: int | None

    def anew(self, case: Any = None) -> dict[Any, Any]:
        """What to put for the values, for a new case or for this one."""
        put = {value: another(value) for value in self.fresh}
        return put if case is None else {**put, self.case: case}


def filled(rows: Rows, put: dict[Any, Any]) -> Rows:
    """Rows with these values put."""
    return [tuple(put.get(value, value) for value in row) for row in rows]


def another(value: Any) -> Any:
    """A new value of the same form."""
    if isinstance(value, UUID):
        return uuid4()
    if isinstance(value, int):
        return value - getrandbits(40)
    if HEX.fullmatch(value):
        return (uuid4().hex * 2)[: len(value)]
    return f"{value[:12]}{uuid4().hex[:12].upper()}"


def effect(url: str, pepper: str, alike: Iterable[dict[str, Any]]) -> Effect:
    """What like requests leave, three at least; what is done to a case names the case by its id."""
    alone: dict[str, Any] = {
        "clock_every_s": 0,
        "webhooks_every_s": 0,
        "rate_per_minute": 0,
    }  # so that only requests write
    app = create_app(Settings(database_url=url, pepper=SecretStr(pepper), **alone))
    kept, cases = [], []
    with TestClient(app) as client:
        for told in alike:
            with _written(app.state.database.engine) as statements:
                answer = client.request(told["method"], told["path"], json=told["body"], headers=told["headers"])
            if answer.status_code != 201:
                raise SystemExit(f"{told['path']}: answered {answer.status_code}: {answer.text}")
            kept.append(statements)
            case = told.get("case")
            cases.append(case.hex if case and app.state.database.embedded else case)
    app.state.database.engine.dispose()
    if [statement for statement, _ in kept[1]] != [statement for statement, _ in kept[2]]:
        raise SystemExit(f"{told['path']}: like requests wrote otherwise")
    change = next((rows[0][0] for statement, rows in kept[1] if "previous_visibility (change_id" in statement), None)
    return Effect(kept[1], frozenset(_made(kept[1], kept[2])), cases[1], change)


@contextmanager
def _written(engine: Engine) -> Iterator[list[tuple[str, Rows]]]:
    found: list[tuple[str, Rows]] = []

    def note(_: Connection, __: Any, statement: str, given: Any, ___: Any, many: bool) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            found.append(_plain(statement, given if many else [given]))

    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


def _plain(statement: str, given: Sequence[Any]) -> tuple[str, Rows]:
    """The statement with its parameters in order, as the drivers of the reference take them."""
    names = NAMED.findall(statement)
    text = statement
    for number in range(len(names)):
        text = NAMED.sub(f"${number + 1}", text, count=1)
    rows = [tuple(row[name] for name in names) if names else tuple(row or ()) for row in given]
    return text.replace("%%", "%") if names else text, [tuple(map(_bare, row)) for row in rows]


def _bare(value: Any) -> Any:
    if isinstance(value, Jsonb):
        return json.dumps(value.obj)
    if isinstance(value, Binary):
        return bytes(value.obj)
    return bytes(value) if isinstance(value, memoryview) else value


def _made(first: list[tuple[str, Rows]], second: list[tuple[str, Rows]]) -> Iterator[Any]:
    """The values of the first that are others in the second, but for contents."""
    for (_, rows), (_, others) in zip(first, second, strict=True):
        for row, other in zip(rows, others, strict=False):  # a name may have more blocking keys than another
            yield from (value for value, then in zip(row, other, strict=True) if value != then and _is_made(value))


def _is_made(value: Any) -> bool:
    if isinstance(value, str):
        return bool(HEX.fullmatch(value) or REFERENCE.fullmatch(value))
    return isinstance(value, UUID) or (isinstance(value, int) and abs(value) > SMALL)
