"""Actions of the network and of others."""

from typing import Any

from httpx2 import Response

from tests.support.cast import PARTIES, Body, World, consent, day, intake, organisation

BOTH = [consent("publish_anonymised"), consent("publish_anonymised", "local_partner")]

WORKERS, PARTNER = "consent.publish.workers.missing", "consent.publish.partner.missing"

MEMBER: Body = {"label": "member", "role": "local_partner", "organisation": organisation("Loom Alliance", "ccc_member")}

STRIKE: Body = {"kind": "street_action", "target": "#factory", "done_on": day(3), "by": "#union"}


def case(world: World, *consents: Body, parties: list[Body] | None = None) -> str:
    """A case in `received` with these consents alone."""
    records = {**intake()["records"], "consents": list(consents), "parties": parties or [*PARTIES, MEMBER]}
    return world.case(records=records)


def add(world: World, reference: str, **said: Any) -> Response:
    return world.coordinator.add(reference, "actions", said)


def added(world: World, reference: str, **said: Any) -> Body:
    answer = add(world, reference, **said)
    assert answer.status_code == 201, answer.text
    made: Body = answer.json()
    return made


def unmet(answer: Response) -> set[str]:
    assert answer.status_code == 409, answer.text
    return {item["code"] for item in answer.json()["unmet"]}


def change(world: World, reference: str, made: Body, **said: Any) -> Response:
    return world.coordinator.patch(f"/v1/cases/{reference}/actions/{made['id']}", said)


def reasons(world: World, reference: str) -> list[str]:
    items = world.coordinator.get("/v1/attention?limit=200").json()["items"]
    return [item["reason"] for item in items if item["reference"] == reference]
