"""Acts that need no consent, and acts of others."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from appeals.cases import revision
from appeals.cases.action import Action
from appeals.cases.due_date import DueDate
from appeals.lifecycle.due_dates import process_due
from appeals.vocabulary import ActedBy, DueKind
from tests.support.acting import BOTH, MEMBER, PARTNER, STRIKE, WORKERS, add, added, case, change, reasons, unmet
from tests.support.cast import PARTIES, Body, World, action, consent, day, intake, organisation, today
from tests.support.clock import later

# What asks for no consent, and says why


@pytest.mark.parametrize("kind", ["legal_aid", "emergency_relief", "security_support", "relocation"])
def test_what_cannot_wait_says_why_it_did_not(world: World, kind: str) -> None:
    reference = case(world)
    said = {"kind": kind, "target": "#ministry", "done_on": day(1)}
    assert unmet(add(world, reference, **said)) == {"consent.contact_government.missing"}
    assert "contact.without_consent" not in reasons(world, reference)
    made = added(world, reference, **said, without_consent_because="The hearing was the next morning.")
    assert made["without_consent_because"] == "The hearing was the next morning."
    assert reasons(world, reference).count("contact.without_consent") == 1


@pytest.mark.parametrize("kind", ["government_letter", "court_case", "mediation", "factory_letter"])
def test_nothing_else_goes_without_consent_for_a_reason(world: World, kind: str) -> None:
    reference = case(world)
    said = {"kind": kind, "target": "#factory", "done_on": day(1), "without_consent_because": "It seemed better."}
    assert unmet(add(world, reference, **said)) == {"consent.contact_factory.missing"}


def test_those_contacted_are_told_that_the_network_stops(world: World) -> None:
    reference = world.case_in("engagement")
    given = {one["scope"]: one["id"] for one in world.records(reference, "consents")}
    said = {"state": "withdrawn", "withdrawn_on": day(2)}
    for scope in ("contact_brand", "contact_factory"):
        world.coordinator.patch(f"/v1/cases/{reference}/consents/{given[scope]}", said)
    stop = action(done_on=day(1), answer_due_on=None)
    because = {"without_consent_because": "They are told that we stop."}
    assert unmet(add(world, reference, **stop)) == {"consent.contact_brand.missing"}
    assert unmet(add(world, reference, **{**stop, **because, "answer_due_on": day(-5)})) == {
        "consent.contact_brand.missing"
    }
    never_contacted = {**stop, **because, "kind": "factory_letter", "target": "#factory"}
    assert unmet(add(world, reference, **never_contacted)) == {"consent.contact_factory.missing"}
    public = unmet(add(world, reference, **{**stop, **because, "kind": "open_letter"}))
    assert public == {"consent.contact_brand.missing"}
    added(world, reference, **stop, **because)
    assert "contact.without_consent" in reasons(world, reference)


def test_that_the_network_stops_is_shown_also_when_the_case_has_ended(world: World) -> None:
    reference = world.case_in("engagement")
    given = {one["scope"]: one["id"] for one in world.records(reference, "consents")}
    world.take(reference, "withdrawal")
    world.coordinator.patch(f"/v1/cases/{reference}/consents/{given['contact_brand']}", {"state": "withdrawn"})
    added(
        world, reference, **action(done_on=day(), answer_due_on=None), without_consent_because="The workers ended it."
    )
    assert "contact.without_consent" in reasons(world, reference)


def test_a_reason_lifts_no_consent_to_publish(world: World) -> None:
    reference = case(world, consent("contact_government"))
    said = {"kind": "legal_aid", "channel": "public", "target": "#ministry", "done_on": day(1)}
    answer = add(world, reference, **said, without_consent_because="It was urgent.")
    assert unmet(answer) == {WORKERS, PARTNER}


# Who hears by whom


def test_who_follows_the_case_hears_whether_it_was_the_network(world: World) -> None:
    records = {**intake()["records"], "consents": [*BOTH, consent("share_network")], "parties": [*PARTIES, MEMBER]}
    reference = world.case(records=records, visibility="network")
    added(world, reference, kind="petition", done_on=day(2))
    added(world, reference, kind="public_report", done_on=day(1), by=organisation("Worker Rights Monitor", "ngo"))
    reader = world.as_("europe reader").get(f"/v1/cases/{reference}")
    assert [done["by"] for done in reader.json()["actions"]] == ["network", "others"]
    assert not {"by_name", "by_party", "by_organisation", "by_entity"} & set(reader.json()["actions"][1])
    story = world.as_("europe reader").get(f"/v1/cases/{reference}/timeline")
    says = [item["says"] for item in story.json()["items"] if item["kind"] == "action"]
    assert says == ["done: Collecting signatures", "done by others: A published report on the case"]
    assert "Worker Rights Monitor" not in reader.text + story.text
    table = world.coordinator.get(f"/v1/cases/{reference}/actions", Accept="text/csv").text
    head, *rows = table.splitlines()
    assert '"by","by_entity","by_party","by_organisation","by_name"' in head
    assert "Worker Rights Monitor" in rows[1]


def test_as_it_was_known_then_by_whom(world: World) -> None:
    reference = case(world)
    made = added(world, reference, **STRIKE)
    then = world.show(reference)["updated_at"]
    change(world, reference, made, by="#factory")
    answer = world.coordinator.get(f"/v1/cases/{reference}?as_of={quote(then)}")
    assert answer.json()["actions"] == [made]


def test_what_was_kept_before_this_was_asked_was_done_by_the_network() -> None:
    kept: Any = revision._row_of(Action, {"kind": "petition", "channel": "public"})
    assert (kept.by, kept.by_name, kept.is_by_network) == (ActedBy.NETWORK, None, True)


# What stays within the network


INTERNAL = [{"kind": "internal_coordination"}, {"kind": "internal_coordination", "channel": "quiet"}]


INTERNAL += [{"kind": kind, "channel": "internal"} for kind in ("brand_contact_letter", "fact_finding")]


@pytest.mark.parametrize("said", INTERNAL, ids=str)
def test_nobody_is_asked_to_answer_what_stays_within_the_network(world: World, said: Body) -> None:
    """A day may be noted for an answer; nothing follows when it passes."""
    reference = case(world, consent("contact_brand"))
    made = added(world, reference, **said, target="#brand", done_on=day(20), answer_due_on=day(10))
    assert made["answer"] == "none_expected"
    process_due(world.database, later())
    (told,) = (item for item in world.records(reference, "actions") if item["id"] == made["id"])
    assert (told["answer_due_on"], told["answer"], told["responses"]) == (day(10), "none_expected", [])


@pytest.mark.parametrize("said", INTERNAL, ids=str)
def test_what_stays_within_the_network_is_no_approach(world: World, said: Body) -> None:
    reference = world.case_in("engagement")
    event = world.records(reference, "actions")[0]
    brand = next(party for party in world.records(reference, "parties") if party["label"] == "brand")
    path = f"/v1/brands/{brand['organisation_id']}/record"
    before = world.coordinator.get(path).json()
    assert (before["approached"], "answer.overdue" in reasons(world, reference)) == (1, True)
    added(world, reference, **said, target="#brand", done_on=day(1), answer_due_on=day(1), label="talk")
    reply = {"action": "#talk", "received_on": day(), "grade": "partial"}
    assert world.coordinator.add(reference, "responses", reply).status_code == 201
    after = world.coordinator.get(path).json()
    assert [item["action_id"] for item in after["approaches"]] == [event["id"]]
    assert (after["approached"], after["answered"], after["grades"]) == (1, 0, {})
    assert "answer.overdue" in reasons(world, reference)


def test_silence_on_what_stayed_within_the_network_is_not_put_on_record(world: World) -> None:
    """An act that was given a day before none was taken."""
    reference = world.case_in("engagement")
    made = added(world, reference, kind="internal_coordination", target="#brand", done_on=day(20))
    with world.database.writing() as session:
        session.execute(update(Action).where(Action.id == UUID(made["id"])).values(answer_due_on=today()))
        session.add(due_of(session, made["id"]))
    closed = process_due(world.database, later())
    (told,) = (item for item in world.records(reference, "actions") if item["id"] == made["id"])
    assert (closed >= 1, told["answer"], told["responses"]) == (True, "none_expected", [])


def due_of(session: Session, action_id: str) -> DueDate:
    """The day on which silence would follow."""
    made = session.get_one(Action, UUID(action_id))
    now = datetime.now(UTC) - timedelta(days=1)
    return DueDate(kind=DueKind.ANSWER, case_id=made.case_id, subject_id=made.id, due_on=today(), set_at=now)
