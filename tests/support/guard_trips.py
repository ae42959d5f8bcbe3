"""Cases on which a guard does not hold, and the fact that puts it right."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from httpx2 import Response

from appeals.accounts.account import account_named, grant
from appeals.accounts.entity import entity_named
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


def codes(answer: Response) -> list[str]:
    assert answer.status_code == 409, answer.text
    return [item["code"] for item in answer.json()["unmet"]]
