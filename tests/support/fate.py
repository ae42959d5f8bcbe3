"""Random values (ids, references, keys, the clock), drawn alike in two worlds."""

import secrets
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat

from appeals.api.context import AppContext
from appeals.cases import directory
from appeals.database.bulk import insert_if_absent
from tests.support.cast import Body


def drawn_by(seed: int | str) -> Random:
    """Chance that comes again alike."""
    return Random(seed)  # noqa: S311 - it keeps no secret


class Fate:
    """What is else chance. Each request begins anew what is drawn, so that no draw tells of an earlier one."""

    def __init__(self, seed: int) -> None:
        self.seed, self.turn, self.drawn = seed, 0, 0
        self.start = datetime.now(UTC)
        self.random = drawn_by(seed)

    def begin(self, _: object = None) -> None:
        """A request comes in."""
        self.go_on_from(self.turn + 1)

    def go_on_from(self, turn: int) -> None:
        """Count the requests on from this one."""
        self.turn, self.drawn = turn, 0
        self.random = drawn_by(f"{self.seed} {turn}")

    def now(self, _: object = None) -> datetime:
        """Ten milliseconds pass from request to request."""
        return self.start + timedelta(milliseconds=10 * self.turn)

    def uuid7(self) -> UUID:
        """Ordered by time, as the service's own are."""
        self.drawn += 1
        return UUID(int=int(self.now().timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | self.drawn)

    def choice(self, of: Any) -> Any:
        """In place of `secrets.choice`."""
        return self.random.choice(of)

    def token(self, size: int) -> str:
        """In place of `secrets.token_urlsafe` and `secrets.token_hex`."""
        return "".join(self.random.choices("0123456789abcdef", k=22 if size == 16 else 2 * size))


@pytest.fixture
def fate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Fate:
    """One course of chance for both worlds."""
    seed = request.node.callspec.params.get("seed", 0)
    course = Fate(seed)
    insert = insert_if_absent

    def insert_as_fated(session: Any, table: Any, values: Body) -> bool:
        return insert(session, table, {**values, "id": fated_id(values["identity"])})

    monkeypatch.setattr(directory, "insert_if_absent", insert_as_fated)
    monkeypatch.setattr(uuid_utils.compat, "uuid7", course.uuid7)
    monkeypatch.setattr(AppContext, "now", course.now)
    monkeypatch.setattr(secrets, "choice", course.choice)
    monkeypatch.setattr(secrets, "token_urlsafe", course.token)
    monkeypatch.setattr(secrets, "token_hex", course.token)
    return course


def fated_id(identity: str) -> UUID:
    """The random id of a row of the directory, drawn alike whichever case named it first."""
    return UUID(int=int(identity[:32], 16), version=4)
