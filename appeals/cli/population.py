"""A population of invented cases for trials: some are played through the code that writes real cases, then cloned.

About a hundred cases are logged and taken step by step to their end. Each act has its own transaction and time, and due
dates are processed in between. Then each case is copied many times (`cli/clone_cases.py`). The population has the shape
of section 1 of the domain specification: sixty of eight hundred cases are open, and they last two months to seven
years. The reasons are in docs/decisions/0024-seed.md.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
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
from appeals.cases.directory import Facility
from appeals.cases.publication import published
from appeals.cli.clone_cases import CloneContext, Clones, Template, clones_of, write
from appeals.cli.fake_cases import COUNTRIES
from appeals.cli.scenario_player import play_scenario
from appeals.cli.scenarios import SCENARIOS, Scenario, SeedContext
from appeals.database.engine import Database
from appeals.read_models import public_statistics
from appeals.read_models.case_snapshot import all_counted_cases
from appeals.read_models.statistics_folding import recount
from appeals.vocabulary import (
    AccountKind,
    DisablingReason,
    EntityKind,
    Role,
    Visibility,
)

REVIEWER = "seed reviewer"
MEMBERS = 240
VISIBLE = {Visibility.SEALED: 1, Visibility.RESTRICTED: 18, Visibility.REGIONAL: 9, Visibility.NETWORK: 5}
"""The shares of each visibility, as a number of cards in a deck: 3, 55, 27 and 15 per cent."""


TEMPLATES = 100
IN_A_BATCH = 1000


def populate(database: Database, cases: int, seed: int, now: datetime, progress: Callable[[int], None]) -> None:
    """Add `cases` invented cases.

    `progress` gets the number of cases added since its last call. The same `seed` always produces the same cases.
    """
    rng = Random(seed)  # noqa: S311 - the same population for the same number
    with database.writing() as session:
        context = _seed_context(session, rng, now)
        copier = CloneContext(rng, set(session.scalars(select(Case.reference))), context.names)
    templates: list[Template] = []
    for scenario, number in quotas(cases).items():
        played = [play_scenario(database, context, scenario) for _ in range(_how_many_templates(scenario, number))]
        progress(len(played) * scenario.cases)
        templates += rng.choices(played, k=number - len(played)) if played else []
    rng.shuffle(templates)
    with gc_paused():
        for clones in _clone_batches(copier, templates):
            with database.writing() as session:
                write(session, clones)
            progress(len(clones.received))
        recount(database, all_counted_cases)
    with database.writing() as session:
        public_statistics.update_batches(session, published(now.date()), now)
        for coordinator in context.coordinators.values():
            accounts.disable(session, session.get_one(Account, coordinator.account_id), DisablingReason.UNUSED, now)


def _clone_batches(copier: CloneContext, templates: Sequence[Template]) -> Iterator[Clones]:
    """Yield clones in batches; each batch is built while the one before it is written."""

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
    """Pause the search for reference cycles, which finds none in millions of rows and takes a quarter of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def quotas(cases: int) -> dict[Scenario, int]:
    """Return how often each scenario is played for `cases` cases: its share, rounded so that the sum is exact."""
    whole = sum(scenario.share for scenario in SCENARIOS)
    exact = {scenario: cases * scenario.share / whole / scenario.cases for scenario in SCENARIOS}
    counts = {scenario: floor(share) for scenario, share in exact.items()}
    left = cases - sum(count * scenario.cases for scenario, count in counts.items())
    for scenario in sorted(SCENARIOS, key=lambda scenario: counts[scenario] - exact[scenario]):
        if scenario.cases <= left:
            counts[scenario] += 1
            left -= scenario.cases
    counts[SCENARIOS[0]] += left
    return counts


def _how_many_templates(scenario: Scenario, number: int) -> int:
    """Return the number of cases to play for a scenario: its share of all templates, at least one, at most `number`."""
    return min(number, 1 + TEMPLATES * scenario.share // 1000)


def _seed_context(session: Session, rng: Random, now: datetime) -> SeedContext:
    """Find or create what all plays need. The accounts belong to this population only and have no keys."""
    there = {entity.name: entity for entity in session.scalars(select(Entity))}
    handle = accounts.random_handle()
    coordinators = {
        name: _caller(session, f"desk {name} {handle}", Role.COORDINATOR, there[name], now) for name in COALITIONS
    }
    reviewer = _caller(session, REVIEWER, Role.REVIEWER, there[ROOT_NAME], now)
    names = set(session.scalars(select(Facility.name)))
    return SeedContext(rng, now, coordinators, reviewer, _members(session, there), _draw(rng), names)


def _caller(session: Session, name: str, role: Role, entity: Entity, now: datetime) -> Caller:
    account = accounts.account_named(session, name) or accounts.new_account(session, name, AccountKind.PERSON, now)
    accounts.grant(session, account, role, entity, now)
    return Caller(account_id=account.id, name=name, grants=accounts.grants_of(session, account.id), now=now)


def _members(session: Session, there: dict[str, Entity]) -> dict[str, list[UUID]]:
    """Return as many members as the real network has, below a national coalition in each country."""
    members: dict[str, list[UUID]] = {}
    for country, place in COUNTRIES.items():
        name = f"National Coalition ({country})"
        region = there[place.coalition]
        nation = there.get(name) or entities.new_entity(session, name, EntityKind.NATIONAL_COALITION, region, country)
        members[country] = [nation.id]
        for number in range(1, MEMBERS // len(COUNTRIES)):
            name = f"Member {country} {number:02}"
            member = there.get(name) or entities.new_entity(session, name, EntityKind.MEMBER, nation, country)
            members[country].append(member.id)
    return members


def _draw(rng: Random) -> Iterator[Visibility]:
    deck = [seen for seen, share in VISIBLE.items() for _ in range(share)]
    rng.shuffle(deck)
    return cycle(deck)
