"""The timeline of a case, and what was known when."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote
from uuid import UUID

import pytest
from sqlalchemy import select, text

from appeals.cases.case import Case
from appeals.transaction import transaction
from tests.support.cast import Body, Person, World, consent, day
from tests.support.reporting import add, moment


def story(who: Person, reference: str, query: str = "") -> list[Body]:
    answer = who.get(f"/v1/cases/{reference}/timeline?limit=200{query}")
    assert answer.status_code == 200, answer.text
    items: list[Body] = answer.json()["items"]
    return items


def test_the_story_merges_everything_dated(world: World) -> None:
    reference = world.case_in("engagement", visibility="network")
    add(world, reference, "tallies")
    add(world, reference, "payments")
    add(world, reference, "proceedings")
    add(world, reference, "outcomes")
    told = story(world.coordinator, reference)
    assert [item["on"] for item in told] == sorted(item["on"] for item in told)
    kinds = {item["kind"] for item in told}
    assert kinds == {"step", "tally", "action", "consent", "risk_assessment", "payment", "proceeding", "outcome"}
    ids = {record["id"] for noun in ("payments", "outcomes") for record in world.records(reference, noun)}
    assert ids <= {item["record_id"] for item in told}
    followed = story(world.as_("europe reader"), reference)
    assert {item["kind"] for item in followed} == {"step", "tally", "action"}
    assert {item["record_id"] for item in followed} == {None}
    pages, query = [], "?limit=3"
    while query:
        page = world.coordinator.get(f"/v1/cases/{reference}/timeline{query}").json()
        pages += page["items"]
        query = f"?limit=3&cursor={page['next']}" if page["next"] else ""
    assert pages == told


def test_what_became_of_a_record_is_told_with_the_moment_it_came_on_record(world: World) -> None:
    reference = world.case()
    first, second = (
        world.coordinator.add(reference, "consents", consent(scope, given_on=day(0))).json()["id"]
        for scope in ("take_up", "share_network")
    )
    between = moment()
    withdrawn = {"state": "withdrawn", "withdrawn_on": day(0)}
    third = world.coordinator.patch(f"/v1/cases/{reference}/consents/{first}", withdrawn).json()["id"]

    def told(query: str = "") -> list[Body]:
        items = story(world.coordinator, reference, query)
        return [item for item in items if item["record_id"] in (first, second, third)]

    assert [(item["record_id"], item["code"]) for item in told()] == [
        (first, "given"), (second, "given"), (third, "withdrawn"),
    ]  # fmt: skip
    recorded = [datetime.fromisoformat(item["recorded_at"]) for item in told()]
    given = {record["id"]: record["recorded_at"] for record in world.records(reference, "consents")}
    assert [item["recorded_at"] for item in told()[:2]] == [given[first], given[second]]
    assert recorded[1] < datetime.fromisoformat(unquote(between)) < recorded[2]
    assert told(f"&as_of={between}") == told()[:2]


def test_a_merged_story_is_read_from_either_reference(world: World) -> None:
    one, other = world.case(), world.case()
    world.take(one, "merger", survivor=other)
    stories = [story(world.coordinator, reference) for reference in (one, other)]
    assert stories[0] == stories[1]
    assert {item["reference"] for item in stories[0]} == {one, other}
    sealed, open_ = world.case(visibility="sealed"), world.case()
    world.take(sealed, "merger", survivor=open_, same_dispute="The same dismissals.")
    world.coordinator.patch(f"/v1/cases/{open_}", {"visibility": "restricted"}, If_Match="*")
    seen = {item["reference"] for item in story(world.caseworker, open_)}
    assert seen == {open_}


def told_of(who: Person, reference: str, query: str = "") -> set[str]:
    return {item["reference"] for item in story(who, reference, query)}


def test_a_story_goes_through_every_merger_and_begins_with_it(world: World) -> None:
    first, second, last = world.case(), world.case(), world.case()
    world.take(first, "merger", survivor=second)
    between = moment()
    world.take(second, "merger", survivor=last)
    for reference in (first, second, last):
        assert told_of(world.coordinator, reference) == {first, second, last}
    assert told_of(world.coordinator, first, f"&as_of={between}") == {first, second}
    assert told_of(world.coordinator, last, f"&as_of={between}") == {last}


def test_no_story_leads_through_a_case_one_may_not_see(world: World) -> None:
    hidden = world.case(visibility="sealed")
    one, other = world.case(), world.case()
    for reference in (one, other):
        world.take(reference, "merger", survivor=hidden)
    assert told_of(world.coordinator, one) == {one, other, hidden}
    assert told_of(world.caseworker, one) == {one}


def test_each_merger_names_its_survivor_to_those_who_see_that_one(world: World) -> None:
    one, hidden, seen = world.case(), world.case(visibility="sealed"), world.case()
    world.take(one, "merger", survivor=hidden)
    world.take(one, "reopening")
    before = world.history(one)
    world.take(one, "merger", survivor=seen)
    assert world.history(one)[: len(before)] == before
    followed = world.caseworker.get(f"/v1/cases/{one}/history").json()["items"]
    for history, survivors in ((before, [hidden]), (world.history(one), [hidden, seen]), (followed, [None, seen])):
        assert [entry["input"]["survivor"] for entry in history if entry["step"] == "merger"] == survivors


def test_who_waited_for_another_wrote_after_it(world: World) -> None:
    """A revision is as old as the write, not as old as the request."""
    reference, who = world.case(), UUID(world.coordinator.account)
    said, path = {"title": "Second"}, f"/v1/cases/{reference}"
    with ThreadPoolExecutor(1) as pool:
        with world.database.reading() as session:
            case_id = session.scalars(select(Case.id).where(Case.reference == reference)).one()
        with transaction(world.database) as tx:
            case = tx.lock_id(case_id)
            waiting = pool.submit(world.coordinator.patch, path, said, If_Match="*")
            time.sleep(0.3)
            now = datetime.now(UTC)
            case.title = "First"
            case.touch(now)
            tx.commit(now, who)
        assert waiting.result().status_code == 200
    assert world.coordinator.get(f"{path}?as_of={moment()}").json() == world.show(reference)
    assert world.show(reference)["title"] == "Second"


@pytest.mark.behind_the_back
def test_a_case_from_before_revisions_were_kept_is_told_as_it_is(world: World) -> None:
    reference = world.case_in("engagement", visibility="network")
    with world.unprotected() as session:
        session.execute(text("DELETE FROM revision"))
    for who in (world.coordinator, world.as_("europe reader")):
        now = who.get(f"/v1/cases/{reference}").json()
        assert who.get(f"/v1/cases/{reference}?as_of={moment()}").json() == now
        assert story(who, reference, f"&as_of={moment()}") == story(who, reference)


def test_as_of_tells_what_was_known_then_and_late_news_do_not_leak_backwards(world: World) -> None:
    reference = world.case(title="First title")
    start = moment()
    world.take(reference, "screening")
    world.coordinator.patch(f"/v1/cases/{reference}", {"title": "Second title"}, If_Match="*")
    made = add(world, reference, "tallies", kind="arrested", low=3, high=3, women=0, as_of=day(40))
    middle = moment()
    promised = add(world, reference, "consents")
    said = {"state": "withdrawn", "withdrawn_on": day(0)}
    before = moment()
    assert world.coordinator.patch(f"/v1/cases/{reference}/consents/{promised['id']}", said).status_code == 200
    path = f"/v1/cases/{reference}"

    def known(at: str) -> Body:
        answer = world.coordinator.get(f"{path}?as_of={at}")
        assert answer.status_code == 200, answer.text
        told: Body = answer.json()
        return told

    first, then, late, now = known(start), known(middle), known(before), world.show(reference)
    assert (first["title"], first["status"], first["detention"]["arrested"]) == ("First title", "received", 0)
    assert made["id"] not in {count["id"] for count in first["tallies"]}
    assert (then["title"], then["status"], then["detention"]["arrested"]) == ("Second title", "screening", 3)
    states = [
        next((c["state"] for c in view["consents"] if c["id"] == promised["id"]), None) for view in (then, late, now)
    ]
    assert states == [None, "given", "given"]
    noes = [[word["on"] for word in view["consents"] if word["state"] == "withdrawn"] for view in (then, late, now)]
    assert noes == [[], [], [day(0)]]
    whole = known(moment())
    assert whole == now
    assert [
        item["code"] for item in story(world.coordinator, reference, f"&as_of={start}") if item["kind"] == "step"
    ] == ["intake"]


def test_before_it_was_on_record_a_case_was_not_known_and_the_future_is_not(world: World) -> None:
    early = moment()
    reference = world.case(received_on="2020-01-01")
    absent = world.coordinator.get(f"/v1/cases/{reference}?as_of={early}")
    assert (absent.status_code, absent.json()["code"]) == (404, "not_found")
    ahead = quote((datetime.now(UTC) + timedelta(days=1)).isoformat())
    assert world.coordinator.get(f"/v1/cases/{reference}?as_of={ahead}").status_code == 422


def test_who_may_see_is_asked_of_the_case_as_it_is_now(world: World) -> None:
    reference = world.case_in("engagement", visibility="network")
    add(world, reference, "demands")
    was_open = moment()
    path = f"/v1/cases/{reference}"
    reader = world.as_("europe reader")
    assert reader.get(f"{path}?as_of={was_open}").json()["view"] == "status"
    world.coordinator.patch(path, {"visibility": "restricted"}, If_Match="*")
    for query in (f"?as_of={was_open}", f"/timeline?as_of={was_open}", f"/counts?as_of={was_open}"):
        assert reader.get(path + query).status_code == 404


STATES = ("received", "engagement", "public_campaign", "remediation", "monitoring", "suspended", "closed")


@pytest.mark.parametrize("state", STATES)
def test_as_of_now_is_the_case_as_it_stands(world: World, state: str) -> None:
    reference = world.case_in(state, visibility="network")
    for who in (world.coordinator, world.as_("europe reader")):
        now = who.get(f"/v1/cases/{reference}").json()
        assert who.get(f"/v1/cases/{reference}?as_of={moment()}").json() == now
