"""Random walks through the life of a case, each answer compared with an independent reading of domain.md.

The model (`tests/support/lifecycle_model/`) is written from domain.md alone, in plain Python, and knows nothing of the
service's own table and guards.
"""

import copy
import logging
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from httpx2 import Response
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from appeals.vocabulary import Role
from tests.support.cast import DISPOSE, PARTIES, WAY, Body, Person, World, consent, day, intake, step_input
from tests.support.lifecycle_model.case_model import Entry, wider
from tests.support.lifecycle_model.effects import put_on_record
from tests.support.lifecycle_model.guards import against_action, against_tally
from tests.support.lifecycle_model.inputs import (
    CALLERS,
    OVERRIDES,
    Dice,
    a_consent,
    a_promise,
    a_risk,
    an_action,
    healing,
    input_of,
)
from tests.support.lifecycle_model.model import Model
from tests.support.lifecycle_model.tables import (
    CONTACT,
    LADDER,
    LEVELS,
    PROMISED,
    ROLES,
    SAME,
    STRONG,
    TABLE,
    TRUE_ENOUGH,
    YES,
    ahead,
)

STEPS_IN_A_WALK = 25
log = logging.getLogger(__name__)


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
        body = {**step_input(noun), "overrides": OVERRIDES}
        return self.send(noun, body, "coordinator", heal=True)

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

    def send(self, noun: str, body: Body, who: str, *, heal: bool) -> None:
        """Take a step, perhaps with records that the guards ask for, and compare what comes of it."""
        trial = copy.deepcopy(self.model)
        trial.risk_brought = False
        if self.model.status in TABLE[noun][0]:
            put_on_record(trial, noun, body)
            if heal and noun != "withdrawal":
                body["records"] = healing(trial, noun, body, who)
                put_on_record(trial, "", {"records": body["records"]})
        sent = dict(body)
        if noun == "merger":
            sent["survivor"] = self.world.case()  # one of its own: reopened, it takes along the noes of that one
        if noun == "closure":
            sent["outcomes"] = [{**o, "demand": self.number("demands", o["demand"])} for o in body["outcomes"]]
        note(f"{who}: {noun} {sent}")
        self.compare(noun, body, who, trial, self.person(who).step(self.reference, noun, sent))

    def compare(self, noun: str, body: Body, who: str, trial: Model, answer: Response) -> None:
        data = answer.json()
        if not TABLE[noun][2] & ROLES[who]:
            assert answer.status_code == 403, answer.text
            return
        is_open = self.model.status in TABLE[noun][0]
        unmet = trial.unmet(noun, body, who) if is_open else set()
        if unmet or not is_open:
            assert answer.status_code == 409, (noun, unmet, answer.text)
            assert data["code"] == ("step.refused" if is_open else "step.not_open")
            assert {item["code"] for item in data["unmet"]} == unmet
            self.met.update(unmet or {"step.not_open"})
            assert data["state"] == self.model.status
            assert set(data["open_steps"]) == self.model.open_to(who)
            if noun == "resumption" and is_open:
                assert data.get("resume_to") == trial.offered(trial.day_of(noun, body), who)
            return
        assert answer.status_code == 201, (noun, answer.text)
        trial.take(noun, body, who)
        last = trial.entries[-1]
        trial.follow(self.model.sequence)
        self.model, number = trial, trial.entries.index(last) + 1
        self.met[noun] += 1
        entry = data["entry"]
        assert (entry["sequence"], entry["step"]) == (number, noun)
        assert (entry["from_status"], entry["to_status"], entry["occurred_on"]) == (last.before, last.after, last.on)
        assert entry["left_open"] == last.left_open
        self.agree_on(data["case"])

    def agree_on(self, case: Body) -> None:
        model = self.model
        expected = {
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
        assert {name: case[name] for name in expected} == expected

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
        expected = [(n, e.noun, e.before, e.after, e.reason) for n, e in enumerate(self.model.entries, 1)]
        assert [tuple(entry) for entry in entries] == expected

    def look(self, _: Dice) -> None:
        self.agree_on(self.world.show(self.reference))
        data = self.world.coordinator.get(f"/v1/cases/{self.reference}/steps").json()
        steps, page = data["items"], data["publication"]
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
        word = a_consent(rng, self.label())
        self.add("consents", word, self.model.consents)

    def assess(self, rng: Dice) -> None:
        self.add("risk-assessments", a_risk(rng), self.model.risks)

    def tally(self, rng: Dice) -> None:
        kind = rng.one_of("held", "arrested", "released", "charged_named", "charges_dropped")
        high = rng.one_of(0, 3, 7)
        body = {"kind": kind, "low": rng.one_of(0, high), "high": high, "as_of": rng.one_of(day(20), day(10), day())}
        refused = against_tally([*self.model.tallies, body], body)
        self.add("tallies", body, self.model.tallies, refused)

    def act(self, rng: Dice) -> None:
        body = an_action(self.model, rng, answered=False)
        refused = set(against_action(self.model, body))
        self.add("actions", body, self.model.actions, refused, responses=[])

    def promise(self, rng: Dice) -> None:
        body = a_promise(rng, self.label())
        self.add("commitments", body, self.model.commitments, status="promised")

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
        body: Body,
        records: list[Body],
        refused: set[str] | None = None,
        who: str = "coordinator",
        **kept: Any,
    ) -> None:
        note(f"{who}: add {noun} {body}")
        answer = self.person(who).add(self.reference, noun, body)
        assert answer.status_code == (409 if refused else 201), answer.text
        if refused:
            assert {item["code"] for item in answer.json()["unmet"]} == refused
        else:
            since = self.model.sequence
            self.model.tell(records, {**body, **kept})
            self.model.follow(since)

    def change(self, noun: str, index: int, body: Body) -> None:
        path = f"/v1/cases/{self.reference}/{noun}/{self.number(noun, index)}"
        note(f"change {noun} {index}: {body}")
        answer = self.world.coordinator.patch(path, body)
        assert answer.status_code == 200, answer.text

    def answer(self, rng: Dice) -> None:
        actions = self.model.actions
        index = rng.one_of(*(i for i, action in enumerate(actions) if action["status"] == "done"))
        received = max(day(9), actions[index]["done_on"])
        body = {
            "received_on": received,
            "grade": rng.one_of("partial", "substantive_commits", "holding_reply", "investigating", "no_response"),
            "follow_up_on": rng.one_of(None, received, ahead(2)),
        }
        responses, late = actions[index]["responses"], received > (actions[index]["answer_due_on"] or "9999")
        silent = any(response["grade"] == "no_response" for response in responses)
        if body["grade"] == "no_response" and (silent or not (late or not actions[index]["answer_due_on"])):
            body["grade"] = "partial"
        if late and not responses and body["grade"] != "no_response":
            responses.append({"grade": "no_response"})  # a late answer stands beside the silence
        number = self.number("actions", index)
        answer = self.world.caseworker.add(self.reference, f"actions/{number}/responses", body)
        assert answer.status_code == 201, answer.text
        responses.append(body)

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
                self.model.follow(self.model.sequence)

    def take_back_what_is_published(self, rng: Dice) -> None:
        page = self.model.published or {}
        subject, covering = rng.one_of("workers", "local_partner"), wider(f"publish_{page['level']}")
        words = enumerate(self.model.consents)
        index = next(i for i, w in words if (w["subject"], w["state"]) == (subject, "given") and w["scope"] in covering)
        self.say_next(index, {"state": "withdrawn", "withdrawn_on": rng.one_of(day(), day(3))})

    def say_next(self, index: int, body: Body) -> None:
        """The shorthand for a further word; the same word again is the one that is on record."""
        self.change("consents", index, body)
        words, since = self.model.consents, self.model.sequence
        kept = {name: words[index].get(name) for name in ("subject", "scope", "recipients", "of")}
        on = max(body.get("withdrawn_on", day()), words[index].get("given_on") or "")
        when = {"given_on": body["given_on"]} if body["state"] in YES else {"on": on}
        word = {**kept, "state": body["state"], **when}
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
        self.model.follow(self.model.sequence)

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
