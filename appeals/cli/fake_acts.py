"""The bodies of requests for an invented case after its intake: steps, letters, support, payments."""

from collections.abc import Callable
from uuid import UUID

from appeals.cli.fake_cases import (
    REVIEW_DAYS,
    Body,
    FakeCase,
    consent,
    organisation,
    risk,
)


def _acceptance(s: FakeCase) -> Body:
    kinds = s.rng.sample(("reinstate", "pay_wages", "recognise_union", "pay_severance", "bargain"), 2)
    demands = [
        {"kind": kind, "text": "As the workers decided.", "addressees": ["#factory", "#brand-1"]} for kind in kinds
    ]
    return {"rationale": "The workers ask for it and buyers can be reached.", "demands": demands, "records": _new(s)}


def _new(s: FakeCase) -> Body:
    return {"risk_assessments": [risk(s)]}


def _agreement(s: FakeCase) -> Body:
    promises = [
        {
            "promisor": who,
            "text": text,
            "kind": kind,
            "promised_on": s.ago(0),
            "due_on": s.ago(-s.rng.randrange(20, 60)),
            "how_verified": "The union counts.",
        }
        for who, text, kind in (
            ("#factory", "All are reinstated.", "reinstatement"),
            ("#brand-1", "A fund.", "payment"),
        )
    ]
    return {"commitments": promises[: s.rng.choice((1, 2))], "workers_accepted": True}


def _referral(s: FakeCase) -> Body:
    share = consent(s, "share_external", recipients=[LAWYERS])
    referral = {"receiving_body": LAWYERS, "handed_over": "The letters.", "receiver_accepted_on": s.ago(0)}
    return {**referral, "records": {"consents": [share]}}


LAWYERS = "Legal Aid Network"

STEPS: dict[str, Callable[[FakeCase], Body]] = {
    "acknowledgement": lambda _: {"channel": "email", "safe_contact_rule": "By messenger, after the shift."},
    "screening": lambda s: {"lead_entity": str(s.entity), "assignee": s.coordinator},
    "information-request": lambda s: {
        "questions": "Who signed the letters?",
        "addressee": s.union,
        "due_on": s.ago(-REVIEW_DAYS),
    },
    "information": lambda _: {"answers": "The personnel department did."},
    "verification": lambda s: {
        "verifying_organisation": organisation(LAWYERS, "ngo", "NL"),
        "method": s.rng.choice(("interviews", "documents", "partner_report")),
        "grades": [{"violation": "#violation-0", "grade": s.rng.choice(("confirmed", "likely", "possible"))}],
        "reliability": s.rng.choice(("high", "likely")),
    },
    "acceptance": _acceptance,
    "decline": lambda s: {
        "reason": s.rng.choice(("no_leverage", "unverifiable", "out_of_sector", "handled_by_other", "no_capacity")),
        "explanation": "No buyer is known.",
        "explanation_language": "en",
        "signposting": "The national legal aid centre.",
        "requester_told_on": s.ago(0),
    },
    "referral": _referral,
    "engagement": lambda s: {"first_action": letter(s, 0), "records": _new(s)},
    "escalation": lambda s: {
        "public_aim": "The buyers answer in public.",
        "planned_actions": "A petition.",
        "publication_level": "named",
        "reason": "workers_request",
    },
    "de-escalation": lambda s: {
        "reason": "A buyer asked for talks.",
        "what_stops": "The petition.",
        "workers_consulted_on": s.ago(0),
    },
    "agreement": _agreement,
    "monitoring": lambda s: {"plan": "Ask every month.", "checked_by": s.union},
    "suspension": lambda s: {
        "reason": s.rng.choice(("safety", "negotiation_pause", "contact_lost", "awaiting_proceeding")),
        "review_on": s.ago(-REVIEW_DAYS),
    },
    "withdrawal": lambda s: {
        "withdrawn_by": s.rng.choice(("workers", "workers", "requester")),
        "withdrawn_on": s.ago(0),
        "how_told": "By telephone.",
    },
    "reopening": lambda s: {
        "reason": s.rng.choice(("retaliation", "new_violation", "new_information")),
        "records": {"consents": [consent(s, "take_up")]},
    },
    "handover": lambda _: {"receiving_entity": "International Office", "reason": "The owner sits elsewhere."},
    "closure": lambda _: {
        "summary": "What could be reached was reached.",
        "learning_note": "Write to the owner group sooner.",
        "requester_view": "agrees",
    },
}
"""The body of each step. `cli/scenario_acts.py` adds the ids of the case's records."""


# Work


def letter(s: FakeCase, days: int, *, awaited: bool = True) -> Body:
    """Return a letter sent `days` days ago. If an answer is awaited, it is due a fortnight after that day."""
    kind = s.rng.choice(("brand_contact_letter", "brand_contact_letter", "factory_letter", "government_letter"))
    corner, target = _AIMED_AT[kind]
    values: Body = {"kind": kind, "target": target, "corner": corner, "done_on": s.ago(days), "languages": ["en"]}
    return {**values, "answer_due_on": s.ago(days - 14)} if awaited else values


_AIMED_AT = {
    "brand_contact_letter": ("market", "#brand-1"),
    "factory_letter": ("production", "#factory"),
    "government_letter": ("production", "#ministry"),
}
_SUPPORT = ("fact_finding", "legal_aid", "emergency_relief", "solidarity_letter", "internal_coordination")
_PUBLIC = ("petition", "email_action", "social_media_action", "store_action", "press_release", "street_action")


def support(s: FakeCase) -> Body:
    """Return an action of support on the spot, or of work inside the network."""
    return {"kind": s.rng.choice(_SUPPORT), "done_on": s.ago(s.rng.randrange(9)), "note": "As agreed."}


def public_action(s: FakeCase) -> Body:
    """Return a public action of that day."""
    return {"kind": s.rng.choice(_PUBLIC), "done_on": s.ago(0), "reach": s.rng.randrange(50, 90_000)}


def answer(s: FakeCase, action: UUID) -> Body:
    """Return an answer to an action, sometimes with a rejoinder."""
    grades = ("partial", "denies_link", "blames_other", "substantive_commits", "investigating", "holding_reply")
    values: Body = {"action": str(action), "grade": s.rng.choice(grades), "received_on": s.ago(0)}
    rejoined = {"rejoinder": "The labels say otherwise.", "rejoined_on": s.ago(0)} if s.rng.random() < 0.3 else {}
    return {**values, "summary": "They refer to their code of conduct.", **rejoined}


def payments(s: FakeCase) -> list[Body]:
    """Return the sums owed by two sources, and what was paid, in the country's currency and sometimes in dollars."""
    sum_owed = s.rng.randrange(40_000, 90_000_000)
    owed: Body = {"purpose": "severance", "currency": s.profile.currency, "on": s.ago(0), "payer": "#factory"}
    dollars: Body = {"purpose": "wages", "currency": "USD", "on": s.ago(0), "payer": "#brand-1", "source": "The brand"}
    payments = [
        {**owed, "label": "owed", "kind": "owed", "amount": f"{sum_owed}.50", "source": s.union, "reliability": "high"},
        {**owed, "kind": "owed", "amount": f"{sum_owed // 2}.00", "source": "The factory", "contests": "#owed"},
        {**owed, "kind": "paid", "amount": f"{sum_owed // 3}.25", "source": "The factory"},
        {**owed, "kind": "received_by_workers", "amount": f"{sum_owed // 4}.25", "source": s.union},
        {**dollars, "kind": "promised", "amount": "125000.00"},
    ]
    return payments[: s.rng.choice((1, 2, 5))]


def later_counts(s: FakeCase) -> list[Body]:
    """Return tallies of a later day: the arrested people are released, and some of the dismissed reinstated."""
    values: Body = {"as_of": s.ago(0), "source": s.union, "reliability": "likely"}
    free = [{"kind": "released", "low": 7, "high": 7, **values}, {"kind": "held", "low": 0, "high": 0, **values}]
    return [*(free if s.danger else []), {"kind": "reinstated", "low": 2, "high": 3, **values}]


def proceeding(s: FakeCase) -> Body:
    """Return a proceeding before a court, with its number."""
    return {
        "body": "court",
        "body_name": "The labour court",
        "kind": s.rng.choice(("labour", "criminal")),
        "filed_on": s.ago(3),
        "number": f"{s.rng.randrange(1, 999)}/L",
    }
