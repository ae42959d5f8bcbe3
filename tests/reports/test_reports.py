"""The ledgers: money, proceedings, links, the record of a brand, the story of a case, and what was known when."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from appeals.cases.case import Case
from appeals.cases.payment import Payment, money, quoted
from appeals.cases.tally import NO_LONGER_HELD, ONCE_HELD, Tally, charges, day_by_day, detention, more_out_than_in
from appeals.lifecycle.due_dates import process_due
from appeals.transaction import transaction
from appeals.vocabulary import PaymentKind, TallyKind
from tests.support.cast import Body, Person, World, action, consent, day, intake, step_input
from tests.support.standing import RECORDS


def add(world: World, reference: str, noun: str, **said: Any) -> Body:
    made = world.coordinator.add(reference, noun, {**RECORDS.get(noun, {}), **said})
    assert made.status_code == 201, made.text
    told: Body = made.json()
    return told


def refused(world: World, reference: str, noun: str, **said: Any) -> tuple[int, list[str]]:
    answer = world.coordinator.add(reference, noun, {**RECORDS.get(noun, {}), **said})
    told = answer.json()
    return answer.status_code, [item.get("code") or item["pointer"] for item in told.get("unmet") or told["errors"]]


# Money

KINDS = list(PaymentKind)
CURRENCIES = ("BDT", "USD", "EUR")


@st.composite
def payments(draw: st.DrawFn) -> list[Payment]:
    """Payments of several payers in several currencies, some of which contest earlier ones."""
    made: list[Payment] = []
    for turn in range(draw(st.integers(0, 12))):
        hidden = draw(st.booleans()) and draw(st.booleans())
        contests = draw(st.sampled_from([None, None, *made]))
        made.append(
            Payment(
                id=UUID(int=turn + 1),
                kind=contests.kind if contests else draw(st.sampled_from(KINDS)),
                amount=None if hidden else draw(st.decimals(0, 10**9, places=2)),
                confidential=hidden,
                currency=draw(st.sampled_from([*CURRENCIES, None] if hidden else CURRENCIES)),
                payer=draw(st.sampled_from([None, UUID(int=100), UUID(int=200)])),
                on=date(2026, 1, draw(st.integers(1, 5))),
                reliability=draw(st.sampled_from(["high", "unsure", "unknown"])),
                contests=contests.id if contests else None,
            )
        )
    return made


@given(payments())
def test_13_money_is_added_within_a_currency_and_remains_what_was_not_received(told: list[Payment]) -> None:
    counted = quoted(told)
    assert len({payment.id for payment in counted}) == len(counted) == sum(p.contests is None for p in told)
    for sums in money(told):
        here = [p for p in counted if p.currency == sums.currency]
        by_kind = {kind: sum((p.amount for p in here if p.kind == kind and p.amount), Decimal(0)) for kind in KINDS}
        assert (sums.owed, sums.promised, sums.paid, sums.received, sums.waived) == tuple(by_kind.values())
        assert sums.remaining == by_kind[PaymentKind.OWED] - by_kind[PaymentKind.RECEIVED_BY_WORKERS]
        assert sum((payer.paid for payer in sums.payers), Decimal(0)) == sums.paid
    assert {sums.currency for sums in money(told)} == {p.currency for p in counted if p.currency is not None}


def test_several_payers_in_two_currencies_and_one_that_keeps_silent(world: World) -> None:
    reference = world.case_in("engagement")
    add(world, reference, "payments", label="claim", kind="owed", amount="1800000.50", currency="USD", payer="#factory")
    add(world, reference, "payments", kind="promised", amount="1000000", currency="USD")
    add(world, reference, "payments", kind="paid", amount=250000.25, currency="USD")
    add(world, reference, "payments", kind="paid", amount=5000, currency="BDT", payer="#factory")
    add(world, reference, "payments", kind="received_by_workers", amount="250000.25", currency="USD")
    add(world, reference, "payments", kind="paid", amount=None, currency=None, confidential=True)
    told = {sums["currency"]: sums for sums in world.show(reference)["money"]}
    assert list(told) == ["BDT", "USD"]
    usd = told["USD"]
    assert [usd[name] for name in ("owed", "promised", "paid", "received", "remaining")] == [
        "1800000.50", "1000000", "250000.25", "250000.25", "1550000.25",
    ]  # fmt: skip
    assert (told["BDT"]["paid"], told["BDT"]["received"], told["BDT"]["remaining"]) == ("5000", "0", "0")
    assert len(usd["payers"]) == 2
    assert [p["amount"] for p in world.records(reference, "payments") if p["confidential"]] == [None]


def test_figures_of_two_sources_for_the_same_money_are_not_added(world: World) -> None:
    reference = world.case_in("engagement")
    add(world, reference, "payments", label="theirs", kind="owed", amount="900", source="The company")
    add(
        world,
        reference,
        "payments",
        kind="owed",
        amount="1200",
        source="The union",
        reliability="high",
        contests="#theirs",
    )
    (sums,) = world.show(reference)["money"]
    assert (sums["owed"], sums["contested"]) == ("1200", True)


@pytest.mark.parametrize(
    "said",
    [
        {"amount": "-1"}, {"amount": "NaN"}, {"amount": "1e400"}, {"amount": "0.12345"}, {"amount": True},
        {"amount": [1]}, {"amount": "1,5"}, {"currency": "XXY"}, {"currency": "bdt"}, {"currency": None},
        {"amount": None}, {"confidential": True}, {"contests": "#nothing"}, {"payer": "#nobody"},
    ],
)  # fmt: skip
def test_a_sum_that_is_none_is_refused(world: World, said: Body) -> None:
    reference = world.case_in("engagement")
    assert world.coordinator.add(reference, "payments", {**RECORDS["payments"], **said}).status_code == 422
    assert world.records(reference, "payments") == []


@pytest.mark.parametrize(("said", "kept"), [("1e5", "100000"), ("-0", "0"), ("0e10", "0"), ("1.50", "1.50")])
def test_a_sum_is_told_as_it_is_kept_however_it_was_written(world: World, said: str, kept: str) -> None:
    reference = world.case_in("engagement")
    assert add(world, reference, "payments", amount=said)["amount"] == kept
    then = world.coordinator.get(f"/v1/cases/{reference}?as_of={moment()}").json()
    assert then["payments"] == world.records(reference, "payments")
    assert [payment["amount"] for payment in then["payments"]] == [kept]


# People


COUNTS = st.lists(
    st.builds(
        Tally,
        id=st.uuids(),
        kind=st.sampled_from([*TallyKind]),
        low=st.integers(0, 40),
        high=st.integers(40, 60),
        as_of=st.dates(date(2026, 1, 1), date(2026, 1, 9)),
        as_of_precision=st.just("exact"),
        reliability=st.sampled_from(["high", "unsure", "unknown"]),
    ),
    max_size=14,
)


@given(COUNTS)
def test_9_sums_hold_at_every_date(counts: list[Tally]) -> None:
    for told in [*day_by_day(counts), *day_by_day(counts)[:0]]:
        held, charged = told.detention, told.charges
        assert held.held + held.released + held.bailed + held.died + held.unknown == held.arrested
        assert charged.dropped + charged.acquitted + charged.convicted + charged.pending == charged.charged
        known = [count for count in counts if count.as_of <= told.on]
        assert (held, charged) == (detention(known), charges(known))
        assert min(held.model_dump().values()) >= 0 <= min(charged.model_dump().values())


@given(COUNTS)
def test_9_nobody_is_released_who_was_not_held(counts: list[Tally]) -> None:
    kept: list[Tally] = []
    for count in counts:
        kept.append(count)
        if more_out_than_in(kept, count):
            kept.pop()
    for day_ in {count.as_of for count in kept}:
        by_then = [count for count in kept if count.as_of <= day_]
        most = max((count.high for count in by_then if count.kind in ONCE_HELD), default=0)
        newest = [max((c for c in by_then if c.kind == kind), key=_rank, default=None) for kind in NO_LONGER_HELD]
        assert sum(count.low for count in newest if count) <= most


def _rank(count: Tally) -> tuple[Any, ...]:
    return (
        count.as_of,
        -["high", "likely", "unsure", "unlikely", "unreliable", "unknown"].index(count.reliability),
        count.id,
    )


def test_nobody_is_told_to_be_released_who_was_never_held(world: World) -> None:
    reference = world.case()
    out = {"kind": "released", "low": 5, "high": 5, "women": 0, "as_of": day(3)}
    assert refused(world, reference, "tallies", **out) == (409, ["tally.never_inside"])
    add(world, reference, "tallies", kind="arrested", low=4, high=5, women=0, as_of=day(9))
    assert refused(world, reference, "tallies", **{**out, "low": 6, "high": 6}) == (409, ["tally.never_inside"])
    add(world, reference, "tallies", **out)
    assert refused(world, reference, "tallies", **{**out, "kind": "bailed", "low": 1, "high": 1})[0] == 409
    assert refused(world, reference, "tallies", **{**out, "kind": "acquitted", "low": 1, "high": 1})[0] == 409


def test_counts_come_day_by_day_and_conflicts_are_shown(world: World) -> None:
    reference = world.case(visibility="network")
    for kind, many, ago in (("arrested", 10, 9), ("released", 4, 6), ("bailed", 3, 3), ("charged_named", 8, 8)):
        add(world, reference, "tallies", kind=kind, low=many, high=many, women=0, as_of=day(ago))
    add(world, reference, "tallies", kind="charges_dropped", low=2, high=2, women=0, as_of=day(1))
    told = world.as_("europe reader").get(f"/v1/cases/{reference}/counts").json()["items"]
    assert [(item["on"], item["detention"]["held"], item["charges"]["pending"]) for item in told] == [
        (day(9), 10, 0), (day(8), 10, 8), (day(6), 6, 8), (day(3), 3, 8), (day(1), 3, 6),
    ]  # fmt: skip
    add(world, reference, "tallies", kind="arrested", low=20, high=25, women=0, as_of=day(9), reliability="high")
    counts = {item["kind"]: item for item in world.show(reference)["counts"]}
    assert (counts["arrested"]["low"], counts["arrested"]["contested"]) == (20, True)
    assert counts["bailed"]["contested"] is False


# Proceedings


def test_a_proceeding_goes_from_stage_to_stage_and_its_number_is_sealed(world: World) -> None:
    reference = world.case_in("engagement")
    made = add(world, reference, "proceedings", next_on=day(-3), next_what="The first hearing.")
    path = f"/v1/cases/{reference}/proceedings/{made['id']}"
    for stage, status in (
        ("ended", 409),
        ("admissibility", 200),
        ("accepted", 200),
        ("filed", 409),
        ("concluded", 200),
    ):
        assert world.coordinator.patch(path, {"stage": stage, "stage_on": day(1)}).status_code == status, stage
    assert world.coordinator.patch(path, {"stage": "withdrawn"}).status_code == 200
    assert world.coordinator.patch(path, {"stage": "ended"}).status_code == 409
    for answer in ("", "/proceedings", "/timeline", f"/proceedings/{made['id']}"):
        assert "121/2026" not in world.coordinator.get(f"/v1/cases/{reference}{answer}").text
    opened = world.coordinator.add(
        reference, "openings", {"fields": ["proceeding_numbers"], "reason": "For the lawyer."}
    )
    assert opened.json()["fields"] == {"proceeding_numbers": {made["id"]: "121/2026"}}


# Links


def test_a_link_is_told_on_both_cases_to_those_who_see_both(world: World) -> None:
    one, other = world.case(visibility="network"), world.case(visibility="network")
    hidden = world.case(visibility="sealed")
    add(world, one, "links", kind="precedes", other=other)
    add(world, one, "links", kind="same_event", other=hidden)
    told = [(link["reference"], link["kind"], link["other_reference"]) for link in world.show(one)["links"]]
    assert told == [(one, "precedes", other), (one, "same_event", hidden)]
    assert [link["other_reference"] for link in world.show(other)["links"]] == [other]
    assert world.show(hidden)["links"][0]["reference"] == one
    path, caseworker = f"/v1/cases/{one}", world.caseworker
    assert [link["other_reference"] for link in caseworker.get(path).json()["links"]] == [other]
    listed = caseworker.get(f"{path}/links").json()["items"]
    assert [link["other_reference"] for link in listed] == [other]
    unseen = next(link["id"] for link in world.records(one, "links") if link["other_reference"] == hidden)
    assert caseworker.get(f"{path}/links/{unseen}").status_code == 404


@pytest.mark.parametrize("other", ["itself", "sealed", "absent"])
def test_a_link_leads_to_another_case_that_one_sees(world: World, other: str) -> None:
    one = world.case()
    sealed = world.as_("asia coordinator").post("/v1/cases", intake(visibility="sealed")).json()["reference"]
    to = {"itself": one, "sealed": sealed, "absent": "UA-BGD-2026-00000"}[other]
    assert refused(world, one, "links", other=to) == (422, ["/other"])


# The record of a brand


def brand_of(world: World, reference: str) -> str:
    found = next(party for party in world.records(reference, "parties") if party["role"] == "brand")
    number: str = found["organisation_id"]
    return number


def record(who: Person, whose: str, number: str) -> Body:
    answer = who.get(f"/v1/{whose}/{number}/record")
    assert answer.status_code == 200, answer.text
    told: Body = answer.json()
    return told


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


# The whole story, and what was known when


def moment() -> str:
    """Now, in a query, with a little time before and after."""
    time.sleep(0.02)
    now = quote(datetime.now(UTC).isoformat())
    time.sleep(0.02)
    return now


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


# Attention


def reasons(who: Person) -> list[tuple[str, str]]:
    answer = who.get("/v1/attention?limit=200")
    assert answer.status_code == 200, answer.text
    return [(item["reference"], item["reason"]) for item in answer.json()["items"]]


def test_attention_tells_what_needs_somebody_and_stops_when_it_is_done(world: World) -> None:
    fresh: Any = {"records": {**intake()["records"], "risk_assessments": [{"level": "low", "assessed_on": day(0)}]}}
    quiet = world.case(received_on=day(2), **fresh)
    assert reasons(world.coordinator) == []
    old = world.case(received_on=day(20), **fresh)
    assert reasons(world.coordinator) == [(old, "first_action.late"), (old, "acknowledgement.due")]
    world.take(old, "acknowledgement")
    assert reasons(world.coordinator) == [(old, "first_action.late")]
    assert quiet not in {reference for reference, _ in reasons(world.coordinator)}


def test_each_reason_for_attention(world: World) -> None:
    reference = world.case_in("engagement")
    world.take(reference, "acknowledgement")
    assert reasons(world.coordinator) == [(reference, "answer.overdue")]
    add(world, reference, "proceedings", next_on=day(-10))
    add(world, reference, "commitments", due_on=day(2))
    add(world, reference, "consents", expires_on=day(-9))
    add(world, reference, "risk-assessments", assessed_on=day(0), level="critical")
    assert {reason for _, reason in reasons(world.coordinator)} == {
        "answer.overdue", "hearing.near", "commitment.lapsed", "consent.expiring",
    }  # fmt: skip
    assert add(world, reference, "actions", **action(done_on=day(1), answer_due_on=day(-5)))
    assert "answer.overdue" not in {reason for _, reason in reasons(world.coordinator)}
    world.take(reference, "suspension", review_on=day(0))
    assert "review.due" in {reason for _, reason in reasons(world.coordinator)}
    params = world.case()
    world.take(params, "acknowledgement", occurred_on=day(10))
    world.take(params, "screening", occurred_on=day(10))
    world.take(params, "information-request", occurred_on=day(9), due_on=day(3))
    assert (params, "information.overdue") in reasons(world.coordinator)
    stale: Any = {"records": {**intake()["records"], "risk_assessments": [{"level": "low", "assessed_on": day(40)}]}}
    worn = world.case_in("screening", **stale)
    assert (worn, "risk.stale") in reasons(world.coordinator)
    world.take(params, "handover")
    assert reasons(world.as_("europe coordinator")) == [(params, "handover.offered")]
    assert {of for of, _ in reasons(world.caseworker)} == {reference, params, worn}


def test_a_case_that_goes_on_without_the_workers_consent_needs_somebody_and_is_not_resumed(world: World) -> None:
    reference = world.case_in("remediation")
    assert "consent.ended" not in {reason for _, reason in reasons(world.coordinator)}
    taken_up = next(found for found in world.records(reference, "consents") if found["scope"] == "take_up")
    path = f"/v1/cases/{reference}/consents/{taken_up['id']}"
    assert world.coordinator.patch(path, {"expires_on": day(3)}).status_code == 200
    items = world.coordinator.get("/v1/attention").json()["items"]
    assert (items[0]["reference"], items[0]["reason"], items[0]["since"]) == (reference, "consent.ended", day(3))
    world.take(reference, "suspension")
    assert "consent.ended" not in {reason for _, reason in reasons(world.coordinator)}
    answer = world.coordinator.step(reference, "resumption", step_input("resumption"))
    assert (answer.status_code, [item["code"] for item in answer.json()["unmet"]]) == (
        409, ["consent.take_up.workers.missing"],
    )  # fmt: skip
    assert answer.json()["resume_to"] == "screening"
    world.take(reference, "resumption", records={"consents": [consent("take_up", given_on=day(0))]})
    assert world.coordinator.get(f"/v1/cases/{reference}").json()["status"] == "remediation"
    assert "consent.ended" not in {reason for _, reason in reasons(world.coordinator)}


def test_a_case_that_was_sealed_calls_nobody_it_is_offered_to(world: World) -> None:
    reference, receiver = world.case(), world.as_("europe coordinator")
    world.take(reference, "handover")
    assert reasons(receiver) == [(reference, "handover.offered")]
    world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": "sealed"}, If_Match="*")
    assert reasons(receiver) == []


def test_a_guard_that_was_passed_with_a_reason_is_shown(world: World) -> None:
    stale: Any = {"records": {**intake()["records"], "risk_assessments": [{"level": "low", "assessed_on": day(40)}]}}
    reference = world.case_in("accepted", **stale)
    world.take(reference, "engagement", overrides=[{"guard": "risk.stale", "reason": "Nobody could travel there."}])
    assert (reference, "guard.overridden") in reasons(world.coordinator)


def test_danger_comes_first_and_others_hear_nothing(world: World) -> None:
    calm, danger = world.case(received_on=day(20)), world.case(received_on=day(9), danger=True)
    assert reasons(world.coordinator)[0][0] == danger
    assert {reference for reference, _ in reasons(world.coordinator)} == {calm, danger}
    for who in ("europe coordinator", "europe reader", "reader", "partner"):
        assert reasons(world.as_(who)) == []
    for who in ("admin", "auditor", "dashboard"):
        assert world.as_(who).get("/v1/attention").status_code == 403


def test_a_poll_that_finds_nothing_new_is_a_304(world: World) -> None:
    world.case(received_on=day(20))
    tag = world.coordinator.get("/v1/attention").headers["ETag"]
    assert world.coordinator.get("/v1/attention", If_None_Match=tag).status_code == 304
    world.case(received_on=day(20))
    assert world.coordinator.get("/v1/attention", If_None_Match=tag).status_code == 200
