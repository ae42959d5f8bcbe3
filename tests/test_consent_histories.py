"""Random histories of consents while outsiders read: no answer after a withdrawal holds what was withdrawn.

What may be read when is told here once more by hand, from domain.md: invariants 1, 2 and 16. Each
history is one of five published cases of a country, so that they make a public figure, which has to go with the first
of them.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from types import TracebackType
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response
from sqlalchemy import update

from appeals.consent import Consent
from appeals.database import Database
from tests.cast import CONSENTS, Body, consent, day, intake, step_input, today
from tests.conftest import Template
from tests.live import Live, Remote, served
from tests.size import examples

HISTORIES = examples(2, share=0.1)
TURNS = 10
READERS = 2
A_MOMENT_S = 0.025
LEVELS = ["anonymised", "named", "person"]
SIGNED_UP = [given for given in CONSENTS if not given["scope"].startswith("publish")]
SIDES = [{"workers", "workers_union"}, {"local_partner"}]
log = logging.getLogger(__name__)


def kinds_of_consent() -> list[tuple[Body, bool, bool, bool]]:
    """What is said of a consent; and whether it is given, is limited to some, and is over."""
    return [
        ({}, True, False, False),
        ({"given_on": day()}, True, False, False),
        ({"expires_on": day(-30)}, True, False, False),
        ({"expires_on": day()}, True, False, False),
        ({"state": "given_with_conditions", "conditions": "No photographs."}, True, False, False),
        ({"recipients": ["Evening Post"]}, True, True, False),
        ({"expires_on": day(1)}, True, False, True),
        ({"state": "requested", "given_on": None, "method": None}, False, False, False),
        ({"state": "refused", "given_on": None, "method": None}, False, False, True),
    ]


# What outsiders got, and when


@dataclass(frozen=True)
class Look:
    """One public answer: between which moments, which tokens it held, and how many cases it counted."""

    began: float
    ended: float
    tokens: frozenset[str]
    counted: int


class Readers:
    """Outsiders who read again and again, each on a connection of their own."""

    def __init__(self, live: Live) -> None:
        self.known: list[str] = []
        self.looks: list[Look] = []
        self.faults: list[str] = []
        self._stop = threading.Event()
        self._live = live
        chances = [Random(number) for number in range(READERS)]  # noqa: S311 - no secret
        self._threads = [threading.Thread(target=self._read, args=(chance,)) for chance in chances]

    def __enter__(self) -> "Readers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self, chance: Random) -> None:
        outsider = Remote(self._live.url, self._live.cast)
        while not self._stop.wait(A_MOMENT_S):
            one = [f"/public/cases/{chance.choice(self.known[-8:])}"] if self.known else []
            path = chance.choice(
                ["/public/cases?limit=200", "/public/statistics", "/public/statistics?by=country", *one]
            )
            began = time.monotonic()
            answer = outsider.nobody.get(path)
            self._note(path, answer, began)
        outsider.leave()

    def _note(self, path: str, answer: Response, began: float) -> None:
        if answer.status_code not in (200, 404):
            self.faults.append(f"{path}: {answer.status_code}")
            return
        told = answer.json() if answer.status_code == 200 else {"items": []}
        items = told.get("items", [told])
        tokens = frozenset(item["token"] for item in items if "token" in item)
        self.looks.append(Look(began, time.monotonic(), tokens, sum(item.get("cases", 0) for item in items)))


# What may be read, told by hand


@dataclass
class Told:
    """A consent as it was told to the service: until when it is good, as far as today."""

    id: str
    subject: str
    scope: str
    given: bool
    limited: bool
    over: bool = False

    def covers(self, side: set[str], level: str) -> bool:
        widest = self.scope.removeprefix("publish_")
        wide = widest in LEVELS and LEVELS.index(widest) >= LEVELS.index(level)
        return self.given and not self.over and not self.limited and wide and self.subject in side


@dataclass
class Up:
    """A publication that may be read."""

    token: str
    level: str
    rests_on: set[str]
    shows: Body


@dataclass
class Played:
    """A case: what was told of it, what was signed, and what of it may be read now."""

    reference: str
    consents: list[Told] = field(default_factory=list)
    signed: list[dict[str, Any]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    up: Up | None = None
    ended: bool = False

    def agreed(self, level: str) -> bool:
        """Both sides, and for the widest level the person, agree to at least as much."""
        sides = [*SIDES, {"person"}] if level == "person" else SIDES
        return all(any(told.covers(side, level) for told in self.consents) for side in sides)

    def rests(self) -> bool:
        """What is up still rests on consents in force."""
        over = {told.id for told in self.consents if told.over}
        return self.up is not None and not self.up.rests_on & over

    def signature(self, level: str) -> dict[str, Any] | None:
        """The newest signature that is good for a level."""
        good = [mark for mark in self.signed if level in mark["shows"] and not mark["used"]]
        return good[-1] if good else None


class History:
    """Five cases, published, and what befalls them; every turn is checked against what was told by hand."""

    def __init__(self, live: Live, database: Database, readers: Readers, chance: Random) -> None:
        self.world, self.database, self.readers, self.chance = live.world, database, readers, chance
        self.gone: dict[str, float] = {}
        self.full: list[tuple[float, float | None]] = []
        self.said: list[str] = []
        self.before = self.answered = time.monotonic()
        self.country = chance.choice(["BD", "IN", "KH", "LK", "PK", "TR"])
        self.cases = [self._begin(campaigns=number == 0) for number in range(5)]
        for played in self.cases:
            self._approve(played, "named")
            self._publish(played, "named")
        assert self.counted() == [{"cases": 5}]

    def _begin(self, *, campaigns: bool) -> Played:
        sides = [consent("publish_named", who) for who in ("workers", "local_partner")]
        records = {**intake()["records"], "consents": [*SIGNED_UP, *sides]}
        reference = self.world.case_in("accepted" if campaigns else "received", country=self.country, records=records)
        if not campaigns:
            self.world.take(reference, "verification")  # alike in everything, they are counted together
        played = Played(reference)
        for given in self.world.records(reference, "consents"):
            played.consents.append(Told(given["id"], given["subject"], given["scope"], True, bool(given["recipients"])))
        return played

    def play(self) -> None:
        """So many turns, then every case is withdrawn."""
        turns: list[Callable[[Played], None]] = [
            self._end_consent, self._end_consent, self._end_consent, self._time_passes, self._give, self._give,
            self._sign, self._sign, self._go_public, self._go_public, self._take_down, self._reword, self._step,
            self._step, self._call_off,
        ]  # fmt: skip
        for _ in range(TURNS):
            self.chance.choice(turns)(self.chance.choice(self.cases))
        for played in self.cases:
            if not played.ended:
                self._withdraw(played)
        assert self.readable() == {}

    # What may befall a case

    def _end_consent(self, played: Played) -> None:
        """A consent is withdrawn, expires or is superseded; or tells only that it will end."""
        told = self.chance.choice([told for told in played.consents if told.scope.startswith("publish")])
        given = {"state": "given", "given_on": day(30), "method": "union_decision"}
        body, ends = self.chance.choice([
            ({"state": "withdrawn"}, True),
            ({"state": "withdrawn", "withdrawn_on": day(2)}, True),
            ({"state": "withdrawn", "withdrawn_on": day(-1)}, True),
            ({"state": "expired"}, True),
            ({"state": "superseded"}, True),
            ({**given, "expires_on": day(1)}, True),
            ({**given, "expires_on": day(-1)}, False),
        ])  # fmt: skip
        path = f"/v1/cases/{played.reference}/consents/{told.id}"
        answer = self.world.caseworker.patch(path, body)
        self._heard(f"consent {body}", answer, 200, 409, 422)
        if answer.status_code == 200:
            told.given, told.over = told.given or body["state"] == "given", told.over or ends
        self._look(played)

    def _time_passes(self, played: Played) -> None:
        """A consent runs out: its last day was yesterday, and nobody asked the service for anything."""
        told = self.chance.choice([told for told in played.consents if told.given])
        with self.database.writing() as session:
            session.execute(
                update(Consent).where(Consent.id == UUID(told.id)).values(expires_on=today() - timedelta(days=1))
            )
        self.answered = time.monotonic()
        told.over = True
        self.said.append("time passes")
        self._look(played)

    def _give(self, played: Played) -> None:
        """A consent of one side is recorded: wide or narrow, limited, conditional, asked for, or of the past."""
        scope = self.chance.choice(["anonymised", "named", "person", "person"])
        subject = self.chance.choice(
            ["workers", "workers_union", "local_partner", "local_partner", "person", "requester"]
        )
        more, given, limited, over = self.chance.choice(kinds_of_consent())
        answer = self.world.caseworker.add(played.reference, "consents", consent(f"publish_{scope}", subject, **more))
        self._heard(f"{subject} agree to {scope} {more}", answer, 201)
        played.consents.append(Told(answer.json()["id"], subject, f"publish_{scope}", given, limited, over))
        self._look(played)

    def _sign(self, played: Played) -> None:
        self._approve(played, self.chance.choice(LEVELS))
        self._look(played)

    def _approve(self, played: Played, level: str) -> None:
        answer = self.world.reviewer.add(played.reference, "approvals", {"level": level})
        self._heard(f"approve {level}", answer, 201)
        played.signed.append({"shows": answer.json()["shows"], "used": False})

    def _go_public(self, played: Played) -> None:
        self._publish(played, self.chance.choice(LEVELS))

    def _publish(self, played: Played, level: str) -> None:
        may = played.agreed(level) and played.signature(level) is not None and not played.ended
        path = f"/v1/cases/{played.reference}/publications"
        answer = self.world.coordinator.post(path, {"publication_level": level}, If_Match="*")
        self._heard(f"publish {level}", answer, 201 if may else 409)
        self._look(played, signed_anew=may)

    def _step(self, _: Played) -> None:
        """The campaign goes up and down, is paused and taken up again, as its state allows."""
        campaign = self.cases[0]
        level = self.chance.choice(LEVELS)
        noun = self.chance.choice(
            ["escalation", "escalation", "de-escalation", "suspension", "resumption", "resumption"]
        )
        said = {"reason": "workers_request"} if noun in ("escalation", "resumption") else {}
        said |= {"publication_level": level} if noun == "escalation" else {}
        status = self.world.show(campaign.reference)["status"]
        answer = self.world.coordinator.step(campaign.reference, noun, {**step_input(noun), **said})
        self._heard(f"{noun} {said} from {status}", answer, 201, 409)
        went_public = answer.status_code == 201 and answer.json()["case"]["status"] == "public_campaign"
        self._look(campaign, signed_anew=went_public and (noun == "escalation" or not campaign.rests()))
        if went_public:
            assert campaign.up is not None
            assert campaign.up.level == level or noun != "escalation"

    def _take_down(self, played: Played) -> None:
        """The newest publication is taken down, if it is up."""
        made = self.world.records(played.reference, "publications")[-1]
        path = f"/v1/cases/{played.reference}/publications/{made['id']}/takedown"
        answer = self.world.caseworker.post(path, {"reason": "The workers are in danger."})
        self._heard("take down", answer, 409 if made["taken_down_at"] else 201)
        self._look(played, down=True)

    def _reword(self, played: Played) -> None:
        """What was approved does not change when the case does."""
        body = {"title": f"Title {self.chance.random()}"}
        self._heard("reword", self.world.coordinator.patch(f"/v1/cases/{played.reference}", body, If_Match="*"), 200)
        self._look(played)

    def _call_off(self, played: Played) -> None:
        """Now and then somebody withdraws the appeal, or it is declined, or merged into another."""
        going = [other for other in self.cases if other is not played and not other.ended]
        if played.ended or not going or self.chance.random() < 0.5:
            return
        noun = self.chance.choice(["withdrawal", "merger", "decline"])
        said = {"survivor": self.chance.choice(going).reference} if noun == "merger" else {}
        if noun == "decline" and played is self.cases[0]:
            return
        answer = self.world.coordinator.step(played.reference, noun, {**step_input(noun), **said})
        self._heard(noun, answer, 201)
        played.ended = True
        self._look(played, down=True)

    def _withdraw(self, played: Played) -> None:
        answer = self.world.coordinator.step(played.reference, "withdrawal", step_input("withdrawal"))
        self._heard("withdrawal", answer, 201)
        played.ended = True
        self._look(played, down=True)

    # What then may be read

    def _heard(self, what: str, answer: Response, *expected: int) -> None:
        self.answered = time.monotonic()
        self.said.append(f"{what}: {answer.status_code}")
        assert answer.status_code in expected, (self.said, answer.text)

    def _look(self, played: Played, *, signed_anew: bool = False, down: bool = False) -> None:
        """Note what is gone since the answer, see what is new, and that just what may be read can be read."""
        answered = self.answered
        if played.up and (signed_anew or down or not played.rests()):
            self.gone[played.up.token] = answered
            played.up = None
        listed = self.world.records(played.reference, "publications")
        for made in listed:
            if made["token"] not in played.seen and made["taken_down_at"] is None:
                self._require_sound(played, made, signed_anew=signed_anew)
                played.up = Up(made["token"], made["level"], set(made["consents"]), made["shows"])
                self.readers.known.append(made["token"])
        played.seen |= {made["token"] for made in listed}
        shown = {case.up.token: case.up.shows for case in self.cases if case.up}
        assert self.readable() == shown, self.said
        self._note_figure(answered)

    def _note_figure(self, answered: float) -> None:
        """The five are counted only while all of them may be read."""
        all_up = all(case.up for case in self.cases)
        begun = bool(self.full) and self.full[-1][1] is None
        if all_up and not begun:
            self.full.append((self.before, None))
        if begun and not all_up:
            self.full[-1] = (self.full[-1][0], answered)
        if not all_up:
            assert self.counted() == [], self.said
        self.before = answered

    def _require_sound(self, played: Played, made: Body, *, signed_anew: bool) -> None:
        """It rests on consents in force that are wide enough, two signed it, and it shows what the second one saw."""
        level = made["level"]
        resting = [told for told in played.consents if told.id in made["consents"]]
        sides = [*SIDES, {"person"}] if level == "person" else SIDES
        assert all(any(told.covers(side, level) for told in resting) for side in sides), self.said
        assert not played.ended, self.said
        assert made["recorded_by"] == self.world.coordinator.account
        assert made["approved_by"] == self.world.reviewer.account
        assert made["shows"] in [mark["shows"].get(level) for mark in played.signed], self.said
        if signed_anew:
            newest = played.signature(level)
            assert newest is not None, self.said
            assert newest["shows"][level] == made["shows"]
            newest["used"] = True

    def counted(self) -> list[Body]:
        """What the public figure says now."""
        items: list[Body] = self.world.nobody.get("/public/statistics").json()["items"]
        return items

    def readable(self) -> dict[str, Body]:
        """What an outsider finds now."""
        items = self.world.nobody.get("/public/cases?limit=200").json()["items"]
        return {item["token"]: item["shows"] for item in items}

    def require_nothing_late(self) -> int:
        """No look that began after something was gone held it, or counted it; how many looks held anything."""
        assert self.readers.faults == []
        for look in self.readers.looks:
            late = [token for token in look.tokens if self.gone.get(token, look.began) < look.began]
            assert not late, self.said
            if look.counted:
                assert look.counted == 5
                assert any(begun <= look.ended and look.began <= (end or look.began) for begun, end in self.full)
        return sum(bool(look.tokens or look.counted) for look in self.readers.looks)


@pytest.fixture(scope="module")
def alone(template: Template) -> Iterator[Live]:
    """A service of which only these tests know."""
    url = template.copy()
    with served(url, template.cast) as running:
        yield running
    template.drop(url)


@pytest.mark.soak
def test_no_public_answer_after_a_withdrawal_holds_what_was_withdrawn(alone: Live, template: Template) -> None:
    database = Database(alone.database_url)
    looks = held = 0
    for number in range(HISTORIES):
        with Readers(alone) as readers:
            history = History(alone, database, readers, Random(f"{template.dialect} {number}"))  # noqa: S311 - no secret
            history.play()
        held += history.require_nothing_late()
        looks += len(readers.looks)
    database.engine.dispose()
    assert held
    log.info("%s: %d histories, %d public answers, %d with something in them", template.dialect, HISTORIES, looks, held)
