"""What each step records, and what it changes once no rule is against it; from domain.md alone."""

from collections.abc import Callable
from datetime import date, timedelta

from tests.support.cast import Body
from tests.support.lifecycle_model.case_model import CaseModel
from tests.support.lifecycle_model.tables import YES


def put_on_record(m: CaseModel, noun: str, body: Body) -> None:
    """Write what a step brings along, and what its own input records."""
    for word in body.get("records", {}).get("consents", []):
        m.tell(m.consents, word)
    for risk in body.get("records", {}).get("risk_assessments", []):
        m.tell(m.risks, risk)
        m.risk_brought = True
    for demand in body.get("demands", []):
        m.tell(m.demands, {"disposition": "active", **demand})
    for promise in body.get("commitments", []):
        m.tell(m.commitments, {"status": "promised", **promise})
    if noun == "engagement":
        m.tell(m.actions, {"channel": "quiet", "status": "done", "responses": [], **body["first_action"]})
    if noun == "verification":
        m.grade = body["grades"][0]["grade"]
    for outcome in body.get("outcomes", []):
        m.demands[outcome["demand"]]["disposition"] = outcome["disposition"]


def nothing_more(_m: CaseModel, _body: Body, _on: str, _who: str) -> None:
    pass


def _led(lead: Callable[[CaseModel], str]) -> Callable[[CaseModel, Body, str, str], None]:
    def effect(m: CaseModel, _body: Body, _on: str, _who: str) -> None:
        m.lead, m.handed_to = lead(m), None

    return effect


def _ended(m: CaseModel, _body: Body, _on: str, _who: str) -> None:
    m.handed_to = None


def _de_escalated(m: CaseModel, body: Body, _on: str, _who: str) -> None:
    if "keep_public" not in body:
        m.take_down()


def _published(m: CaseModel, body: Body, on: str, who: str) -> None:
    m.publish(body["publication_level"], on, who)


def _breached(m: CaseModel, body: Body, _on: str, _who: str) -> None:
    for promise in m.commitments:
        if f"#{promise['label']}" == body.get("commitment"):
            promise["status"] = "breached"
    for demand in m.current:
        if f"#{demand['label']}" == body.get("demand") and demand["disposition"] != "active":
            demand["replaced"] = True
            m.tell(m.demands, {**demand, "label": None, "disposition": "active", "replaced": False})


def _watched(m: CaseModel, body: Body, on: str, _who: str) -> None:
    m.review_on = body.get("review_on") or (date.fromisoformat(on) + timedelta(180)).isoformat()
    m.watched_until = m.review_on


def _paused(m: CaseModel, body: Body, _on: str, _who: str) -> None:
    m.review_on = body["review_on"]


def _resumed(m: CaseModel, _body: Body, on: str, who: str) -> None:
    m.review_on = m.watched_until if m.status == "monitoring" else None
    if m.status == "public_campaign" and not m.published:
        m.publish(m.publications[-1]["level"] if m.publications else "anonymised", on, who)


def _withdrawn(m: CaseModel, body: Body, _on: str, _who: str) -> None:
    m.closed_for, m.handed_to = f"withdrawn_by_{body['withdrawn_by']}", None
    if body["withdrawn_by"] == "workers":
        own = [word for word in m.consents if (word["subject"], word["scope"]) == ("workers", "take_up")]
        on = max(body["withdrawn_on"], *(word["given_on"] for word in own if word["state"] in YES), "")
        m.tell(m.consents, {"subject": "workers", "scope": "take_up", "state": "withdrawn", "on": on})


def _closed(m: CaseModel, body: Body, _on: str, _who: str) -> None:
    m.closed_for, m.handed_to = body["reason"], None


def _merged(m: CaseModel, _body: Body, _on: str, _who: str) -> None:
    m.closed_for, m.handed_to = "merged", None


def _reopened(m: CaseModel, _body: Body, _on: str, _who: str) -> None:
    m.closed_for, m.reopened = None, m.reopened + 1


def _handed(m: CaseModel, body: Body, _on: str, _who: str) -> None:
    m.handed_to = body["receiving_entity"]


EFFECTS: dict[str, Callable[[CaseModel, Body, str, str], None]] = {
    "screening": _led(lambda _: "South Asia"),
    "decline": _ended,
    "referral": _ended,
    "escalation": _published,
    "de-escalation": _de_escalated,
    "breach": _breached,
    "monitoring": _watched,
    "suspension": _paused,
    "resumption": _resumed,
    "withdrawal": _withdrawn,
    "closure": _closed,
    "merger": _merged,
    "reopening": _reopened,
    "handover": _handed,
    "handover-acceptance": _led(lambda m: m.handed_to or ""),
}
