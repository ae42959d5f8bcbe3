"""Random walks through the life of a case, each answer compared with a second reading of domain.md.

`Model` is written from domain.md alone, in plain Python, and knows nothing of the service's own table and guards.
`APPEALS_TEST_WALKS` asks for so many walks, each other every time; without it a few, always the same.
"""

import copy
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from httpx2 import Response
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from appeals.network import entity_named, grant, new_account, new_key
from appeals.vocabulary import AccountKind, Role
from tests.cast import PARTIES, Body, Person, World, consent, day, intake, organisation, step_input
from tests.conftest import PEPPER

WALKS = int(os.environ.get("APPEALS_TEST_WALKS", "0"))
STEPS_IN_A_WALK = 25

# The table of domain.md 3, typed again

INTAKE = ("received", "screening", "info_requested")
LADDER = (*INTAKE, "accepted", "engagement", "public_campaign", "remediation", "monitoring")
OPEN = {*LADDER, "suspended"}
ENDED = {"declined", "referred", "closed"}
BOTH, DECIDES = {"caseworker", "coordinator"}, {"coordinator"}
SAME, BACK = None, "back"
TABLE: dict[str, tuple[set[str], str | None, set[str]]] = {
    "acknowledgement": (OPEN, SAME, BOTH),
    "screening": ({"received"}, "screening", DECIDES),
    "information-request": ({"screening"}, "info_requested", BOTH),
    "information": ({"info_requested"}, "screening", {"partner", "caseworker"}),
    "verification": (OPEN, SAME, BOTH),
    "acceptance": ({"screening"}, "accepted", DECIDES),
    "decline": (set(INTAKE), "declined", DECIDES),
    "referral": ({"screening", "info_requested", "accepted"}, "referred", DECIDES),
    "engagement": ({"accepted"}, "engagement", BOTH),
    "escalation": ({"accepted", "engagement", "remediation", "monitoring"}, "public_campaign", DECIDES),
    "de-escalation": ({"public_campaign"}, "engagement", DECIDES),
    "agreement": ({"engagement", "public_campaign"}, "remediation", BOTH),
    "breach": ({"remediation", "monitoring"}, "engagement", BOTH),
    "monitoring": ({"engagement", "public_campaign", "remediation"}, "monitoring", DECIDES),
    "suspension": (set(LADDER), "suspended", BOTH),
    "resumption": ({"suspended"}, BACK, DECIDES),
    "withdrawal": (OPEN, "closed", DECIDES),
    "closure": ({*LADDER[3:], "suspended"}, "closed", DECIDES),
    "reopening": (ENDED, "screening", DECIDES),
    "merger": (OPEN, "closed", DECIDES),
    "handover": (OPEN, SAME, DECIDES),
    "handover-acceptance": (OPEN, SAME, DECIDES),
}
SOFT = {"risk.stale", "supply_link.weak", "quiet_action.missing", "review.pending"}
ROLES = {"coordinator": {"coordinator"}, "caseworker": {"caseworker"}, "double": {"coordinator", "reviewer"}}

# Parts of the code lists that decide something

LEVELS = ("anonymised", "named", "person")
WORKERS_SIDE = {"workers", "workers_union"}
TRUE_ENOUGH = {"confirmed", "likely", "possible"}
STRONG = {"evidenced", "confirmed_by_company", "disclosed_list"}
INADEQUATE = {"partial", "denies_link", "denies_violation", "blames_other", "deflects_to_body", "hostile_legal_threat"}
INADEQUATE |= {"no_response"}
INADEQUATE_LATER = {"investigating", "holding_reply"}
AT_ONCE = {"imminent_danger", "workers_request", "already_public"}
WITHOUT_RESULT = {"no_result", "unsafe_to_continue", "contact_lost", "taken_over_by_other"}
SETTLED = {"verified_done", "waived_by_workers", "superseded"}
PROMISED = {"promised", "in_progress", "reported_done"}
CONTACT = {"#factory": "contact_factory", "#brand": "contact_brand", "#ministry": "contact_government"}
NAMES = {party["label"]: (party.get("organisation") or party["facility"])["name"] for party in PARTIES}


def ahead(days: int) -> str:
    """The day so many days from now."""
    return day(-days)


# The model


@dataclass
class Entry:
    """A step that was taken."""

    noun: str
    before: str | None
    after: str
    on: str
    estimated: bool = False
    left_open: Body = field(default_factory=dict)


@dataclass
class Model:
    """What the case must be. Records are kept as they were sent, in the order in which they were told."""

    entries: list[Entry]
    parties: list[Body]
    consents: list[Body]
    risks: list[Body]
    demands: list[Body] = field(default_factory=list)
    commitments: list[Body] = field(default_factory=list)
    actions: list[Body] = field(default_factory=list)
    tallies: list[Body] = field(default_factory=list)
    approvals: list[Body] = field(default_factory=list)
    publications: list[Body] = field(default_factory=list)
    grade: str = "alleged"
    status: str = "received"
    came_from: str | None = None
    lead: str = "International Office"
    handed_to: str | None = None
    review_on: str | None = None
    closed_for: str | None = None
    reopened: int = 0
    version: int = 1
    told: int = 0

    # What is on record

    def tell(self, records: list[Body], said: Body) -> Body:
        """Put something on record, after all that was told before."""
        self.told += 1
        records.append({**said, "told": self.told})
        return records[-1]

    def party(self, label: str) -> Body | None:
        return next((party for party in self.parties if party["label"] == label.removeprefix("#")), None)

    def agreed(self, scope: str, on: str, subjects: set[str], recipient: str | None = None) -> bool:
        """Whether one of the subjects had agreed to a scope on a day."""
        return any(
            given["scope"] == scope
            and given["subject"] in subjects
            and in_force(given, on)
            and (recipient is None or reaches(given, recipient))
            for given in self.consents
        )

    def agreed_throughout(self, scope: str, on: str, subjects: set[str], recipient: str | None = None) -> bool:
        """Whether they had agreed on the day of the step, and agree today."""
        return all(self.agreed(scope, when, subjects, recipient) for when in (on, day()))

    def publishing(self, subjects: set[str], level: str, on: str) -> Body | None:
        """The consent of these subjects that a publication at this level may rest on."""
        wide_enough = {f"publish_{wider}" for wider in LEVELS[LEVELS.index(level) :]}
        for given in self.consents:
            fits = given["subject"] in subjects and given["scope"] in wide_enough
            if fits and in_force(given, on) and in_force(given, day()):
                return given
        return None

    def rests_on(self, level: str, on: str) -> list[Body]:
        """The consents a publication at this level needs, as far as they are there."""
        needed = [WORKERS_SIDE, {"local_partner"}, *([{"person"}] if level == "person" else [])]
        return [given for subjects in needed if (given := self.publishing(subjects, level, on))]

    @property
    def published(self) -> Body | None:
        return next((publication for publication in self.publications if publication["up"]), None)

    @property
    def level(self) -> str:
        return self.published["level"] if self.published else "none"

    @property
    def current(self) -> list[Body]:
        """The demands that no later version replaces."""
        return [demand for demand in self.demands if not demand.get("replaced")]

    def risk(self, on: str) -> Body | None:
        known = [risk for risk in self.risks if risk["assessed_on"] <= on]
        return max(known, key=lambda risk: (risk["assessed_on"], risk["told"]), default=None)

    def count(self, kind: str) -> int | None:
        told = [tally for tally in self.tallies if tally["kind"] == kind]
        newest = max(told, key=lambda tally: (tally["as_of"], tally["told"]), default=None)
        return newest["high"] if newest else None

    @property
    def held(self) -> int:
        held = self.count("held")
        return held if held is not None else max(0, (self.count("arrested") or 0) - (self.count("released") or 0))

    @property
    def charged(self) -> int:
        return max(0, (self.count("charged_named") or 0) - (self.count("charges_dropped") or 0))

    @property
    def last_move(self) -> Entry:
        return next(entry for entry in reversed(self.entries) if entry.before != entry.after)

    def left_open(self) -> Body:
        counts = {
            "demands": sum(demand["disposition"] == "active" for demand in self.current),
            "commitments": sum(promise["status"] in PROMISED for promise in self.commitments),
            "held": self.held,
            "charged": self.charged,
        }
        return {name: count for name, count in counts.items() if count}

    # What a step leads to, and what it is refused for

    def open_to(self, who: str) -> set[str]:
        """The steps that the state knows and the roles of this caller allow."""
        return {
            noun
            for noun, (sources, _, roles) in TABLE.items()
            if self.status in sources and roles & ROLES[who] and (noun != "handover-acceptance" or self.handed_to)
        }

    def target(self, noun: str, said: Body) -> str:
        after = TABLE[noun][1]
        if after == BACK:
            return said.get("resume_to") or self.came_from or ""
        return after or self.status

    def unmet(self, noun: str, said: Body, who: str) -> set[str]:
        """The codes of all that speaks against a step."""
        on = said.get("occurred_on", day())
        found = set(GUARDS[noun](self, said, on, who))
        if TABLE[noun][1] not in (SAME, "suspended") and noun != "withdrawal" and not self.follows(said, on):
            found.add("date.before_last_step")
        if "coordinator" in ROLES[who]:
            found -= SOFT & {override["guard"] for override in said.get("overrides", [])}
        return found

    def follows(self, said: Body, on: str) -> bool:
        last = self.last_move
        return said.get("occurred_precision") == "estimate" or last.estimated or on >= last.on

    def take(self, noun: str, said: Body, who: str) -> None:
        """Take a step against which nothing speaks."""
        on = said.get("occurred_on", day())
        before, after = self.status, self.target(noun, said)
        left_open = self.left_open() if after == "closed" else {}
        estimated = said.get("occurred_precision") == "estimate"
        if before != after:
            self.came_from = before if after == "suspended" else None
        self.entries.append(Entry(noun, before, after, on, estimated, left_open))
        self.status, self.version = after, self.version + 1
        EFFECTS.get(noun, _nothing_more)(self, said, on, who)

    def offered(self, on: str) -> str | None:
        """The nearest earlier open state that a suspended case may resume to."""
        below = LADDER[: LADDER.index(self.came_from)] if self.came_from in LADDER else ()
        been = {entry.after for entry in self.entries}
        for state in reversed(below):
            if state in been and state != "info_requested" and not set(self.against_entering(state, on, None, "")):
                return state
        return None

    def against_entering(self, state: str, on: str, reason: str | None, who: str) -> Iterator[str]:
        """What speaks against being in a state, whoever came there how."""
        if state == "accepted":
            yield from self.against_taking_up(on)
        elif state == "engagement":
            reached = [action["target"] for action in self.actions if action["done_on"] and action["target"]]
            yield from self.against_contact(set(reached), on)
            yield from self.against_old_risk(on, 30)
        elif state == "public_campaign":
            level = self.publications[-1]["level"] if self.publications else "anonymised"
            yield from self.against_publishing(level, on, reason)
            if not self.published:
                yield from self.against_signatures(level, on, who)
        elif state == "remediation":
            if not any(promise["status"] in PROMISED for promise in self.commitments):
                yield "commitment.missing"
        elif state == "monitoring":
            yield from self.against_monitoring(on)

    def against_taking_up(self, on: str) -> Iterator[str]:
        if not self.agreed_throughout("take_up", on, {"workers"}):
            yield "consent.take_up.workers.missing"
        if not self.current:
            yield "demand.missing"
        if self.grade not in TRUE_ENOUGH:
            yield "violation.unverified"
        brand = self.party("brand")
        linked = brand is not None and brand["link_strength"] not in {None, "disproved"}
        if not any(self.party(label) for label in ("factory", "brand", "ministry")):
            yield "target.missing"
        if not linked and not self.party("ministry"):
            yield "leverage.missing"
        if not self.risk(on):
            yield "risk.missing"

    def against_contact(self, targets: set[str], on: str) -> Iterator[str]:
        for target in targets:
            if not self.agreed_throughout(CONTACT[target], on, WORKERS_SIDE, NAMES[target[1:]]):
                yield f"consent.{CONTACT[target]}.missing"
            brand = self.party("brand")
            if target == "#brand" and brand is not None:
                shown = brand["link_strength"] in STRONG
                if not shown and not (brand["link_strength"] == "disputed" and brand.get("link_evidence")):
                    yield "supply_link.weak"

    def against_old_risk(self, on: str, days: int) -> Iterator[str]:
        risk = self.risk(on)
        if risk is None:
            yield "risk.missing"
        elif date.fromisoformat(on) - date.fromisoformat(risk["assessed_on"]) > timedelta(days):
            yield "risk.stale"

    def against_publishing(self, level: str, on: str, reason: str | None) -> Iterator[str]:
        if not self.publishing(WORKERS_SIDE, level, on):
            yield "consent.publish.workers.missing"
        if not self.publishing({"local_partner"}, level, on):
            yield "consent.publish.partner.missing"
        if level == "person" and not self.publishing({"person"}, level, on):
            yield "consent.publish.person.missing"
        yield from self.against_old_risk(on, 14)
        risk = self.risk(on)
        if risk and risk["level"] == "critical" and reason != "workers_request":
            yield "risk.critical"

    def signatures(self, level: str, on: str) -> list[Body]:
        """The approvals that count: not used, wide enough, and given knowing that the risk is critical."""
        risk = self.risk(on)
        known = risk["told"] if risk and risk["level"] == "critical" else 0
        wide_enough = LEVELS[LEVELS.index(level) :]
        return [a for a in self.approvals if not a["used"] and a["level"] in wide_enough and a["told"] >= known]

    def against_signatures(self, level: str, on: str, who: str) -> Iterator[str]:
        signed = self.signatures(level, on)
        if not signed:
            yield "signature.missing"
        elif all(approval["by"] == who for approval in signed):
            yield "signature.same_person"

    def against_monitoring(self, on: str) -> Iterator[str]:
        if any(demand["disposition"] == "active" for demand in self.current):
            yield "demand.undisposed"
        due = [promise for promise in self.commitments if promise["due_on"] < on]
        if any(promise["status"] not in SETTLED for promise in due):
            yield "commitment.unsettled"

    # What follows

    def publish(self, level: str, on: str, who: str) -> None:
        approval = next(a for a in self.signatures(level, on) if a["by"] != who)
        approval["used"] = True
        rests_on = [given["told"] for given in self.rests_on(level, on)]
        self.take_down()
        self.publications.append({"level": level, "up": True, "rests_on": rests_on})

    def take_down(self) -> None:
        for publication in self.publications:
            publication["up"] = False

    def obey(self, ended: Body) -> None:
        """Invariant 2: what rests on a consent that ended comes down, and a campaign without cover is suspended."""
        published = self.published
        if published is None or ended["told"] not in published["rests_on"] or in_force(ended, day()):
            return
        self.take_down()
        self.version += 1
        left = self.rests_on(published["level"], day())
        if len(left) == (3 if published["level"] == "person" else 2):
            rests_on = [given["told"] for given in left]
            self.publications.append({"level": published["level"], "up": True, "rests_on": rests_on})
        elif self.status == "public_campaign":
            self.take("suspension", {"review_on": ahead(14)}, "")


def in_force(given: Body, on: str) -> bool:
    """Whether a consent was given by a day and had not ended on it."""
    begun = given["state"] in {"given", "given_with_conditions", "withdrawn", "expired"} and given["given_on"] <= on
    over = (given.get("withdrawn_on") or "9999") <= on or (given.get("expires_on") or "9999") < on
    return begun and not over


def reaches(given: Body, recipient: str) -> bool:
    """Whether a consent names a recipient; one that names nobody is good for all but sharing outside."""
    named: list[str] = given.get("recipients", [])
    return recipient in named or (not named and given["scope"] != "share_external")


def unanswered(action: Body, on: str) -> bool:
    """Whether a quiet action met silence past its day, or nothing but inadequate answers."""
    if action["channel"] != "quiet" or not action["done_on"]:
        return False
    if not action["responses"]:
        return bool(action.get("answer_due_on")) and action["answer_due_on"] < on
    return all(
        answer["grade"] in INADEQUATE
        or (answer["grade"] in INADEQUATE_LATER and (answer.get("follow_up_on") or "9999") < on)
        for answer in action["responses"]
    )


# What speaks against each step


def _never(_m: Model, _said: Body, _on: str, _who: str) -> Iterator[str]:
    yield from ()


def _acknowledgement(m: Model, said: Body, on: str, _who: str) -> Iterator[str]:
    if said.get("occurred_precision") != "estimate" and on < m.entries[0].on:
        yield "acknowledgement.before_receipt"


def _screening(_m: Model, said: Body, _on: str, _who: str) -> Iterator[str]:
    if said["assignee"] == "reader":
        yield "assignee.without_role"


def _information_request(_m: Model, said: Body, on: str, _who: str) -> Iterator[str]:
    if said["due_on"] <= on:
        yield "due.not_in_future"


def _verification(m: Model, said: Body, _on: str, _who: str) -> Iterator[str]:
    verifier = said["verifying_organisation"]["name"]
    if verifier in {NAMES[label] for label in ("factory", "brand", "ministry") if m.party(label)}:
        yield "verifier.is_target"
    if verifier == "Bright Stitch Workers Union" and "same_as_requester_because" not in said:
        yield "verifier.is_requester"


def _acceptance(m: Model, _said: Body, on: str, _who: str) -> Iterator[str]:
    yield from m.against_taking_up(on)


def _decline(_m: Model, said: Body, _on: str, _who: str) -> Iterator[str]:
    if "requester_told_on" not in said and not said.get("telling_is_unsafe"):
        yield "requester.not_told"


def _referral(m: Model, said: Body, on: str, _who: str) -> Iterator[str]:
    if not m.agreed_throughout("share_external", on, WORKERS_SIDE, said["receiving_body"]):
        yield "consent.share_external.missing"
    if "receiver_accepted_on" not in said:
        yield "receiver.not_accepted"


def _engagement(m: Model, said: Body, on: str, _who: str) -> Iterator[str]:
    action = said["first_action"]
    yield from m.against_contact({action["target"]}, on)
    yield from against_action(m, action)
    yield from m.against_old_risk(on, 30)


def against_action(m: Model, action: Body) -> Iterator[str]:
    """Invariant 4: nobody is contacted before there is consent for it."""
    done, target = action.get("done_on"), action.get("target")
    if done and target and action["channel"] != "internal":
        if not m.agreed(CONTACT[target], done, WORKERS_SIDE, NAMES[target[1:]]):
            yield f"consent.{CONTACT[target]}.missing"


def _escalation(m: Model, said: Body, on: str, who: str) -> Iterator[str]:
    yield from m.against_publishing(said["publication_level"], on, said.get("reason"))
    yield from m.against_signatures(said["publication_level"], on, who)
    if said.get("reason") not in AT_ONCE:
        if not any(unanswered(action, on) for action in m.actions):
            yield "quiet_action.missing"
        if m.status == "accepted":
            yield "escalation.skips_quiet_work"


def _de_escalation(_m: Model, said: Body, _on: str, _who: str) -> Iterator[str]:
    if "workers_consulted_on" not in said:
        yield "workers.not_consulted"


def _agreement(m: Model, said: Body, _on: str, _who: str) -> Iterator[str]:
    if not any(promise["status"] in PROMISED for promise in m.commitments):
        yield "commitment.missing"
    if not said["workers_accepted"] and "workers_objection" not in said:
        yield "agreement.not_accepted"


def _breach(m: Model, said: Body, _on: str, _who: str) -> Iterator[str]:
    promise = next((p for p in m.commitments if f"#{p['label']}" == said.get("commitment")), None)
    overdue = promise and promise["status"] not in SETTLED and promise["due_on"] < said["breached_on"]
    if not overdue and not said.get("contrary_act"):
        yield "breach.not_due"


def _monitoring(m: Model, said: Body, on: str, _who: str) -> Iterator[str]:
    yield from m.against_monitoring(on)
    latest = (date.fromisoformat(on) + timedelta(365)).isoformat()
    if "review_on" in said and not on < said["review_on"] <= latest:
        yield "review.too_far"


def _resumption(m: Model, said: Body, on: str, who: str) -> Iterator[str]:
    wanted = said.get("resume_to")
    if wanted and wanted != m.came_from and wanted != m.offered(on):
        yield "resumption.not_offered"
    yield from m.against_entering(wanted or m.came_from or "", on, said.get("reason"), who)


def _closure(m: Model, said: Body, on: str, _who: str) -> Iterator[str]:
    reason = said["reason"]
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
    if reason == "settled_partial" and not said.get("workers_accept"):
        yield "settlement.not_accepted"
    if m.status == "monitoring" and (m.review_on or "") > on:
        yield "review.pending"


def _reopening(m: Model, _said: Body, on: str, _who: str) -> Iterator[str]:
    end = m.last_move
    renewed = copy.copy(m)
    renewed.consents = [
        given
        for given in m.consents
        if given["told"] > end_told(m) and (end.estimated or given["given_on"] >= end.on)
    ]
    if not renewed.agreed_throughout("take_up", on, {"workers"}):
        yield "consent.take_up.renewed.missing"


def _merger(m: Model, said: Body, _on: str, _who: str) -> Iterator[str]:
    if not m.party("factory") and "same_dispute" not in said:
        yield "survivor.unrelated"


def _handover(m: Model, said: Body, _on: str, _who: str) -> Iterator[str]:
    if said["receiving_entity"] == m.lead:
        yield "handover.to_itself"


GUARDS: dict[str, Callable[[Model, Body, str, str], Iterator[str]]] = {
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
    "handover-acceptance": _never,
}
