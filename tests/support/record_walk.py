"""A case to which records are written in any order, and their expected results."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import uuid4

from httpx2 import Response

from appeals.lifecycle.due_dates import process_due
from tests.support.cast import Body, Person, World, action, consent, day, step_input
from tests.support.expected_totals import (
    CHARGE_OVER,
    CHARGED,
    GRADES,
    HELD,
    MONEY,
    OUT,
    detained,
    expected_money,
    is_impossible,
    money_of,
    pending,
)
from tests.support.refusals import codes

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
class Walk:
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

    def step(self, noun: str, who: Person | None = None, **fields: Any) -> Response:
        answer = self.post(noun, {**step_input(noun), **fields}, who)
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
        body = {
            "kind": self.chance.choice([*HELD, *HELD, *OUT, *CHARGED, *CHARGE_OVER]),
            "low": low,
            "high": low + self.chance.randint(0, 4),
            "as_of": day(self.chance.randint(0, 6)),
            "reliability": self.chance.choice(GRADES),
        }
        items = [*self.counts, body]
        never = body["kind"] in {*OUT, *CHARGE_OVER} and any(
            is_impossible(items, day_) for day_ in {c["as_of"] for c in items} if day_ >= body["as_of"]
        )
        answer = self.post("tallies", body)
        assert answer.status_code == (409 if never else 201), answer.text
        if never:
            assert codes(answer) == {"tally.never_inside"}
        else:
            self.counts.append(body)

    def pay(self) -> None:
        hidden = self.chance.random() < 0.15
        body: Body = {
            "kind": self.chance.choice(list(MONEY)),
            "purpose": "wages",
            "on": day(self.chance.randint(0, 6)),
            "currency": self.chance.choice(["BDT", "USD", "EUR"]),
            "payer": self.chance.choice([None, "#brand", "#factory"]),
            "reliability": self.chance.choice(GRADES),
            **({"confidential": True} if hidden else {"amount": str(Decimal(self.chance.randint(0, 10**6)) / 100)}),
        }
        disputed = self.chance.choice([None, None, *self.payments])
        answer = self.post("payments", body | ({"contests": disputed["id"]} if disputed else {}))
        assert answer.status_code == 201, answer.text
        same = disputed["same"] if disputed else len(self.payments)
        self.payments.append({**body, "id": answer.json()["id"], "same": same})

    # Demands and promises

    def demand(self) -> None:
        record = self.post("demands", {"kind": "pay_wages", "text": "Pay.", "addressees": ["#brand"]})
        assert record.status_code == 201, record.text
        self.demands[record.json()["id"]] = "active"

    def dispose(self) -> None:
        active = [number for number, stands in self.demands.items() if stands == "active"]
        for number in active[:1]:
            self.demands[number] = self.chance.choice(DISPOSED)
            assert self.patch("demands", number, {"disposition": self.demands[number]}).status_code == 200

    def promise(self) -> None:
        promise = {"promisor": "#brand", "text": "Pays.", "kind": "payment", "how_verified": "The union looks."}
        due = self.chance.choice([day(9), day(-9)])
        commitment = self.post("commitments", {**promise, "due_on": due})
        assert commitment.status_code == 201, commitment.text
        self.promises[commitment.json()["id"]] = ("promised", due)

    def settle(self) -> None:
        if not self.promises:
            self.promise()
        number = self.chance.choice(list(self.promises))
        stands, due = self.promises[number]
        state = self.chance.choice([*PROMISES["promised"], "verified_done", "verified_done"])
        by = self.chance.choice([*TARGETS, "Bright Stitch Workers Union", "The union"])
        verified = {"verified_by": by, "verified_on": day()} if state == "verified_done" else {}
        too_soon = state == "breached" and (self.status in {"remediation", "monitoring"} or due > day())
        may = state in PROMISES.get(stands, []) and not (verified and by in TARGETS) and not too_soon
        answer = self.patch("commitments", number, {"status": state, **verified})
        if state != stands:
            assert answer.status_code == (200 if may else 409), (stands, state, by, answer.text)
        if may:
            self.promises[number] = (state, due)

    # Letters, answers, days

    def write_letter(self) -> None:
        due = day(self.chance.choice([10, 1, 0, -3, -8]))
        record = self.post("actions", action(answer_due_on=due))
        assert record.status_code == 201, record.text
        self.letters[record.json()["id"]] = Letter(due)

    def answer(self) -> None:
        if not self.letters:
            return
        number, event = self.chance.choice(list(self.letters.items()))
        on, grade = day(self.chance.randint(0, 15)), self.chance.choice(["no_response", "partial", "denies_link"])
        answer = self.post(f"actions/{number}/responses", {"received_on": on, "grade": grade})
        silent = grade == "no_response"
        status = 422 if silent and on <= event.due else 409 if silent and grade in event.grades else 201
        assert answer.status_code == status, answer.text
        if status == 201:
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
        status = {self.world.coordinator.account: 403, self.machine.account: 409}.get(who.account, 201)
        assert answer.status_code == status, answer.text
        if status == 201:
            self.signed.append((who.account, False))

    def change_consent(self) -> None:
        side = self.chance.choice(["workers", "local_partner"])
        if side not in self.agreed:
            assert self.post("consents", consent("publish_named", side)).status_code == 201
            self.agreed.add(side)
            return
        for word in self.world.records(self.reference, "consents"):
            if (word["scope"], word["subject"], word["state"]) == ("publish_named", side, "given"):
                assert self.patch("consents", word["id"], {"state": "withdrawn"}).status_code == 200
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
        items = {n: self.chance.choice(DISPOSED) for n, s in self.demands.items() if s == "active"}
        if self.chance.random() < 0.3:
            items = dict(list(items.items())[1:])
        outcomes = [{"demand": number, "disposition": stands} for number, stands in items.items()]
        unmet = self.unmet_of_closing(reason, {**self.demands, **items}, accept=accept)
        answer = self.step("closure", reason=reason, outcomes=outcomes, workers_accept=accept)
        if unmet:
            assert codes(answer) == unmet
            return
        assert answer.status_code == 201, answer.text
        self.demands |= items
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
        expected = {
            "demands": list(demands.values()).count("active"),
            "commitments": sum(stands in UNSETTLED for stands, _ in self.promises.values()),
            "held": detained(self.counts)["held"],
            "charged": pending(self.counts),
        }
        return {name: many for name, many in expected.items() if many}

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

    def ended(self, entry: Body, reason: str) -> None:
        assert (entry["case"]["status"], entry["case"]["close_reason"]) == ("closed", reason)
        assert entry["entry"]["left_open"] == self.left_open(self.demands)
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
        assert {record["id"]: record["disposition"] for record in shown["demands"]} == self.demands
        stand = {number: stands for number, (stands, _) in self.promises.items()}
        assert {record["id"]: record["status"] for record in shown["commitments"]} == stand
        grades = {record["id"]: [items["grade"] for items in record["responses"]] for record in shown["actions"]}
        assert grades == {number: event.grades for number, event in self.letters.items()}
        assert not [items for items in grades.values() if items.count("no_response") > 1]
        self.check_people(shown)
        assert len(shown["payments"]) == len(self.payments)
        assert {sums["currency"]: money_of(sums) for sums in shown["money"]} == expected_money(self.payments)

    def check_people(self, shown: Body) -> None:
        """Asked again only when another count was told."""
        if len(self.counts) == self.looked_at:
            return
        self.looked_at = len(self.counts)
        items = self.world.coordinator.get(f"/v1/cases/{self.reference}/counts?limit=200").json()["items"]
        assert [item["on"] for item in items] == sorted({count["as_of"] for count in self.counts})
        for item in [*items, {**shown, "on": day()}]:
            known = [count for count in self.counts if count["as_of"] <= item["on"]]
            detention, charged = item["detention"], item["charges"]
            assert sum(detention[name] for name in ("held", *OUT, "unknown")) == detention["arrested"]
            assert sum(charged[name] for name in ("dropped", "acquitted", "convicted", "pending")) == charged["charged"]
            assert min(*detention.values(), *charged.values()) >= 0
            assert {name: detention[name] for name in ("held", *OUT)} == detained(known)
            assert charged["pending"] == pending(known)
            assert not is_impossible(known, item["on"])
