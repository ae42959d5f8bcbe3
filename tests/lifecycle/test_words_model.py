"""A model of consents: random histories of one case, checked after each act for a publication that may not be up.

The oracle (`tests/support/consent_oracle.py`, `publication_oracle.py`) is a second reading of domain.md 8 by somebody
who has not seen the code. Time moves both ways: the server's clock is put ahead, and back.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import update

from appeals.accounts.api_key import Key
from appeals.fields import span
from appeals.lifecycle import transition
from appeals.lifecycle.due_dates import ON_DUE, process_due
from appeals.lifecycle.write_context import WriteContext
from appeals.vocabulary import DueKind
from tests.support import publication_oracle
from tests.support.cast import CONSENTS, PARTIES, Body, World, intake, organisation, step_input
from tests.support.consent_model import Case, Fact, Page, Party, Step, Word
from tests.support.size import examples

pytestmark = pytest.mark.soak
VIOLATIONS = [{"label": "dismissal", "code": "antiunion_dismissal"}, {"label": "threat", "code": "threat"}]
PEOPLE = [{"label": "seven", "pseudonym": "Worker Seven"}, {"label": "nine", "pseudonym": "Worker Nine"}]
OTHER_UNION = {"label": "other", "role": "workers_union", "organisation": organisation("Second Stitch Union")}
PARTNER = {"label": "partner", "role": "local_partner", "organisation": organisation("Partner On The Spot", "ngo")}
SUBJECTS = ["workers"] * 4 + ["workers_union"] * 2 + ["local_partner"] * 3 + ["requester", "person"]
SCOPES = ["publish_named"] * 4 + ["publish_anonymised", "publish_person", "take_up", "take_up", "share_network"]
STATES = ["given"] * 5 + ["given_with_conditions", "withdrawn", "refused", "requested"]
LEVELS = ["anonymised", "named", "named", "person"]
MAY_STAY_UP = ["negotiation_pause", "awaiting_proceeding", "contact_lost"]


class UpWithoutLeave(AssertionError):
    """A page may be read that may not be up."""


class Walk:
    """A case, the clock it lives by, and what is done to it at random."""

    def __init__(self, world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.rng = world, Random(seed)  # noqa: S311 - nothing secret
        self.ahead = timedelta(0)
        self.done: list[str] = []
        context = type(world.app.state.context)
        monkeypatch.setattr(context, "now", lambda _: datetime.now(UTC) + self.ahead)
        with world.unprotected() as session:
            session.execute(update(Key).values(expires_at=self.now + timedelta(days=400)))
        records = {**intake()["records"], "people": PEOPLE, "consents": [*CONSENTS], "parties": [*PARTIES, OTHER_UNION]}
        self.reference = world.case(records=records, violations=VIOLATIONS)
        for noun in ("screening", "verification", "acceptance", "engagement"):
            grades = [{"violation": f"#{label}", "grade": "likely"} for label in ("dismissal", "threat")]
            world.take(self.reference, noun, **({"grades": grades} if noun == "verification" else {}))

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def day(self, ago: int) -> str:
        return (self.now.date() - timedelta(days=ago)).isoformat()

    # What is done

    def word(self) -> Response:
        state, subject, scope = self.rng.choice(STATES), self.rng.choice(SUBJECTS), self.rng.choice(SCOPES)
        if subject == "person":
            scope = "publish_person"
        said = self.day(self.rng.choice([-1, 0, 0, 1, 1, 2, 3, 5, 8, 20, 40]))
        precision = self.rng.choice(["exact"] * 5 + ["day_unknown", "month_unknown", "estimate"])
        body: Body = {"subject": subject, "scope": scope, "state": state}
        if state.startswith("given"):
            body |= {"given_on": said, "given_precision": precision, "method": "written"}
        elif state != "requested":
            body |= {"on": said, "on_precision": precision}
        if state == "given_with_conditions":
            body["conditions"] = [self.rng.choice(["All are released.", "No name of the village."])]
        if state.startswith("given") and self.rng.random() < 0.25:
            body["expires_on"] = self.day(-self.rng.choice([0, 1, 3, 9]))
        if self.rng.random() < 0.1:
            body["recipients"] = ["Sample Brand"]
        if subject == "person":
            body["of"] = self.rng.choice(["#seven", "#nine"])
        elif subject == "workers_union":
            body["of"] = self.rng.choice(["#union", "#other"])
        return self.world.caseworker.add(self.reference, "consents", body)

    def renew(self) -> Response:
        """A day later everybody who is asked says yes again, and the risk is looked at."""
        self.ahead += timedelta(days=1)
        self.resume()
        yes = {"state": "given", "given_on": self.day(0), "method": "union_decision"}
        if self.rng.random() < 0.6:
            yes["expires_on"] = self.day(-2)
        public = self.rng.choice(["publish_named", "publish_person"])
        params: list[tuple[str, str, Body]] = [("local_partner", public, {})]
        params += [("workers", scope, {}) for scope in ("take_up", "contact_brand", public)]
        params += [("person", "publish_person", {"of": label}) for label in ("#seven", "#nine")]
        for subject, scope, of in params:
            self.world.caseworker.add(self.reference, "consents", {"subject": subject, "scope": scope, **yes, **of})
        risk = {"level": "elevated", "assessed_on": self.day(0)}
        self.world.caseworker.add(self.reference, "risk-assessments", risk)
        self.resume()
        return self.publish()

    def withdraw(self) -> Response:
        given = [word for word in self.records("consents") if word["state"].startswith("given")]
        path = f"/v1/cases/{self.reference}/consents/{self.rng.choice(given)['id']}"
        return self.world.caseworker.patch(path, {"state": "withdrawn"})

    def sign(self) -> Response:
        met = [
            {"consent": word["id"], "condition": condition, "how": "It was seen."}
            for word in self.records("consents")
            for condition in word["conditions"]
            if self.rng.random() < 0.7
        ]
        body = {"level": self.rng.choice(["named", "person"]), "conditions_met": met}
        return self.world.reviewer.add(self.reference, "approvals", body)

    def publish(self) -> Response:
        self.sign()
        body = {"publication_level": self.rng.choice(LEVELS)}
        return self.world.coordinator.post(f"/v1/cases/{self.reference}/publications", body, If_Match="*")

    def escalate(self) -> Response:
        self.sign()
        body = {**step_input("escalation"), "reason": "workers_request", "publication_level": self.rng.choice(LEVELS)}
        return self.step("escalation", body)

    def suspend(self) -> Response:
        return self.step("suspension", reason=self.rng.choice([*MAY_STAY_UP, "safety"]))

    def resume(self) -> Response:
        return self.step("resumption")

    def grade(self) -> Response:
        label, grade = self.rng.choice(["dismissal", "threat"]), self.rng.choice(["likely", "likely", "refuted"])
        return self.step("verification", grades=[{"violation": f"#{label}", "grade": grade}])

    def partner(self) -> Response:
        return self.world.coordinator.add(self.reference, "parties", PARTNER)

    def merge(self) -> Response:
        other = self.world.case()
        no = {"subject": "workers", "scope": self.rng.choice(SCOPES), "state": "refused", "on": self.day(2)}
        self.world.coordinator.add(other, "consents", no)
        return self.world.coordinator.step(other, "merger", {"survivor": self.reference}, If_Match="*")

    def time(self) -> None:
        """Days pass, or the clock is set back: to yesterday at most, as what is logged with a case is of today."""
        self.ahead = max(self.ahead + timedelta(days=self.rng.choice([-3, -1, 1, 1, 2, 4])), timedelta(days=-1))
        process_due(self.world.database, self.now)

    def step(self, noun: str, body: Body | None = None, **changed: Any) -> Response:
        return self.world.coordinator.step(self.reference, noun, {**(body or step_input(noun)), **changed})

    def act(self) -> None:
        """Do something; what a rule refuses is refused, and nothing breaks."""
        acts: list[Callable[[], Response | None]] = [
            *[self.word] * 7, *[self.publish] * 3, *[self.renew] * 3, self.withdraw, self.escalate, self.suspend,
            self.resume, self.resume, self.grade, self.partner, self.merge, *[self.time] * 4,
        ]  # fmt: skip
        chosen = self.rng.choice(acts)
        answer = chosen()
        status = answer.status_code if answer else 200
        assert status in {200, 201, 409, 422}, (chosen.__name__, answer and answer.text)
        unmet = [item["code"] for item in answer.json().get("unmet", [])] if answer else []
        self.done.append(f"{chosen.__name__} {status} at {self.now:%m-%d} {unmet}")

    # What the oracle is told

    def records(self, noun: str) -> list[Body]:
        return self.world.records(self.reference, noun)

    def as_case(self, shown: Body) -> Case:
        history = self.world.history(self.reference)
        suspensions = [
            entry["reason"] for entry in history if entry["to_status"] == "suspended" != entry["from_status"]
        ]
        return Case(
            words=tuple(as_word(word) for word in shown["consents"]),
            parties=tuple(as_party(party) for party in shown["parties"]),
            history=tuple(Step(entry["step"], as_day(entry["occurred_on"])) for entry in history),
            status=shown["status"],
            suspend_reason=suspensions[-1] if shown["status"] == "suspended" else None,
            close_reason=shown["close_reason"],
            violations=tuple(Fact(found["id"], found["grade"]) for found in shown["violations"]),
            newest_recorded_at=as_moment(shown["updated_at"]),
        )

    def page(self, shown: Body, made: Body) -> Page:
        approval = next(signed for signed in reversed(shown["approvals"]) if signed["used_at"] == made["recorded_at"])
        words = {word["id"]: as_said(word) for word in shown["consents"]}
        met = frozenset(f"{words[item['consent']]} {item['condition']}" for item in approval["conditions_met"])
        people = {item["pseudonym"] for item in made["shows"].get("people", [])}
        named = frozenset(person["id"] for person in shown["people"] if person["pseudonym"] in people)
        codes = set(made["shows"]["violations"])
        violations = frozenset(found["id"] for found in shown["violations"] if found["code"] in codes)
        return Page(
            level=made["level"],
            people=named,
            shows=violations,
            signed_at=as_moment(made["recorded_at"]),
            conditions_met=met,
        )

    def check(self) -> None:
        """What outsiders read may be up, by the oracle; what came down did not have to stay."""
        shown = self.world.show(self.reference)
        case, now = self.as_case(shown), self.now.replace(tzinfo=None)
        pages = [made for made in shown["publications"] if made["taken_down_at"] is None]
        own = {made["token"] for made in shown["publications"]}
        items = self.world.nobody.get("/public/cases?limit=200").json()["items"]
        public = {item["token"] for item in items} & own
        assert public <= {made["token"] for made in pages}
        for made in pages:
            reasons = publication_oracle.may_be_up(case, self.page(shown, made), now)
            if made["token"] in public and reasons:
                raise UpWithoutLeave(reasons, self.done)
        assert pages or case.status != "public_campaign", self.done


def as_day(text: str) -> date:
    return date.fromisoformat(text)


def as_moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def as_said(word: Body) -> str:
    """What is the same in two records of one word."""
    return " ".join(str(word[name]) for name in ("subject", "of", "scope", "given_on", "given_precision"))


def as_word(word: Body) -> Word:
    given = word["given_on"] is not None
    day, precision = (word["given_on"], word["given_precision"]) if given else (word["on"], word["on_precision"])
    recorded_at = as_moment(word["recorded_at"])
    first, last = span(as_day(day), precision) if day else (recorded_at.date(), recorded_at.date())
    return Word(
        id=word["id"],
        subject=word["subject"],
        scope=word["scope"],
        state=word["state"],
        first=first,
        last=last,
        recorded_at=recorded_at,
        of=word["of"],
        expires_on=as_day(word["expires_on"]) if word["expires_on"] else None,
        recipients=frozenset(word["recipients"]),
        conditions=tuple(f"{as_said(word)} {condition}" for condition in word["conditions"]),
    )


def as_party(party: Body) -> Party:
    organisation_id = party["organisation_id"] or party["facility_id"] or party["id"]
    return Party(party["id"], party["role"], organisation_id, added_at=as_moment(party["recorded_at"]))


STEPS_OF_A_WALK = 25


@pytest.mark.parametrize("seed", range(examples(12)))
def test_nothing_is_up_that_may_not_be(world: World, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    walk = Walk(world, seed, monkeypatch)
    for _ in range(STEPS_OF_A_WALK):
        walk.act()
        walk.check()


def test_the_walks_publish_and_take_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = Walk(world, 1, monkeypatch)
    for _ in range(40):
        walk.act()
    assert sum(page["taken_down_at"] is not None for page in walk.records("publications")) > 1, walk.done


def stay_up_for_ever(writing: WriteContext) -> None:
    """What a service did that asked only when a page goes up."""
    if writing.case.page_up:
        writing.case.page_up.up_until = date.max
        writing.session.flush()


@pytest.mark.parametrize("broken", ["after a write", "by the clock"])
def test_the_model_sees_where_the_question_is_not_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """Controls: a service that asks when a page goes up, and then no more; or not when days pass."""
    monkeypatch.setitem(ON_DUE, DueKind.CONSENT, lambda *_: None)
    if broken == "after a write":
        monkeypatch.setattr(transition, "follow_up", stay_up_for_ever)
    else:
        monkeypatch.setattr(transition, "up_until", lambda _: date.max)
    with pytest.raises(UpWithoutLeave):
        _walk_until_something_is_up_that_may_not_be(world, monkeypatch)


def _walk_until_something_is_up_that_may_not_be(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(40):
        walk = Walk(world, seed, monkeypatch)
        for _ in range(STEPS_OF_A_WALK):
            walk.act()
            walk.check()
