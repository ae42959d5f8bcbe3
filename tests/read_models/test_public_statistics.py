"""Public statistics: what can be worked out from them by exact linear algebra, and how batches are formed and kept."""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import combinations, product
from math import gcd
from random import Random

import pytest

from appeals.read_models.public_statistics import MIN_CELL, PublicCount, tabulate
from tests.support.size import examples
from tests.support.suppression import TABLES, THIS_YEAR, Books, Day, a_case, days_of, members, set_of

pytestmark = pytest.mark.behind_the_back  # cases are laid by the thousand, and nothing of them is kept

POPULATIONS = examples()

log = logging.getLogger(__name__)


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
        seen += Counter(dissolved=len(books.formed) - len(books.standing), counted=len(members(books.formed)))
        seen += Counter(again=sum(len(batch.case_ids) for batch in books.formed) - len(members(books.formed)))
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
