"""Publications of accepted cases: what each side agrees to, what is approved, and what outsiders find."""

from typing import Any

from httpx2 import Response

from tests.support.cast import CONSENTS, Body, World, consent, intake

SIGNED_UP = [word for word in CONSENTS if not word["scope"].startswith("publish")]
SIDES = ("workers", "local_partner", "person")
PEOPLE: list[Body] = [{"label": "seven", "pseudonym": "Worker Seven"}]
ABSENT = "A" * 22


def a_case(world: World, *, case_fields: Body | None = None, **records: Any) -> str:
    """An accepted case; records of these kinds take the place of those it would have."""
    changed = {**(case_fields or {}), **({"records": {**intake()["records"], **records}} if records else {})}
    return world.case_in("accepted", **changed)


def to_publish(level: str, side: str, **changed: Any) -> Body:
    """The consent of a side to publish at a level; a person's own names the person."""
    return consent(f"publish_{level}", side, **({"of": "#seven"} if side == "person" else {}), **changed)


def agreed_by_all(level: str = "person") -> dict[str, Any]:
    """Records of a case of one person, that both sides and this person agree to publish."""
    return {"people": PEOPLE, "consents": [*SIGNED_UP, *(to_publish(level, side) for side in SIDES)]}


def approve(world: World, reference: str, level: str = "person") -> Body:
    """The reviewer's signature; as the service tells of it."""
    answer = world.reviewer.add(reference, "approvals", {"level": level})
    assert answer.status_code == 201, answer.text
    signed: Body = answer.json()
    return signed


def publish(world: World, reference: str, level: str = "anonymised", who: str = "coordinator") -> Response:
    """The answer to publishing what was approved, with no campaign."""
    body = {"publication_level": level}
    return world.as_(who).post(f"/v1/cases/{reference}/publications", body, If_Match="*")


def published(world: World, reference: str, level: str = "anonymised") -> Body:
    """Approve and publish a case at a level; the publication."""
    approve(world, reference)
    answer = publish(world, reference, level)
    assert answer.status_code == 201, answer.text
    publication: Body = answer.json()
    return publication


def take_down(world: World, reference: str, publication: Body, **headers: str) -> Response:
    path = f"/v1/cases/{reference}/publications/{publication['id']}/takedown"
    return world.caseworker.post(path, {"reason": "The workers are in danger."}, **headers)


def say_no(world: World, reference: str, scope: str, side: str, on: str | None = None) -> None:
    """Take back what a side agreed to, by the record of what it agreed to."""
    yes = next(
        word for word in world.records(reference, "consents") if (word["scope"], word["subject"]) == (scope, side)
    )
    body = {"state": "withdrawn", **({"withdrawn_on": on} if on else {})}
    answer = world.caseworker.patch(f"/v1/cases/{reference}/consents/{yes['id']}", body)
    assert (answer.status_code, answer.json()["state"]) == (200, "withdrawn"), answer.text


def say_yes(world: World, reference: str, scope: str, side: str, **changed: Any) -> None:
    answer = world.caseworker.add(reference, "consents", consent(scope, side, **changed))
    assert answer.status_code == 201, answer.text


def public(world: World) -> dict[str, Body]:
    """What outsiders find in the list, by token; each the same as on its own page."""
    items = world.nobody.get("/public/cases?limit=200").json()["items"]
    shown_by_token = {item["token"]: item["shows"] for item in items}
    for token, shows in shown_by_token.items():
        page = world.nobody.get(f"/public/cases/{token}")
        assert (page.status_code, page.json()) == (200, {"token": token, "shows": shows})
    return shown_by_token


WORKERS, PARTNER, OWN, UNSIGNED = (
    "consent.publish.workers.missing",
    "consent.publish.partner.missing",
    "consent.publish.person.missing",
    "signature.missing",
)
