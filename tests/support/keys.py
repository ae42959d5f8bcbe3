"""API keys: what the service answers to them, what is kept of them, and keys with certain scopes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from httpx2 import Response
from sqlalchemy import update

from appeals.accounts.api_key import ALL_SCOPES, Key, new_key
from appeals.vocabulary import Scope
from tests.conftest import PEPPER
from tests.support.cast import Body, Person, World

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
PEPPER_ = PEPPER.encode()


def status(world: World, key: str | None) -> int:
    """How the service answers to a key."""
    code: int = Person(world.client, key).get("/v1/me").status_code
    return code


def change_key(world: World, key: str, **values: Any) -> None:
    """Change the row of a key."""
    with world.unprotected() as session:
        session.execute(update(Key).where(Key.id == key.split("_")[1]).values(**values))


def id_of(key: str | None) -> str:
    """The id of a key."""
    return (key or "").split("_")[1]


def row(world: World, key_id: str) -> Key:
    """What is kept of a key."""
    with world.database.reading() as session:
        return session.get_one(Key, key_id)


def given(world: World, name: str, *scopes: Scope, lasts: timedelta = 7 * DAY) -> Person:
    """A further key of one of the people, with these scopes."""
    with world.database.writing() as session:
        key = new_key(session, UUID(world.cast.accounts[name]), PEPPER_, NOW, NOW + lasts, scopes or ALL_SCOPES)
    return Person(world.client, key.text, world.cast.accounts[name])


def made(answer: Response) -> Body:
    """The key that was made."""
    assert answer.status_code == 201, answer.text
    body: Body = answer.json()
    return body


def code(answer: Response) -> tuple[int, list[str]]:
    """The status, and what is unmet or where the faults are."""
    problem = answer.json()
    codes = [item["code"] for item in problem.get("unmet", [])] + [at["pointer"] for at in problem.get("errors", [])]
    return answer.status_code, codes


# Rotation


def rotated(person: Person, key_id: str | None = None) -> Response:
    """The answer to a rotation of somebody's key with itself, or of another of theirs."""
    return person.post(f"/v1/keys/{key_id or id_of(person.key)}/rotation", {})
