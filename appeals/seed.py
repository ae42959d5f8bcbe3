"""A population to try things on: invented cases, played through the very code that writes real ones, then copied.

Some hundred cases are logged and taken step by step to where they end, each act in its own transaction and at its own
time; the clock closes what falls due in between. Each is then copied many times (`copies.py`). The shape is that of
domain.md 1: sixty of eight hundred are open, they run two months to seven years. Why: docs/decisions/0024-seed.md.
"""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from itertools import cycle
from math import floor
from random import Random
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from appeals import clock, figures, intake, invention, network
from appeals import step as steps
from appeals.case import Case
from appeals.commitment import CommitmentChange
from appeals.copies import Copier, Copies, Template, copies_of, template_of, write
from appeals.database import Database
from appeals.demand import DemandChange
from appeals.directory import Facility
from appeals.due import DueDate
from appeals.errors import ChangeRefused
from appeals.invention import PLACES, Body, Scene
from appeals.kept_view import all_counted, keep
from appeals.lifecycle import BY_NOUN
from appeals.network import COALITIONS, ROOT_NAME, Account, Caller, Entity
from appeals.publication import published
from appeals.records import BY_NOUN as KIND
from appeals.records import Writing
from appeals.statistics import recount
from appeals.step_input import Intake, Records
from appeals.vocabulary import (
    AccountKind,
    CloseReason,
    CommitmentStatus,
    DisablingReason,
    Disposition,
    EntityKind,
    Role,
    Status,
    Visibility,
)

REVIEWER = "seed reviewer"
MEMBERS = 240
VISIBLE = {Visibility.SEALED: 1, Visibility.RESTRICTED: 18, Visibility.REGIONAL: 9, Visibility.NETWORK: 5}
"""The shares, as in a deck: 3, 55, 27 and 15 of a hundred."""
IN_DANGER = 0.12
TEMPLATES = 100
IN_A_BATCH = 1000
A_DAY = timedelta(days=1)
SHORTEST_DAYS, LONGEST_DAYS = 60, 7 * 365
WITHIN_DAYS = 12 * 365
OPEN_WITHIN_DAYS = 400
"""How much longer ago than its template an open case may have come in."""

SUPPORT, LETTERS, MONEY = "(help on the spot)", "(letters and answers)", "(money, counts, proceedings)"
KEEP, DISPOSE = "(promises are kept)", "(what became of every demand)"
RISK, APPROVE, CAMPAIGN = "(risk is looked at)", "(a reviewer signs)", "(acts in public)"
SECOND, LINK = "(the same dispute comes in again)", "(it is linked)"


@dataclass(frozen=True)
class Way:
    """Where so many of a thousand cases go, by which acts; with a `second` one of the same dispute, which goes its own.

    `reason` is that of the closing.
    """

    share: int
    acts: tuple[str, ...]
    reason: CloseReason = CloseReason.NO_RESULT
    is_open: bool = False
    second: tuple[str, ...] | None = None

    @property
    def cases(self) -> int:
        """How many cases go it together."""
        return 1 if self.second is None else 2


_ACCEPTED = ("screening", "verification", "acceptance")
_ENGAGED = (*_ACCEPTED, "engagement", LETTERS, LETTERS)
_AGREED = (*_ENGAGED, MONEY, "agreement")
_PUBLIC = (*_ENGAGED, "escalation", CAMPAIGN)
WAYS: tuple[Way, ...] = (
    Way(140, ("acknowledgement", SUPPORT, "decline")),
    Way(110, (*_AGREED, KEEP, "closure"), CloseReason.SETTLED_PARTIAL),
    Way(100, (*_ENGAGED, LETTERS, MONEY, "closure")),
    Way(110, ("screening", SUPPORT, "withdrawal")),
    Way(90, (*_ACCEPTED, SUPPORT, SUPPORT, "closure"), CloseReason.TAKEN_OVER_BY_OTHER),
    Way(80, ("screening", SUPPORT, SUPPORT, "decline")),
    Way(75, (*_AGREED, KEEP, DISPOSE, "monitoring", "closure"), CloseReason.DEMANDS_MET),
    Way(50, ("acknowledgement", "screening", SUPPORT, "referral")),
    Way(40, (*_ENGAGED, LETTERS, "withdrawal")),
    Way(30, (*_PUBLIC, LETTERS, MONEY, "agreement", KEEP, "closure"), CloseReason.SETTLED_PARTIAL),
    Way(25, (*_ENGAGED, "suspension", "closure"), CloseReason.CONTACT_LOST),
    Way(20, ("acknowledgement", *_AGREED, "breach", LETTERS, "closure")),
    Way(15, (*_PUBLIC, "de-escalation", MONEY, "agreement", KEEP, "closure"), CloseReason.SETTLED_PARTIAL),
    Way(10, (*_ENGAGED, "closure", "reopening", "verification", "acceptance", "engagement", LETTERS, "closure")),
    Way(16, (*_ACCEPTED, SECOND, "engagement", LETTERS, LETTERS, "closure"), second=("merger",)),
    Way(14, (*_ACCEPTED, SECOND, SUPPORT, "closure"), CloseReason.TAKEN_OVER_BY_OTHER, second=(SUPPORT, "decline")),
    Way(18, _ENGAGED, is_open=True),
    Way(9, ("screening", SUPPORT), is_open=True),
    Way(8, (*_AGREED, LETTERS), is_open=True),
    Way(7, ("acknowledgement",), is_open=True),
    Way(7, (*_AGREED, KEEP, DISPOSE, "monitoring"), CloseReason.DEMANDS_MET, is_open=True),
    Way(6, (*_PUBLIC, LETTERS, CAMPAIGN), is_open=True),
    Way(6, (*_ACCEPTED, SUPPORT), is_open=True),
    Way(5, (*_ENGAGED, "suspension"), is_open=True),
    Way(5, ("screening", "information-request"), is_open=True),
    Way(4, (*_ENGAGED, "handover"), is_open=True),
)


def populate(database: Database, cases: int, seed: int, now: datetime, told: Callable[[int], None]) -> None:
    """Add so many invented cases; `told` hears how many more there are. The same `seed` invents the same."""
    dice = Random(seed)  # noqa: S311 - the same population for the same number
    with database.writing() as session:
        stage = _stage(session, dice, now)
        copier = Copier(dice, set(session.scalars(select(Case.reference))), stage.names)
    wanted: list[Template] = []
    for way, number in quotas(cases).items():
        played = [_play(database, stage, way) for _ in range(_how_many_templates(way, number))]
        told(len(played) * way.cases)
        wanted += dice.choices(played, k=number - len(played)) if played else []
    dice.shuffle(wanted)
    with _unswept():
        for made in _ahead(copier, wanted):
            with database.writing() as session:
                write(session, made)
            told(len(made.received))
        recount(database, all_counted)
    with database.writing() as session:
        figures.settle(session, published(now.date()), now)
        for desk in stage.desks.values():
            network.disable(session, session.get_one(Account, desk.account_id), DisablingReason.UNUSED, now)


def _ahead(copier: Copier, wanted: Sequence[Template]) -> Iterator[Copies]:
    """Copies in batches, each made while the one before is written."""

    def make(begin: int) -> Copies:
        some = wanted[begin : begin + IN_A_BATCH]
        return copies_of(copier, [(template, copier.dice.randrange(template.most_days)) for template in some])

    with ThreadPoolExecutor(1) as maker:
        following = maker.submit(make, 0)
        for begin in range(0, len(wanted), IN_A_BATCH):
            made = following.result()
            following = maker.submit(make, begin + IN_A_BATCH)
            yield made


@contextmanager
def _unswept() -> Iterator[None]:
    """Do not look for unused cycles: there are none in millions of rows, and looking takes a quarter of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def quotas(cases: int) -> dict[Way, int]:
    """How often each way is gone by so many cases: by its share, to the nearest, and always as many in all."""
    whole = sum(way.share for way in WAYS)
    exact = {way: cases * way.share / whole / way.cases for way in WAYS}
    found = {way: floor(share) for way, share in exact.items()}
    left = cases - sum(number * way.cases for way, number in found.items())
    for way in sorted(WAYS, key=lambda way: found[way] - exact[way]):
        if way.cases <= left:
            found[way] += 1
            left -= way.cases
    found[WAYS[0]] += left
    return found


def _how_many_templates(way: Way, number: int) -> int:
    """As many as its share of all, but one at least, and no more than there are to be."""
    return min(number, 1 + TEMPLATES * way.share // 1000)


# The stage


@dataclass(frozen=True)
class Stage:
    """Where cases are played: who keeps them in each coalition, and the entities that log them, by country."""

    dice: Random
    now: datetime
    desks: Mapping[str, Caller]
    reviewer: Caller
    entities: Mapping[str, list[UUID]]
    visible: Iterator[Visibility]
    names: set[str]


def _stage(session: Session, dice: Random, now: datetime) -> Stage:
    """Find or make what a play needs. The desks are accounts of this population alone; nobody holds a key of them."""
    there = {entity.name: entity for entity in session.scalars(select(Entity))}
    handle = network.new_handle()
    desks = {name: _caller(session, f"desk {name} {handle}", Role.COORDINATOR, there[name], now) for name in COALITIONS}
    reviewer = _caller(session, REVIEWER, Role.REVIEWER, there[ROOT_NAME], now)
    names = set(session.scalars(select(Facility.name)))
    return Stage(dice, now, desks, reviewer, _members(session, there), _deal(dice), names)


def _caller(session: Session, name: str, role: Role, entity: Entity, now: datetime) -> Caller:
    account = network.account_named(session, name) or network.new_account(session, name, AccountKind.PERSON, now)
    network.grant(session, account, role, entity, now)
    return Caller(account.id, name, network.held_by(session, account.id), now)


def _members(session: Session, there: dict[str, Entity]) -> dict[str, list[UUID]]:
    """As many members as the network has, below a national coalition in each country."""
    found: dict[str, list[UUID]] = {}
    for country, place in PLACES.items():
        name = f"National Coalition ({country})"
        region = there[place.coalition]
        nation = there.get(name) or network.new_entity(session, name, EntityKind.NATIONAL_COALITION, region, country)
        found[country] = [nation.id]
        for number in range(1, MEMBERS // len(PLACES)):
            name = f"Member {country} {number:02}"
            member = there.get(name) or network.new_entity(session, name, EntityKind.MEMBER, nation, country)
            found[country].append(member.id)
    return found


# The play


@dataclass
class _Play:
    """A case on its way, by its id; and the second one of the same dispute."""

    database: Database
    stage: Stage
    way: Way
    scene: Scene
    cases: list[UUID]

    @property
    def desk(self) -> Caller:
        return self.stage.desks[self.scene.place.coalition]


def _play(database: Database, stage: Stage, way: Way) -> Template:
    """Play a case along a way, and read it as it then stands."""
    play = _Play(database, stage, way, _scene(stage, way), [])
    moments = list(_moments(stage, way))
    _take_in(play, moments[0])
    for act, moment in zip(way.acts, moments[1:], strict=True):
        _let_time_pass(play, moment)
        _act(play, play.cases[0], act, moment)
    _let_time_pass(play, stage.now)
    with database.reading() as session:
        template = template_of(session, play.cases, play.scene.workplace)
        return replace(template, most_days=_most_days(session, play, moments[0]))


def _scene(stage: Stage, way: Way) -> Scene:
    dice = stage.dice
    country = dice.choice(list(PLACES))
    return Scene(
        dice=dice,
        on=stage.now.date(),
        country=country,
        entity=dice.choice(stage.entities[country]),
        desk=stage.desks[PLACES[country].coalition].name,
        visibility=_visibility(stage, way),
        workplace=invention.workplace(dice, stage.names),
        danger=dice.random() < IN_DANGER,
        brands=invention.brands_of(dice),
    )


def _visibility(stage: Stage, way: Way) -> Visibility:
    """How many see it, dealt by the shares; who has to sign a publication sees it."""
    dealt = next(stage.visible)
    return Visibility.RESTRICTED if "escalation" in way.acts and dealt is Visibility.SEALED else dealt


def _deal(dice: Random) -> Iterator[Visibility]:
    deck = [seen for seen, share in VISIBLE.items() for _ in range(share)]
    dice.shuffle(deck)
    return cycle(deck)


def _moments(stage: Stage, way: Way) -> Iterator[datetime]:
    """When the intake and each act take place: at least two days between them, over two months to seven years."""
    dice, acts = stage.dice, len(way.acts)
    times = LONGEST_DAYS / SHORTEST_DAYS * min(1, acts / 9)
    days = int(SHORTEST_DAYS * times ** (dice.random() ** 1.5))
    begin = stage.now - timedelta(days=days + dice.randrange(2, 20))
    middle = sorted(dice.sample(range(1, days // 2), max(0, acts - 1)))
    for half in [0, *middle, days // 2][: acts + 1]:
        on = begin.date() + timedelta(days=2 * half)
        yield datetime.combine(on, time(dice.randrange(6, 18), dice.randrange(60), dice.randrange(60)), UTC)


def _let_time_pass(play: _Play, until: datetime) -> None:
    """Let the clock close what falls due before then, on the day after."""
    passed = select(DueDate.id, DueDate.due_on).where(
        DueDate.case_id.in_(play.cases), DueDate.acted_at.is_(None), DueDate.due_on < until.date()
    )
    with play.database.reading() as session:
        found = session.execute(passed.order_by(DueDate.due_on, DueDate.id)).all()
    for number, due_on in found:
        clock.close(play.database, number, datetime.combine(due_on + A_DAY, time(0, 1), UTC))


def _most_days(session: Session, play: _Play, begin: datetime) -> int:
    """By fewer than how many days a copy may be moved: nothing more falls due by it, nor is it too old."""
    awaited = select(DueDate.due_on).where(DueDate.case_id.in_(play.cases), DueDate.acted_at.is_(None))
    today = play.stage.now.date()
    most = OPEN_WITHIN_DAYS if play.way.is_open else WITHIN_DAYS - (today - begin.date()).days
    return min([most, *(max(1, (due_on - today).days) for due_on in session.scalars(awaited))])


def _take_in(play: _Play, moment: datetime) -> None:
    caller = replace(play.desk, now=moment)
    play.scene = replace(play.scene, on=moment.date())
    with play.database.writing() as session:
        keep(session, moment, caller.account_id)
        said = Intake.model_validate(invention.intake(play.scene))
        play.cases.append(intake.take_in(session, caller, said, moment).id)


def _act(play: _Play, case_id: UUID, act: str, moment: datetime) -> None:
    """One act of a case, in one transaction."""
    if act == SECOND:
        _play_second(play, moment)
        return
    if act == "escalation":
        _act(play, case_id, RISK, moment - timedelta(minutes=9))
        _act(play, case_id, APPROVE, moment - timedelta(minutes=5))
    caller = replace(play.stage.reviewer if act == APPROVE else play.desk, now=moment)
    play.scene = replace(play.scene, on=moment.date())
    with play.database.writing() as session:
        keep(session, moment, caller.account_id)
        writing = Writing(session, session.get_one(Case, case_id), caller, moment)
        work = WORK.get(act)
        if work is not None:
            work(play, writing)
        else:
            _step(play, writing, act)


def _play_second(play: _Play, moment: datetime) -> None:
    """The same dispute comes in again; the second case goes its own way within the day."""
    _take_in(play, moment)
    for minutes, act in enumerate(play.way.second or (), 1):
        _act(play, play.cases[-1], act, moment + timedelta(minutes=minutes))
    if play.way.second != ("merger",):
        _act(play, play.cases[0], LINK, moment + timedelta(hours=1))


# Steps


def _step(play: _Play, writing: Writing, noun: str) -> None:
    step = BY_NOUN[noun]
    said = step.input.model_validate({**invention.STEPS.get(noun, _nothing)(play.scene), **_named(play, writing, noun)})
    survivor = writing.session.get_one(Case, play.cases[0])
    steps.make(
        writing,
        step,
        said,
        Role.COORDINATOR,
        require_current=lambda: None,
        coordinated=lambda _: survivor,
    )


def _nothing(_: Scene) -> Body:
    return {}


def _named(play: _Play, writing: Writing, noun: str) -> Body:
    """What a step names of the case itself."""
    case = writing.case
    if noun == "merger":
        return {"survivor": writing.session.get_one(Case, play.cases[0]).reference}
    if noun == "breach":
        broken = next(promise for promise in case.commitments if promise.is_open)
        facts = {"facts": "Nobody was let in.", "breached_on": play.scene.ago(0), "contrary_act": True}
        return {"commitment": str(broken.id), **facts}
    if noun == "closure":
        accepted = play.way.reason is CloseReason.SETTLED_PARTIAL
        passed = [{"guard": "review.pending", "reason": "The union saw all of it done."}]
        told = {"reason": play.way.reason, "outcomes": _told(play, case), "workers_accept": accepted}
        return {**told, "overrides": passed if case.status == Status.MONITORING else []}
    return {}


def _told(play: _Play, case: Case) -> list[Body]:
    """What became of each demand that is still pursued."""
    pursued = [demand for demand in case.demands_now if not demand.disposed]
    outcomes = [{"disposition": what, "outcome": OUTCOME[what], "people_benefited": 3} for what in _became(play)]
    return [{"demand": str(demand.id), **told} for demand, told in zip(pursued, outcomes, strict=False)]


def _became(play: _Play) -> list[Disposition]:
    """What becomes of the first demand and of the others."""
    return {
        CloseReason.DEMANDS_MET: [Disposition.MET, Disposition.MET],
        CloseReason.SETTLED_PARTIAL: [Disposition.MET, Disposition.PARTLY_MET],
        CloseReason.NO_RESULT: [Disposition.NOT_MET, Disposition.NOT_MET],
    }.get(play.way.reason, [])


OUTCOME = {
    Disposition.MET: "reinstated",
    Disposition.PARTLY_MET: "wages_paid",
    Disposition.NOT_MET: "no_result",
}


# Work on records


def _bring(writing: Writing, **said: list[Body]) -> None:
    """Write records together. Raises: ChangeRefused."""
    refused = steps.bring(writing, Records.model_validate(said), "/records")
    if refused:
        raise ChangeRefused(writing.case.status, refused)


def _support(play: _Play, writing: Writing) -> None:
    _bring(writing, actions=[invention.support(play.scene) for _ in range(play.scene.dice.randrange(4, 10))])


def _letters(play: _Play, writing: Writing) -> None:
    """Answers to some of the letters that were written before, then further letters."""
    dice, scene = play.scene.dice, play.scene
    asked = [made for made in writing.case.actions if made.target and all(said.is_silence for said in made.responses)]
    answers = [invention.answer(scene, made.id) for made in asked if dice.random() < 0.5]
    awaited = [dice.random() < 0.4 for _ in range(dice.randrange(2, 6))]
    _bring(writing, responses=answers)
    _bring(writing, actions=[invention.letter(scene, dice.randrange(3), awaited=told) for told in awaited])


def _money(play: _Play, writing: Writing) -> None:
    scene = play.scene
    proceedings = [invention.proceeding(scene)] if scene.dice.random() < 0.3 else []
    payments, tallies = invention.payments(scene), invention.later_counts(scene)
    _bring(writing, payments=payments, tallies=tallies, proceedings=proceedings)


def _keep_promises(play: _Play, writing: Writing) -> None:
    done = {"status": CommitmentStatus.VERIFIED_DONE, "verified_by": play.scene.union, "verified_on": play.scene.ago(0)}
    said = CommitmentChange.model_validate(done)
    for promise in writing.case.commitments:
        if promise.is_open:
            steps.change(writing, KIND["commitments"], promise, said)


def _dispose(play: _Play, writing: Writing) -> None:
    for demand, became in zip(writing.case.demands_now, _became(play), strict=True):
        steps.change(writing, KIND["demands"], demand, DemandChange(disposition=became))


def _look_at_risk(play: _Play, writing: Writing) -> None:
    _bring(writing, risk_assessments=[invention.risk(play.scene)])


def _approve(play: _Play, writing: Writing) -> None:
    _bring(writing, approvals=[{"level": "named"}])


def _campaign(play: _Play, writing: Writing) -> None:
    _bring(writing, actions=[invention.public_action(play.scene) for _ in range(play.scene.dice.randrange(1, 4))])


def _link(play: _Play, writing: Writing) -> None:
    other = writing.session.get_one(Case, play.cases[-1]).reference
    _bring(writing, links=[{"kind": "same_event", "other": other}])


WORK: dict[str, Callable[[_Play, Writing], None]] = {
    SUPPORT: _support,
    LETTERS: _letters,
    MONEY: _money,
    KEEP: _keep_promises,
    DISPOSE: _dispose,
    RISK: _look_at_risk,
    APPROVE: _approve,
    CAMPAIGN: _campaign,
    LINK: _link,
}
