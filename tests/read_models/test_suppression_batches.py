"""Batches of published cases as they are formed and kept, on both databases."""

import threading
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DBAPIError

from appeals.cases.case import Case
from appeals.cases.publication import Publication
from appeals.cases.violation import Violation
from appeals.database.declarative import Base
from appeals.database.engine import Database
from appeals.read_models.public_statistics import (
    MIN_CELL,
    Batch,
    BatchItem,
    PublicCount,
    SuppressionBatch,
    SuppressionBatchCase,
    form_batches,
    tabulate,
    update_batches,
)
from appeals.vocabulary import HEADING, ViolationGrade
from tests.support.cast import World
from tests.support.suppression import HEADINGS, PUBLISHED, TABLES, THIS_YEAR, Books, a_case, days_of, read, some

pytestmark = pytest.mark.behind_the_back  # cases are laid by the thousand, and nothing of them is kept

# Forming batches


def told_of(batches: list[Batch]) -> list[tuple[str | None, int | None, set[str], int]]:
    """What is told of each, and how many cases it holds."""
    return [(one.country, one.year, set(one.headings), len(one.case_ids)) for one in batches]


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
