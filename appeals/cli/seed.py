"""A population to try things on: invented cases, played through the very code that writes real ones, then copied.

Some hundred cases are logged and taken step by step to where they end, each act in its own transaction and at its own
time; the clock closes what falls due in between. Each is then copied many times (`cli/clone_cases.py`). The shape is
that of domain.md 1: sixty of eight hundred are open, they run two months to seven years. Why:
docs/decisions/0024-seed.md.
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

from appeals.accounts import account as accounts
from appeals.accounts import entity as entities
from appeals.accounts.account import Account
from appeals.accounts.caller import Caller
from appeals.accounts.entity import COALITIONS, ROOT_NAME, Entity
from appeals.cases.case import Case
from appeals.cases.commitment import CommitmentChange
from appeals.cases.demand import DemandChange
from appeals.cases.directory import Facility
from appeals.cases.due_date import DueDate
from appeals.cases.publication import published
from appeals.cli import fake_cases
from appeals.cli.clone_cases import CloneContext, Clones, Template, clones_of, template_of, write
from appeals.cli.fake_cases import COUNTRIES, Body, FakeCase
from appeals.database.engine import Database
from appeals.errors import ChangeRefused
from appeals.lifecycle import due_dates, intake
from appeals.lifecycle import transition as steps
from appeals.lifecycle.record_kinds import KIND_OF_NOUN as KIND
from appeals.lifecycle.record_kinds import WriteContext
from appeals.lifecycle.step_inputs import Intake, Records
from appeals.lifecycle.steps import STEP_OF_NOUN
from appeals.read_models import public_statistics
from appeals.read_models.case_snapshot import all_counted_cases, track_writes
from appeals.read_models.statistics import recount
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
class Scenario:
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
SCENARIOS: tuple[Scenario, ...] = (
    Scenario(140, ("acknowledgement", SUPPORT, "decline")),
    Scenario(110, (*_AGREED, KEEP, "closure"), CloseReason.SETTLED_PARTIAL),
    Scenario(100, (*_ENGAGED, LETTERS, MONEY, "closure")),
    Scenario(110, ("screening", SUPPORT, "withdrawal")),
    Scenario(90, (*_ACCEPTED, SUPPORT, SUPPORT, "closure"), CloseReason.TAKEN_OVER_BY_OTHER),
    Scenario(80, ("screening", SUPPORT, SUPPORT, "decline")),
    Scenario(75, (*_AGREED, KEEP, DISPOSE, "monitoring", "closure"), CloseReason.DEMANDS_MET),
    Scenario(50, ("acknowledgement", "screening", SUPPORT, "referral")),
    Scenario(40, (*_ENGAGED, LETTERS, "withdrawal")),
    Scenario(30, (*_PUBLIC, LETTERS, MONEY, "agreement", KEEP, "closure"), CloseReason.SETTLED_PARTIAL),
    Scenario(25, (*_ENGAGED, "suspension", "closure"), CloseReason.CONTACT_LOST),
    Scenario(20, ("acknowledgement", *_AGREED, "breach", LETTERS, "closure")),
    Scenario(15, (*_PUBLIC, "de-escalation", MONEY, "agreement", KEEP, "closure"), CloseReason.SETTLED_PARTIAL),
    Scenario(10, (*_ENGAGED, "closure", "reopening", "verification", "acceptance", "engagement", LETTERS, "closure")),
    Scenario(16, (*_ACCEPTED, SECOND, "engagement", LETTERS, LETTERS, "closure"), second=("merger",)),
    Scenario(
        14, (*_ACCEPTED, SECOND, SUPPORT, "closure"), CloseReason.TAKEN_OVER_BY_OTHER, second=(SUPPORT, "decline")
    ),
    Scenario(18, _ENGAGED, is_open=True),
    Scenario(9, ("screening", SUPPORT), is_open=True),
    Scenario(8, (*_AGREED, LETTERS), is_open=True),
    Scenario(7, ("acknowledgement",), is_open=True),
    Scenario(7, (*_AGREED, KEEP, DISPOSE, "monitoring"), CloseReason.DEMANDS_MET, is_open=True),
    Scenario(6, (*_PUBLIC, LETTERS, CAMPAIGN), is_open=True),
    Scenario(6, (*_ACCEPTED, SUPPORT), is_open=True),
    Scenario(5, (*_ENGAGED, "suspension"), is_open=True),
    Scenario(5, ("screening", "information-request"), is_open=True),
    Scenario(4, (*_ENGAGED, "handover"), is_open=True),
)


def populate(database: Database, cases: int, seed: int, now: datetime, told: Callable[[int], None]) -> None:
    """Add so many invented cases; `told` hears how many more there are. The same `seed` invents the same."""
    rng = Random(seed)  # noqa: S311 - the same population for the same number
    with database.writing() as session:
        context = _seed_context(session, rng, now)
        copier = CloneContext(rng, set(session.scalars(select(Case.reference))), context.names)
    templates: list[Template] = []
    for scenario, number in quotas(cases).items():
        played = [_play(database, context, scenario) for _ in range(_how_many_templates(scenario, number))]
        told(len(played) * scenario.cases)
        templates += rng.choices(played, k=number - len(played)) if played else []
    rng.shuffle(templates)
    with gc_paused():
        for clones in _clone_batches(copier, templates):
            with database.writing() as session:
                write(session, clones)
            told(len(clones.received))
        recount(database, all_counted_cases)
    with database.writing() as session:
        public_statistics.update_batches(session, published(now.date()), now)
        for coordinator in context.coordinators.values():
            accounts.disable(session, session.get_one(Account, coordinator.account_id), DisablingReason.UNUSED, now)


def _clone_batches(copier: CloneContext, templates: Sequence[Template]) -> Iterator[Clones]:
    """Copies in batches, each made while the one before is written."""

    def make(begin: int) -> Clones:
        some = templates[begin : begin + IN_A_BATCH]
        return clones_of(copier, [(template, copier.rng.randrange(template.most_days)) for template in some])

    with ThreadPoolExecutor(1) as maker:
        following = maker.submit(make, 0)
        for begin in range(0, len(templates), IN_A_BATCH):
            clones = following.result()
            following = maker.submit(make, begin + IN_A_BATCH)
            yield clones


@contextmanager
def gc_paused() -> Iterator[None]:
    """Do not look for unused cycles: there are none in millions of rows, and looking takes a quarter of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def quotas(cases: int) -> dict[Scenario, int]:
    """How often each way is gone by so many cases: by its share, to the nearest, and always as many in all."""
    whole = sum(scenario.share for scenario in SCENARIOS)
    exact = {scenario: cases * scenario.share / whole / scenario.cases for scenario in SCENARIOS}
    found = {scenario: floor(share) for scenario, share in exact.items()}
    left = cases - sum(number * scenario.cases for scenario, number in found.items())
    for scenario in sorted(SCENARIOS, key=lambda scenario: found[scenario] - exact[scenario]):
        if scenario.cases <= left:
            found[scenario] += 1
            left -= scenario.cases
    found[SCENARIOS[0]] += left
    return found


def _how_many_templates(scenario: Scenario, number: int) -> int:
    """As many as its share of all, but one at least, and no more than there are to be."""
    return min(number, 1 + TEMPLATES * scenario.share // 1000)


# The stage


@dataclass(frozen=True)
class SeedContext:
    """Where cases are played: who keeps them in each coalition, and the entities that log them, by country."""

    rng: Random
    now: datetime
    coordinators: Mapping[str, Caller]
    reviewer: Caller
    entities: Mapping[str, list[UUID]]
    visible: Iterator[Visibility]
    names: set[str]


def _seed_context(session: Session, rng: Random, now: datetime) -> SeedContext:
    """Find or make what a play needs. The desks are accounts of this population alone; nobody holds a key of them."""
    there = {entity.name: entity for entity in session.scalars(select(Entity))}
    handle = accounts.random_handle()
    desks = {name: _caller(session, f"desk {name} {handle}", Role.COORDINATOR, there[name], now) for name in COALITIONS}
    reviewer = _caller(session, REVIEWER, Role.REVIEWER, there[ROOT_NAME], now)
    names = set(session.scalars(select(Facility.name)))
    return SeedContext(rng, now, desks, reviewer, _members(session, there), _draw(rng), names)


def _caller(session: Session, name: str, role: Role, entity: Entity, now: datetime) -> Caller:
    account = accounts.account_named(session, name) or accounts.new_account(session, name, AccountKind.PERSON, now)
    accounts.grant(session, account, role, entity, now)
    return Caller(account.id, name, accounts.grants_of(session, account.id), now)


def _members(session: Session, there: dict[str, Entity]) -> dict[str, list[UUID]]:
    """As many members as the network has, below a national coalition in each country."""
    found: dict[str, list[UUID]] = {}
    for country, place in COUNTRIES.items():
        name = f"National Coalition ({country})"
        region = there[place.coalition]
        nation = there.get(name) or entities.new_entity(session, name, EntityKind.NATIONAL_COALITION, region, country)
        found[country] = [nation.id]
        for number in range(1, MEMBERS // len(COUNTRIES)):
            name = f"Member {country} {number:02}"
            member = there.get(name) or entities.new_entity(session, name, EntityKind.MEMBER, nation, country)
            found[country].append(member.id)
    return found


# The play


@dataclass
class _Play:
    """A case on its way, by its id; and the second one of the same dispute."""

    database: Database
    context: SeedContext
    scenario: Scenario
    case: FakeCase
    cases: list[UUID]

    @property
    def coordinator(self) -> Caller:
        return self.context.coordinators[self.case.profile.coalition]


def _play(database: Database, context: SeedContext, scenario: Scenario) -> Template:
    """Play a case along a way, and read it as it then stands."""
    play = _Play(database, context, scenario, _fake_case(context, scenario), [])
    moments = list(_moments(context, scenario))
    _create_case(play, moments[0])
    for act, moment in zip(scenario.acts, moments[1:], strict=True):
        _let_time_pass(play, moment)
        _act(play, play.cases[0], act, moment)
    _let_time_pass(play, context.now)
    with database.reading() as session:
        template = template_of(session, play.cases, play.case.workplace)
        return replace(template, most_days=_most_days(session, play, moments[0]))


def _fake_case(context: SeedContext, scenario: Scenario) -> FakeCase:
    rng = context.rng
    country = rng.choice(list(COUNTRIES))
    return FakeCase(
        rng=rng,
        on=context.now.date(),
        country=country,
        entity=rng.choice(context.entities[country]),
        coordinator=context.coordinators[COUNTRIES[country].coalition].name,
        visibility=_visibility(context, scenario),
        workplace=fake_cases.workplace(rng, context.names),
        danger=rng.random() < IN_DANGER,
        brands=fake_cases.brands_of(rng),
    )


def _visibility(context: SeedContext, scenario: Scenario) -> Visibility:
    """How many see it, dealt by the shares; who has to sign a publication sees it."""
    dealt = next(context.visible)
    return Visibility.RESTRICTED if "escalation" in scenario.acts and dealt is Visibility.SEALED else dealt


def _draw(rng: Random) -> Iterator[Visibility]:
    deck = [seen for seen, share in VISIBLE.items() for _ in range(share)]
    rng.shuffle(deck)
    return cycle(deck)


def _moments(context: SeedContext, scenario: Scenario) -> Iterator[datetime]:
    """When the intake and each act take place: at least two days between them, over two months to seven years."""
    rng, acts = context.rng, len(scenario.acts)
    times = LONGEST_DAYS / SHORTEST_DAYS * min(1, acts / 9)
    days = int(SHORTEST_DAYS * times ** (rng.random() ** 1.5))
    begin = context.now - timedelta(days=days + rng.randrange(2, 20))
    middle = sorted(rng.sample(range(1, days // 2), max(0, acts - 1)))
    for half in [0, *middle, days // 2][: acts + 1]:
        on = begin.date() + timedelta(days=2 * half)
        yield datetime.combine(on, time(rng.randrange(6, 18), rng.randrange(60), rng.randrange(60)), UTC)


def _let_time_pass(play: _Play, until: datetime) -> None:
    """Let the clock close what falls due before then, on the day after."""
    passed = select(DueDate.id, DueDate.due_on).where(
        DueDate.case_id.in_(play.cases), DueDate.acted_at.is_(None), DueDate.due_on < until.date()
    )
    with play.database.reading() as session:
        found = session.execute(passed.order_by(DueDate.due_on, DueDate.id)).all()
    for row_id, due_on in found:
        due_dates.process_date(play.database, row_id, datetime.combine(due_on + A_DAY, time(0, 1), UTC))


def _most_days(session: Session, play: _Play, begin: datetime) -> int:
    """By fewer than how many days a copy may be moved: nothing more falls due by it, nor is it too old."""
    awaited = select(DueDate.due_on).where(DueDate.case_id.in_(play.cases), DueDate.acted_at.is_(None))
    today = play.context.now.date()
    most = OPEN_WITHIN_DAYS if play.scenario.is_open else WITHIN_DAYS - (today - begin.date()).days
    return min([most, *(max(1, (due_on - today).days) for due_on in session.scalars(awaited))])


def _create_case(play: _Play, moment: datetime) -> None:
    caller = replace(play.coordinator, now=moment)
    play.case = replace(play.case, on=moment.date())
    with play.database.writing() as session:
        track_writes(session, moment, caller.account_id)
        data = Intake.model_validate(fake_cases.intake(play.case))
        play.cases.append(intake.create_case(session, caller, data, moment).id)


def _act(play: _Play, case_id: UUID, act: str, moment: datetime) -> None:
    """One act of a case, in one transaction."""
    if act == SECOND:
        _play_second(play, moment)
        return
    if act == "escalation":
        _act(play, case_id, RISK, moment - timedelta(minutes=9))
        _act(play, case_id, APPROVE, moment - timedelta(minutes=5))
    caller = replace(play.context.reviewer if act == APPROVE else play.coordinator, now=moment)
    play.case = replace(play.case, on=moment.date())
    with play.database.writing() as session:
        track_writes(session, moment, caller.account_id)
        writing = WriteContext(session, session.get_one(Case, case_id), caller, moment)
        work = WORK.get(act)
        if work is not None:
            work(play, writing)
        else:
            _step(play, writing, act)


def _play_second(play: _Play, moment: datetime) -> None:
    """The same dispute comes in again; the second case goes its own way within the day."""
    _create_case(play, moment)
    for minutes, act in enumerate(play.scenario.second or (), 1):
        _act(play, play.cases[-1], act, moment + timedelta(minutes=minutes))
    if play.scenario.second != ("merger",):
        _act(play, play.cases[0], LINK, moment + timedelta(hours=1))


# Steps


def _step(play: _Play, writing: WriteContext, noun: str) -> None:
    step = STEP_OF_NOUN[noun]
    data = step.input.model_validate({**fake_cases.STEPS.get(noun, _nothing)(play.case), **_named(play, writing, noun)})
    survivor = writing.session.get_one(Case, play.cases[0])
    steps.make(
        writing,
        step,
        data,
        Role.COORDINATOR,
        require_current=lambda: None,
        coordinated=lambda _: survivor,
    )


def _nothing(_: FakeCase) -> Body:
    return {}


def _named(play: _Play, writing: WriteContext, noun: str) -> Body:
    """What a step names of the case itself."""
    case = writing.case
    if noun == "merger":
        return {"survivor": writing.session.get_one(Case, play.cases[0]).reference}
    if noun == "breach":
        broken = next(promise for promise in case.commitments if promise.is_open)
        facts = {"facts": "Nobody was let in.", "breached_on": play.case.ago(0), "contrary_act": True}
        return {"commitment": str(broken.id), **facts}
    if noun == "closure":
        accepted = play.scenario.reason is CloseReason.SETTLED_PARTIAL
        passed = [{"guard": "review.pending", "reason": "The union saw all of it done."}]
        values = {"reason": play.scenario.reason, "outcomes": _told(play, case), "workers_accept": accepted}
        return {**values, "overrides": passed if case.status == Status.MONITORING else []}
    return {}


def _told(play: _Play, case: Case) -> list[Body]:
    """What became of each demand that is still pursued."""
    pursued = [demand for demand in case.demands_now if not demand.disposed]
    outcomes = [{"disposition": what, "outcome": OUTCOME[what], "people_benefited": 3} for what in _became(play)]
    return [{"demand": str(demand.id), **values} for demand, values in zip(pursued, outcomes, strict=False)]


def _became(play: _Play) -> list[Disposition]:
    """What becomes of the first demand and of the others."""
    return {
        CloseReason.DEMANDS_MET: [Disposition.MET, Disposition.MET],
        CloseReason.SETTLED_PARTIAL: [Disposition.MET, Disposition.PARTLY_MET],
        CloseReason.NO_RESULT: [Disposition.NOT_MET, Disposition.NOT_MET],
    }.get(play.scenario.reason, [])


OUTCOME = {
    Disposition.MET: "reinstated",
    Disposition.PARTLY_MET: "wages_paid",
    Disposition.NOT_MET: "no_result",
}


# Work on records


def _bring(writing: WriteContext, **said: list[Body]) -> None:
    """Write records together. Raises: ChangeRefused."""
    refused = steps.write_records(writing, Records.model_validate(said), "/records")
    if refused:
        raise ChangeRefused(writing.case.status, refused)


def _support(play: _Play, writing: WriteContext) -> None:
    _bring(writing, actions=[fake_cases.support(play.case) for _ in range(play.case.rng.randrange(4, 10))])


def _letters(play: _Play, writing: WriteContext) -> None:
    """Answers to some of the letters that were written before, then further letters."""
    rng, case = play.case.rng, play.case
    params = [
        action
        for action in writing.case.actions
        if action.target and all(response.is_silence for response in action.responses)
    ]
    answers = [fake_cases.answer(case, action.id) for action in params if rng.random() < 0.5]
    awaited = [rng.random() < 0.4 for _ in range(rng.randrange(2, 6))]
    _bring(writing, responses=answers)
    _bring(writing, actions=[fake_cases.letter(case, rng.randrange(3), awaited=told) for told in awaited])


def _money(play: _Play, writing: WriteContext) -> None:
    case = play.case
    proceedings = [fake_cases.proceeding(case)] if case.rng.random() < 0.3 else []
    payments, tallies = fake_cases.payments(case), fake_cases.later_counts(case)
    _bring(writing, payments=payments, tallies=tallies, proceedings=proceedings)


def _keep_promises(play: _Play, writing: WriteContext) -> None:
    done = {"status": CommitmentStatus.VERIFIED_DONE, "verified_by": play.case.union, "verified_on": play.case.ago(0)}
    data = CommitmentChange.model_validate(done)
    for promise in writing.case.commitments:
        if promise.is_open:
            steps.change(writing, KIND["commitments"], promise, data)


def _dispose(play: _Play, writing: WriteContext) -> None:
    for demand, became in zip(writing.case.demands_now, _became(play), strict=True):
        steps.change(writing, KIND["demands"], demand, DemandChange(disposition=became))


def _look_at_risk(play: _Play, writing: WriteContext) -> None:
    _bring(writing, risk_assessments=[fake_cases.risk(play.case)])


def _approve(play: _Play, writing: WriteContext) -> None:
    _bring(writing, approvals=[{"level": "named"}])


def _campaign(play: _Play, writing: WriteContext) -> None:
    _bring(writing, actions=[fake_cases.public_action(play.case) for _ in range(play.case.rng.randrange(1, 4))])


def _link(play: _Play, writing: WriteContext) -> None:
    other = writing.session.get_one(Case, play.cases[-1]).reference
    _bring(writing, links=[{"kind": "same_event", "other": other}])


WORK: dict[str, Callable[[_Play, WriteContext], None]] = {
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
