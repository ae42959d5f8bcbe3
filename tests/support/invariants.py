"""What the tests of the invariants share."""

from typing import Any

from sqlalchemy import select

from appeals.cases.case import Case
from appeals.cases.publication import Publication
from tests.support.cast import Body, Person, World, intake

PEOPLE = [{"label": "seven", "pseudonym": "Worker Seven"}]


def records(consents: list[Body]) -> Body:
    """Those of the cast with other consents, and with a person who may be named."""
    return {**intake()["records"], "people": PEOPLE, "consents": consents}


def publications(world: World, reference: str) -> list[Publication]:
    query = select(Publication).join(Case, Case.id == Publication.case_id).where(Case.reference == reference)
    with world.database.reading() as session:
        return list(session.scalars(query.order_by(Publication.recorded_at)))


def consents_to(world: World, reference: str, scope: str, subject: str) -> list[Body]:
    found = world.records(reference, "consents")
    return [given for given in found if (given["scope"], given["subject"]) == (scope, subject)]


def end(who: Person, reference: str, given: Body, **said: Any) -> Body:
    """A no to what was given or, with `expires_on`, a sooner end of it."""
    body = said if "expires_on" in said else {"state": "withdrawn", **said}
    answer = who.patch(f"/v1/cases/{reference}/consents/{given['id']}", body)
    assert answer.status_code == 200, answer.text
    ended: Body = answer.json()
    return ended
