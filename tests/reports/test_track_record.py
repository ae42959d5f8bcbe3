"""The track record of a brand."""

from datetime import UTC, datetime
from uuid import UUID

from appeals.lifecycle.due_dates import process_due
from tests.support.cast import World, action, day
from tests.support.reporting import add, record

# The record of a brand


def brand_of(world: World, reference: str) -> str:
    found = next(party for party in world.records(reference, "parties") if party["role"] == "brand")
    number: str = found["organisation_id"]
    return number


def test_the_record_of_a_brand_tells_approaches_answers_silence_and_promises(world: World) -> None:
    first, second = world.case_in("engagement"), world.case_in("engagement")
    brand = brand_of(world, first)
    event = next(made["id"] for made in world.records(first, "actions") if made["label"] == "letter")
    answer = {"received_on": day(14), "grade": "denies_link"}
    assert world.coordinator.post(f"/v1/cases/{first}/actions/{event}/responses", answer).status_code == 201
    quick = add(world, first, "actions", **action(done_on=day(9), answer_due_on=day(1)))
    body = {"received_on": day(7), "grade": "substantive_commits"}
    assert world.coordinator.post(f"/v1/cases/{first}/actions/{quick['id']}/responses", body).status_code == 201
    for status in ("verified_done", None):
        made = add(world, first, "commitments", demands=[], promisor="#brand")
        said = {"status": status, "verified_by": "Bright Stitch Workers Union", "verified_on": day(1)}
        if status:
            patched = world.coordinator.patch(f"/v1/cases/{first}/commitments/{made['id']}", said)
            assert patched.status_code == 200, patched.text
    process_due(world.database, datetime.now(UTC))
    told = record(world.coordinator, "brands", brand)
    assert told["name"] == "Sample Brand"
    assert [told[name] for name in ("cases", "approached", "answered", "silence", "awaiting")] == [2, 3, 2, 1, 0]
    assert told["grades"] == {"substantive_commits": 1, "denies_link": 1}
    assert told["median_days"] == 4  # of two and six
    assert [told[name] for name in ("promises", "kept", "broken", "overdue", "open")] == [2, 1, 0, 1, 1]
    assert {(found["reference"], found["answer"], found["days"]) for found in told["approaches"]} == {
        (first, "received", 6), (first, "received", 2), (second, "no_response", None),
    }  # fmt: skip


def test_a_record_speaks_only_of_the_cases_one_works_on(world: World) -> None:
    mine, theirs = world.case_in("engagement"), world.case_in("engagement")
    brand = brand_of(world, mine)
    assert world.coordinator.patch(f"/v1/cases/{theirs}", {"visibility": "sealed"}, If_Match="*").status_code == 200
    assert record(world.coordinator, "brands", brand)["cases"] == 2
    assert record(world.caseworker, "brands", brand)["cases"] == 1
    for who in ("europe caseworker", "europe coordinator"):
        absent = world.as_(who).get(f"/v1/brands/{UUID(int=7)}/record")
        hidden = world.as_(who).get(f"/v1/brands/{brand}/record")
        assert (hidden.status_code, hidden.json()) == (absent.status_code, absent.json()) == (404, absent.json())
    assert world.as_("europe reader").get(f"/v1/brands/{brand}/record").status_code == 403


def test_workplaces_and_owners_have_a_record_too(world: World) -> None:
    reference = world.case_in("engagement")
    owner = {"name": "Owner Group", "kind": "company", "country": "KR"}
    add(world, reference, "parties", label="owner", role="factory_owner", organisation=owner)
    for target in ("#owner", "#factory"):
        add(world, reference, "actions", **action(kind="factory_letter", target=target))
    parties = {party["label"]: party for party in world.records(reference, "parties") if party["label"]}
    facility = record(world.coordinator, "facilities", parties["factory"]["facility_id"])
    assert (facility["name"], facility["approached"]) == ("Bright Stitch Ltd", 1)
    owners = record(world.coordinator, "owners", parties["owner"]["organisation_id"])
    assert (owners["name"], owners["approached"]) == ("Owner Group", 1)
    assert record(world.coordinator, "owners", brand_of(world, reference))["approached"] == 0
