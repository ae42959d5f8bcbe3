"""Random histories of consents while outsiders read: no answer after a no shows what it ended.

What may be read when is told here once more by hand, from domain.md 8: each subject's last word by its day, whenever
it was recorded. Each history is one of five published cases of a country, so that they make a public figure, which
has to go with the first of them.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Any

import pytest
from httpx2 import Response

from tests.conftest import Template
from tests.support.cast import CONSENTS, Body, consent, day, intake, step_input
from tests.support.live import Live, Remote, served
from tests.support.size import examples

HISTORIES = examples(2, share=0.1)
TURNS = 12
READERS = 2
A_MOMENT_S = 0.025
LEVELS = ["anonymised", "named", "person"]
SIGNED_UP = [given for given in CONSENTS if not given["scope"].startswith("publish")]
SCOPES = [f"publish_{level}" for level in LEVELS]
SIDES = [{"workers", "workers_union"}, {"local_partner"}]
log = logging.getLogger(__name__)


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


# What may be read, by the subjects' last words


@dataclass(frozen=True)
class Word:
    """What a voice said of publishing at a level, on a day; `told` counts the words of the case as they were recorded.

    A yes is good until a day. One that is limited to some says nothing to the public.
    """

    voice: str
    level: str
    yes: bool
    on: str
    told: int
    until: str = "9999"
    limited: bool = False


@dataclass
class Up:
    """A page that may be read, with how many words were on record when it was signed."""

    token: str
    level: str
    told: int
    shows: Body


@dataclass
class Played:
    """A case: what was said and signed, and what of it may be read now."""

    reference: str
    words: list[Word] = field(default_factory=list)
    signed: list[dict[str, Any]] = field(default_factory=list)
    up: Up | None = None
    ended: bool = False
    paused: bool = False
    survivor: "Played | None" = None

    def newer(self, no: Word, level: str) -> list[Word]:
        """The yeses to a level that were said after a no by the same voice or, for the union, by all workers."""
        voices = {no.voice, *(["workers"] if no.voice == "workers_union" else [])}
        wide_enough = LEVELS[LEVELS.index(level) :]
        return [w for w in self.words if w.yes and w.voice in voices and w.on > no.on and w.level in wide_enough]

    def stands(self, no: Word, level: str) -> bool:
        """Whether it is the last word of its voice; what all workers say lifts the union's while it is good."""
        newer = [word for word in self.newer(no, level) if not word.limited]
        return not any(word.voice == no.voice or word.until >= day() for word in newer)

    def agrees(self, side: set[str], level: str) -> bool:
        """A side agrees when one of its voices does, and no voice's last word is a no."""
        words = [word for word in self.words if word.voice in side]
        noes = [word for word in words if not word.yes]
        if any(bears_on(no, level) and self.stands(no, level) for no in noes):
            return False
        return any(self.in_force(voice, wider) for voice in side for wider in LEVELS[LEVELS.index(level) :])

    def in_force(self, voice: str, level: str) -> bool:
        """Whether the newest yes of a voice to just this level was not ended by a no, and has not run out."""
        words = [word for word in self.words if word.voice == voice and not word.limited]
        ended = max((no.on for no in words if not no.yes and bears_on(no, level)), default="")
        yeses = [word for word in words if word.yes and word.level == level and word.on > ended]
        newest = max((word.on for word in yeses), default="")
        return bool(yeses) and all(word.until >= day() for word in yeses if word.on == newest)

    def agreed(self, level: str) -> bool:
        """Both sides agree, and of the widest level the person."""
        return all(self.agrees(side, level) for side in (*SIDES, *([{"person"}] if level == "person" else [])))

    def is_void(self, level: str, told: int, *, of_person: bool) -> bool:
        """Whether there is a no that no newer yes of that voice answered when so much was told."""
        noes = [no for no in self.words if not no.yes and (no.voice != "person" or (level == "person" and of_person))]
        params = {no: "person" if no.voice == "person" else level for no in noes}
        return any(
            bears_on(no, params[no]) and not any(w.told <= told for w in self.newer(no, params[no])) for no in noes
        )

    def signature(self, level: str) -> dict[str, Any] | None:
        """The newest signature that is good for a level."""
        good = [
            mark for mark in self.signed if level in mark["shows"] and not mark["used"] and self.is_good(mark, level)
        ]
        return good[-1] if good else None

    def is_good(self, mark: dict[str, Any], level: str) -> bool:
        return not self.is_void(level, mark["told"], of_person=bool(mark["shows"].get("person", {}).get("people")))

    def may_go_up(self, level: str) -> bool:
        mark = self.signature(level)
        shown = level != "person" or (mark is not None and bool(mark["shows"]["person"]["people"]))
        return mark is not None and shown and self.agreed(level) and not self.ended and not self.paused

    def may_stay_up(self) -> bool:
        if self.up is None or self.ended or self.paused:
            return False
        void = self.is_void(self.up.level, self.up.told, of_person=True)
        return not void and self.agreed(self.up.level)


def bears_on(no: Word, level: str) -> bool:
    """A no ends what is wider."""
    return LEVELS.index(no.level) <= LEVELS.index(level)


class History:
    """Five cases, published, and what befalls them; every turn is checked against what was told by hand."""

    def __init__(self, live: Live, readers: Readers, chance: Random) -> None:
        self.world, self.readers, self.chance = live.world, readers, chance
        self.gone: dict[str, list[tuple[float, float | None]]] = {}
        self.full: list[tuple[float, float | None]] = []
        self.said: list[str] = []
        self.began = self.answered = time.monotonic()
        self.country = chance.choice(["BD", "IN", "KH", "LK", "PK", "TR"])
        self.cases = [self._begin() for _ in range(5)]
        for played in self.cases:
            self._approve(played, "named")
            self._publish(played, "named")
        assert self.counted() == [{"cases": 5}]

    def _begin(self) -> Played:
        sides = [consent("publish_named", who) for who in ("workers", "local_partner")]
        people = [{"label": "seven", "pseudonym": "Worker Seven"}]
        records = {**intake()["records"], "people": people, "consents": [*SIGNED_UP, *sides]}
        played = Played(self.world.case_in("accepted", country=self.country, records=records))
        for given in sides:
            self._note(played, given["subject"], "named", yes=True, on=given["given_on"])
        return played

    def play(self) -> None:
        """So many turns, then every case is withdrawn."""
        turns: list[Callable[[Played], None]] = [
            self._say, self._say, self._say, self._say, self._take_back, self._take_back, self._sign, self._go_public,
            self._go_public, self._go_public, self._take_down, self._reword, self._step, self._step, self._call_off,
        ]  # fmt: skip
        for _ in range(TURNS):
            self.chance.choice(turns)(self.chance.choice(self.cases))
        for played in self.cases:
            if not played.ended:
                self._withdraw(played)
        assert self.readable() == {}

    # What may befall a case

    def _say(self, played: Played) -> None:
        """A word is recorded, of any day before or after those on record; half of all reports arrive twice."""
        voice = self.chance.choice(["workers", "workers", "workers_union", "local_partner", "local_partner", "person"])
        level = "person" if voice == "person" else self.chance.choice(LEVELS)
        on, yes = day(self.chance.choice([40, 20, 10, 3, 1, 0])), self.chance.random() < 0.6
        whose = {"of": "#seven"} if voice == "person" else {}
        more: Body = self.chance.choice(
            [{}, {}, {"expires_on": day()}, {"expires_on": day(-30)}, {"recipients": ["Evening Post"]},
             {"state": "requested", "given_on": None, "method": None}]
        )  # fmt: skip
        body = {**consent(f"publish_{level}", voice), "given_on": on, **whose, **more}
        if not yes:
            body = {"subject": voice, "scope": f"publish_{level}", "state": "refused", "on": on, **whose}
        if yes and "state" not in more and self.chance.random() < 0.2:
            body["expires_on"] = max(on, day(1))
        for _ in range(self.chance.choice([1, 2])):
            self._call(str(body), lambda: self.world.caseworker.add(played.reference, "consents", body), 201)
            if body["state"] != "requested":
                until, limited = body.get("expires_on", "9999"), "recipients" in body
                self._note(played, voice, level, yes=yes, on=on, until=until, limited=limited)
            self._look(played)

    def _note(self, played: Played, voice: str, level: str, **said: Any) -> None:
        """A word on record; a no to a case that was merged stands in the survivor too."""
        played.words.append(Word(voice, level, told=len(played.words), **said))
        if played.survivor and not said["yes"]:
            self._note(played.survivor, voice, level, **said)
            self._note_page(played.survivor)

    def _take_back(self, played: Played) -> None:
        """A yes on record is taken back, by the shorthand for a no."""
        known = [word for word in self.world.records(played.reference, "consents") if word["scope"] in SCOPES]
        given = self.chance.choice([word for word in known if word["state"] == "given"])
        on = self.chance.choice([None, day(2), day(10), day(-1)])
        body = {"state": "withdrawn", **({"withdrawn_on": on} if on else {})}
        path = f"/v1/cases/{played.reference}/consents/{given['id']}"
        told = self._call(f"{given} {body}", lambda: self.world.caseworker.patch(path, body), 200).json()
        if told["id"] not in {word["id"] for word in known}:
            level = given["scope"].removeprefix("publish_")
            self._note(played, given["subject"], level, yes=False, on=min(told["on"], day()))
        self._look(played)

    def _sign(self, played: Played) -> None:
        self._approve(played, self.chance.choice(LEVELS))
        self._look(played)

    def _approve(self, played: Played, level: str) -> None:
        send = self.world.reviewer.add
        signed = self._call(f"approve {level}", lambda: send(played.reference, "approvals", {"level": level}), 201)
        played.signed.append({"shows": signed.json()["shows"], "used": False, "told": len(played.words) - 1})

    def _go_public(self, played: Played) -> None:
        if self.chance.random() < 0.5:
            self._approve(played, "person")
        self._publish(played, self.chance.choice(LEVELS))

    def _publish(self, played: Played, level: str) -> None:
        may, body = played.may_go_up(level), {"publication_level": level}
        path = f"/v1/cases/{played.reference}/publications"
        send = self.world.coordinator.post
        self._call(f"publish {level}", lambda: send(path, body, If_Match="*"), 201 if may else 409)
        self._look(played, signed_anew=may)

    def _step(self, _: Played) -> None:
        """A campaign goes up and down, is paused and taken up again, as its state allows."""
        campaign, level = self.cases[0], self.chance.choice(LEVELS)
        noun = self.chance.choice(
            ["escalation", "escalation", "de-escalation", "suspension", "resumption", "resumption"]
        )
        said = {"reason": "workers_request"} if noun in ("escalation", "resumption") else {}
        said |= {"publication_level": level} if noun == "escalation" else {}
        said |= {"reason": self.chance.choice(["safety", "negotiation_pause"])} if noun == "suspension" else {}
        said |= {"keep_public": "The workers ask for it."} if noun == "de-escalation" and level == "named" else {}
        body, ref = {**step_input(noun), **said}, campaign.reference
        answer = self._call(f"{noun} {said}", lambda: self.world.coordinator.step(ref, noun, body), 201, 409)
        stayed_up = campaign.up
        if answer.status_code == 201:
            campaign.paused = noun == "suspension" and said["reason"] == "safety"
        went_public = answer.status_code == 201 and answer.json()["case"]["status"] == "public_campaign"
        again = went_public and (noun == "escalation" or stayed_up is None)
        ended = answer.status_code == 201 and noun == "de-escalation" and "keep_public" not in said
        self._look(campaign, signed_anew=again, down=ended)
        assert not went_public or campaign.up is not None

    def _take_down(self, played: Played) -> None:
        """The newest publication is taken down, if it is up."""
        made = self.world.records(played.reference, "publications")[-1]
        path, reason = f"/v1/cases/{played.reference}/publications/{made['id']}/takedown", {"reason": "In danger."}
        self._call("take down", lambda: self.world.caseworker.post(path, reason), 409 if made["taken_down_at"] else 201)
        self._look(played, down=True)

    def _reword(self, played: Played) -> None:
        """What was approved does not change when the case does."""
        path, body = f"/v1/cases/{played.reference}", {"title": f"Title {self.chance.random()}"}
        self._call("reword", lambda: self.world.coordinator.patch(path, body, If_Match="*"), 200)
        self._look(played)

    def _call_off(self, played: Played) -> None:
        """Now and then somebody withdraws the appeal, or it is referred, or merged into another."""
        going = [other for other in self.cases if other is not played and not other.ended]
        if played.ended or not going or self.chance.random() < 0.5:
            return
        noun = self.chance.choice(["withdrawal", "merger"])
        survivor = {"survivor": going[-1].reference} if noun == "merger" else {}
        noes = [word for word in played.words if not word.yes and played.stands(word, word.level)]
        body = {**step_input(noun), **survivor}
        self._call(noun, lambda: self.world.coordinator.step(played.reference, noun, body), 201)
        played.ended = True
        if noun == "merger":
            played.survivor = going[-1]
            for no in noes:  # every no that stands is carried over
                self._note(going[-1], no.voice, no.level, yes=False, on=no.on)
            self._note_page(going[-1])
        self._look(played)

    def _withdraw(self, played: Played) -> None:
        send = self.world.coordinator.step
        self._call("withdrawal", lambda: send(played.reference, "withdrawal", step_input("withdrawal")), 201)
        played.ended = True
        self._look(played)

    # What then may be read

    def _call(self, what: str, send: Callable[[], Response], *expected: int) -> Response:
        self.began = time.monotonic()
        answer = send()
        self.answered = time.monotonic()
        self.said.append(f"{what}: {answer.status_code}")
        assert answer.status_code in expected, (self.said, answer.text)
        return answer

    def _look(self, played: Played, *, signed_anew: bool = False, down: bool = False) -> None:
        """Note what is gone since the answer, see what is new, and that just what may be read can be read."""
        began, answered = self.began, self.answered
        self._note_page(played, signed_anew=signed_anew, down=down)
        assert self.readable() == {case.up.token: case.up.shows for case in self.cases if case.up}, self.said
        self._note_figure(began, answered)

    def _note_page(self, played: Played, *, signed_anew: bool = False, down: bool = False) -> None:
        began, answered, before = self.began, self.answered, played.up
        if down or signed_anew or not played.may_stay_up():
            played.up = None
        if signed_anew:
            played.up = self._signed_anew(played, before)
        if before and (played.up is None or played.up.token != before.token):
            self.gone.setdefault(before.token, []).append((answered, None))
        if played.up and played.up.token in self.gone and self.gone[played.up.token][-1][1] is None:
            self.gone[played.up.token][-1] = (self.gone[played.up.token][-1][0], began)

    def _signed_anew(self, played: Played, before: Up | None) -> Up:
        """What went up: two signed it, all agreed to it, and it shows what the second one saw."""
        made = self.world.records(played.reference, "publications")[-1]
        level, mark = made["level"], played.signature(made["level"])
        assert mark is not None, self.said
        assert (made["taken_down_at"], played.agreed(level)) == (None, True), self.said
        assert (made["recorded_by"], made["approved_by"]) == (
            self.world.coordinator.account, self.world.reviewer.account,
        )  # fmt: skip
        assert made["shows"] == mark["shows"][level], self.said
        mark["used"] = True
        if before and LEVELS.index(level) >= LEVELS.index(before.level):
            assert made["token"] == before.token, self.said
        self.readers.known.append(made["token"])
        return Up(made["token"], level, len(played.words) - 1, made["shows"])

    def _note_figure(self, began: float, answered: float) -> None:
        """The five are counted only while all of them may be read."""
        all_up = all(case.up for case in self.cases)
        begun = bool(self.full) and self.full[-1][1] is None
        if all_up and not begun:
            self.full.append((began, None))
        if begun and not all_up:
            self.full[-1] = (self.full[-1][0], answered)
        if not all_up:
            assert self.counted() == [], self.said

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
            late = [token for token in look.tokens if self._was_gone(token, look)]
            assert not late, self.said
            if look.counted:
                assert look.counted == 5
                assert any(begun <= look.ended and look.began <= (end or look.began) for begun, end in self.full)
        return sum(bool(look.tokens or look.counted) for look in self.readers.looks)

    def _was_gone(self, token: str, look: Look) -> bool:
        """Whether a token was gone before a look began, and came back, if at all, after it ended."""
        spans = self.gone.get(token, [])
        return any(gone < look.began and (back is None or look.ended < back) for gone, back in spans)


@pytest.fixture(scope="module")
def alone(template: Template) -> Iterator[Live]:
    """A service of which only these tests know: of two workers where the database allows it."""
    url = template.copy()
    with served(url, template.cast, workers="2" if template.dialect == "postgresql" else "1") as running:
        yield running
    template.drop(url)


@pytest.mark.soak
def test_no_public_answer_after_a_withdrawal_holds_what_was_withdrawn(alone: Live, template: Template) -> None:
    looks = held = 0
    for number in range(HISTORIES):
        with Readers(alone) as readers:
            history = History(alone, readers, Random(f"{template.dialect} {number}"))  # noqa: S311 - no secret
            history.play()
        held += history.require_nothing_late()
        looks += len(readers.looks)
    assert held
    log.info("%s: %d histories, %d public answers, %d with something in them", template.dialect, HISTORIES, looks, held)
