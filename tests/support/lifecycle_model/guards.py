"""The rules against each step, from domain.md alone."""

import copy
from collections.abc import Callable, Iterator
from datetime import date, timedelta

from tests.support.cast import Body, day
from tests.support.lifecycle_model.case_model import CaseModel, said_on, unanswered
from tests.support.lifecycle_model.tables import AT_ONCE, CONTACT, NAMES, NO, PROMISED, SETTLED, WITHOUT_RESULT


def _never(_m: CaseModel, _body: Body, _on: str, _who: str) -> Iterator[str]:
    yield from ()


def _acknowledgement(m: CaseModel, body: Body, on: str, _who: str) -> Iterator[str]:
    if body.get("occurred_precision") != "estimate" and on < m.entries[0].on:
        yield "acknowledgement.before_receipt"


def _screening(_m: CaseModel, body: Body, _on: str, _who: str) -> Iterator[str]:
    if body["assignee"] == "reader":
        yield "assignee.without_role"


def _information_request(_m: CaseModel, body: Body, on: str, _who: str) -> Iterator[str]:
    if body["due_on"] <= on:
        yield "due.not_in_future"


def _verification(m: CaseModel, body: Body, _on: str, _who: str) -> Iterator[str]:
    verifier = body["verifying_organisation"]["name"]
    if verifier in {NAMES[label] for label in ("factory", "brand", "ministry") if m.party(label)}:
        yield "verifier.is_target"
    if verifier == "Bright Stitch Workers Union" and "same_as_requester_because" not in body:
        yield "verifier.is_requester"


def _acceptance(m: CaseModel, _body: Body, on: str, _who: str) -> Iterator[str]:
    yield from m.against_taking_up(on)


def _decline(_m: CaseModel, body: Body, _on: str, _who: str) -> Iterator[str]:
    if "requester_told_on" not in body and not body.get("telling_is_unsafe"):
        yield "requester.not_told"


def _referral(m: CaseModel, body: Body, on: str, _who: str) -> Iterator[str]:
    if not all(m.may_contact("share_external", when, body["receiving_body"]) for when in (on, day())):
        yield "consent.share_external.missing"
    if "receiver_accepted_on" not in body:
        yield "receiver.not_accepted"


def _engagement(m: CaseModel, body: Body, on: str, _who: str) -> Iterator[str]:
    action = body["first_action"]
    yield from m.against_contact({action["target"]}, on)
    yield from against_action(m, action)
    yield from m.against_old_risk(on, 30)


def against_tally(tallies: list[Body], tally: Body) -> set[str]:
    """Invariant 9: nobody is released who was not held, and no charge is dropped that was not brought."""
    for begun, over in ((("arrested", "held"), "released"), (("charged_named",), "charges_dropped")):
        for day_ in {other["as_of"] for other in tallies if other["kind"] == over and other["as_of"] >= tally["as_of"]}:
            known = [other for other in tallies if other["as_of"] <= day_]
            most = max((other["high"] for other in known if other["kind"] in begun), default=0)
            newest = max(other["as_of"] for other in known if other["kind"] == over)
            least = [other["low"] for other in known if (other["kind"], other["as_of"]) == (over, newest)][-1]
            if tally["kind"] == over and least > most:
                return {"tally.never_inside"}
    return set()


def against_action(m: CaseModel, action: Body) -> Iterator[str]:
    """Invariant 4: nobody is contacted before there is consent for it, and nothing done in public."""
    done, target = action.get("done_on"), action.get("target")
    if not done or action["kind"] == "internal_coordination":
        return
    if action["kind"] == "petition":
        for subject, code in (("workers", "workers"), ("local_partner", "partner")):
            if m.answer(subject, "publish_anonymised", done) != "yes":
                yield f"consent.publish.{code}.missing"
        if not target:
            return
    scope, name = (CONTACT[target], NAMES[target[1:]]) if target else ("contact_brand", "")
    if not m.may_contact(scope, done, name):
        yield f"consent.{scope}.missing"


def _escalation(m: CaseModel, body: Body, on: str, who: str) -> Iterator[str]:
    yield from m.against_publishing(body["publication_level"], on, body.get("reason"), who)
    yield from m.against_signatures(body["publication_level"], on, who)
    if body.get("reason") not in AT_ONCE:
        if not any(unanswered(action, on) for action in m.actions):
            yield "quiet_action.missing"
        if m.status == "accepted":
            yield "escalation.skips_quiet_work"


def _de_escalation(_m: CaseModel, body: Body, _on: str, _who: str) -> Iterator[str]:
    if "workers_consulted_on" not in body:
        yield "workers.not_consulted"


def _agreement(m: CaseModel, body: Body, _on: str, _who: str) -> Iterator[str]:
    if not any(promise["status"] in PROMISED for promise in m.commitments):
        yield "commitment.missing"
    if not body["workers_accepted"] and "workers_objection" not in body:
        yield "agreement.not_accepted"


def _breach(m: CaseModel, body: Body, _on: str, _who: str) -> Iterator[str]:
    promise = next((p for p in m.commitments if f"#{p['label']}" == body.get("commitment")), None)
    overdue = promise and promise["status"] not in SETTLED and promise["due_on"] < body["breached_on"]
    let_go = promise and promise["status"] in {"waived_by_workers", "superseded"}
    if let_go or not (overdue or body.get("contrary_act")):
        yield "breach.not_due"


def _monitoring(m: CaseModel, body: Body, on: str, _who: str) -> Iterator[str]:
    yield from m.against_monitoring(on)
    latest = (date.fromisoformat(on) + timedelta(365)).isoformat()
    if "review_on" in body and not on < body["review_on"] <= latest:
        yield "review.too_far"


def _resumption(m: CaseModel, body: Body, on: str, who: str) -> Iterator[str]:
    state = body.get("resume_to")
    if state and state != m.came_from and state != m.offered(on, who):
        yield "resumption.not_offered"
    yield from m.against_entering(state or m.came_from or "", on, body.get("reason"), who)


def _closure(m: CaseModel, body: Body, on: str, _who: str) -> Iterator[str]:
    reason = body["reason"]
    kept = {d["disposition"] for d in m.current if d["disposition"] != "dropped_by_workers"}
    if reason not in WITHOUT_RESULT:
        left = m.left_open()
        codes = {
            "demands": "demand.undisposed",
            "commitments": "commitment.open",
            "held": "detention.open",
            "charged": "charges.open",
        }
        yield from (code for name, code in codes.items() if name in left)
    gained = bool(kept & {"met", "partly_met"})
    agrees = {"demands_met": kept == {"met"}, "settled_partial": gained, "no_result": not gained}
    if not agrees.get(reason, True):
        yield "close_reason.disagrees"
    if reason == "settled_partial" and not body.get("workers_accept"):
        yield "settlement.not_accepted"
    if "monitoring" in {m.status, m.came_from} and (m.watched_until or "") > on:
        yield "review.pending"


def _reopening(m: CaseModel, _body: Body, on: str, _who: str) -> Iterator[str]:
    end = m.last_move
    renewed = copy.copy(m)
    since = day() if end.estimated else max(end.on, day(30))
    renewed.consents = [
        c for c in m.consents if c["state"] in NO or (c["sequence"] > end.sequence and said_on(c) >= since)
    ]
    if not renewed.agreed_throughout("workers", "take_up", on):
        yield "consent.take_up.renewed.missing"


def _merger(m: CaseModel, body: Body, _on: str, _who: str) -> Iterator[str]:
    if not m.party("factory") and "same_dispute" not in body:
        yield "survivor.unrelated"


def _handover(m: CaseModel, body: Body, _on: str, _who: str) -> Iterator[str]:
    if body["receiving_entity"] == m.lead:
        yield "handover.to_itself"


def _handover_acceptance(m: CaseModel, _body: Body, _on: str, _who: str) -> Iterator[str]:
    if m.handed_to is None:
        yield "handover.not_proposed"


GUARDS: dict[str, Callable[[CaseModel, Body, str, str], Iterator[str]]] = {
    "acknowledgement": _acknowledgement,
    "screening": _screening,
    "information-request": _information_request,
    "information": _never,
    "verification": _verification,
    "acceptance": _acceptance,
    "decline": _decline,
    "referral": _referral,
    "engagement": _engagement,
    "escalation": _escalation,
    "de-escalation": _de_escalation,
    "agreement": _agreement,
    "breach": _breach,
    "monitoring": _monitoring,
    "suspension": _never,
    "resumption": _resumption,
    "withdrawal": _never,
    "closure": _closure,
    "reopening": _reopening,
    "merger": _merger,
    "handover": _handover,
    "handover-acceptance": _handover_acceptance,
}
