"""A world that is shared by a whole module, for tests that only read or do not mind other writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest

from appeals.api.routing import Route
from appeals.app import api_routes
from appeals.vocabulary import DeliveryFault, DeliveryState, Role
from appeals.webhooks.webhook import Delivery
from tests.conftest import PEPPER, Template
from tests.support.cast import Body, Person, World, action, consent, day

DOORS = api_routes()
ABSENT = "UA-BGD-2026-00000"
NOBODY = "00000000-0000-4000-8000-000000000000"

RECORDS: dict[str, Body] = {
    "parties": {"role": "retailer", "organisation": {"name": "Sample Shops", "kind": "company", "country": "DE"}},
    "violations": {"code": "threat", "since": day(40), "perpetrator": "#factory", "description": "By telephone."},
    "demands": {"kind": "pay_wages", "text": "Pay what is owed.", "addressees": ["#factory"]},
    "people": {"pseudonym": "Worker Seven", "role": "organiser", "name": "Sample Handle", "contacts": "By messenger."},
    "consents": consent("media_interview", recipients=["Evening Post"], conditions="No photographs."),
    "risk-assessments": {"level": "high", "assessed_on": day(1), "threats": "Dismissals.", "assessed_by": "The union"},
    "approvals": {"level": "anonymised", "note": "Checked."},
    "actions": action(note="Sent by post."),
    "responses": {"action": "#letter", "received_on": day(3), "grade": "denies_link", "summary": "Knows nothing."},
    "commitments": {
        "promisor": "#brand",
        "text": "Pays into the fund.",
        "kind": "payment",
        "demands": ["#reinstate"],
        "due_on": day(1),
        "how_verified": "The union sees the account.",
    },
    "tallies": {"kind": "dismissed", "low": 11, "high": 12, "women": 8, "as_of": day(30), "source": "The union"},
    "payments": {
        "kind": "paid",
        "amount": "1200.50",
        "currency": "BDT",
        "payer": "#brand",
        "purpose": "wages",
        "on": day(2),
    },
    "proceedings": {
        "body": "court",
        "kind": "labour",
        "filed_by": "#union",
        "filed_on": day(9),
        "number": "121/2026",
    },
    "links": {"kind": "same_event", "other": "UA-BGD-2026-00000"},
    "outcomes": {"code": "reinstated", "demand": "#reinstate", "extent": "partial", "happened_on": day(2)},
    "team": {"account": "asia caseworker"},
}
"""A full input for every kind of record, for a case in `engagement`; a link has to lead to a case, see `bodies_for`."""


def bodies_for(who: Person, reference: str) -> dict[str, Body]:
    """`RECORDS`, with a link to another case that they see; without one where they see none."""
    listed = (case["reference"] for case in who.get("/v1/cases?limit=200").json()["items"])
    others = (found for found in listed if found != reference)
    other = next((found for found in others if who.get(f"/v1/cases/{found}").status_code == 200), None)
    links = {"links": {**RECORDS["links"], "other": other}} if other else {}
    return {**{noun: body for noun, body in RECORDS.items() if noun != "links"}, **links}


@dataclass(frozen=True)
class Standing:
    """A world and a case in engagement in it, restricted and led by South Asia, with one record of each kind."""

    world: World
    reference: str
    ids: dict[str, str]
    narrow: dict[str, Person]
    """Coordinators with a key of one scope."""

    def path(self, operation: Route, ref: str | None = None) -> str:
        """The path of an operation on this case, or on another reference."""
        noun = operation.path.split("/")[4] if operation.path.count("/") > 3 else ""
        below = operation.path.split("/")[2]
        number = self.ids.get(below, "") if below == "webhooks" else self.ids.get(noun) or self.ids.get(below, "")
        names = {
            "ref": ref or self.reference, "id": number, "key": number, "name": "status", "token": self.ids["token"],
            "delivery": self.ids["deliveries"],
        }  # fmt: skip
        return operation.path.format(**names)

    def reader(self, operation: Route) -> Person:
        """Somebody who may read what is behind an operation."""
        who = "auditor" if operation.name == "list_access_log" else "admin"
        return self.world.as_(who if operation.path.startswith(("/v1/accounts/", "/v1/access-log")) else "coordinator")


def is_table(route: Route) -> bool:
    """Whether a route also answers as CSV and NDJSON."""
    return "text/csv" in route.responses[route.status_code or 200].get("content", {})


@pytest.fixture(scope="module")
def standing(template: Template) -> Iterator[Standing]:
    """Made once a module; a test may add to it, and takes no step on the case."""
    with stand(template) as made:
        yield made


@contextmanager
def stand(template: Template) -> Iterator[Standing]:
    """Make one."""
    url = template.copy()
    world = World(url, PEPPER, template.cast)
    reference = world.case_in("engagement")
    ids = {}
    world.case(visibility="network")
    for noun, body in bodies_for(world.coordinator, reference).items():
        who = world.reviewer if noun == "approvals" else world.coordinator
        made = who.add(reference, noun, body)
        assert made.status_code == 201, made.text
        ids[noun] = made.json()["id"]
    world.reviewer.add(reference, "approvals", {"level": "anonymised"})
    path, said = f"/v1/cases/{reference}/publications", {"publication_level": "anonymised"}
    down, up = (world.coordinator.post(path, said, If_Match="*").json() for _ in range(2))
    ids |= {"publications": down["id"], "token": up["token"]}
    narrow = {
        scope: Person(world.client, world.coordinator.post("/v1/keys", {"scopes": [scope]}).json()["key"])
        for scope in ("read", "write", "open", "manage")
    }
    for party in world.records(reference, "parties"):
        named = {"brand": "brands", "retailer": "owners", "employer": "facilities"}.get(party["role"])
        ids |= {named: party["organisation_id"] or party["facility_id"]} if named else {}
    yield Standing(world, reference, {**ids, **of_the_network(world)}, narrow)
    world.end()
    template.drop(url)


def of_the_network(world: World) -> dict[str, str]:
    """What the last word of an operation of the network is about: an account, a membership, or a key of the
    coordinator.
    """
    ids = {"keys": world.coordinator.account}  # nobody makes one for others
    for noun in ("memberships", "disabling", "ending", "enrolment"):
        ids[noun] = world.newcomer(f"standing {noun}", Role.READER, entity="Europe").account
    accounts = {account["id"]: account for account in world.as_("admin").get("/v1/accounts?limit=200").json()["items"]}
    ids["ending"] = accounts[ids["ending"]]["memberships"][0]["id"]
    path, role = f"/v1/accounts/{ids['memberships']}/memberships", {"role": "partner", "entity": "Europe"}
    ids["confirmation"] = world.as_("admin").post(path, role).json()["id"]
    ids["webhooks"] = world.coordinator.post("/v1/webhooks", {"url": "https://hooks.example.org/in"}).json()["id"]
    ids["deliveries"] = given_up(world, UUID(ids["webhooks"]))
    for noun in ("rotation", "revocation"):
        ids[noun] = world.coordinator.post("/v1/keys", {}).json()["id"]
    return ids


def given_up(world: World, webhook_id: UUID) -> str:
    """The id of an event that could not be delivered."""
    at, state, error = datetime.now(UTC), DeliveryState.DEAD, DeliveryFault.LATE
    dead = Delivery(webhook_id=webhook_id, state=state, blocks=False, tries=9, recorded_at=at, fault=error)
    with world.database.writing() as session:
        session.add(dead)
        session.flush()
        return str(dead.id)
