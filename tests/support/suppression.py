"""Public statistics as sets of cases."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import combinations
from random import Random
from typing import get_args
from uuid import UUID, uuid4

from sqlalchemy import select

from appeals.cases.publication import Publication
from appeals.read_models import public_statistics as counting
from appeals.read_models.public_statistics import (
    MIN_CELL,
    Batch,
    BatchItem,
    PublicCount,
    PublicDimension,
    form_batches,
    tabulate,
)
from appeals.vocabulary import PublicationLevel, ViolationHeading
from tests.support.cast import World

TABLES = [by for size in range(4) for by in combinations(get_args(PublicDimension), size)]

HEADINGS = tuple(map(str, ViolationHeading))

THIS_YEAR = 2026

# A set of cases is a number: bit n stands for the case whose id is n. Batches of one day share no case, so that the sum
# of their sets is the set that a figure counts.


Day = tuple[int, list[BatchItem]]
"""The current year, and the cases that are published."""


def a_case(number: int, country: str = "BD", year: int = 2025, *headings: str, fresh: bool = True) -> BatchItem:
    """A published case that was never counted."""
    return BatchItem(UUID(int=number), country, year, frozenset(headings), fresh)


def set_of(case_ids: Iterable[UUID]) -> int:
    """The set of these cases."""
    return sum(1 << case_id.int for case_id in case_ids)


@dataclass
class Books:
    """What `settle` keeps, without a database: the same rules, or slacker ones that ask for fewer fresh cases."""

    fresh_asked: int = MIN_CELL
    formed: list[Batch] = field(default_factory=list)
    standing: list[Batch] = field(default_factory=list)

    def settle(self, day: Day) -> None:
        """Bring the batches up to what is published that day."""
        year, published = day
        ids = {item.case_id for item in published}
        self.standing = [batch for batch in self.standing if ids.issuperset(batch.case_ids)]
        held, counted = members(self.standing), members(self.formed)
        waiting = [item for item in published if item.case_id not in held]
        new = self._form([replace(item, first_published=item.case_id not in counted) for item in waiting], year)
        self.formed, self.standing = self.formed + new, self.standing + new

    def _form(self, waiting: list[BatchItem], year: int) -> list[Batch]:
        if self.fresh_asked == MIN_CELL:
            return form_batches(waiting, year)
        fresh = {item.case_id for item in waiting if item.first_published}
        formed = form_batches([replace(item, first_published=True) for item in waiting], year)
        return [batch for batch in formed if len(fresh.intersection(batch.case_ids)) >= self.fresh_asked]

    def tables(self) -> Iterator[int]:
        """Every figure that a reader gets, as the set it counts."""
        told = [PublicCount(one.country, one.year, one.headings, set_of(one.case_ids)) for one in self.standing]
        for by in TABLES:
            yield from tabulate(told, by).values()


def members(batches: list[Batch]) -> set[UUID]:
    return {case_id for batch in batches for case_id in batch.case_ids}


# Random populations


def days_of(chance: Random) -> list[Day]:
    """Some days of a population of up to sixty cases that are published, taken down, and published again."""
    countries = ["BD", "IN", "KH", "PK"][: chance.randint(1, 4)]
    first_year, day = THIS_YEAR - chance.randint(0, 2), date(THIS_YEAR, chance.randint(1, 12), 1)
    under = HEADINGS[: chance.randint(0, 4)]
    population = [
        a_case(
            number,
            chance.choice(countries),
            chance.randint(first_year, THIS_YEAR),
            *(heading for heading in under if chance.random() < 0.4),
        )
        for number in range(chance.randint(0, 60))
    ]
    going_up, coming_down = chance.choice([0.05, 0.2, 1.0]), chance.choice([0.01, 0.04, 0.2])
    days, up = list[Day](), set[BatchItem]()
    for _ in range(chance.randint(2, 20)):
        stay = {item for item in sorted(up, key=number) if chance.random() >= coming_down}
        up = stay | {item for item in population if item not in up and chance.random() < going_up}
        days.append((day.year, sorted(up, key=number)))
        day += timedelta(days=chance.choice([1, 30, 150]))
    return days


def number(item: BatchItem) -> UUID:
    return item.case_id


def some(count: int, country: str = "BD", year: int = 2025, *headings: str, fresh: bool = True) -> list[BatchItem]:
    """Cases that are alike."""
    return [replace(a_case(0, country, year, *headings, fresh=fresh), case_id=uuid4()) for _ in range(count)]


PUBLISHED = select(Publication.case_id).where(
    Publication.level != PublicationLevel.NONE, Publication.taken_down_at.is_(None)
)


def read(world: World, *by: PublicDimension) -> list[dict[str, str | int | None]]:
    """One table as outsiders get it."""
    with world.database.reading() as session:
        return counting.public_statistics(session, PUBLISHED, by)
