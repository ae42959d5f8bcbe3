"""Random ledgers, over HTTP: invariants 9 to 16 of domain.md 6, told here once more by hand.

A walk writes what people write, in any order: counts, money, demands, promises, letters, answers, signatures; days
pass; the case is offered, closed, withdrawn, merged, reopened. After each turn everything the case tells is compared
with what was told to it.
"""

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random, SystemRandom
from typing import Any
from uuid import uuid4

import pytest
from httpx2 import Response

from appeals.lifecycle.due_dates import process_due
from appeals.vocabulary import AccountKind, Role
from tests.support.cast import WAY, Body, Person, World, action, consent, day, intake, step_input
from tests.support.refusals import codes
from tests.support.size import EXAMPLES, examples

TURNS = 12
GRADES = ["high", "likely", "unsure", "unlikely", "unreliable", "unknown"]
HELD, OUT = ["arrested", "held"], ["released", "bailed", "died"]
CHARGED, CHARGE_OVER = ["charged_named", "charged_unnamed"], ["charges_dropped", "acquitted", "convicted"]
MONEY = {"owed": "owed", "promised": "promised", "paid": "paid", "received_by_workers": "received", "waived": "waived"}
WITHOUT_RESULT = {"no_result", "unsafe_to_continue", "contact_lost", "taken_over_by_other"}
REASONS = [*sorted(WITHOUT_RESULT), "demands_met", "settled_partial", "overtaken_by_events"]
DISPOSED = ["met", "partly_met", "not_met", "dropped_by_workers"]
UNSETTLED = ["promised", "in_progress", "reported_done"]
ENDS = ["breached", "waived_by_workers", "superseded"]
PROMISES = {
    "promised": ["in_progress", "reported_done", "verified_done", *ENDS],
    "in_progress": ["reported_done", "verified_done", *ENDS],
    "reported_done": ["verified_done", *ENDS],
    "breached": ["waived_by_workers", "superseded"],
}
TARGETS = ["Bright Stitch Ltd", "BRIGHT  STITCH, LTD.", "Sample Brand", "ministry of labour"]
NARROW_TO_WIDE = ["sealed", "restricted", "regional", "network"]
ENDED = {"closed", "declined", "referred"}
CLOSABLE = {"accepted", "engagement", "public_campaign", "remediation", "monitoring", "suspended"}


@dataclass
class Letter:
    """A letter that waits for an answer; `over` once its day was seen to pass."""

    due: str
    grades: list[str] = field(default_factory=list)
    over: bool = False


@dataclass
class Ledger:
    """A case, and what was told of it."""

    world: World
    chance: Random
    second: Person
    machine: Person
    reference: str
    status: str
    visibility: str
    lead: str
    demands: dict[str, str] = field(default_factory=dict)
    promises: dict[str, tuple[str, str]] = field(default_factory=dict)
    letters: dict[str, Letter] = field(default_factory=dict)
    counts: list[Body] = field(default_factory=list)
    payments: list[Body] = field(default_factory=list)
    signed: list[tuple[str, bool]] = field(default_factory=list)
    agreed: set[str] = field(default_factory=lambda: {"workers", "local_partner"})
    renewed: bool = False
    history: list[Body] = field(default_factory=list)
    reopened: int = 0
    looked_at: int = 0

    # Talking to the service

    def post(self, noun: str, body: Body, who: Person | None = None) -> Response:
        """Send it; now and then with a key, and then once more: the same key is the same answer and one effect."""
        who, path = who or self.world.coordinator, f"/v1/cases/{self.reference}/{noun}"
        if self.chance.random() < 0.75:
            return who.post(path, body, If_Match="*")
        key = str(uuid4())
        first, again = (who.post(path, body, If_Match="*", Idempotency_Key=key) for _ in range(2))
        if first.status_code == 201:
            assert (again.status_code, again.content) == (201, first.content)
            assert again.headers["Idempotency-Replayed"] == "true"
            assert who.post(path, {**body, "label": "other"}, If_Match="*", Idempotency_Key=key).status_code == 422
        return first

    def patch(self, noun: str, number: str, body: Body) -> Response:
        return self.world.coordinator.patch(f"/v1/cases/{self.reference}/{noun}/{number}", body)

    def step(self, noun: str, who: Person | None = None, **said: Any) -> Response:
        answer = self.post(noun, {**step_input(noun), **said}, who)
        if answer.status_code == 201:
            self.status = answer.json()["case"]["status"]
        return answer

    # People and money

    def count(self) -> None:
        """People are counted several at once."""
        for _ in range(3):
            self.count_one()

    def count_one(self) -> None:
        low = self.chance.randint(0, 9)
        said = {
            "kind": self.chance.choice([*HELD, *HELD, *OUT, *CHARGED, *CHARGE_OVER]),
            "low": low,
            "high": low + self.chance.randint(0, 4),
            "as_of": day(self.chance.randint(0, 6)),
            "reliability": self.chance.choice(GRADES),
        }
        told = [*self.counts, said]
        never = said["kind"] in {*OUT, *CHARGE_OVER} and any(
            is_impossible(told, day_) for day_ in {c["as_of"] for c in told} if day_ >= said["as_of"]
        )
        answer = self.post("tallies", said)
        assert answer.status_code == (409 if never else 201), answer.text
        if never:
            assert codes(answer) == {"tally.never_inside"}
        else:
            self.counts.append(said)

    def pay(self) -> None:
        hidden = self.chance.random() < 0.15
        said: Body = {
            "kind": self.chance.choice(list(MONEY)),
            "purpose": "wages",
            "on": day(self.chance.randint(0, 6)),
            "currency": self.chance.choice(["BDT", "USD", "EUR"]),
            "payer": self.chance.choice([None, "#brand", "#factory"]),
            "reliability": self.chance.choice(GRADES),
            **({"confidential": True} if hidden else {"amount": str(Decimal(self.chance.randint(0, 10**6)) / 100)}),
        }
        disputed = self.chance.choice([None, None, *self.payments])
        answer = self.post("payments", said | ({"contests": disputed["id"]} if disputed else {}))
        assert answer.status_code == 201, answer.text
        same = disputed["same"] if disputed else len(self.payments)
        self.payments.append({**said, "id": answer.json()["id"], "same": same})

    # Demands and promises

    def demand(self) -> None:
        made = self.post("demands", {"kind": "pay_wages", "text": "Pay.", "addressees": ["#brand"]})
        assert made.status_code == 201, made.text
        self.demands[made.json()["id"]] = "active"

    def dispose(self) -> None:
        active = [number for number, stands in self.demands.items() if stands == "active"]
        for number in active[:1]:
            self.demands[number] = self.chance.choice(DISPOSED)
            assert self.patch("demands", number, {"disposition": self.demands[number]}).status_code == 200

    def promise(self) -> None:
        said = {"promisor": "#brand", "text": "Pays.", "kind": "payment", "how_verified": "The union looks."}
        due = self.chance.choice([day(9), day(-9)])
        made = self.post("commitments", {**said, "due_on": due})
        assert made.status_code == 201, made.text
        self.promises[made.json()["id"]] = ("promised", due)

    def settle(self) -> None:
        if not self.promises:
            self.promise()
        number = self.chance.choice(list(self.promises))
        stands, due = self.promises[number]
        wanted = self.chance.choice([*PROMISES["promised"], "verified_done", "verified_done"])
        by = self.chance.choice([*TARGETS, "Bright Stitch Workers Union", "The union"])
        verified = {"verified_by": by, "verified_on": day()} if wanted == "verified_done" else {}
        too_soon = wanted == "breached" and (self.status in {"remediation", "monitoring"} or due > day())
        may = wanted in PROMISES.get(stands, []) and not (verified and by in TARGETS) and not too_soon
        answer = self.patch("commitments", number, {"status": wanted, **verified})
        if wanted != stands:
            assert answer.status_code == (200 if may else 409), (stands, wanted, by, answer.text)
        if may:
            self.promises[number] = (wanted, due)

    # Letters, answers, days

    def write_letter(self) -> None:
        due = day(self.chance.choice([10, 1, 0, -3, -8]))
        made = self.post("actions", action(answer_due_on=due))
        assert made.status_code == 201, made.text
        self.letters[made.json()["id"]] = Letter(due)

    def answer(self) -> None:
        if not self.letters:
            return
        number, event = self.chance.choice(list(self.letters.items()))
        on, grade = day(self.chance.randint(0, 15)), self.chance.choice(["no_response", "partial", "denies_link"])
        answer = self.post(f"actions/{number}/responses", {"received_on": on, "grade": grade})
        silent = grade == "no_response"
        wanted = 422 if silent and on <= event.due else 409 if silent and grade in event.grades else 201
        assert answer.status_code == wanted, answer.text
        if wanted == 201:
            event.grades.append(grade)

    def pass_days(self) -> None:
        """Two clocks at once: of what passed unanswered each is silence, once."""
        now = datetime.now(UTC) + timedelta(days=self.chance.randint(0, 10))
        with ThreadPoolExecutor(2) as clocks:
            list(clocks.map(lambda _: process_due(self.world.database, now), range(2)))
        process_due(self.world.database, now)
        for event in self.letters.values():
            if not event.over and event.due < now.date().isoformat():
                event.over = True
                event.grades += [] if event.grades else ["no_response"]

    # Signatures and consents

    def sign(self) -> None:
        who = self.chance.choice([self.world.reviewer, self.second, self.world.coordinator, self.machine])
        answer = self.post("approvals", {"level": "named"}, who)
        wanted = {self.world.coordinator.account: 403, self.machine.account: 409}.get(who.account, 201)
        assert answer.status_code == wanted, answer.text
        if wanted == 201:
            self.signed.append((who.account, False))

    def change_consent(self) -> None:
        side = self.chance.choice(["workers", "local_partner"])
        if side not in self.agreed:
            assert self.post("consents", consent("publish_named", side)).status_code == 201
            self.agreed.add(side)
            return
        for given in self.world.records(self.reference, "consents"):
            if (given["scope"], given["subject"], given["state"]) == ("publish_named", side, "given"):
                assert self.patch("consents", given["id"], {"state": "withdrawn"}).status_code == 200
        self.agreed.discard(side)
        shown = self.world.show(self.reference)
        assert shown["publication"] == "none"
        assert (self.status, shown["status"]) != ("public_campaign", "public_campaign")
        self.status = shown["status"]

    def escalate(self) -> None:
        if self.status not in {"accepted", "engagement", "remediation", "monitoring"}:
            return
        self.sign()
        who = self.chance.choice([self.world.coordinator, self.second])
        others = [account for account, used in self.signed if not used and account != who.account]
        answer = self.step("escalation", who, reason="workers_request")
        may = bool(others) and self.agreed == {"workers", "local_partner"}
        assert answer.status_code == (201 if may else 409), answer.text
        if may:
            up = self.world.records(self.reference, "publications")[-1]
            assert who.account == up["recorded_by"] != up["approved_by"]
            newest = max(i for i, (account, used) in enumerate(self.signed) if not used and account != who.account)
            self.signed[newest] = (self.signed[newest][0], True)

    def calm(self) -> None:
        """Go back from a campaign, or try to go on after a pause."""
        noun = {"public_campaign": "de-escalation", "suspended": "resumption"}.get(self.status)
        if noun:
            assert self.step(noun).status_code in {201, 409}

    # Who leads, who verifies

    def verify(self) -> None:
        if self.status in ENDED:
            return
        name = self.chance.choice([*TARGETS, "Legal Aid Fund"])
        by = {"name": name, "kind": "ngo", "country": "BD"}
        answer = self.step("verification", verifying_organisation=by, same_as_requester_because="None else.")
        assert answer.status_code == (409 if name in TARGETS else 201), answer.text

    def hand_over(self) -> None:
        """The old lead answers until the new one accepts."""
        if self.status in ENDED:
            return
        before = self.world.show(self.reference)["lead_entity_id"]
        to, who = self.chance.choice([("Europe", "europe coordinator"), ("South Asia", "asia coordinator")])
        answer = self.step("handover", receiving_entity=to)
        assert answer.status_code == (409 if to == self.lead else 201), answer.text
        assert self.world.show(self.reference)["lead_entity_id"] == before
        if to != self.lead:
            assert self.step("handover-acceptance", self.world.as_(who)).status_code == 201
            shown = self.world.show(self.reference)
            assert (shown["lead_entity_id"] != before, shown["handover_to_id"]) == (True, None)
            self.lead = to

    # Endings

    def close(self) -> None:
        if self.status not in CLOSABLE or self.status == "monitoring":
            return
        reason, accept = self.chance.choice(REASONS), self.chance.random() < 0.5
        told = {n: self.chance.choice(DISPOSED) for n, s in self.demands.items() if s == "active"}
        if self.chance.random() < 0.3:
            told = dict(list(told.items())[1:])
        outcomes = [{"demand": number, "disposition": stands} for number, stands in told.items()]
        unmet = self.unmet_of_closing(reason, {**self.demands, **told}, accept=accept)
        answer = self.step("closure", reason=reason, outcomes=outcomes, workers_accept=accept)
        if unmet:
            assert codes(answer) == unmet
            return
        assert answer.status_code == 201, answer.text
        self.demands |= told
        self.ended(answer.json(), reason)

    def unmet_of_closing(self, reason: str, demands: dict[str, str], *, accept: bool) -> set[str]:
        open_ = self.left_open(demands)
        names = {"demands": "demand.undisposed", "commitments": "commitment.open"}
        names |= {"held": "detention.open", "charged": "charges.open"}
        unmet = set() if reason in WITHOUT_RESULT else {names[name] for name in open_}
        kept = [stands for stands in demands.values() if stands != "dropped_by_workers"]
        gained = bool({"met", "partly_met"} & set(kept))
        wrong = {
            "demands_met": not kept or set(kept) != {"met"},
            "settled_partial": not gained,
            "no_result": gained,
        }
        unmet |= {"close_reason.disagrees"} if wrong.get(reason) else set()
        return unmet | ({"settlement.not_accepted"} if reason == "settled_partial" and not accept else set())

    def left_open(self, demands: dict[str, str]) -> Body:
        found = {
            "demands": list(demands.values()).count("active"),
            "commitments": sum(stands in UNSETTLED for stands, _ in self.promises.values()),
            "held": detained(self.counts)["held"],
            "charged": pending(self.counts),
        }
        return {name: many for name, many in found.items() if many}

    def withdraw(self) -> None:
        if self.status in ENDED:
            return
        by = self.chance.choice(["workers", "requester"])
        answer = self.step("withdrawal", withdrawn_by=by)
        assert answer.status_code == 201, answer.text
        self.ended(answer.json(), f"withdrawn_by_{by}")
        assert not [up for up in self.world.records(self.reference, "publications") if not up["taken_down_at"]]

    def merge(self) -> None:
        if self.status in ENDED:
            return
        theirs = self.chance.choice(NARROW_TO_WIDE)
        survivor = self.world.case(visibility=theirs)
        answer = self.step("merger", survivor=survivor)
        assert answer.status_code == 201, answer.text
        self.ended(answer.json(), "merged")
        stricter = min(theirs, self.visibility, key=NARROW_TO_WIDE.index)
        assert self.world.show(survivor)["visibility"] == stricter
        assert self.world.show(self.reference)["visibility"] == self.visibility

    def ended(self, told: Body, reason: str) -> None:
        assert (told["case"]["status"], told["case"]["close_reason"]) == ("closed", reason)
        assert told["entry"]["left_open"] == self.left_open(self.demands)
        self.renewed = False

    def agree_again(self) -> None:
        assert self.post("consents", consent("take_up", given_on=day())).status_code == 201
        self.renewed = True

    def reopen(self) -> None:
        if self.status not in ENDED:
            return
        answer = self.step("reopening", records={})
        assert answer.status_code == (201 if self.renewed else 409), answer.text
        self.reopened += self.renewed

    # What the case tells

    def check(self) -> None:
        """Everything that the case tells, against what was told to it."""
        shown, history = self.world.show(self.reference), self.world.history(self.reference)
        assert history[: len(self.history)] == self.history
        self.history = history
        assert shown["status"] == history[-1]["to_status"] == self.status
        assert (shown["reference"], shown["reopen_count"]) == (self.reference, self.reopened)
        assert {made["id"]: made["disposition"] for made in shown["demands"]} == self.demands
        stand = {number: stands for number, (stands, _) in self.promises.items()}
        assert {made["id"]: made["status"] for made in shown["commitments"]} == stand
        grades = {made["id"]: [told["grade"] for told in made["responses"]] for made in shown["actions"]}
        assert grades == {number: event.grades for number, event in self.letters.items()}
        assert not [told for told in grades.values() if told.count("no_response") > 1]
        self.check_people(shown)
        assert len(shown["payments"]) == len(self.payments)
        assert {sums["currency"]: money_of(sums) for sums in shown["money"]} == expected_money(self.payments)

    def check_people(self, shown: Body) -> None:
        """Asked again only when another count was told."""
        if len(self.counts) == self.looked_at:
            return
        self.looked_at = len(self.counts)
        told = self.world.coordinator.get(f"/v1/cases/{self.reference}/counts?limit=200").json()["items"]
        assert [item["on"] for item in told] == sorted({count["as_of"] for count in self.counts})
        for item in [*told, {**shown, "on": day()}]:
            known = [count for count in self.counts if count["as_of"] <= item["on"]]
            held, charged = item["detention"], item["charges"]
            assert sum(held[name] for name in ("held", *OUT, "unknown")) == held["arrested"]
            assert sum(charged[name] for name in ("dropped", "acquitted", "convicted", "pending")) == charged["charged"]
            assert min(*held.values(), *charged.values()) >= 0
            assert {name: held[name] for name in ("held", *OUT)} == detained(known)
            assert charged["pending"] == pending(known)
            assert not is_impossible(known, item["on"])


# Told by hand


def newest(counts: list[Body], kind: str) -> Body | None:
    """The count that is quoted: the newest, then the best graded, then the last told."""
    fitting = [(c["as_of"], -GRADES.index(c["reliability"]), turn, c) for turn, c in enumerate(counts)]
    return max((found for found in fitting if found[3]["kind"] == kind), default=(None,) * 4)[3]


def bound(counts: list[Body], kind: str, end: str) -> int:
    found = newest(counts, kind)
    return found[end] if found else 0


def detained(counts: list[Body]) -> dict[str, int]:
    """The most that came in, the least that went out; a count of those held speaks for itself as of its day."""
    out = {kind: bound(counts, kind, "low") for kind in OUT}
    left = max(0, bound(counts, "arrested", "high") - sum(out.values()))
    held, arrested = newest(counts, "held"), newest(counts, "arrested")
    inside = left if held is None else held["high"]
    if held and arrested and arrested["as_of"] > held["as_of"]:
        inside = max(inside, left)
    return {"held": inside, **out}


def pending(counts: list[Body]) -> int:
    over = sum(bound(counts, kind, "low") for kind in CHARGE_OVER)
    return max(0, sum(bound(counts, kind, "high") for kind in CHARGED) - over)


def is_impossible(counts: list[Body], on: str) -> bool:
    """More are out on that day than anybody ever counted inside by then."""
    by_then = [count for count in counts if count["as_of"] <= on]
    most = {kind: max((c["high"] for c in by_then if c["kind"] == kind), default=0) for kind in [*HELD, *CHARGED]}
    out, over = (sum(bound(by_then, kind, "low") for kind in kinds) for kinds in (OUT, CHARGE_OVER))
    return out > max(most[kind] for kind in HELD) or over > sum(most[kind] for kind in CHARGED)


def expected_money(payments: list[Body]) -> dict[str, dict[str, Decimal]]:
    """Of what speaks of the same money the best graded, then the newest, then the last; nothing across currencies."""
    same: dict[int, list[Any]] = defaultdict(list)
    for turn, told in enumerate(payments):
        same[told["same"]].append((-GRADES.index(told["reliability"]), told["on"], turn, told))
    counted = [max(found)[3] for found in same.values()]
    sums: dict[str, dict[str, Decimal]] = {}
    for told in counted:
        here = sums.setdefault(told["currency"], dict.fromkeys(MONEY.values(), Decimal(0)))
        here[MONEY[told["kind"]]] += Decimal(told.get("amount", 0))
    return {name: {**here, "remaining": here["owed"] - here["received"]} for name, here in sums.items()}


def money_of(sums: Body) -> dict[str, Decimal]:
    assert sum(Decimal(payer["paid"]) for payer in sums["payers"]) == Decimal(sums["paid"])
    return {name: Decimal(sums[name]) for name in [*MONEY.values(), "remaining"]}


MOVES: dict[Callable[[Ledger], None], int] = {
    Ledger.count: 6, Ledger.pay: 3, Ledger.demand: 1, Ledger.dispose: 3, Ledger.promise: 1, Ledger.settle: 4,
    Ledger.write_letter: 1, Ledger.answer: 2, Ledger.pass_days: 3, Ledger.sign: 2, Ledger.change_consent: 1,
    Ledger.escalate: 5, Ledger.calm: 2, Ledger.verify: 1, Ledger.hand_over: 1, Ledger.close: 3, Ledger.withdraw: 1,
    Ledger.merge: 1, Ledger.agree_again: 1, Ledger.reopen: 3,
}  # fmt: skip
"""What may come next, and how often."""


def begun(world: World, chance: Random, second: Person, machine: Person) -> Ledger:
    """A case in some state; the same key gives the same case."""
    state, visibility = chance.choice(["accepted", "engagement", "remediation"]), chance.choice(NARROW_TO_WIDE[1:])
    key, body = str(uuid4()), intake(visibility=visibility)
    one, again = (world.coordinator.post("/v1/cases", body, Idempotency_Key=key) for _ in range(2))
    assert one.json()["reference"] == again.json()["reference"]
    reference = one.json()["reference"]
    for noun in WAY[state]:
        world.take(reference, noun)
    shown = world.show(reference)
    return Ledger(
        world, chance, second, machine, reference, state, visibility, "South Asia",
        demands={made["id"]: "active" for made in shown["demands"]},
        promises={made["id"]: ("promised", made["due_on"]) for made in shown["commitments"]},
        letters={made["id"]: Letter(made["answer_due_on"]) for made in shown["actions"]},
    )  # fmt: skip


@pytest.mark.soak
def test_9_to_16_hold_on_random_ledgers(world: World) -> None:
    second = world.newcomer("second coordinator", Role.COORDINATOR, Role.REVIEWER)
    machine = world.newcomer("signing machine", Role.REVIEWER, kind=AccountKind.MACHINE)
    for number in range(examples(3)):
        seed = SystemRandom().getrandbits(32) if EXAMPLES else number
        ledger = begun(world, Random(seed), second, machine)  # noqa: S311 - no secret
        turns: list[str] = []
        try:
            for move in ledger.chance.choices([*MOVES], [*MOVES.values()], k=TURNS):
                turns.append(move.__name__)
                move(ledger)
                ledger.check()
        except AssertionError as error:
            error.add_note(f"walk {seed}: {turns}")
            raise
