"""Guards: each is told before, refuses under its own code, changes nothing, and lets pass once the fact is put right.

TRIPS is typed by hand: for every code a case on which the guard does not hold, and what puts it right.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx2 import Response

from appeals.accounts.account import account_named, grant
from appeals.accounts.entity import entity_named
from appeals.lifecycle.guards import GUARDS
from appeals.lifecycle.steps import MAY_BE_UP, STEPS
from appeals.vocabulary import Role
from tests.support.cast import CONSENTS, PARTIES, Body, World, action, consent, day, organisation, step_input, today

RISK: list[Body] = [{"level": "elevated", "assessed_on": day(5)}]
UNION = "Bright Stitch Workers Union"


def later(days: int) -> str:
    return (today() + timedelta(days=days)).isoformat()


def records(*, lacking: tuple[str, str] | None = None, **changed: Any) -> Body:
    """What comes along with the intake of the cast, lacking the consent of one subject to one scope."""
    consents = [given for given in CONSENTS if (given["scope"], given["subject"]) != lacking]
    return {"parties": PARTIES, "consents": consents, "risk_assessments": RISK, **changed}


def parties(*labels: str) -> list[Body]:
    return [party for party in PARTIES if party["label"] in labels]


# Cases on which a guard does not hold

Arrange = Callable[[World], str]


def in_(state: str, *also: Callable[[World, str], Any], **changed: Any) -> Arrange:
    """A case in a state, and whatever else is done to it."""

    def arrange(world: World) -> str:
        reference = world.case_in(state, **changed)
        for act in also:
            act(world, reference)
        return reference

    return arrange


def add(noun: str, **said: Any) -> Callable[[World, str], None]:
    def act(world: World, reference: str) -> None:
        answer = world.coordinator.add(reference, noun, said)
        assert answer.status_code == 201, answer.text

    return act


def take(noun: str, **changed: Any) -> Callable[[World, str], None]:
    def act(world: World, reference: str) -> None:
        world.take(reference, noun, **changed)

    return act


def dispose(disposition: str) -> Callable[[World, str], None]:
    def act(world: World, reference: str) -> None:
        assert world.dispose(reference, disposition)["disposition"] == disposition

    return act


def sign(level: str = "named", who: str = "reviewer") -> Callable[[World, str], None]:
    def act(world: World, reference: str) -> None:
        answer = world.as_(who).add(reference, "approvals", {"level": level})
        assert answer.status_code == 201, answer.text

    return act


def amend(noun: str, label: str, **said: Any) -> Callable[[World, str], None]:
    def act(world: World, reference: str) -> None:
        (found,) = [record for record in world.records(reference, noun) if record["label"] == label]
        answer = world.coordinator.patch(f"/v1/cases/{reference}/{noun}/{found['id']}", said)
        assert answer.status_code == 200, answer.text

    return act


def withdraw(scope: str) -> Callable[[World, str], None]:
    """End the consents to a scope ten days ago: what was done before stays right, what begins today is not."""

    def act(world: World, reference: str) -> None:
        for given in world.records(reference, "consents"):
            if given["scope"] == scope:
                said = {"state": "withdrawn", "withdrawn_on": day(10)}
                answer = world.coordinator.patch(f"/v1/cases/{reference}/consents/{given['id']}", said)
                assert answer.status_code == 200, answer.text

    return act


def make_reviewer(world: World, _: str) -> None:
    """The coordinator of the International Office is its reviewer, too."""
    with world.database.writing() as session:
        account, entity = account_named(session, "coordinator"), entity_named(session, "International Office")
        assert account is not None
        assert entity is not None
        grant(session, account, Role.REVIEWER, entity, datetime.now(UTC))


VERIFIED = take("verification")
PROMISE = step_input("agreement")["commitments"][0]
DEMAND = step_input("acceptance")["demands"][0]
KEPT = {"status": "verified_done", "verified_by": UNION, "verified_on": day()}
PEOPLE = [{"label": "seven", "pseudonym": "Worker Seven"}]
NAMED_BY_ALL = [
    *CONSENTS,
    consent("publish_person"),
    consent("publish_person", "local_partner"),
    consent("publish_person", "person", of="#seven"),
]
REFUSED = add("consents", subject="person", of="#seven", scope="publish_person", state="refused", on=day(3))


def doubt(label: str) -> Callable[[World, str], None]:
    """Another violation is confirmed, and this one turns out to be untrue."""

    def act(world: World, reference: str) -> None:
        grades = [{"violation": "#threat", "grade": "likely"}, {"violation": f"#{label}", "grade": "refuted"}]
        world.take(reference, "verification", grades=grades)

    return act


# What puts a fact right

Lift = Callable[[World, str], Body]


def say(**said: Any) -> Lift:
    """The same step, said otherwise."""
    return lambda _, __: said


def do(*acts: Callable[[World, str], Any]) -> Lift:
    """The same step, after something was done."""

    def lift(world: World, reference: str) -> Body:
        for act in acts:
            act(world, reference)
        return {}

    return lift


def reopen_survivor(world: World, reference: str) -> Body:
    survivor = world.case()
    world.take(survivor, "decline")
    refused = world.coordinator.step(reference, "merger", {"survivor": survivor})
    assert codes(refused) == ["survivor.ended"]
    world.take(survivor, "reopening")
    return {"survivor": survivor}


def another_survivor(world: World) -> Body:
    other = {"parties": [{"role": "employer", "facility": {"name": "Other Stitch Ltd", "country": "BD"}}]}
    return {"survivor": world.case(records=other)}


def ended_survivor(world: World) -> Body:
    return {"survivor": world.case_in("declined")}


@dataclass(frozen=True)
class Trip:
    """How a guard is tripped: the step, the case, what is said besides the full input, what lifts it."""

    noun: str
    case: Arrange
    lift: Lift
    said: Body | Callable[[World], Body]
    beside: tuple[str, ...] = ()


def trip(noun: str, case: Arrange, lift: Lift, said: Body | Callable[[World], Body] = {}, beside: str = "") -> Trip:  # noqa: B006 - never changed
    return Trip(noun, case, lift, said, tuple(beside.split()))


def trips() -> dict[str, Trip]:
    """How each guard is tripped, by the days as they now are."""
    return {
        # Dates
        "date.before_last_step": trip("screening", in_("received"), say(occurred_on=day(30)), {"occurred_on": day(31)}),
        "acknowledgement.before_receipt": trip(
            "acknowledgement", in_("received"), say(occurred_on=day(30)), {"occurred_on": day(31)}
        ),
        "due.not_in_future": trip("information-request", in_("screening"), say(due_on=later(1)), {"due_on": day()}),
        # Who acts
        "lead.is_party": trip(
            "screening",
            in_("received", add("parties", role="local_partner", organisation=organisation("SOUTH  Asia", "ngo"))),
            say(lead_entity="Europe"),
        ),
        "assignee.is_party": trip(
            "screening",
            in_("received", add("parties", role="local_partner", organisation=organisation("South Asia", "ngo"))),
            say(lead_entity="Garment Workers Centre", assignee="coordinator"),
            {"lead_entity": "Garment Workers Centre", "assignee": "asia coordinator"},
        ),
        "assignee.without_role": trip(
            "screening", in_("received"), say(assignee="asia caseworker"), {"assignee": "europe caseworker"}
        ),
        "handover.to_itself": trip(
            "handover", in_("received"), say(receiving_entity="Europe"), {"receiving_entity": "International Office"}
        ),
        "handover.not_proposed": trip("handover-acceptance", in_("received"), do(take("handover"))),
        "verifier.is_target": trip(
            "verification",
            in_("received"),
            say(verifying_organisation=organisation("Legal Aid Fund", "ngo")),
            {"verifying_organisation": organisation("Sample Brand", "company", "SE")},
        ),
        "verifier.is_requester": trip(
            "verification",
            in_("received"),
            say(verifying_organisation=organisation(UNION), same_as_requester_because="Nobody else may enter."),
            {"verifying_organisation": organisation(UNION)},
        ),
        # Taking a case up, or not
        "consent.take_up.workers.missing": trip(
            "acceptance",
            in_("screening", VERIFIED, records=records(lacking=("take_up", "workers"))),
            do(add("consents", **consent("take_up"))),
        ),
        "consent.take_up.renewed.missing": trip(
            "reopening", in_("closed"), do(add("consents", **consent("take_up", given_on=day()))), {"records": {}}
        ),
        "demand.missing": trip("acceptance", in_("screening", VERIFIED), say(demands=[DEMAND]), {"demands": []}),
        "violation.unverified": trip("acceptance", in_("screening"), do(VERIFIED)),
        "target.missing": trip(
            "acceptance",
            in_("screening", VERIFIED, records=records(parties=parties("union"))),
            do(add("parties", **parties("brand")[0])),
            {"demands": [{**DEMAND, "addressees": ["#union"]}]},
            beside="leverage.missing",
        ),
        "leverage.missing": trip(
            "acceptance",
            in_("screening", VERIFIED, records=records(parties=parties("factory"))),
            do(add("parties", **parties("ministry")[0])),
            {"demands": [{**DEMAND, "addressees": ["#factory"]}]},
        ),
        "requester.not_told": trip(
            "decline",
            in_("received"),
            say(requester_told_on=None, telling_is_unsafe=True),
            {"requester_told_on": None},
        ),
        "consent.share_external.missing": trip(
            "referral",
            in_("screening"),
            do(add("consents", **consent("share_external", recipients=["Other Fund"]))),
            {"receiving_body": "Other Fund"},
        ),
        "receiver.not_accepted": trip(
            "referral", in_("screening"), say(receiver_accepted_on=day()), {"receiver_accepted_on": None}
        ),
        # Risk
        "risk.missing": trip(
            "acceptance",
            in_("screening", VERIFIED, records=records(risk_assessments=[])),
            do(add("risk-assessments", **RISK[0])),
        ),
        "risk.stale": trip(
            "escalation",
            in_("engagement", sign(), records=records(risk_assessments=[{"level": "low", "assessed_on": day(15)}])),
            do(add("risk-assessments", level="low", assessed_on=day(14))),
        ),
        "risk.critical": trip(
            "escalation",
            in_("engagement", sign(), records=records(risk_assessments=[{"level": "critical", "assessed_on": day()}])),
            say(reason="workers_request"),
        ),
        # Contact
        "consent.contact_brand.missing": trip(
            "engagement",
            in_("accepted", withdraw("contact_brand")),
            do(add("consents", **consent("contact_brand", given_on=day(1)))),
        ),
        "consent.contact_factory.missing": trip(
            "engagement",
            in_("accepted", withdraw("contact_factory")),
            do(add("consents", **consent("contact_factory", given_on=day(1)))),
            {"first_action": action(kind="factory_letter", target="#factory")},
        ),
        "consent.contact_government.missing": trip(
            "engagement",
            in_("accepted", withdraw("contact_government")),
            do(add("consents", **consent("contact_government", given_on=day(1)))),
            {"first_action": action(kind="government_letter", target="#ministry")},
        ),
        "supply_link.weak": trip(
            "engagement",
            in_("accepted", amend("parties", "brand", link_strength="claimed")),
            do(amend("parties", "brand", link_strength="disclosed_list")),
        ),
        # Going public
        "consent.publish.workers.missing": trip(
            "escalation",
            in_("engagement", sign(), records=records(lacking=("publish_named", "workers"))),
            do(add("consents", **consent("publish_named", "workers_union"))),
        ),
        "consent.publish.partner.missing": trip(
            "escalation",
            in_("engagement", sign(), records=records(lacking=("publish_named", "local_partner"))),
            do(add("consents", **consent("publish_named", "local_partner"))),
        ),
        "consent.publish.person.missing": trip(
            "escalation",
            in_("engagement", sign("person"), REFUSED, records=records(people=PEOPLE, consents=NAMED_BY_ALL)),
            do(add("consents", **consent("publish_person", "person", of="#seven", given_on=day(1))), sign("person")),
            {"publication_level": "person"},
            beside="signature.missing",
        ),
        "publication.disproved": trip(
            "escalation",
            in_("engagement", sign(), add("violations", label="threat", code="threat"), doubt("dismissal")),
            do(sign()),
        ),
        "quiet_action.missing": trip(
            "escalation",
            in_("accepted", take("engagement", first_action=action(label="letter", answer_due_on=day())), sign()),
            do(add("responses", action="#letter", received_on=day(), grade="denies_link")),
        ),
        "escalation.skips_quiet_work": trip(
            "escalation", in_("accepted", sign()), say(reason="already_public"), beside="quiet_action.missing"
        ),
        "signature.missing": trip("escalation", in_("engagement"), do(sign())),
        "signature.same_person": trip(
            "escalation", in_("engagement", make_reviewer, sign(who="coordinator")), do(sign())
        ),
        "workers.not_consulted": trip(
            "de-escalation",
            in_("public_campaign"),
            say(workers_consulted_on=day()),
            {"workers_consulted_on": None},
        ),
        # Promises
        "commitment.missing": trip("agreement", in_("engagement"), say(commitments=[PROMISE]), {"commitments": []}),
        "agreement.not_accepted": trip(
            "agreement",
            in_("engagement"),
            say(workers_accepted=False, workers_objection="The date is too late."),
            {"workers_accepted": False},
        ),
        "breach.not_due": trip(
            "breach",
            in_("engagement", take("agreement", commitments=[{**PROMISE, "due_on": day()}])),
            say(contrary_act=True),
        ),
        "commitment.unsettled": trip(
            "monitoring", in_("remediation", dispose("met")), do(amend("commitments", "promise", **KEPT))
        ),
        "review.too_far": trip(
            "monitoring", in_("engagement", dispose("met")), say(review_on=later(365)), {"review_on": later(366)}
        ),
        # Ending, and beginning again
        "demand.undisposed": trip("monitoring", in_("engagement"), do(dispose("not_met"))),
        "commitment.open": trip(
            "closure",
            in_("remediation", dispose("met")),
            do(amend("commitments", "promise", status="waived_by_workers")),
            {"reason": "demands_met"},
        ),
        "detention.open": trip(
            "closure",
            in_("engagement", dispose("met"), add("tallies", kind="held", low=0, high=1, as_of=day())),
            do(add("tallies", kind="held", low=0, high=0, as_of=day())),
            {"reason": "demands_met"},
        ),
        "charges.open": trip(
            "closure",
            in_("engagement", dispose("met"), add("tallies", kind="charged_unnamed", low=30, high=40, as_of=day(3))),
            do(add("tallies", kind="charges_dropped", low=40, high=40, as_of=day())),
            {"reason": "demands_met"},
        ),
        "close_reason.disagrees": trip(
            "closure", in_("engagement", dispose("met")), say(reason="demands_met"), {"reason": "no_result"}
        ),
        "settlement.not_accepted": trip(
            "closure",
            in_("engagement", dispose("partly_met")),
            say(workers_accept=True),
            {"reason": "settled_partial"},
        ),
        "review.pending": trip(
            "closure",
            in_("monitoring"),
            do(
                take("breach", commitment=None, demand="#reinstate", contrary_act=True),
                dispose("met"),
                take("monitoring", occurred_on=day(20), occurred_precision="estimate", review_on=day()),
            ),
            {"reason": "demands_met"},
        ),
        "survivor.unrelated": trip("merger", in_("received"), say(same_dispute="One strike."), another_survivor),
        "survivor.ended": trip("merger", in_("received"), reopen_survivor, ended_survivor),
        "resumption.not_offered": trip(
            "resumption", in_("accepted", take("suspension")), say(resume_to="screening"), {"resume_to": "received"}
        ),
    }


OF_A_PAGE = {
    "publication.not_accepted",
    "publication.suspended",
    "publication.called_off",
    "publication.signed_before_no",
}
"""Asked of pages alone: no step that goes public is open where they do not hold. See
`tests/lifecycle/test_may_be_up.py`.
"""
SOFT = {"risk.stale", "supply_link.weak", "quiet_action.missing", "review.pending"}
AT_ONCE = ["imminent_danger", "workers_request", "already_public"]
WITHOUT_RESULT = ["no_result", "unsafe_to_continue", "contact_lost", "taken_over_by_other"]


def codes(answer: Response) -> list[str]:
    assert answer.status_code == 409, answer.text
    return [item["code"] for item in answer.json()["unmet"]]


def told_before(world: World, reference: str, noun: str) -> Body:
    steps: list[Body] = world.coordinator.get(f"/v1/cases/{reference}/steps").json()["items"]
    return next(step for step in steps if step["noun"] == noun)


def stands(world: World, reference: str) -> tuple[Body, list[Body]]:
    return world.show(reference), world.history(reference)


def test_every_guard_is_tripped_by_a_test_of_its_own() -> None:
    assert set(trips()) | OF_A_PAGE == set(GUARDS)


def test_every_guard_is_asked_by_a_step_and_every_step_asks_guards_that_exist() -> None:
    assert {code for step in STEPS for code in step.guards} | OF_A_PAGE == set(GUARDS)
    assert set(MAY_BE_UP) >= OF_A_PAGE


@pytest.mark.parametrize("code", GUARDS)
def test_every_guard_says_a_sentence(code: str) -> None:
    says = GUARDS[code].says
    assert says[0].isupper()
    assert says.endswith(".")
    assert len(says.split()) >= 4


def test_just_four_guards_are_soft() -> None:
    assert {code for code, guard in GUARDS.items() if guard.soft} == SOFT


@pytest.mark.parametrize("code", sorted(set(GUARDS) - OF_A_PAGE))
def test_a_guard_refuses_under_its_code_and_lets_pass_when_the_fact_is_put_right(world: World, code: str) -> None:
    trip = trips()[code]
    reference = trip.case(world)
    said = {**step_input(trip.noun), **(trip.said(world) if callable(trip.said) else trip.said)}
    before, told = stands(world, reference), told_before(world, reference, trip.noun)

    refused = world.coordinator.step(reference, trip.noun, said)
    assert set(codes(refused)) == {code, *trip.beside}
    assert stands(world, reference) == before
    if GUARDS[code].hears:
        assert code in told["depends_on_input"]
    else:
        assert set(codes(refused)) <= {item["code"] for item in told["unmet"]}
        assert told["allowed"] is False

    override = {"overrides": [{"guard": code, "reason": "There is no other way."}]}
    if code not in SOFT:
        assert set(codes(world.coordinator.step(reference, trip.noun, {**said, **override}))) == {code, *trip.beside}

    passed = world.coordinator.step(reference, trip.noun, {**said, **trip.lift(world, reference)})
    assert passed.status_code == 201, passed.text
    assert passed.json()["entry"]["overrides"] == {}
    assert len(world.history(reference)) > len(before[1])


@pytest.mark.parametrize("code", sorted(SOFT))
def test_a_coordinator_overrides_a_soft_guard_with_a_reason_that_history_shows(world: World, code: str) -> None:
    trip = trips()[code]
    assert not callable(trip.said)
    reference, why = trip.case(world), "The workers cannot wait."
    said = {**step_input(trip.noun), **trip.said}
    without_reason = world.coordinator.step(reference, trip.noun, {**said, "overrides": [{"guard": code}]})
    assert without_reason.status_code == 422
    passed = world.coordinator.step(reference, trip.noun, {**said, "overrides": [{"guard": code, "reason": why}]})
    assert passed.status_code == 201, passed.text
    assert world.history(reference)[-1]["overrides"] == {code: why}


@pytest.mark.parametrize("code", ["risk.stale", "supply_link.weak"])
def test_a_caseworkers_override_lifts_nothing(world: World, code: str) -> None:
    long_ago = records(
        consents=[{**given, "given_on": day(50)} for given in CONSENTS],
        risk_assessments=[{"level": "low", "assessed_on": day(31)}],
    )
    weak = in_("accepted", amend("parties", "brand", link_strength="claimed"))
    stale = in_("accepted", records=long_ago, received_on=day(60))
    reference = {"risk.stale": stale, "supply_link.weak": weak}[code](world)
    said = {**step_input("engagement"), "overrides": [{"guard": code, "reason": "The workers cannot wait."}]}
    refused = world.caseworker.step(reference, "engagement", said)
    assert codes(refused) == [code]
    assert refused.json()["unmet"][0]["override"] is True
    assert world.coordinator.step(reference, "engagement", said).status_code == 201


def test_an_override_of_one_guard_lifts_no_other(world: World) -> None:
    weak = amend("parties", "brand", link_strength="claimed")
    reference = in_("accepted", weak, withdraw("contact_brand"))(world)
    override = {"guard": "supply_link.weak", "reason": "The label is known."}
    refused = world.coordinator.step(reference, "engagement", {**step_input("engagement"), "overrides": [override]})
    assert codes(refused) == ["consent.contact_brand.missing"]


def test_an_override_that_nothing_asked_for_is_not_kept(world: World) -> None:
    reference = world.case_in("accepted")
    said = {**step_input("engagement"), "overrides": [{"guard": "risk.stale", "reason": "In case."}]}
    assert world.coordinator.step(reference, "engagement", said).json()["entry"]["overrides"] == {}


def test_a_refusal_names_every_guard_at_once(world: World) -> None:
    reference = world.case(records={})
    world.take(reference, "screening")
    refused = world.coordinator.step(reference, "acceptance", {"rationale": "They ask for it."})
    assert set(codes(refused)) == {
        "consent.take_up.workers.missing",
        "demand.missing",
        "violation.unverified",
        "target.missing",
        "risk.missing",
        "leverage.missing",
    }
    told = refused.json()
    assert (told["code"], told["state"]) == ("step.refused", "screening")
    assert "decline" in told["open_steps"]
    assert all(item["says"] for item in told["unmet"])


# Reasons that lift


@pytest.mark.parametrize("reason", AT_ONCE)
def test_a_case_goes_public_at_once_for(world: World, reason: str) -> None:
    reference = world.case_in("accepted")
    assert world.take(reference, "escalation", reason=reason)["entry"]["reason"] == reason


@pytest.mark.parametrize("reason", WITHOUT_RESULT)
def test_a_closing_without_result_says_what_it_leaves_open(world: World, reason: str) -> None:
    reference = world.case_in("remediation")
    add("tallies", kind="arrested", low=5, high=6, as_of=day())(world, reference)
    add("tallies", kind="charged_named", low=2, high=2, as_of=day())(world, reference)
    closed = world.take(reference, "closure", reason=reason)
    assert closed["entry"]["left_open"] == {"demands": 1, "commitments": 1, "held": 6, "charged": 2}


@pytest.mark.parametrize("reason", ["demands_met", "settled_partial", "overtaken_by_events"])
def test_no_other_reason_leaves_demands_promises_or_people_behind(world: World, reason: str) -> None:
    reference = world.case_in("remediation")
    add("tallies", kind="arrested", low=5, high=6, as_of=day())(world, reference)
    add("tallies", kind="charged_named", low=2, high=2, as_of=day())(world, reference)
    said = {**step_input("closure"), "reason": reason, "workers_accept": True}
    refused = world.coordinator.step(reference, "closure", said)
    four = {"demand.undisposed", "commitment.open", "detention.open", "charges.open"}
    assert set(codes(refused)) - {"close_reason.disagrees"} == four
    assert {tuple(item["unless_reason"]) for item in refused.json()["unmet"] if item["code"] in four} == {
        tuple(WITHOUT_RESULT)
    }


@pytest.mark.parametrize("reason", ["imminent_danger", "already_public", "quiet_work_exhausted"])
def test_a_critical_risk_is_not_lifted_by(world: World, reason: str) -> None:
    reference = trips()["risk.critical"].case(world)
    refused = world.coordinator.step(reference, "escalation", {**step_input("escalation"), "reason": reason})
    assert codes(refused) == ["risk.critical"]


# Finer points


def test_a_signature_given_before_the_risk_turned_critical_does_not_count(world: World) -> None:
    reference = in_("engagement", sign(), add("risk-assessments", level="critical", assessed_on=day()))(world)
    said = {**step_input("escalation"), "reason": "workers_request"}
    assert codes(world.coordinator.step(reference, "escalation", said)) == ["signature.missing"]
    sign()(world, reference)
    assert world.coordinator.step(reference, "escalation", said).status_code == 201


def test_a_signature_under_a_narrower_publication_does_not_count(world: World) -> None:
    reference = in_("engagement", sign("anonymised"))(world)
    refused = world.coordinator.step(reference, "escalation", step_input("escalation"))
    assert codes(refused) == ["signature.missing"]
    narrower = {**step_input("escalation"), "publication_level": "anonymised"}
    assert world.coordinator.step(reference, "escalation", narrower).status_code == 201


def test_a_signature_is_good_for_one_publication(world: World) -> None:
    reference = world.case_in("public_campaign")
    world.take(reference, "de-escalation")
    assert codes(world.coordinator.step(reference, "escalation", step_input("escalation"))) == ["signature.missing"]


def test_the_unions_consent_is_not_the_workers_own(world: World) -> None:
    given = records(lacking=("take_up", "workers"))
    given["consents"].append(consent("take_up", "workers_union"))
    reference = in_("screening", VERIFIED, records=given)(world)
    refused = world.coordinator.step(reference, "acceptance", step_input("acceptance"))
    assert codes(refused) == ["consent.take_up.workers.missing"]


@pytest.mark.parametrize(
    "given",
    [
        {"state": "requested", "given_on": None, "method": None},
        {"state": "refused", "given_on": None, "method": None},
        {"expires_on": day(1)},
    ],
)
def test_a_consent_that_is_not_in_force_counts_for_nothing(world: World, given: Body) -> None:
    brought = records(lacking=("take_up", "workers"))
    brought["consents"].append({**consent("take_up"), **given})
    reference = in_("screening", VERIFIED, records=brought)(world)
    refused = world.coordinator.step(reference, "acceptance", step_input("acceptance"))
    assert codes(refused) == ["consent.take_up.workers.missing"]


def test_a_consent_must_be_in_force_on_the_day_of_the_step_as_well_as_today(world: World) -> None:
    reference = in_("screening", VERIFIED)(world)
    back_then = {"occurred_on": day(31), "occurred_precision": "estimate"}
    refused = world.coordinator.step(reference, "acceptance", {**step_input("acceptance"), **back_then})
    assert set(codes(refused)) == {"consent.take_up.workers.missing", "risk.missing"}


@pytest.mark.parametrize(
    "verifier",
    [
        organisation("Sample Brand", "ngo", "BD"),
        {"name": "SAMPLE  brand.", "kind": "company"},
        organisation("Bright Stitch Ltd", "company"),
    ],
)
def test_a_target_does_not_verify_under_another_kind_country_or_spelling(world: World, verifier: Body) -> None:
    reference = world.case()
    said = {**step_input("verification"), "verifying_organisation": verifier}
    assert codes(world.coordinator.step(reference, "verification", said)) == ["verifier.is_target"]


def test_a_yellow_union_does_not_verify(world: World) -> None:
    yellow = organisation("Bright Stitch Welfare Union")
    reference = in_("received", add("parties", role="yellow_union", organisation=yellow))(world)
    said = {**step_input("verification"), "verifying_organisation": yellow}
    assert codes(world.coordinator.step(reference, "verification", said)) == ["verifier.is_target"]


def test_one_of_two_requesters_verifies(world: World) -> None:
    other = organisation("Garment Women Alliance", "ngo")
    reference = in_("received", add("parties", role="requester", organisation=other))(world)
    world.take(reference, "verification", verifying_organisation=organisation(UNION))
    assert world.records(reference, "violations")[0]["grade"] == "confirmed"


@pytest.mark.parametrize(("evidence", "status"), [("An order sheet.", 201), (None, 409)])
def test_a_disputed_supply_link_stands_only_with_evidence(world: World, evidence: str | None, status: int) -> None:
    brand = {**parties("brand")[0], "link_strength": "disputed", "link_evidence": evidence}
    reference = world.case_in("accepted", records=records(parties=[*parties("factory"), brand]))
    assert world.coordinator.step(reference, "engagement", step_input("engagement")).status_code == status


def test_a_consent_to_contact_named_brands_is_no_consent_to_contact_others(world: World) -> None:
    brought = records(lacking=("contact_brand", "workers"))
    brought["consents"].append(consent("contact_brand", recipients=["Second Brand"]))
    reference = world.case_in("accepted", records=brought)
    refused = world.coordinator.step(reference, "engagement", step_input("engagement"))
    assert codes(refused) == ["consent.contact_brand.missing"]
    add("consents", **consent("contact_brand", recipients=["Sample brand"]))(world, reference)
    assert world.coordinator.step(reference, "engagement", step_input("engagement")).status_code == 201


@pytest.mark.parametrize("grade", ["investigating", "holding_reply"])
def test_a_holding_answer_is_inadequate_once_its_own_follow_up_day_passed(world: World, grade: str) -> None:
    reference = in_("engagement", sign())(world)
    (event,) = world.records(reference, "actions")
    answer = {"action": event["id"], "received_on": day(8), "grade": grade}
    add("responses", **answer, follow_up_on=day())(world, reference)
    refused = world.coordinator.step(reference, "escalation", step_input("escalation"))
    assert codes(refused) == ["quiet_action.missing"]


@pytest.mark.parametrize("grade", ["substantive_commits", "substantive_no_commitment"])
def test_an_adequate_answer_keeps_a_case_quiet_and_an_overdue_letter_does_not(world: World, grade: str) -> None:
    reference = in_("engagement", sign(), add("responses", action="#letter", received_on=day(8), grade=grade))(world)
    refused = world.coordinator.step(reference, "escalation", step_input("escalation"))
    assert codes(refused) == ["quiet_action.missing"]
    add("actions", **action(kind="factory_letter", target="#factory", answer_due_on=day(1)))(world, reference)
    assert world.coordinator.step(reference, "escalation", step_input("escalation")).status_code == 201


@pytest.mark.parametrize("whose", ["#factory", "#union"])
def test_what_others_say_of_a_letter_opens_no_way_to_the_public(world: World, whose: str) -> None:
    first = action(label="letter", answer_due_on=later(1))
    said = {"action": "#letter", "party": whose, "received_on": day(8), "grade": "denies_violation"}
    reference = in_("accepted", take("engagement", first_action=first), sign(), add("responses", **said))(world)
    refused = world.coordinator.step(reference, "escalation", step_input("escalation"))
    assert codes(refused) == ["quiet_action.missing"]


def test_a_letter_that_was_only_planned_meets_no_silence(world: World) -> None:
    first = action(label="letter", answer_due_on=later(1))
    reference = in_("accepted", take("engagement", first_action=first), sign())(world)
    add("actions", **{**action(), "status": "planned", "done_on": None, "answer_due_on": day(1)})(world, reference)
    refused = world.coordinator.step(reference, "escalation", step_input("escalation"))
    assert codes(refused) == ["quiet_action.missing"]


def test_a_promise_that_was_kept_is_not_broken_by_the_passing_of_its_day(world: World) -> None:
    reference = in_("remediation", amend("commitments", "promise", **KEPT))(world)
    assert codes(world.coordinator.step(reference, "breach", step_input("breach"))) == ["breach.not_due"]


@pytest.mark.parametrize("days", [0, -1])
def test_a_review_lies_after_the_monitoring_began(world: World, days: int) -> None:
    reference = in_("engagement", dispose("met"))(world)
    said = {**step_input("monitoring"), "review_on": later(days)}
    assert codes(world.coordinator.step(reference, "monitoring", said)) == ["review.too_far"]


@pytest.mark.parametrize(
    ("disposition", "reason", "agrees"),
    [
        ("met", "demands_met", True),
        ("partly_met", "demands_met", False),
        ("dropped_by_workers", "demands_met", False),
        ("not_met", "settled_partial", False),
        ("partly_met", "settled_partial", True),
        ("not_met", "no_result", True),
        ("partly_met", "no_result", False),
        ("dropped_by_workers", "overtaken_by_events", True),
        ("not_met", "unsafe_to_continue", True),
    ],
)
def test_the_reason_of_a_closing_agrees_with_what_became_of_the_demands(
    world: World, disposition: str, reason: str, agrees: bool
) -> None:
    reference = in_("engagement", dispose(disposition))(world)
    said = {**step_input("closure"), "reason": reason, "workers_accept": True}
    answer = world.coordinator.step(reference, "closure", said)
    assert (answer.status_code == 201) is agrees
    assert agrees or codes(answer) == ["close_reason.disagrees"]


def test_a_late_answer_and_silence_never_keep_a_case_from_closing(world: World) -> None:
    reference = in_("engagement", dispose("met"))(world)
    add("actions", **action(done_on=day(1), answer_due_on=later(30)))(world, reference)
    assert world.take(reference, "closure", reason="demands_met")["case"]["status"] == "closed"


def test_a_first_action_needs_a_target_and_a_day_for_the_answer(world: World) -> None:
    reference = world.case_in("accepted")
    for missing in ({"target": None, "answer_due_on": None}, {"answer_due_on": None}):
        said = {"first_action": {**action(), **missing}}
        assert world.coordinator.step(reference, "engagement", said).status_code == 422
