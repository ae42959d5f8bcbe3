"""Public figures: what can be worked out of them, by exact linear algebra; and how batches are formed and kept."""

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import combinations, pairwise, product
from math import gcd
from random import Random
from typing import get_args
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DBAPIError

from appeals.cases.case import Case
from appeals.cases.publication import Publication
from appeals.cases.violation import Violation
from appeals.database.declarative import Base
from appeals.database.engine import Database
from appeals.read_models import public_statistics as counting
from appeals.read_models.public_statistics import (
    MIN_CELL,
    Batch,
    BatchItem,
    PublicCount,
    PublicDimension,
    SuppressionBatch,
    SuppressionBatchCase,
    form_batches,
    tabulate,
    update_batches,
)
from appeals.vocabulary import HEADING, PublicationLevel, ViolationGrade, ViolationHeading
from tests.support.cast import World
from tests.support.size import examples

pytestmark = pytest.mark.behind_the_back  # cases are laid by the thousand, and nothing of them is kept
POPULATIONS = examples()
TABLES = [by for size in range(4) for by in combinations(get_args(PublicDimension), size)]
HEADINGS = tuple(map(str, ViolationHeading))
THIS_YEAR = 2026
log = logging.getLogger(__name__)

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
        held, counted = _members(self.standing), _members(self.formed)
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


def _members(batches: list[Batch]) -> set[UUID]:
    return {case_id for batch in batches for case_id in batch.case_ids}


def cells(day: Day) -> dict[tuple[object, ...], int]:
    """Every true cell of every table, as the set of published cases in it."""
    true = [PublicCount(item.country, item.year, item.headings, set_of([item.case_id])) for item in day[1]]
    return {(by, cell): told for by in TABLES for cell, told in tabulate(true, by).items()}


def is_few(cases: int) -> bool:
    """True for a set of one to four cases."""
    return 0 < cases.bit_count() < MIN_CELL


def secrets_of(days: list[Day]) -> set[int]:
    """Sets of one to four cases: single ones, true cells, and who came to a cell or left it from one day to a later."""
    tables = [cells(day) for day in days]
    found = {set_of([item.case_id]) for _, published in days for item in published}
    found |= {told for table in tables for told in table.values()}
    for before, after in combinations(tables, 2):
        for cell in before.keys() | after.keys():
            then, now = before.get(cell, 0), after.get(cell, 0)
            found |= {then & ~now, now & ~then}
    return set(filter(is_few, found))


# What can be worked out


class Knowledge:
    """All that can be worked out of figures by adding, subtracting and multiplying: the row space of their sets.

    Cases that every figure counts alike share one column. Whole numbers throughout: nothing is rounded.
    """

    def __init__(self, told: set[int]) -> None:
        alike = defaultdict[tuple[bool, ...], int](int)
        for case in range(max(map(int.bit_length, told), default=0)):
            alike[tuple(bool(figure >> case & 1) for figure in sorted(told))] |= 1 << case
        counted = [cases for told_in, cases in alike.items() if any(told_in)]
        self.columns = sorted(counted, key=int.bit_count, reverse=True)
        self.rows: dict[int, list[int]] = {}
        for figure in told:
            row = self._rest([int(figure & cases != 0) for cases in self.columns])
            if any(row):
                self.rows[next(place for place, value in enumerate(row) if value)] = row

    def _rest(self, row: list[int]) -> list[int]:
        """What is left of a row when all is taken away that is known: nothing but zeros if it follows from that."""
        for place in range(len(row)):
            if row[place] and place in self.rows:
                known = self.rows[place]
                mine, its = row[place], known[place]
                row = [its * value - mine * other for value, other in zip(row, known, strict=True)]
                shared = gcd(*row) or 1
                row = [value // shared for value in row]
        return row

    def gives(self, cases: int) -> bool:
        """True when the count of this set can be worked out."""
        inside = [place for place, column in enumerate(self.columns) if column & cases]
        whole = sum(self.columns[place] for place in inside) == cases
        return whole and not any(self._rest([int(place in inside) for place in range(len(self.columns))]))

    def few(self) -> Iterator[int]:
        """Every set of one to four cases whose count can be worked out, or by how much one part exceeds the other.

        It has no place in a column of five cases or more, and at most four leading places.
        """
        rows = self._led_by_few()
        for size in range(1, MIN_CELL):
            for some in combinations(rows, size):
                for signs in product((1, -1), repeat=size - 1):
                    signed = [[sign * value for value in row] for sign, row in zip((1, *signs), some, strict=True)]
                    values = [sum(column) for column in zip(*signed, strict=True)]
                    cases = sum(column for column, value in zip(self.columns, values, strict=True) if value)
                    if set(values) <= {0, 1, -1} and is_few(cases):
                        yield cases

    def _led_by_few(self) -> list[list[Fraction]]:
        """The reduced rows that lead with a column of few cases: the larger columns stand before those."""
        reduced = dict[int, list[Fraction]]()
        for place in sorted(self.rows, reverse=True):
            if is_few(self.columns[place]):
                row = [Fraction(value, self.rows[place][place]) for value in self.rows[place]]
                for other, known in reduced.items():
                    row = [value - row[other] * its for value, its in zip(row, known, strict=True)]
                reduced[place] = row
        return list(reduced.values())


def test_what_can_be_worked_out_is_just_what_trying_everything_finds() -> None:
    chance = Random(8)  # noqa: S311 - populations, no secrets
    for _ in range(12):
        told = {chance.randrange(1, 64) for _ in range(chance.randint(0, 5))}
        known, tried = Knowledge(told), set(few_by_trying(told, 6))
        assert {cases for cases, _ in tried} == set(known.few())
        for cases in range(1, 64):
            assert known.gives(cases) is follows(told, [cases >> case & 1 for case in range(6)])


def few_by_trying(told: set[int], size: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Every sum and difference of one to four cases that follows from the figures."""
    for values in product((-1, 0, 1), repeat=size):
        cases = sum(1 << case for case, value in enumerate(values) if value)
        if is_few(cases) and follows(told, values):
            yield cases, values


def follows(told: set[int], values: Iterable[int]) -> bool:
    """True when a sum over cases is a linear combination of figures: it adds nothing to their rank."""
    wanted = [Fraction(value) for value in values]
    figures = [[Fraction(figure >> case & 1) for case in range(len(wanted))] for figure in told]
    return rank([*figures, wanted]) == rank(figures)


def rank(rows: list[list[Fraction]]) -> int:
    """The rank of a matrix, by Gauss."""
    if not rows or not rows[0]:
        return 0
    lead = next((row for row in rows if row[0]), None)
    if lead is None:
        return rank([row[1:] for row in rows])
    others = [row for row in rows if row is not lead]
    return 1 + rank([[a - row[0] / lead[0] * b for a, b in zip(row[1:], lead[1:], strict=True)] for row in others])


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
        stay = {item for item in sorted(up, key=_number) if chance.random() >= coming_down}
        up = stay | {item for item in population if item not in up and chance.random() < going_up}
        days.append((day.year, sorted(up, key=_number)))
        day += timedelta(days=chance.choice([1, 30, 150]))
    return days


def _number(item: BatchItem) -> UUID:
    return item.case_id


def read_for(days: list[Day], books: Books) -> set[int]:
    """Every figure that somebody gets who reads all tables every day."""
    told = set[int]()
    for day in days:
        books.settle(day)
        told.update(books.tables())
    return told


@pytest.mark.soak
def test_no_count_under_five_can_be_worked_out_of_any_figures() -> None:
    seen = Counter[str]()
    for seed in range(POPULATIONS):
        days, books = days_of(Random(seed)), Books()  # noqa: S311
        told, hidden = read_for(days, books), secrets_of(days)
        known = Knowledge(told)
        assert not any(map(is_few, told)), seed
        assert not any(map(known.gives, hidden)), seed
        assert list(known.few()) == [], seed
        seen += Counter(days=len(days), figures=len(told), hidden=len(hidden), formed=len(books.formed))
        seen += Counter(dissolved=len(books.formed) - len(books.standing), counted=len(_members(books.formed)))
        seen += Counter(again=sum(len(batch.case_ids) for batch in books.formed) - len(_members(books.formed)))
    assert min(seen["figures"], seen["hidden"], seen["dissolved"], seen["again"]) >= POPULATIONS
    log.info("%s populations: %s", POPULATIONS, dict(seen))


# Rules that would not do are found out


@pytest.mark.parametrize("asked", range(1, MIN_CELL))
def test_a_batch_with_fewer_than_five_fresh_cases_would_give_them_away(asked: int) -> None:
    """The same five come back together with some new ones, who are the difference."""
    five, new = [a_case(number) for number in range(5)], [a_case(5 + number) for number in range(asked)]
    days = [(THIS_YEAR, five), (THIS_YEAR, five[1:]), (THIS_YEAR, five + new)]
    assert Knowledge(read_for(days, Books(asked))).gives(set_of(item.case_id for item in new))
    assert read_for(days, Books()) == {set_of(item.case_id for item in five)}


@pytest.mark.parametrize("asked", [0, 1])
def test_in_random_populations_fewer_fresh_cases_would_not_do(asked: int) -> None:
    read = [read_for(days_of(Random(seed)), Books(asked)) for seed in range(60)]  # noqa: S311
    assert sum(any(Knowledge(told).few()) for told in read) > 10


def test_leaving_out_the_cells_under_five_would_not_do() -> None:
    found = 0
    for seed in range(40):
        days = days_of(Random(seed))  # noqa: S311
        known = Knowledge({told for day in days for told in cells(day).values() if not is_few(told)})
        buffered = any(map(known.gives, secrets_of(days)))
        assert not buffered or any(known.few())
        found += buffered
    assert found > 10


# Forming batches


def told_of(batches: list[Batch]) -> list[tuple[str | None, int | None, set[str], int]]:
    """What is told of each, and how many cases it holds."""
    return [(one.country, one.year, set(one.headings), len(one.case_ids)) for one in batches]


def some(count: int, country: str = "BD", year: int = 2025, *headings: str, fresh: bool = True) -> list[BatchItem]:
    """Cases that are alike."""
    return [replace(a_case(0, country, year, *headings, fresh=fresh), case_id=uuid4()) for _ in range(count)]


def test_five_cases_of_one_kind_are_counted_and_four_wait() -> None:
    assert told_of(form_batches(some(5, "BD", THIS_YEAR, "a", "b"), THIS_YEAR)) == [("BD", THIS_YEAR, {"a", "b"}, 5)]
    assert form_batches(some(4), THIS_YEAR) == []


def test_cases_of_this_year_wait_for_their_like() -> None:
    mixed = some(4, "BD", THIS_YEAR, "a") + some(4, "BD", THIS_YEAR, "b")
    assert form_batches(mixed, THIS_YEAR) == []
    assert told_of(form_batches(mixed, THIS_YEAR + 1)) == [("BD", THIS_YEAR, set(), 8)]


@pytest.mark.parametrize(
    ("waiting", "told"),
    [
        (some(3, "BD", 2025, "a") + some(3, "BD", 2025, "a", "b"), ("BD", 2025, {"a"}, 6)),
        (some(3, "BD", 2025, "a") + some(3, "BD", 2024, "a"), ("BD", None, {"a"}, 6)),
        (some(3, "BD", 2025, "a") + some(3, "IN", 2025, "b"), (None, 2025, set(), 6)),
        (some(3, "BD", 2025, "a") + some(3, "IN", 2024, "a"), (None, None, {"a"}, 6)),
    ],
)
def test_of_older_cases_that_differ_only_what_they_share_is_told(
    waiting: list[BatchItem], told: tuple[str | None, int | None, set[str], int]
) -> None:
    assert told_of(form_batches(waiting, THIS_YEAR)) == [told]


def test_the_finest_grouping_comes_first() -> None:
    waiting = some(5, "BD", 2025, "a") + some(3, "BD", 2025, "b") + some(2, "BD", 2025) + some(4, "IN", 2024)
    assert told_of(form_batches(waiting, THIS_YEAR)) == [("BD", 2025, {"a"}, 5), ("BD", 2025, set(), 5)]


def test_cases_counted_before_ride_along_with_five_fresh_ones() -> None:
    before = some(7, fresh=False)
    assert form_batches(before + some(4), THIS_YEAR) == []
    assert told_of(form_batches(before + some(5), THIS_YEAR)) == [("BD", 2025, set(), 12)]


def test_many_cases_make_many_batches_of_five_fresh_ones_each() -> None:
    formed = form_batches(some(17) + some(4, fresh=False), THIS_YEAR)
    assert [len(batch.case_ids) for batch in formed] == [8, 7, 6]


def test_the_order_in_which_cases_are_given_does_not_matter() -> None:
    waiting = some(12, "BD") + some(4, "IN") + some(4, "KH") + some(3, fresh=False)
    assert form_batches(waiting, THIS_YEAR) == form_batches(waiting[::-1], THIS_YEAR)


# What `settle` keeps and `public_statistics` tells, on both databases

NOW = datetime(THIS_YEAR, 7, 1, tzinfo=UTC)
PUBLISHED = select(Publication.case_id).where(
    Publication.level != PublicationLevel.NONE, Publication.taken_down_at.is_(None)
)
CODE = {str(heading): code for code, heading in HEADING.items()}


def copy_of(database: Database, table: type[Base]) -> dict[str, object]:
    """The values of a row there is, to make others of."""
    with database.reading() as session:
        return dict(session.execute(select(table.__table__)).mappings().first() or {})


def log_cases(world: World, cases: list[BatchItem]) -> None:
    """Log these cases, none of them published. Each also has violations that are not held to be true."""
    world.case()
    case, violation = copy_of(world.database, Case), copy_of(world.database, Violation)
    grades = dict.fromkeys(HEADINGS, ViolationGrade.REFUTED)
    rows, below = [], []
    for item in cases:
        received = date(item.year, 3, 1)
        changed = {"id": item.case_id, "reference": str(item.case_id), "country": item.country, "received_on": received}
        rows.append({**case, **changed})
        for heading, grade in {**grades, **dict.fromkeys(item.headings, ViolationGrade.POSSIBLE)}.items():
            known = {"id": uuid4(), "case_id": item.case_id, "label": None, "code": CODE[heading], "grade": grade}
            below.append({**violation, **known})
    with world.database.writing() as session:
        session.execute(insert(Case), rows)
        session.execute(insert(Violation), below)


def publish(world: World, cases: Iterable[BatchItem]) -> None:
    """Publish these cases."""
    with world.database.writing() as session:
        session.add_all(page_of(world, item) for item in cases)


def page_of(world: World, item: BatchItem, level: str = "anonymised") -> Publication:
    """A publication of a case that is up without an end."""
    account = UUID(world.coordinator.account)
    return Publication(
        case_id=item.case_id, level=level, shows={}, shown_records={}, conditions_met=[], voices_left=[],
        up_until=date.max, approved_by=account, recorded_by=account, recorded_at=NOW,
    )  # fmt: skip


def take_down(world: World, cases: Iterable[BatchItem]) -> None:
    """Take down whatever of these cases is published."""
    ids = [item.case_id for item in cases]
    with world.database.writing() as session:
        session.execute(update(Publication).where(Publication.case_id.in_(ids)).values(taken_down_at=NOW))


def settled(world: World, now: datetime = NOW) -> list[tuple[object, ...]]:
    """Settle; all batches there are afterwards."""
    with world.database.writing() as session:
        update_batches(session, PUBLISHED, now)
    return kept(world)


def kept(world: World) -> list[tuple[object, ...]]:
    """Every batch there ever was, with its cases."""
    query = (
        select(SuppressionBatch.__table__, SuppressionBatchCase.case_id)
        .join(SuppressionBatchCase)
        .order_by(SuppressionBatch.id, "case_id")
    )
    with world.database.reading() as session:
        return [tuple(row) for row in session.execute(query)]


def read(world: World, *by: PublicDimension) -> list[dict[str, str | int | None]]:
    """One table as outsiders get it."""
    with world.database.reading() as session:
        return counting.public_statistics(session, PUBLISHED, by)


def test_figures_count_what_was_settled_and_say_null_where_nothing_is_told(world: World) -> None:
    foa, pay = HEADINGS[:2]
    older = [a_case(20 + number, "IN" if number % 2 else "KH", 2024) for number in range(6)]
    cases = [*(a_case(number, "BD", THIS_YEAR, foa, pay) for number in range(5)), *older]
    log_cases(world, [*cases, a_case(30, "PK", THIS_YEAR)])
    assert read(world) == []
    publish(world, [*cases, a_case(30)])
    settled(world)
    assert read(world) == [{"cases": 11}]
    assert read(world, "country") == [{"country": "BD", "cases": 5}, {"country": None, "cases": 6}]
    assert read(world, "year") == [{"year": 2024, "cases": 6}, {"year": THIS_YEAR, "cases": 5}]
    both = [{"heading": foa, "cases": 5}, {"heading": pay, "cases": 5}, {"heading": None, "cases": 6}]
    assert read(world, "heading") == both
    assert read(world, "year", "heading") == [
        {"year": 2024, "heading": None, "cases": 6},
        {"year": THIS_YEAR, "heading": foa, "cases": 5},
        {"year": THIS_YEAR, "heading": pay, "cases": 5},
    ]


def test_a_case_without_any_violation_is_counted_under_no_heading(world: World) -> None:
    cases = [a_case(number, year=THIS_YEAR) for number in range(5)]
    log_cases(world, cases)
    with world.unprotected() as session:
        session.query(Violation).delete()
    publish(world, cases)
    settled(world)
    assert read(world, "heading") == [{"heading": None, "cases": 5}]


def test_settling_again_changes_nothing(world: World) -> None:
    cases = [a_case(number) for number in range(13)]
    log_cases(world, cases)
    publish(world, cases)
    first = settled(world)
    assert len(first) == 13
    assert settled(world, NOW + timedelta(days=400)) == first


def test_a_batch_goes_with_the_first_of_its_cases_and_comes_back_with_five_fresh_ones(world: World) -> None:
    cases = [a_case(number) for number in range(11)]
    log_cases(world, cases)
    publish(world, cases[:6])
    settled(world)
    take_down(world, cases[:1])
    before = kept(world)
    assert read(world) == []
    assert kept(world) == before
    assert {row[5] for row in settled(world)} == {NOW}
    assert {row[5] for row in settled(world, NOW + timedelta(days=1))} == {NOW}
    publish(world, cases[:1])
    settled(world)
    assert read(world) == []
    publish(world, cases[6:])
    settled(world)
    assert read(world, "country") == [{"country": "BD", "cases": 11}]


def test_a_batch_is_left_out_while_one_of_its_cases_is_not_published_though_nobody_settled(world: World) -> None:
    cases = [a_case(number) for number in range(10)]
    log_cases(world, cases)
    publish(world, cases)
    settled(world)
    assert read(world) == [{"cases": 10}]
    take_down(world, cases[:1])
    assert read(world) == [{"cases": 5}]
    publish(world, cases[:1])
    assert read(world) == [{"cases": 10}]


def test_settling_sees_what_its_own_transaction_has_written(world: World) -> None:
    cases = [a_case(number) for number in range(5)]
    log_cases(world, cases)
    publish(world, cases[1:])
    with world.database.writing() as session:
        session.add(page_of(world, cases[0], "named"))
        update_batches(session, PUBLISHED, NOW)
    assert read(world) == [{"cases": 5}]


@pytest.mark.parametrize("seed", [898, 1305])
def test_the_database_tells_day_by_day_what_the_books_tell(world: World, seed: int) -> None:
    """Populations in which batches of several kinds are dissolved, and their cases ride along in others."""
    days, books = days_of(Random(seed)), Books()  # noqa: S311
    log_cases(world, list({item.case_id: item for _, published in days for item in published}.values()))
    for before, day in pairwise([(THIS_YEAR, []), *days]):
        take_down(world, set(before[1]) - set(day[1]))
        publish(world, set(day[1]) - set(before[1]))
        settled(world, NOW.replace(year=day[0]))
        books.settle(day)
        told = [PublicCount(one.country, one.year, one.headings, len(one.case_ids)) for one in books.standing]
        for by in TABLES:
            rows = read(world, *by)
            assert {tuple(row.values()) for row in rows} == {(*cell, n) for cell, n in tabulate(told, by).items()}
            assert all(int(row["cases"] or 0) >= MIN_CELL for row in rows)
    assert books.standing != books.formed != []


def test_of_several_who_settle_at_once_one_counts_a_case(world: World) -> None:
    cases = [a_case(number) for number in range(40)]
    log_cases(world, cases)
    for ready in range(5, 41, 5):
        publish(world, cases[ready - 5 : ready])
        start = threading.Barrier(4)
        threads = [threading.Thread(target=settle_together, args=(world.database, start)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(kept(world)) == ready
    assert read(world) == [{"cases": 40}]


def settle_together(database: Database, start: threading.Barrier) -> None:
    """Settle at the same moment as others."""
    start.wait(30)
    with database.writing() as session:
        update_batches(session, PUBLISHED, NOW)


def test_who_settles_does_not_wait_for_a_case_that_somebody_has_locked(world: World) -> None:
    """That one may be waiting for the turn to settle."""
    if world.database.embedded:
        pytest.skip("SQLite has one writer at a time")
    cases = [a_case(number) for number in range(5)]
    log_cases(world, cases)
    publish(world, cases)
    with world.database.writing() as session:
        session.scalars(select(Case).with_for_update()).all()
        assert len(settled(world)) == 5


def test_a_case_stands_once_in_a_batch(world: World) -> None:
    cases = [a_case(number) for number in range(5)]
    log_cases(world, cases)
    publish(world, cases)
    row = settled(world)[0]
    with pytest.raises(DBAPIError), world.database.writing() as session:
        session.execute(insert(SuppressionBatchCase).values(batch_id=row[0], case_id=row[-1]))
