"""The requests of a random walk: inputs of steps that mostly succeed, and records that put rules right."""

from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any

from tests.support.cast import Body, consent, day, organisation, step_input
from tests.support.lifecycle_model.case_model import said_on
from tests.support.lifecycle_model.model import Model
from tests.support.lifecycle_model.tables import (
    AT_ONCE,
    CONTACT,
    LADDER,
    LEVELS,
    NO,
    PUBLIC_WHILE_PAUSED,
    PUBLISHING,
    SOFT,
    WITHOUT_RESULT,
    ahead,
)

OVERRIDES = [{"guard": code, "reason": "It cannot wait."} for code in sorted(SOFT)]


class Dice:
    """Chance for one turn of a walk. Seeded as a whole: drawn one by one, choices would lean to the first options."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance

    def one_of(self, *options: Any) -> Any:
        return self.chance.choice(options)

    def mostly(self) -> bool:
        """True three times in four."""
        return self.chance.random() < 0.75

    def seldom(self) -> bool:
        """True once in four times."""
        return not self.mostly()


def input_of(noun: str, m: Model, rng: Dice, label: Callable[[], str]) -> Body:
    """An input for a step: mostly one that could succeed."""
    body = {**step_input(noun), **INPUTS.get(noun, _as_ever)(m, rng, label)}
    if rng.seldom():
        body["occurred_on"] = rng.one_of(day(3), day(20), day(45))
    if rng.seldom() and rng.seldom():
        body["occurred_precision"] = "estimate"
    if rng.seldom() and noun != "withdrawal":
        body["overrides"] = OVERRIDES
    if noun == "engagement" and body.get("occurred_on", day()) < body["first_action"]["done_on"]:
        del body["occurred_on"]
    return {name: value for name, value in body.items() if value is not None}


def _as_ever(_m: Model, _dice: Dice, _label: "Label") -> Body:
    return {}


Label = Callable[[], str]


def a_consent(rng: Dice, label: str) -> Body:
    """A word of the one voice that a side has in these walks: mostly a yes."""
    scope = rng.one_of("take_up", "contact_brand", "contact_factory", "contact_government", "share_external")
    scope = rng.one_of(scope, *PUBLISHING)
    subject = rng.one_of("workers", "workers", "local_partner", *(["person"] if scope in PUBLISHING else []))
    word = consent(scope, subject, label=label, given_on=rng.one_of(day(60), day(30), day(10), day()))
    if subject == "person":
        word["of"] = "#seven"
    if scope not in {"take_up", *PUBLISHING} or rng.seldom():
        word["recipients"] = rng.one_of([], [], ["Legal Aid Fund"], ["Sample Brand"], ["Bright Stitch Ltd"])
    if rng.seldom():
        word["expires_on"] = rng.one_of(day(), ahead(30))
    if rng.seldom():
        word |= {"state": "requested", "given_on": None, "expires_on": None}
    elif rng.seldom():
        word |= {"state": "refused", "given_on": None, "expires_on": None, "on": rng.one_of(day(40), day(10), day(3))}
        word["recipients"] = word.get("recipients", []) if scope.startswith("contact") else []
    return word


def a_risk(rng: Dice) -> Body:
    level = rng.one_of("low", "elevated", "high", "critical")
    return {"level": level, "assessed_on": rng.one_of(day(), day(10), day(14), day(15), day(30), day(31))}


def an_action(m: Model, rng: Dice, *, answered: bool) -> Body:
    kinds = {"brand_contact_letter": "quiet", "petition": "public", "internal_coordination": "internal"}
    kind = "brand_contact_letter" if answered else rng.one_of("brand_contact_letter", *kinds)
    done = rng.one_of(day(20), day(20), day(45), day(), *([] if answered else [None]))
    nobody = "#brand" if answered else None
    target = rng.one_of(*(filter(m.party, CONTACT)), *([] if any(map(m.party, CONTACT)) else [nobody]))
    days = [due for due in (day(10), day(), ahead(7)) if due >= (done or "")]
    awaited = target and kind != "internal_coordination"
    due = rng.one_of(*days) if awaited and (answered or rng.mostly()) else None
    return {
        "kind": kind,
        "channel": kinds[kind],
        "target": target,
        "status": "done" if done else "planned",
        "done_on": done,
        "answer_due_on": due,
    }


def a_promise(rng: Dice, label: str) -> Body:
    due = rng.one_of(day(20), day(1), day(), ahead(30))
    promise = {"text": "All are reinstated.", "kind": "reinstatement", "how_verified": "The union counts."}
    return {"label": label, "promisor": "#requester", "due_on": due, **promise}


def a_demand(label: str) -> Body:
    return {"label": label, "kind": "reinstate", "text": "Reinstate all.", "addressees": ["#requester"]}


def _verifying(_m: Model, rng: Dice, _label: Label) -> Body:
    verifier = rng.one_of("Legal Aid Fund", "Legal Aid Fund", "Bright Stitch Workers Union", "Sample Brand")
    return {
        "verifying_organisation": organisation(verifier, "ngo"),
        "grades": [{"violation": "#dismissal", "grade": rng.one_of("likely", "confirmed", "possible", "unlikely")}],
        "same_as_requester_because": rng.one_of(None, "Nobody else can reach them."),
    }


def _breaching(m: Model, rng: Dice, _label: Label) -> Body:
    promises = [f"#{promise['label']}" for promise in m.commitments]
    demands = [f"#{demand['label']}" for demand in m.demands if demand["label"]]
    of_promise = promises and (not demands or rng.mostly())
    return {
        "commitment": rng.one_of(*promises) if of_promise else None,
        "demand": None if of_promise else rng.one_of(*(demands or ["#none"])),
        "breached_on": rng.one_of(day(), day(10)),
        "contrary_act": rng.one_of(True, False),
    }


def _closing(m: Model, rng: Dice, _label: Label) -> Body:
    active = [index for index, d in enumerate(m.demands) if d in m.current and d["disposition"] == "active"]
    outcomes = [
        {"demand": i, "disposition": rng.one_of("met", "partly_met", "not_met")} for i in active if rng.mostly()
    ]
    reason = rng.one_of("demands_met", "settled_partial", "overtaken_by_events", rng.one_of(*sorted(WITHOUT_RESULT)))
    return {"reason": reason, "outcomes": outcomes, "workers_accept": rng.one_of(True, False)}


INPUTS: dict[str, Callable[[Model, Dice, Label], Body]] = {
    "screening": lambda _m, rng, _: {"assignee": rng.one_of("coordinator", "coordinator", "caseworker", "reader")},
    "information-request": lambda _m, rng, _: {"due_on": rng.one_of(ahead(7), ahead(1), day())},
    "verification": _verifying,
    "acceptance": lambda _m, rng, label: {"demands": [a_demand(label())] if rng.mostly() else []},
    "decline": lambda _m, rng, _: {
        "requester_told_on": rng.one_of(day(), None),
        "telling_is_unsafe": rng.one_of(True, False),
    },
    "referral": lambda _m, rng, _: {
        "receiving_body": rng.one_of("Legal Aid Fund", "Legal Aid Fund", "Sample Brand"),
        "receiver_accepted_on": rng.one_of(day(), day(), None),
    },
    "engagement": lambda m, rng, _: {"first_action": an_action(m, rng, answered=True)},
    "escalation": lambda _m, rng, _: {
        "publication_level": rng.one_of(*LEVELS),
        "reason": rng.one_of(None, None, "quiet_work_exhausted", *sorted(AT_ONCE)),
    },
    "de-escalation": lambda _m, rng, _: {
        "workers_consulted_on": rng.one_of(day(), day(), None),
        "keep_public": rng.one_of(None, "The workers ask that it can still be read."),
    },
    "agreement": lambda _m, rng, label: {
        "commitments": [a_promise(rng, label())] if rng.mostly() else [],
        "workers_accepted": rng.one_of(True, True, False),
        "workers_objection": rng.one_of(None, "It comes too late."),
    },
    "breach": _breaching,
    "monitoring": lambda _m, rng, _: {"review_on": rng.one_of(None, day(), ahead(1), ahead(300), ahead(366))},
    "suspension": lambda _m, rng, _: {
        "review_on": rng.one_of(day(), ahead(14)),
        "reason": rng.one_of("safety", "workers_request", *sorted(PUBLIC_WHILE_PAUSED)),
    },
    "resumption": lambda m, rng, _: {
        "resume_to": rng.one_of(None, None, m.offered(day(), "coordinator"), rng.one_of(*LADDER)),
        "reason": rng.one_of(None, None, "workers_request"),
    },
    "withdrawal": lambda _m, rng, _: {
        "withdrawn_by": rng.one_of("workers", "requester"),
        "withdrawn_on": rng.one_of(day(), day(3), day(10)),
    },
    "closure": _closing,
    "reopening": lambda *_: {"records": None},
    "merger": lambda _m, rng, _: {"same_dispute": rng.one_of(None, "One dispute over one list of dismissals.")},
    "handover": lambda _m, rng, _: {"receiving_entity": rng.one_of("Europe", "South Asia")},
}
CALLERS = {"information": ("caseworker",), "escalation": ("coordinator", "double")}
"""Who takes a step that few may take; any other is also tried by those who may not."""


def healing(m: Model, noun: str, body: Body, who: str) -> Body:
    """Records that would answer the guards which do not hold, as far as records can."""
    on, missing = m.day_of(noun, body), m.unmet(noun, body, who)
    level = body.get("publication_level", "person")

    def again(scope: str, subject: str = "workers", **more: Any) -> Body:
        """A yes of long ago or, where that was taken back, of the day after."""
        noes = [said_on(word) for word in m.consents if word["subject"] == subject and word["state"] in NO]
        after = date.fromisoformat(max(noes, default=day(61))) + timedelta(days=1)
        return consent(scope, subject, given_on=min(after.isoformat(), day()), **more)

    end = m.last_move
    since = day() if end.estimated else end.on
    consents = {
        "consent.take_up.workers.missing": again("take_up"),
        "consent.take_up.renewed.missing": max(
            consent("take_up", given_on=since), again("take_up"), key=lambda word: word["given_on"]
        ),
        "consent.share_external.missing": again("share_external", recipients=[body.get("receiving_body")]),
        "consent.publish.workers.missing": again(f"publish_{level}"),
        "consent.publish.partner.missing": again(f"publish_{level}", "local_partner"),
        "consent.publish.person.missing": again("publish_person", "person", of="#seven"),
        **{f"consent.{scope}.missing": again(scope) for scope in CONTACT.values()},
    }
    records: Body = {"consents": [yes for code, yes in consents.items() if code in missing]}
    if missing & {"risk.missing", "risk.stale"}:
        records["risk_assessments"] = [{"level": "high", "assessed_on": on}]
    return records
