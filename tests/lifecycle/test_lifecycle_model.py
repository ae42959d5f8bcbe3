"""Random walks through the life of a case, each answer compared with a second reading of domain.md.

`Model` is written from domain.md alone, in plain Python, and knows nothing of the service's own table and guards.
"""

import copy
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from httpx2 import Response
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from appeals.vocabulary import Role
from tests.support.cast import (
    DISPOSE,
    PARTIES,
    WAY,
    Body,
    Person,
    World,
    consent,
    day,
    intake,
    organisation,
    step_input,
)

STEPS_IN_A_WALK = 25
log = logging.getLogger(__name__)

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
OVERRIDES = [{"guard": code, "reason": "It cannot wait."} for code in sorted(SOFT)]
ROLES = {"coordinator": {"coordinator"}, "caseworker": {"caseworker"}, "double": {"coordinator", "reviewer"}}

# Parts of the code lists that decide something

LEVELS = ("anonymised", "named", "person")
PUBLISHING = tuple(f"publish_{level}" for level in LEVELS)
YES, NO = {"given", "given_with_conditions"}, {"refused", "withdrawn"}
PUBLIC_WHILE_PAUSED = {"negotiation_pause", "awaiting_proceeding", "contact_lost"}
CALLED_OFF = {"withdrawn_by_workers", "withdrawn_by_requester", "merged", "unsafe_to_continue"}
UNTRUE = {"unlikely", "refuted"}
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
    told: int
    estimated: bool = False
    left_open: Body = field(default_factory=dict)
    reason: str | None = None


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
    watched_until: str | None = None
    closed_for: str | None = None
    priority: str = "normal"
    reopened: int = 0
    version: int = 1
    told: int = 0
    risk_brought: bool = False

    # What is on record

    def tell(self, records: list[Body], said: Body) -> Body:
        """Put something on record, after all that was told before."""
        self.told += 1
        records.append({**said, "told": self.told})
        return records[-1]

    def party(self, label: str) -> Body | None:
        return next((party for party in self.parties if party["label"] == label.removeprefix("#")), None)

    def answer(self, subject: str, scope: str, on: str, recipient: str | None = None) -> str | None:
        """The last word of a voice to a scope, as of a day: "yes", "no", or None where it is silent."""
        heard = [
            word
            for word in self.consents
            if word["subject"] == subject and said_on(word) <= on and is_for(word, recipient)
        ]
        yes, noes = ([word for word in heard if word["state"] in states] for states in (YES, NO))
        for no in noes:
            lifting = {*wider(scope), *(["take_up"] if no["scope"] == "take_up" else [])}
            if ends(no, scope) and not any(y["scope"] in lifting and said_on(y) > said_on(no) for y in yes):
                return "no"
        return "yes" if any(self.in_force(yes, noes, covering, on) for covering in wider(scope)) else None

    def in_force(self, yes: list[Body], noes: list[Body], scope: str, on: str) -> bool:
        """Whether the newest yes to a scope was neither ended by a no nor has run out."""
        alive = [
            word
            for word in yes
            if word["scope"] == scope and not any(ends(no, scope) and said_on(no) >= said_on(word) for no in noes)
        ]
        newest = max(map(said_on, alive), default="")
        return bool(alive) and all((w.get("expires_on") or "9999") >= on for w in alive if said_on(w) == newest)

    def agreed_throughout(self, subject: str, scope: str, on: str) -> bool:
        """Whether a voice had agreed on the day of the step, and agrees today."""
        return all(self.answer(subject, scope, when) == "yes" for when in (on, day()))

    def may_contact(self, scope: str, on: str, recipient: str) -> bool:
        """Whether the workers had agreed that somebody is contacted, and the partner had not refused it."""
        refused = self.answer("local_partner", scope, on, recipient) == "no"
        return not refused and self.answer("workers", scope, on, recipient) == "yes"

    def is_void(self, signed: Body, level: str) -> bool:
        """Whether a no speaks to what was signed, and no newer yes of that voice was on record then."""
        for no in (word for word in self.consents if word["state"] in NO):
            own = no["subject"] == "person"
            scope = "publish_person" if own else f"publish_{level}"
            if not ends(no, scope) or (own and not (level == "person" and signed["of_person"])):
                continue
            lifting = {"take_up"} if no["scope"] == "take_up" else wider(scope)
            newer = (y for y in self.consents if y["subject"] == no["subject"] and said_on(y) > said_on(no))
            if not any(y["state"] in YES and y["scope"] in lifting and y["told"] <= signed["told"] for y in newer):
                return True
        return False

    def is_untrue(self, signed: Body, level: str) -> bool:
        """Whether something that it shows turned out to be untrue."""
        brand = self.party("brand") or {"link_strength": None}
        link = level != "anonymised" and signed["shows_brand"] and brand["link_strength"] == "disproved"
        return link or (signed["shows_violation"] and self.grade in UNTRUE)

    @property
    def is_accepted(self) -> bool:
        decided = [e.noun for e in self.entries if e.noun in {"acceptance", "decline", "referral"}]
        return decided[-1:] == ["acceptance"]

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

    def newest(self, kind: str) -> Body:
        told = [tally for tally in self.tallies if tally["kind"] == kind]
        nothing = {"low": 0, "high": 0, "as_of": ""}
        return max(told, key=lambda tally: (tally["as_of"], tally["told"]), default=nothing)

    def left(self, begun: str, ended: str) -> int:
        """The most for whom it began, less the least for whom it surely ended."""
        left: int = self.newest(begun)["high"] - self.newest(ended)["low"]
        return max(0, left)

    @property
    def held(self) -> int:
        held, arrested = self.newest("held"), self.newest("arrested")
        counted = self.left("arrested", "released")
        told: int = held["high"]
        if not held["as_of"]:
            return counted
        return max(told, counted) if arrested["as_of"] > held["as_of"] else told

    @property
    def charged(self) -> int:
        return self.left("charged_named", "charges_dropped")

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
        return {noun for noun, (sources, _, roles) in TABLE.items() if self.status in sources and roles & ROLES[who]}

    def target(self, noun: str, said: Body) -> str:
        after = TABLE[noun][1]
        if after == BACK:
            return said.get("resume_to") or self.came_from or ""
        return after or self.status

    def unmet(self, noun: str, said: Body, who: str) -> set[str]:
        """The codes of all that speaks against a step."""
        on = self.day_of(noun, said)
        found = set(GUARDS[noun](self, said, on, who))
        if TABLE[noun][1] not in (SAME, "suspended") and noun != "withdrawal" and not self.follows(said, on):
            found.add("date.before_last_step")
        if "coordinator" in ROLES[who]:
            found -= SOFT & {override["guard"] for override in said.get("overrides", [])}
        return found

    def day_of(self, noun: str, said: Body) -> str:
        """The day on which a step was taken: a withdrawal names its own."""
        on: str = said.get("occurred_on") or (said["withdrawn_on"] if noun == "withdrawal" else day())
        return on

    def follows(self, said: Body, on: str) -> bool:
        last = self.last_move
        return said.get("occurred_precision") == "estimate" or last.estimated or on >= last.on

    def take(self, noun: str, said: Body, who: str) -> None:
        """Take a step against which nothing speaks."""
        on = self.day_of(noun, said)
        before, after = self.status, self.target(noun, said)
        left_open = self.left_open() if after == "closed" else {}
        estimated = said.get("occurred_precision") == "estimate"
        if before != after:
            self.came_from = before if after == "suspended" else None
            self.review_on = None
        self.told += 1
        reason = said.get("reason") if noun == "suspension" else None
        self.entries.append(Entry(noun, before, after, on, self.told, estimated, left_open, reason))
        self.status, self.version = after, self.version + 1
        EFFECTS.get(noun, _nothing_more)(self, said, on, who)

    def offered(self, on: str, who: str) -> str | None:
        """The nearest earlier open state that a suspended case may resume to."""
        below = LADDER[: LADDER.index(self.came_from)] if self.came_from in LADDER else ()
        been = {entry.after for entry in self.entries}
        for state in reversed(below):
            if state in been and state != "info_requested" and not set(self.against_entering(state, on, None, who)):
                return state
        return None

    def against_entering(self, state: str, on: str, reason: str | None, who: str) -> Iterator[str]:
        """What speaks against being in a state, whoever came there how."""
        if state in LADDER[LADDER.index("engagement") :]:
            yield from self.against_going_on(on)
        if state == "accepted":
            yield from self.against_taking_up(on)
        elif state == "engagement":
            outward = [action for action in self.actions if action["kind"] != "internal_coordination"]
            reached = [action["target"] for action in outward if action["done_on"] and action["target"]]
            yield from self.against_contact(set(reached), on)
            yield from self.against_old_risk(on, 30)
        elif state == "public_campaign":
            level = self.publications[-1]["level"] if self.publications else "anonymised"
            yield from self.against_publishing(level, on, reason, who)
            if not self.published:
                yield from self.against_signatures(level, on, who)
        elif state == "remediation":
            if not any(promise["status"] in PROMISED for promise in self.commitments):
                yield "commitment.missing"
        elif state == "monitoring":
            yield from self.against_monitoring(on)

    def against_going_on(self, on: str) -> Iterator[str]:
        if not self.agreed_throughout("workers", "take_up", on):
            yield "consent.take_up.workers.missing"

    def against_taking_up(self, on: str) -> Iterator[str]:
        yield from self.against_going_on(on)
        if not any(demand["disposition"] == "active" for demand in self.current):
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
            if not all(self.may_contact(CONTACT[target], when, NAMES[target[1:]]) for when in (on, day())):
                yield f"consent.{CONTACT[target]}.missing"
            brand = self.party("brand")
            if target == "#brand" and brand is not None:
                shown = brand["link_strength"] in STRONG
                if not shown and not (brand["link_strength"] == "disputed" and brand.get("link_evidence")):
                    yield "supply_link.weak"

    def against_old_risk(self, on: str, days: int, *, public: bool = False) -> Iterator[str]:
        """What becomes public now asks for a fresh look also today, or one brought along with the step."""
        risk = self.risk(on)
        if risk is None:
            yield "risk.missing"
        elif age(risk, on) > days or (public and not self.risk_brought and age(self.risk(day()), day()) > days):
            yield "risk.stale"

    def against_publishing(self, level: str, on: str, reason: str | None, who: str) -> Iterator[str]:
        signed = self.published if self.status == "suspended" else None
        signed = signed or next((a for a in reversed(self.signatures(level, on)) if a["by"] != who), None)
        yield from self.against_going_on(on)
        if self.grade not in TRUE_ENOUGH:
            yield "violation.unverified"
        for subject, code in (("workers", "workers"), ("local_partner", "partner")):
            if not self.agreed_throughout(subject, f"publish_{level}", on):
                yield f"consent.publish.{code}.missing"
        if level == "person" and not self.shows_who_agreed(signed, on):
            yield "consent.publish.person.missing"
        if signed and self.is_untrue(signed, level):
            yield "publication.disproved"
        yield from self.against_old_risk(on, 14, public=True)
        if self.critical(on) and reason != "workers_request":
            yield "risk.critical"

    def shows_who_agreed(self, signed: Body | None, on: str) -> bool:
        """Whether the person whom a page would name is on it and agreed to that."""
        return (signed is None or signed["of_person"]) and self.agreed_throughout("person", "publish_person", on)

    def critical(self, on: str) -> Body | None:
        """The assessment of a critical risk that was known on a day, or is now."""
        known = [risk for risk in (self.risk(on), self.risk(ahead(1))) if risk and risk["level"] == "critical"]
        return known[0] if known else None

    def signatures(self, level: str, on: str) -> list[Body]:
        """The approvals that count: not used, wide enough, and given knowing that the risk is critical."""
        critical = self.critical(on)
        known = critical["told"] if critical else 0
        wide_enough = LEVELS[LEVELS.index(level) :]
        unused = [a for a in self.approvals if not a["used"] and a["level"] in wide_enough and a["told"] >= known]
        return [a for a in unused if not self.is_void(a, level)]

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
        signed = next(a for a in reversed(self.signatures(level, on)) if a["by"] != who)
        signed["used"] = True
        self.take_down()
        shown = {name: signed[name] for name in ("of_person", "shows_brand", "shows_violation")}
        self.tell(self.publications, {"level": level, "up": True, **shown})

    def take_down(self) -> None:
        for publication in self.publications:
            publication["up"] = False

    def against_the_page(self, page: Body) -> Iterator[str]:
        """Why what is up may not be up: in "word", in "fact", or because of what happened to the case."""
        level, reason = page["level"], self.last_move.reason
        if not self.is_accepted or self.closed_for in CALLED_OFF:
            yield "case"
        if self.status == "suspended" and reason not in PUBLIC_WHILE_PAUSED:
            yield "case"
        own = level == "person" and self.answer("person", "publish_person", day()) != "yes"
        sides = (self.answer(subject, f"publish_{level}", day()) for subject in ("workers", "local_partner"))
        wanted = self.answer("workers", "take_up", day()) == "yes"
        if own or not wanted or set(sides) != {"yes"} or self.is_void(page, level):
            yield "word"
        if self.grade not in TRUE_ENOUGH or self.is_untrue(page, level):
            yield "fact"

    def follow(self, since: int) -> None:
        """What follows from any write (domain.md 8): since which told thing the write began, is said."""
        page = self.published
        against = set(self.against_the_page(page)) if page else set()
        if against:
            self.take_down()
            self.version += 1
            if self.status == "public_campaign":
                self.pause("verification_doubt" if against == {"fact"} else "consent_withdrawn")
        if self.status in LADDER[LADDER.index("accepted") :] and any(map(self.refuses_taking_up, self.since(since))):
            self.pause("consent_withdrawn")

    def since(self, told: int) -> list[Body]:
        return [word for word in self.consents if word["told"] > told]

    def refuses_taking_up(self, word: Body) -> bool:
        """Whether it is a no to taking the case up that no newer yes of that voice lifts."""
        yes = (w for w in self.consents if w["state"] in YES and w["subject"] == word["subject"])
        lifted = any(w["scope"] == "take_up" and said_on(w) > said_on(word) for w in yes)
        return word["state"] in NO and word["scope"] == "take_up" and not lifted

    def pause(self, reason: str) -> None:
        self.take("suspension", {"review_on": ahead(14), "reason": reason}, "")


def wider(scope: str) -> tuple[str, ...]:
    """The scope, and of publications the wider ones: a yes to them covers it, a no to it ends them."""
    return PUBLISHING[PUBLISHING.index(scope) :] if scope in PUBLISHING else (scope,)


def ends(no: Body, scope: str) -> bool:
    """Whether a no speaks to a scope; one to taking the case up does to all but keeping it."""
    return scope != "retain" if no["scope"] == "take_up" else scope in wider(no["scope"])


def said_on(word: Body) -> str:
    """The day of a word; of what was only asked for a day that never comes."""
    day_: str = word["given_on"] if word["state"] in YES else word["on"] if word["state"] in NO else "9999"
    return day_


def is_for(word: Body, recipient: str | None) -> bool:
    """Whether a word is one for a recipient; sharing outside is for those alone who are named."""
    named: list[str] = word.get("recipients") or []
    if not named:
        return not (word["state"] in YES and word["scope"] == "share_external")
    return recipient in named if recipient else word["state"] in NO


def age(risk: Body | None, on: str) -> int:
    """How many days old an assessment is; without one, too many."""
    return (date.fromisoformat(on) - date.fromisoformat(risk["assessed_on"])).days if risk else 9999


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
    if not all(m.may_contact("share_external", when, said["receiving_body"]) for when in (on, day())):
        yield "consent.share_external.missing"
    if "receiver_accepted_on" not in said:
        yield "receiver.not_accepted"


def _engagement(m: Model, said: Body, on: str, _who: str) -> Iterator[str]:
    action = said["first_action"]
    yield from m.against_contact({action["target"]}, on)
    yield from against_action(m, action)
    yield from m.against_old_risk(on, 30)


def against_tally(tallies: list[Body], told: Body) -> set[str]:
    """Invariant 9: nobody is released who was not held, and no charge is dropped that was not brought."""
    for begun, over in ((("arrested", "held"), "released"), (("charged_named",), "charges_dropped")):
        for day_ in {other["as_of"] for other in tallies if other["kind"] == over and other["as_of"] >= told["as_of"]}:
            known = [other for other in tallies if other["as_of"] <= day_]
            most = max((other["high"] for other in known if other["kind"] in begun), default=0)
            newest = max(other["as_of"] for other in known if other["kind"] == over)
            least = [other["low"] for other in known if (other["kind"], other["as_of"]) == (over, newest)][-1]
            if told["kind"] == over and least > most:
                return {"tally.never_inside"}
    return set()


def against_action(m: Model, action: Body) -> Iterator[str]:
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


def _escalation(m: Model, said: Body, on: str, who: str) -> Iterator[str]:
    yield from m.against_publishing(said["publication_level"], on, said.get("reason"), who)
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
    let_go = promise and promise["status"] in {"waived_by_workers", "superseded"}
    if let_go or not (overdue or said.get("contrary_act")):
        yield "breach.not_due"


def _monitoring(m: Model, said: Body, on: str, _who: str) -> Iterator[str]:
    yield from m.against_monitoring(on)
    latest = (date.fromisoformat(on) + timedelta(365)).isoformat()
    if "review_on" in said and not on < said["review_on"] <= latest:
        yield "review.too_far"


def _resumption(m: Model, said: Body, on: str, who: str) -> Iterator[str]:
    wanted = said.get("resume_to")
    if wanted and wanted != m.came_from and wanted != m.offered(on, who):
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
    if "monitoring" in {m.status, m.came_from} and (m.watched_until or "") > on:
        yield "review.pending"


def _reopening(m: Model, _said: Body, on: str, _who: str) -> Iterator[str]:
    end = m.last_move
    renewed = copy.copy(m)
    since = day() if end.estimated else max(end.on, day(30))
    renewed.consents = [c for c in m.consents if c["state"] in NO or (c["told"] > end.told and said_on(c) >= since)]
    if not renewed.agreed_throughout("workers", "take_up", on):
        yield "consent.take_up.renewed.missing"


def _merger(m: Model, said: Body, _on: str, _who: str) -> Iterator[str]:
    if not m.party("factory") and "same_dispute" not in said:
        yield "survivor.unrelated"


def _handover(m: Model, said: Body, _on: str, _who: str) -> Iterator[str]:
    if said["receiving_entity"] == m.lead:
        yield "handover.to_itself"


def _handover_acceptance(m: Model, _said: Body, _on: str, _who: str) -> Iterator[str]:
    if m.handed_to is None:
        yield "handover.not_proposed"


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
    "handover-acceptance": _handover_acceptance,
}


# What each step puts on record before it is judged, and what it changes once nothing speaks against it


def put_on_record(m: Model, noun: str, said: Body) -> None:
    """Write what a step brings along, and what its own input records."""
    for given in said.get("records", {}).get("consents", []):
        m.tell(m.consents, given)
    for risk in said.get("records", {}).get("risk_assessments", []):
        m.tell(m.risks, risk)
        m.risk_brought = True
    for demand in said.get("demands", []):
        m.tell(m.demands, {"disposition": "active", **demand})
    for promise in said.get("commitments", []):
        m.tell(m.commitments, {"status": "promised", **promise})
    if noun == "engagement":
        m.tell(m.actions, {"channel": "quiet", "status": "done", "responses": [], **said["first_action"]})
    if noun == "verification":
        m.grade = said["grades"][0]["grade"]
    for outcome in said.get("outcomes", []):
        m.demands[outcome["demand"]]["disposition"] = outcome["disposition"]


def _nothing_more(_m: Model, _said: Body, _on: str, _who: str) -> None:
    pass


def _led(lead: Callable[[Model], str]) -> Callable[[Model, Body, str, str], None]:
    def effect(m: Model, _said: Body, _on: str, _who: str) -> None:
        m.lead, m.handed_to = lead(m), None

    return effect


def _ended(m: Model, _said: Body, _on: str, _who: str) -> None:
    m.handed_to = None


def _de_escalated(m: Model, said: Body, _on: str, _who: str) -> None:
    if "keep_public" not in said:
        m.take_down()


def _published(m: Model, said: Body, on: str, who: str) -> None:
    m.publish(said["publication_level"], on, who)


def _breached(m: Model, said: Body, _on: str, _who: str) -> None:
    for promise in m.commitments:
        if f"#{promise['label']}" == said.get("commitment"):
            promise["status"] = "breached"
    for demand in m.current:
        if f"#{demand['label']}" == said.get("demand") and demand["disposition"] != "active":
            demand["replaced"] = True
            m.tell(m.demands, {**demand, "label": None, "disposition": "active", "replaced": False})


def _watched(m: Model, said: Body, on: str, _who: str) -> None:
    m.review_on = said.get("review_on") or (date.fromisoformat(on) + timedelta(180)).isoformat()
    m.watched_until = m.review_on


def _paused(m: Model, said: Body, _on: str, _who: str) -> None:
    m.review_on = said["review_on"]


def _resumed(m: Model, _said: Body, on: str, who: str) -> None:
    m.review_on = m.watched_until if m.status == "monitoring" else None
    if m.status == "public_campaign" and not m.published:
        m.publish(m.publications[-1]["level"] if m.publications else "anonymised", on, who)


def _withdrawn(m: Model, said: Body, _on: str, _who: str) -> None:
    m.closed_for, m.handed_to = f"withdrawn_by_{said['withdrawn_by']}", None
    if said["withdrawn_by"] == "workers":
        own = [word for word in m.consents if (word["subject"], word["scope"]) == ("workers", "take_up")]
        on = max(said["withdrawn_on"], *(word["given_on"] for word in own if word["state"] in YES), "")
        m.tell(m.consents, {"subject": "workers", "scope": "take_up", "state": "withdrawn", "on": on})


def _closed(m: Model, said: Body, _on: str, _who: str) -> None:
    m.closed_for, m.handed_to = said["reason"], None


def _merged(m: Model, _said: Body, _on: str, _who: str) -> None:
    m.closed_for, m.handed_to = "merged", None


def _reopened(m: Model, _said: Body, _on: str, _who: str) -> None:
    m.closed_for, m.reopened = None, m.reopened + 1


def _handed(m: Model, said: Body, _on: str, _who: str) -> None:
    m.handed_to = said["receiving_entity"]


EFFECTS: dict[str, Callable[[Model, Body, str, str], None]] = {
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


# What a walk says


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
    said = {**step_input(noun), **INPUTS.get(noun, _as_ever)(m, rng, label)}
    if rng.seldom():
        said["occurred_on"] = rng.one_of(day(3), day(20), day(45))
    if rng.seldom() and rng.seldom():
        said["occurred_precision"] = "estimate"
    if rng.seldom() and noun != "withdrawal":
        said["overrides"] = OVERRIDES
    if noun == "engagement" and said.get("occurred_on", day()) < said["first_action"]["done_on"]:
        del said["occurred_on"]
    return {name: value for name, value in said.items() if value is not None}


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
    told = {"text": "All are reinstated.", "kind": "reinstatement", "how_verified": "The union counts."}
    return {"label": label, "promisor": "#requester", "due_on": due, **told}


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
    told = [{"demand": i, "disposition": rng.one_of("met", "partly_met", "not_met")} for i in active if rng.mostly()]
    reason = rng.one_of("demands_met", "settled_partial", "overtaken_by_events", rng.one_of(*sorted(WITHOUT_RESULT)))
    return {"reason": reason, "outcomes": told, "workers_accept": rng.one_of(True, False)}


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


def healing(m: Model, noun: str, said: Body, who: str) -> Body:
    """Records that would answer the guards which do not hold, as far as records can."""
    on, missing = m.day_of(noun, said), m.unmet(noun, said, who)
    level = said.get("publication_level", "person")

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
        "consent.share_external.missing": again("share_external", recipients=[said.get("receiving_body")]),
        "consent.publish.workers.missing": again(f"publish_{level}"),
        "consent.publish.partner.missing": again(f"publish_{level}", "local_partner"),
        "consent.publish.person.missing": again("publish_person", "person", of="#seven"),
        **{f"consent.{scope}.missing": again(scope) for scope in CONTACT.values()},
    }
    records: Body = {"consents": [given for code, given in consents.items() if code in missing]}
    if missing & {"risk.missing", "risk.stale"}:
        records["risk_assessments"] = [{"level": "high", "assessed_on": on}]
    return records


# The walk


class Walk(RuleBasedStateMachine):
    """One case, walked at random; after each step the service and the model must agree."""

    world: World
    double: Person
    met: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.labels = 0

    def label(self) -> str:
        self.labels += 1
        return f"label-{self.labels}"

    def person(self, who: str) -> Person:
        return self.double if who == "double" else self.world.as_(who)

    def number(self, noun: str, index: int) -> str:
        """The id of the record that stands at this place."""
        number: str = self.world.records(self.reference, noun)[index]["id"]
        return number

    @initialize(chance=st.randoms(use_true_random=True))
    def log(self, chance: Random) -> None:
        rng = Dice(chance)
        strength = rng.one_of("evidenced", "evidenced", "claimed", "disputed", "disproved", None)
        evidence = rng.one_of(None, "Labels photographed on the line.")
        begin = rng.one_of("received", "screening", "screening", "accepted", "engagement", *LADDER[5:])
        parties = [{**party} for party in PARTIES if begin in LADDER[3:] or rng.mostly()]
        for party in parties:
            if party["label"] == "brand":
                party |= {"link_strength": strength, "link_evidence": evidence}
        consents = [a_consent(rng, self.label()) for _ in range(rng.one_of(0, 1, 2))]
        if rng.one_of(True, False):
            consents += [consent("take_up"), *(consent(scope) for scope in CONTACT.values())]
        risks = [a_risk(rng)] if rng.mostly() else []
        people = [{"label": "seven", "pseudonym": "Worker Seven"}]
        records = {"parties": parties, "people": people, "consents": consents, "risk_assessments": risks}
        answer = self.world.coordinator.post("/v1/cases", intake(records=records))
        assert answer.status_code == 201, answer.text
        self.reference = answer.json()["reference"]
        self.model = Model([Entry("intake", None, "received", day(30), 0)], [], [], [])
        self.model.parties = parties
        put_on_record(self.model, "intake", {"records": records})
        self.agree_on(answer.json())
        for noun in WAY[begin]:
            self.go(noun, rng)

    def go(self, noun: str, rng: Dice) -> None:
        """Take a step of the way to the state where the walk begins, unless a guard ends the way before."""
        if noun == DISPOSE:
            return self.dispose(rng)
        if noun == "escalation":
            self.sign(rng)
        said = {**step_input(noun), "overrides": OVERRIDES}
        return self.send(noun, said, "coordinator", heal=True)

    @rule(chance=st.randoms(use_true_random=True))
    def live_on(self, chance: Random) -> None:
        """A step, or a record, or a look. One rule: several would be left out by turns, and whole walks stand still."""
        rng = Dice(chance)
        happens = rng.one_of(self.step, self.step, self.step, self.any_step, self.record, self.record, self.look)
        happens(rng)

    # Steps

    def step(self, rng: Dice) -> None:
        """A step that the state knows, seldom one that ends the case."""
        ways = {noun for noun, row in TABLE.items() if self.model.status in row[0]}
        ends = {"withdrawal", "merger", "decline", "referral", "closure"}
        same = {noun for noun in ways if TABLE[noun][1] is SAME}
        self.take(rng, sorted(ways) + 5 * sorted(ways - ends - same))

    def any_step(self, rng: Dice) -> None:
        self.take(rng, sorted(TABLE))

    def take(self, rng: Dice, nouns: list[str]) -> None:
        noun = rng.one_of(*nouns)
        who = rng.one_of(*CALLERS.get(noun, ("coordinator", "coordinator", "caseworker", "double")))
        if noun == "escalation" and rng.mostly():
            self.sign(rng)
        self.send(noun, input_of(noun, self.model, rng, self.label), who, heal=rng.one_of(True, False))

    def send(self, noun: str, said: Body, who: str, *, heal: bool) -> None:
        """Take a step, perhaps with records that the guards ask for, and compare what comes of it."""
        trial = copy.deepcopy(self.model)
        trial.risk_brought = False
        if self.model.status in TABLE[noun][0]:
            put_on_record(trial, noun, said)
            if heal and noun != "withdrawal":
                said["records"] = healing(trial, noun, said, who)
                put_on_record(trial, "", {"records": said["records"]})
        body = dict(said)
        if noun == "merger":
            body["survivor"] = self.world.case()  # one of its own: reopened, it takes along the noes of that one
        if noun == "closure":
            body["outcomes"] = [{**o, "demand": self.number("demands", o["demand"])} for o in said["outcomes"]]
        note(f"{who}: {noun} {body}")
        self.compare(noun, said, who, trial, self.person(who).step(self.reference, noun, body))

    def compare(self, noun: str, said: Body, who: str, trial: Model, answer: Response) -> None:
        told = answer.json()
        if not TABLE[noun][2] & ROLES[who]:
            assert answer.status_code == 403, answer.text
            return
        is_open = self.model.status in TABLE[noun][0]
        unmet = trial.unmet(noun, said, who) if is_open else set()
        if unmet or not is_open:
            assert answer.status_code == 409, (noun, unmet, answer.text)
            assert told["code"] == ("step.refused" if is_open else "step.not_open")
            assert {item["code"] for item in told["unmet"]} == unmet
            self.met.update(unmet or {"step.not_open"})
            assert told["state"] == self.model.status
            assert set(told["open_steps"]) == self.model.open_to(who)
            if noun == "resumption" and is_open:
                assert told.get("resume_to") == trial.offered(trial.day_of(noun, said), who)
            return
        assert answer.status_code == 201, (noun, answer.text)
        trial.take(noun, said, who)
        last = trial.entries[-1]
        trial.follow(self.model.told)
        self.model, number = trial, trial.entries.index(last) + 1
        self.met[noun] += 1
        entry = told["entry"]
        assert (entry["sequence"], entry["step"]) == (number, noun)
        assert (entry["from_status"], entry["to_status"], entry["occurred_on"]) == (last.before, last.after, last.on)
        assert entry["left_open"] == last.left_open
        self.agree_on(told["case"])

    def agree_on(self, case: Body) -> None:
        model = self.model
        wanted = {
            "status": model.status,
            "suspended_from": model.came_from,
            "publication": model.level,
            "close_reason": model.closed_for,
            "reopen_count": model.reopened,
            "still_held": model.held,
            "charges_pending": model.charged,
            "review_on": model.review_on,
            "version": model.version,
        }
        assert {name: case[name] for name in wanted} == wanted

    @invariant()
    def the_stored_case_and_its_history_are_the_models(self) -> None:
        stored = 'SELECT status, version FROM "case" WHERE reference = :reference'
        history = """
            SELECT sequence, step, from_status, to_status, CASE step WHEN 'suspension' THEN reason END
            FROM status_history h JOIN "case" c ON c.id = h.case_id WHERE reference = :reference ORDER BY sequence
        """
        with self.world.database.reading() as session:
            case = session.execute(text(stored), {"reference": self.reference}).one()
            entries = session.execute(text(history), {"reference": self.reference}).all()
        assert tuple(case) == (self.model.status, self.model.version)
        assert case.status == entries[-1].to_status
        wanted = [(n, e.noun, e.before, e.after, e.reason) for n, e in enumerate(self.model.entries, 1)]
        assert [tuple(entry) for entry in entries] == wanted

    def look(self, _: Dice) -> None:
        self.agree_on(self.world.show(self.reference))
        told = self.world.coordinator.get(f"/v1/cases/{self.reference}/steps").json()
        steps, page = told["items"], told["publication"]
        assert page["up"] is bool(self.model.published)
        assert page["allowed"] or not page["up"]
        assert {step["noun"] for step in steps if step["open"]} == {
            noun for noun, row in TABLE.items() if self.model.status in row[0]
        }
        resumption = next(step for step in steps if step["noun"] == "resumption")
        if self.model.status == "suspended":
            assert resumption["resume_to"] == self.model.offered(day(), "coordinator")

    # Records

    def record(self, rng: Dice) -> None:
        m = self.model
        possible: dict[Callable[[Dice], None], object] = {
            self.consent: True,
            self.assess: True,
            self.tally: True,
            self.act: True,
            self.promise: True,
            self.sign: True,
            self.change_the_case: True,
            self.answer: any(action["status"] == "done" for action in m.actions),
            self.change_a_consent: any(word["state"] in {"given", "requested"} for word in m.consents),
            self.take_back_what_is_published: m.published,
            self.dispose: m.current,
            self.settle: m.commitments,
            self.look_into_the_supply_link: m.party("brand"),
        }
        rng.one_of(*(happens for happens, can in possible.items() if can))(rng)

    def consent(self, rng: Dice) -> None:
        given = a_consent(rng, self.label())
        self.add("consents", given, self.model.consents)

    def assess(self, rng: Dice) -> None:
        self.add("risk-assessments", a_risk(rng), self.model.risks)

    def tally(self, rng: Dice) -> None:
        kind = rng.one_of("held", "arrested", "released", "charged_named", "charges_dropped")
        high = rng.one_of(0, 3, 7)
        said = {"kind": kind, "low": rng.one_of(0, high), "high": high, "as_of": rng.one_of(day(20), day(10), day())}
        refused = against_tally([*self.model.tallies, said], said)
        self.add("tallies", said, self.model.tallies, refused)

    def act(self, rng: Dice) -> None:
        said = an_action(self.model, rng, answered=False)
        refused = set(against_action(self.model, said))
        self.add("actions", said, self.model.actions, refused, responses=[])

    def promise(self, rng: Dice) -> None:
        said = a_promise(rng, self.label())
        self.add("commitments", said, self.model.commitments, status="promised")

    def sign(self, rng: Dice) -> None:
        who, level = rng.one_of("reviewer", "reviewer", "double"), rng.one_of("person", *LEVELS)
        m = self.model
        brand = m.party("brand") or {"link_strength": None}
        disputed = brand["link_strength"] == "disputed" and brand["link_evidence"]
        shown: Body = {
            "of_person": m.answer("person", "publish_person", day()) == "yes",
            "shows_violation": m.grade in TRUE_ENOUGH,
            "shows_brand": bool(disputed or brand["link_strength"] in STRONG),
        }
        self.add("approvals", {"level": level}, m.approvals, who=who, by=who, used=False, **shown)

    def add(
        self,
        noun: str,
        said: Body,
        records: list[Body],
        refused: set[str] | None = None,
        who: str = "coordinator",
        **kept: Any,
    ) -> None:
        note(f"{who}: add {noun} {said}")
        answer = self.person(who).add(self.reference, noun, said)
        assert answer.status_code == (409 if refused else 201), answer.text
        if refused:
            assert {item["code"] for item in answer.json()["unmet"]} == refused
        else:
            since = self.model.told
            self.model.tell(records, {**said, **kept})
            self.model.follow(since)

    def change(self, noun: str, index: int, said: Body) -> None:
        path = f"/v1/cases/{self.reference}/{noun}/{self.number(noun, index)}"
        note(f"change {noun} {index}: {said}")
        answer = self.world.coordinator.patch(path, said)
        assert answer.status_code == 200, answer.text

    def answer(self, rng: Dice) -> None:
        actions = self.model.actions
        index = rng.one_of(*(i for i, action in enumerate(actions) if action["status"] == "done"))
        received = max(day(9), actions[index]["done_on"])
        said = {
            "received_on": received,
            "grade": rng.one_of("partial", "substantive_commits", "holding_reply", "investigating", "no_response"),
            "follow_up_on": rng.one_of(None, received, ahead(2)),
        }
        given, late = actions[index]["responses"], received > (actions[index]["answer_due_on"] or "9999")
        silent = any(response["grade"] == "no_response" for response in given)
        if said["grade"] == "no_response" and (silent or not (late or not actions[index]["answer_due_on"])):
            said["grade"] = "partial"
        if late and not given and said["grade"] != "no_response":
            given.append({"grade": "no_response"})  # a late answer stands beside the silence
        number = self.number("actions", index)
        answer = self.world.caseworker.add(self.reference, f"actions/{number}/responses", said)
        assert answer.status_code == 201, answer.text
        given.append(said)

    def change_a_consent(self, rng: Dice) -> None:
        """A sooner end, which changes it; or a further word, which is a record of its own."""
        words = self.model.consents
        index = rng.one_of(*(i for i, word in enumerate(words) if word["state"] in {"given", "requested"}))
        word = words[index]
        if word["state"] == "requested" and rng.mostly():
            self.say_next(index, {"state": "given", "given_on": day(10), "method": "written"})
        elif word["state"] == "requested":
            self.say_next(index, {"state": "refused", "withdrawn_on": day(10)})
        elif rng.mostly():
            self.say_next(index, {"state": "withdrawn", "withdrawn_on": rng.one_of(day(), day(3), day(10))})
        else:
            ends = max(day(1), word["given_on"])
            if ends < (word.get("expires_on") or "9999"):
                self.change("consents", index, {"expires_on": ends})
                word["expires_on"] = ends
                self.model.follow(self.model.told)

    def take_back_what_is_published(self, rng: Dice) -> None:
        page = self.model.published or {}
        subject, covering = rng.one_of("workers", "local_partner"), wider(f"publish_{page['level']}")
        words = enumerate(self.model.consents)
        index = next(i for i, w in words if (w["subject"], w["state"]) == (subject, "given") and w["scope"] in covering)
        self.say_next(index, {"state": "withdrawn", "withdrawn_on": rng.one_of(day(), day(3))})

    def say_next(self, index: int, said: Body) -> None:
        """The shorthand for a further word; the same word again is the one that is on record."""
        self.change("consents", index, said)
        words, since = self.model.consents, self.model.told
        kept = {name: words[index].get(name) for name in ("subject", "scope", "recipients", "of")}
        on = max(said.get("withdrawn_on", day()), words[index].get("given_on") or "")
        when = {"given_on": said["given_on"]} if said["state"] in YES else {"on": on}
        word = {**kept, "state": said["state"], **when}
        known = [w for w in words if all((w.get(name) or None) == (value or None) for name, value in word.items())]
        if not known:
            self.model.tell(words, word)
        self.model.follow(since)

    def dispose(self, rng: Dice) -> None:
        for index, demand in enumerate(self.model.demands):
            if demand["disposition"] == "active" and not demand.get("replaced") and rng.mostly():
                demand["disposition"] = rng.one_of("met", "met", "partly_met", "not_met", "dropped_by_workers")
                self.change("demands", index, {"disposition": demand["disposition"]})

    def settle(self, rng: Dice) -> None:
        for index, promise in enumerate(self.model.commitments):
            if promise["status"] in PROMISED and rng.mostly():
                promise["status"] = rng.one_of("verified_done", "waived_by_workers", "superseded", "reported_done")
                done = {"verified_by": "Legal Aid Fund", "verified_on": day()}
                self.change("commitments", index, {"status": promise["status"], **done})

    def look_into_the_supply_link(self, rng: Dice) -> None:
        strength = rng.one_of("claimed", "evidenced", "disclosed_list", "disputed", "disproved")
        labels = [party["label"] for party in self.world.records(self.reference, "parties")]
        self.change("parties", labels.index("brand"), {"link_strength": strength})
        (self.model.party("brand") or {})["link_strength"] = strength
        self.model.follow(self.model.told)

    def change_the_case(self, rng: Dice) -> None:
        priority = rng.one_of("urgent", "normal", "low")
        answer = self.world.caseworker.patch(f"/v1/cases/{self.reference}", {"priority": priority}, If_Match="*")
        assert answer.status_code == 200, answer.text
        self.model.version += priority != self.model.priority
        self.model.priority = priority


@pytest.mark.soak
def test_a_random_walk_agrees_with_the_model(world: World) -> None:
    Walk.world, Walk.double = world, both(world)
    Walk.met = Counter()
    run_state_machine_as_test(Walk, settings=settings(stateful_step_count=STEPS_IN_A_WALK))
    log.info("steps taken and guards met: %s", dict(Walk.met.most_common()))


def both(world: World) -> Person:
    """Somebody who is coordinator and reviewer, and still cannot sign twice."""
    return world.newcomer("coordinator and reviewer", Role.COORDINATOR, Role.REVIEWER)
