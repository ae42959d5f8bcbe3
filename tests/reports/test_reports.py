"""The reports: money, proceedings, links, track records, the timeline, and a case as of a time."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appeals.cases.payment import Payment, money, quoted
from appeals.cases.tally import NO_LONGER_HELD, ONCE_HELD, Tally, charges, day_by_day, detention, more_out_than_in
from appeals.vocabulary import PaymentKind, TallyKind
from tests.support.cast import Body, World, day, intake
from tests.support.reporting import KINDS, add, moment, payments
from tests.support.standing import RECORDS


def refused(world: World, reference: str, noun: str, **said: Any) -> tuple[int, list[str]]:
    answer = world.coordinator.add(reference, noun, {**RECORDS.get(noun, {}), **said})
    told = answer.json()
    return answer.status_code, [item.get("code") or item["pointer"] for item in told.get("unmet") or told["errors"]]


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
