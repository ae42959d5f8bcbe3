"""Cases that are published, and what may be up of them."""

from typing import Any

from httpx2 import Response

from tests.support.cast import CONSENTS, Body, World, consent, intake


def sign(world: World, reference: str, level: str = "named", **more: Any) -> Body:
    answer = world.reviewer.add(reference, "approvals", {"level": level, **more})
    assert answer.status_code == 201, answer.text
    signed: Body = answer.json()
    return signed


def publish(world: World, reference: str, level: str = "named", **more: Any) -> Response:
    body = {"publication_level": level, **more}
    return world.coordinator.post(f"/v1/cases/{reference}/publications", body, If_Match="*")


def published(world: World, state: str = "accepted", **changed: Any) -> tuple[str, str]:
    """A case in a state with a page up, and the page's token."""
    reference = world.case_in(state, **changed)
    sign(world, reference)
    answer = publish(world, reference)
    assert answer.status_code == 201, answer.text
    return reference, answer.json()["token"]


def is_up(world: World, token: str) -> bool:
    status: int = world.nobody.get(f"/public/cases/{token}").status_code
    assert status in {200, 404}
    return status == 200


def say(world: World, reference: str, scope: str, subject: str = "workers", **word: Any) -> Body:
    """Put a word on record."""
    answer = world.coordinator.add(reference, "consents", {**consent(scope, subject), **word})
    assert answer.status_code == 201, answer.text
    said: Body = answer.json()
    return said


def no(world: World, reference: str, scope: str, subject: str = "workers", **word: Any) -> Body:
    """Put a no on record; it answers what was said."""
    body = {"subject": subject, "scope": scope, "state": "refused", **word}
    answer = world.coordinator.add(reference, "consents", body)
    assert answer.status_code == 201, answer.text
    said: Body = answer.json()
    return said


def withdraw(world: World, reference: str, record: Body, **more: Any) -> None:
    path = f"/v1/cases/{reference}/consents/{record['id']}"
    answer = world.coordinator.patch(path, {"state": "withdrawn", **more})
    assert answer.status_code == 200, answer.text


def with_consents(*more: Body, lacking: str = "") -> Body:
    consents = [given for given in CONSENTS if given["scope"] != lacking]
    return {"records": {**intake()["records"], "consents": [*consents, *more]}}


# What is given on conditions, S-16


CONDITION = "Only after all are released."


def conditional(scope: str, **more: Any) -> Body:
    return consent(scope, state="given_with_conditions", conditions=[CONDITION], label="word", **more)


def pointers(answer: Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["pointer"] for error in answer.json()["errors"]]
