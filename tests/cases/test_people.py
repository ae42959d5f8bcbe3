"""People: told apart by a pseudonym; what could name them is shown only by openings."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.cast import CONSENTS, PARTIES, Body, World, intake, step_input

SEALED: Body = {"name": "Sample Handle", "contacts": "Room 4, Lane 2", "safe_contact_rule": "Never by telephone."}
WORKER: Body = {"label": "worker", "pseudonym": "Worker Seven", "role": "organiser"}
OPENED: Body = {"fields": ["people"], "reason": "To call back."}


def add(world: World, reference: str, who: str = "coordinator", **said: Any) -> Body:
    answer = world.as_(who).add(reference, "people", {**WORKER, **SEALED, **said})
    assert answer.status_code == 201, answer.text
    made: Body = answer.json()
    return made


def opened(world: World, reference: str) -> Body:
    answer = world.coordinator.add(reference, "openings", OPENED)
    assert answer.status_code == 201, answer.text
    people: Body = answer.json()["fields"]["people"]
    return people


def tells(text: str) -> list[str]:
    """What is sealed and stands in a text."""
    return [value for value in SEALED.values() if value in text]


def test_a_person_is_shown_by_their_handles_alone(world: World) -> None:
    reference = world.case()
    made = add(world, reference)
    assert set(made) == {"id", "label", "recorded_at", "recorded_by", "pseudonym", "role"}
    assert {name: made[name] for name in WORKER} == WORKER
    shown = world.coordinator.get(f"/v1/cases/{reference}").json()
    assert shown["people"] == [made] == world.records(reference, "people")
    now = quote(datetime.now(UTC).isoformat())
    one = f"/v1/cases/{reference}/people"
    for path in (f"?as_of={now}", "/timeline", "/history", "/people", f"/people/{made['id']}"):
        answer = world.coordinator.get(f"/v1/cases/{reference}{path}")
        assert (answer.status_code, tells(answer.text)) == (200, [])
    for kind in ("text/csv", "application/x-ndjson"):
        answer = world.coordinator.get(one, Accept=kind)
        assert ("Worker Seven" in answer.text, tells(answer.text)) == (True, [])
    assert opened(world, reference) == {made["id"]: SEALED}


def test_the_status_view_says_nothing_of_people(world: World) -> None:
    reference = world.case(visibility="network")
    add(world, reference)
    answer = world.as_("europe reader").get(f"/v1/cases/{reference}")
    assert "people" not in answer.json()
    assert "Worker Seven" not in answer.text
    assert world.as_("europe reader").get(f"/v1/cases/{reference}/people").status_code == 403


def test_people_come_along_with_intake_and_steps(world: World) -> None:
    records = {**intake()["records"], "people": [{**WORKER, **SEALED}]}
    reference = world.case(records=records)
    world.take(reference, "screening")
    known = {**step_input("acceptance").get("records", {}), "people": [{"pseudonym": "Worker Eight"}]}
    world.take(reference, "verification", records=known)
    assert [person["pseudonym"] for person in world.records(reference, "people")] == ["Worker Seven", "Worker Eight"]
    history = world.coordinator.get(f"/v1/cases/{reference}/history").text
    assert tells(history) == []
    assert list(opened(world, reference).values()) == [SEALED, dict.fromkeys(SEALED)]


def test_a_pseudonym_is_all_that_must_be_told(world: World) -> None:
    reference = world.case()
    answer = world.coordinator.add(reference, "people", {"role": "witness"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/pseudonym")
    assert world.coordinator.add(reference, "people", {"pseudonym": "Worker Nine"}).status_code == 201


@pytest.mark.parametrize(
    "said",
    [
        {"pseudonym": "Sample Handle"},
        {"pseudonym": "the organiser (sámple  HANDLE)"},
        {"label": "sample-handle"},
        {"role": "sample handle, organiser"},
    ],
)
def test_a_name_stands_in_no_handle(world: World, said: Body) -> None:
    reference = world.case()
    answer = world.coordinator.add(reference, "people", {**WORKER, **SEALED, **said})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"], tells(answer.text)) == (422, "/name", [])
    made = add(world, reference, label="another")
    changed = world.coordinator.patch(f"/v1/cases/{reference}/people/{made['id']}", {**SEALED, **said})
    assert (changed.status_code, tells(changed.text)) == (422, [])
    assert world.records(reference, "people") == [made]


def test_a_part_of_a_word_is_no_name(world: World) -> None:
    assert add(world, world.case(), pseudonym="Linked Worker", name="Link")["pseudonym"] == "Linked Worker"


def test_handles_and_what_is_sealed_can_be_corrected(world: World) -> None:
    reference = world.case("partner", records={"parties": PARTIES, "consents": CONSENTS})
    made = add(world, reference, "partner")
    path = f"/v1/cases/{reference}/people/{made['id']}"
    changed = world.as_("partner").patch(path, {"pseudonym": "Worker Eleven", "contacts": "Through the union."})
    assert (changed.status_code, changed.json()) == (200, {**made, "pseudonym": "Worker Eleven"})
    assert opened(world, reference) == {made["id"]: {**SEALED, "contacts": "Through the union."}}
    assert world.as_("partner").patch(path, {"name": None}).status_code == 422
    assert world.as_("other partner").patch(path, {"role": "witness"}).status_code == 404


def test_nobody_learns_a_name_by_guessing_it(world: World) -> None:
    """A right guess and a wrong one are answered alike, and the case changes alike."""
    told = []
    for guess in ("Sample Handle", "Other Handle"):
        reference = world.case()
        made = add(world, reference)
        path = f"/v1/cases/{reference}/people/{made['id']}"
        handle = world.coordinator.patch(path, {"pseudonym": guess, "role": guess})
        before = world.coordinator.get(f"/v1/cases/{reference}").json()["updated_at"]
        same = world.coordinator.patch(path, {"name": guess})
        after = world.coordinator.get(f"/v1/cases/{reference}").json()["updated_at"]
        told.append((handle.status_code, same.status_code, set(same.json()), before < after))
    assert told[0] == told[1] == (200, 200, set(made), True)


def test_readers_and_reviewers_record_nobody(world: World) -> None:
    reference = world.case(visibility="network")
    for who in ("reviewer", "asia reader", "europe caseworker"):
        assert world.as_(who).add(reference, "people", WORKER).status_code == 403
    assert world.records(reference, "people") == []
