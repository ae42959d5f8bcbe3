"""The model of a case from domain.md alone: its records, and the rules against a state."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from tests.support.cast import Body, day
from tests.support.lifecycle_model.tables import (
    CALLED_OFF,
    CONTACT,
    INADEQUATE,
    INADEQUATE_LATER,
    LADDER,
    LEVELS,
    NAMES,
    NO,
    PROMISED,
    PUBLIC_WHILE_PAUSED,
    PUBLISHING,
    SETTLED,
    STRONG,
    TRUE_ENOUGH,
    UNTRUE,
    YES,
    ahead,
)


@dataclass
class Entry:
    """A step that was taken."""

    noun: str
    before: str | None
    after: str
    on: str
    sequence: int
    estimated: bool = False
    left_open: Body = field(default_factory=dict)
    reason: str | None = None


@dataclass
class CaseModel:
    """What the case must be. Records are kept as they were sent, in the order in which they came on record."""

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
    sequence: int = 0
    risk_brought: bool = False

    # What is on record

    def tell(self, records: list[Body], body: Body) -> Body:
        """Put something on record, after all that is on record before."""
        self.sequence += 1
        records.append({**body, "sequence": self.sequence})
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
            if not any(
                y["state"] in YES and y["scope"] in lifting and y["sequence"] <= signed["sequence"] for y in newer
            ):
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
        return max(known, key=lambda risk: (risk["assessed_on"], risk["sequence"]), default=None)

    def newest(self, kind: str) -> Body:
        tallies = [tally for tally in self.tallies if tally["kind"] == kind]
        nothing = {"low": 0, "high": 0, "as_of": ""}
        return max(tallies, key=lambda tally: (tally["as_of"], tally["sequence"]), default=nothing)

    def left(self, begun: str, ended: str) -> int:
        """The most for whom it began, less the least for whom it surely ended."""
        left: int = self.newest(begun)["high"] - self.newest(ended)["low"]
        return max(0, left)

    @property
    def held(self) -> int:
        count, arrested = self.newest("held"), self.newest("arrested")
        counted = self.left("arrested", "released")
        inside: int = count["high"]
        if not count["as_of"]:
            return counted
        return max(inside, counted) if arrested["as_of"] > count["as_of"] else inside

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

    # What a step is refused for

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
        known = critical["sequence"] if critical else 0
        wide_enough = LEVELS[LEVELS.index(level) :]
        unused = [a for a in self.approvals if not a["used"] and a["level"] in wide_enough and a["sequence"] >= known]
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
        may_take_up = self.answer("workers", "take_up", day()) == "yes"
        if own or not may_take_up or set(sides) != {"yes"} or self.is_void(page, level):
            yield "word"
        if self.grade not in TRUE_ENOUGH or self.is_untrue(page, level):
            yield "fact"


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
