"""A service with operations of its own that are logged, and the rows that it wrote."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Response
from sqlalchemy import select, text
from sqlalchemy.orm import selectinload

from appeals import app
from appeals.access.access_log import AccessEntry
from appeals.api import permissions
from appeals.api.dependencies import Read, Write, writing
from appeals.api.permissions import Policy
from appeals.api.routing import new_router
from appeals.api.transaction import ReplayPolicy, WriteRequest, WriteTransaction
from appeals.errors import Forbidden
from appeals.fields import Model
from appeals.vocabulary import Logged, View
from tests.conftest import PEPPER, Template
from tests.support.cast import Person, World

KEY = "c0ffee00-0000-4000-8000-000000000001"
OTHER = "UA-BGD-2026-11111"
CANARY = "Canary Stitchers"
Row = dict[str, Any]
_asked = count()


class Shown(Model):
    """Something different each time."""

    number: int


def opened(tx: WriteTransaction) -> Response:
    return tx.respond(Shown(number=next(_asked)), Location="/v1/me")


def samples() -> APIRouter:
    """Routes on a case, and one that refuses to answer."""
    router = new_router("samples")
    again, never = (writing(replay_policy=policy) for policy in (ReplayPolicy.REPEAT, ReplayPolicy.REFUSE))

    @router.post("/v1/cases/{ref}/samples", status_code=201)
    def sample_samples(ref: str, body: Model, write: Annotated[WriteRequest, again]) -> Response:
        with write.transaction() as tx:
            return opened(tx)

    @router.post("/v1/cases/{ref}/keys", status_code=201)
    def sample_keys(ref: str, body: Model, write: Annotated[WriteRequest, never]) -> Response:
        with write.transaction() as tx:
            return opened(tx)

    @router.post("/v1/cases/{ref}/roles", status_code=201)
    def sample_roles(ref: str, body: Model, write: Write) -> Response:
        with write.transaction() as tx:
            return opened(tx)

    @router.post("/v1/cases/{ref}/both", status_code=201)
    def sample_both(ref: str, body: Model, write: Write) -> Response:
        """Says itself what it is about, as two kinds."""
        with write.transaction() as tx:
            tx.log(Logged.OPENING, OTHER)
            tx.log(Logged.VIEW)
            return opened(tx)

    @router.post("/v1/cases/{ref}/refusals", status_code=201)
    def sample_refusals(ref: str, body: Model, write: Write) -> Response:
        with write.transaction():
            raise Forbidden

    @router.get("/v1/nothing")
    def sample_nothing(read: Read) -> Response:
        with read.snapshot():
            raise Forbidden

    return router


LOGGED = {"samples": Logged.OPENING, "keys": Logged.KEY, "roles": Logged.ROLE, "both": None, "refusals": None}
POLICIES = {
    **{name: replace(policy, logged=None) for name, policy in permissions.POLICY_OF.items()},
    **{f"sample_{noun}": Policy(f"sample_{noun}", view=View.STATUS, logged=kind) for noun, kind in LOGGED.items()},
    "sample_nothing": Policy("sample_nothing"),
}
"""Of the operations of the service only the view of a case is logged, by its own word; the samples as others are."""


@pytest.fixture
def logged(template: Template, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A service of such operations on a fresh database."""
    monkeypatch.setattr(permissions, "POLICY_OF", POLICIES)
    monkeypatch.setattr(app, "ROUTERS", (*app.ROUTERS, samples()))
    world = World(database_url, PEPPER, template.cast)
    yield world
    world.end()


def rows(world: World, *kinds: Logged) -> list[Row]:
    """The rows of these kinds (without any, of all but the use of keys), oldest first."""
    wanted_kinds = kinds or set(Logged) - {Logged.KEY}
    with world.database.reading() as session:
        query = select(AccessEntry).options(selectinload(AccessEntry.about)).order_by(AccessEntry.id)
        entries = list(session.scalars(query.where(AccessEntry.kind.in_(wanted_kinds))))
        names = ("account_id", "key_id", "kind", "operation", "status", "subjects", "at")
        return [{name: getattr(row, name) for name in names} for row in entries]


def told(world: World, *kinds: Logged) -> list[tuple[str, str, int, list[str]]]:
    """Kind, operation, status and subjects of the rows."""
    return [(row["kind"], row["operation"], row["status"], row["subjects"]) for row in rows(world, *kinds)]


def broken(world: World) -> None:
    """Take the table away."""
    with world.owner() as owner, owner.writing() as session:
        session.execute(text("ALTER TABLE access_log RENAME TO lost"))


def mended(world: World) -> None:
    """Put it back."""
    with world.owner() as owner, owner.writing() as session:
        session.execute(text("ALTER TABLE lost RENAME TO access_log"))


def key_id(person: Person) -> str:
    """The id of the key, which is not secret."""
    return str(person.key)[3:11]
