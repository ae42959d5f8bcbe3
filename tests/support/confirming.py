"""Roles that one person proposes and another confirms, and enrolment codes in two halves."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from httpx2 import Response
from sqlalchemy import update

from appeals.accounts.account import Account, Membership, account_named, grant
from appeals.accounts.api_key import new_key
from appeals.accounts.entity import entity_named
from appeals.vocabulary import Role
from tests.conftest import PEPPER
from tests.support.cast import Body, Person, World

DAY = timedelta(days=1)
OFFICE = "International Office"


def codes(answer: Response) -> tuple[int, list[str]]:
    """The status, and what is unmet."""
    return answer.status_code, [item["code"] for item in answer.json().get("unmet", [])]


def add(who: Person, role: str = "caseworker", entity: str = "South Asia", name: str = "dhaka desk") -> Body:
    """An account that somebody makes, with a role: its id, and that of its membership."""
    kind = "machine" if name.startswith("machine") else "person"
    answer = who.post("/v1/accounts", {"name": name, "kind": kind, "role": role, "entity": entity})
    assert answer.status_code == 201, answer.text
    (membership,) = answer.json()["memberships"]
    return {"account": answer.json()["id"], "membership": membership["id"], "state": membership["state"]}


def propose(who: Person, account: str, role: str = "caseworker", entity: str = "South Asia") -> Response:
    return who.post(f"/v1/accounts/{account}/memberships", {"role": role, "entity": entity})


def confirm(who: Person, membership: str, **headers: str) -> Response:
    return who.post(f"/v1/memberships/{membership}/confirmation", {}, **headers)


def end(who: Person, membership: str) -> Response:
    return who.post(f"/v1/memberships/{membership}/ending", {})


def code_half(who: Person, account: str) -> list[str]:
    """What somebody is told of the code of an account."""
    answer = who.post(f"/v1/accounts/{account}/enrolment", {})
    assert answer.status_code == 201, answer.text
    halves: list[str] = answer.json()["halves"]
    return halves


def enrol(world: World, halves: list[str], **more: Any) -> Response:
    return world.nobody.post("/v1/enrolments", {"halves": halves, **more})


def enrolled(world: World, halves: list[str], **more: Any) -> Person:
    """The holder of an account, with the first key."""
    answer = enrol(world, halves, **more)
    assert answer.status_code == 201, answer.text
    person = Person(world.client, answer.json()["key"])
    person.account = person.get("/v1/me").json()["id"]
    return person


def alerts(who: Person, *kinds: str) -> list[tuple[str, str]]:
    """The kinds and sentences of what somebody is alerted to."""
    query = "&".join(f"kind={kind}" for kind in kinds)
    return [(item["kind"], item["text"]) for item in who.get(f"/v1/alerts?limit=200&{query}").json()["items"]]


def change(world: World, table: type[Membership] | type[Account], *where: Any, **values: Any) -> None:
    with world.database.writing() as session:
        session.execute(update(table).where(*where).values(**values))


def by_command(world: World, name: str, role: Role, entity: str = OFFICE) -> str:
    """Let one of the people hold a role as the command does; the id of the membership."""
    with world.database.writing() as session:
        account, place = account_named(session, name), entity_named(session, entity)
        assert account
        assert place
        return str(grant(session, account, role, place, datetime.now(UTC)).id)


def key_in_hand(world: World, account: str) -> str:
    """A key of somebody who was told no code, from wherever they have it."""
    now = datetime.now(UTC)
    with world.database.writing() as session:
        return new_key(session, UUID(account), PEPPER.encode(), now, now + DAY).text
