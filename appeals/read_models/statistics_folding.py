"""Folding adds the deltas of statistics to their cells. Also here: counting all cells again, and finding wrong ones."""

import asyncio
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

import anyio
from anyio import CapacityLimiter, to_thread
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from appeals.database.bulk import upsert_add
from appeals.database.engine import Database
from appeals.database.locks import AdvisoryLock, acquire_lock
from appeals.read_models.statistic_counts import (
    TABLES,
    WITHIN,
    Counted,
    Statistic,
    StatisticCell,
    StatisticDelta,
    cells_of,
)

BatchedItem = TypeVar("BatchedItem")


Path = tuple[str, ...]


Cell = tuple[str, str, bool, str, str]
"""A cell with its entity."""


FOLD_BATCH_SIZE, FOLD_LEFTOVER = 25, 500


FOLD_EVERY_S = 1


log = logging.getLogger("appeals")


async def run_folding(database: Database, turns: CapacityLimiter) -> None:
    """Fold some deltas every second, until cancelled. It waits in the queue of writes.

    While other writes wait, it leaves `FOLD_LEFTOVER` deltas for later. After many writes at once more deltas wait than
    one turn folds; then it pauses only as long as folding took. They are counted all the same, and no write waits long.
    """
    while True:
        async with turns:
            began, others_wait = anyio.current_time(), turns.statistics().tasks_waiting > 0
            folded = await to_thread.run_sync(_try_to_fold, database, FOLD_LEFTOVER if others_wait else 0)
            took = anyio.current_time() - began
        await asyncio.sleep(FOLD_EVERY_S if folded < FOLD_BATCH_SIZE else took)


def _try_to_fold(database: Database, left: int) -> int:
    """Fold if more deltas wait than may be left for later. Returns how many were folded."""
    try:
        return fold(database) if _more_wait(database, left) else 0
    except Exception as error:  # such as a database that is unreachable for a moment
        log.error("statistics could not be folded: %s", type(error).__name__)
        return 0


def _more_wait(database: Database, than: int) -> bool:
    """Return whether more deltas than `number` are not folded yet."""
    with database.reading() as session:
        return session.scalar(select(StatisticDelta.id).offset(than).limit(1)) is not None


def fold(database: Database, most: int = FOLD_BATCH_SIZE) -> int:
    """Add the oldest deltas to the cells and delete them, in one transaction under a lock. Returns how many."""
    with database.writing() as session:
        acquire_lock(session.connection(), AdvisoryLock.FOLDING)
        oldest = select(StatisticDelta.id).order_by(StatisticDelta.id).limit(most)
        taking = delete(StatisticDelta).where(StatisticDelta.id.in_(oldest))
        taken = session.execute(taking.returning(StatisticDelta.before, StatisticDelta.after)).all()
        _add(session, _sum(taken))
    return len(taken)


def _sum(deltas: Iterable[Sequence[Any]], tables: Collection[str] = tuple(TABLES)) -> Counter[Cell]:
    """Return the sum of deltas. A case that keeps its entity changes only the tables in which it has another value.

    If its visibility changes, all tables may change, because its cells may be others.
    """
    by_path = defaultdict[Path, Counter[StatisticCell]](Counter)
    for delta in deltas:
        before, after = ((json.loads(text) if text else {WITHIN: []}) for text in delta)
        changed = [name for name in tables if _moves(before, after, (WITHIN, "visibility", *TABLES[name]))]
        by_path[tuple(before[WITHIN])].subtract(cells_of(before, changed))
        by_path[tuple(after[WITHIN])].update(cells_of(after, changed))
    return _spread(by_path)


def _moves(before: Counted, after: Counted, names: Iterable[str]) -> bool:
    return any(before.get(name) != after.get(name) for name in names)


def _spread(by_path: dict[Path, Counter[StatisticCell]]) -> Counter[Cell]:
    """Return what was counted for each path as cells of every entity on it. The counts are consumed."""
    total = Counter[Cell]()
    while by_path:
        path, counts = by_path.popitem()
        for entity in path:
            for place, cases in counts.items():
                total[(entity, *place)] += cases
    return total


def _add(session: Session, change: Counter[Cell]) -> None:
    """Add counts to cells, and delete cells that become zero."""
    rows = [_row(cell, cases) for cell, cases in sorted(change.items()) if cases]
    for cell in upsert_add(session, Statistic, "cases", rows):
        if cell.pop("cases") == 0:
            session.execute(delete(Statistic).filter_by(**cell))


def _row(cell: Cell, cases: int) -> dict[str, object]:
    entity, by, widely_visible, first, second = cell
    values = {"widely_visible": widely_visible, "first": first, "second": second}
    return {"entity_id": UUID(entity), "by": by, **values, "cases": cases}


# Counting all cells again

CountedCases = Callable[[Session], Iterable[Counted]]
"""Reads how every counted case is counted."""


def recount(database: Database, kept: CountedCases) -> None:
    """Count all cells again, from how every case is counted.

    Meanwhile other writes leave deltas, and nobody folds. If the database has one writer at a time, other writes wait.
    """
    with database.writing(resting=True) as session:
        acquire_lock(session.connection(), AdvisoryLock.FOLDING)
        with database.reading() as snapshot:
            delta_ids = snapshot.scalars(select(StatisticDelta.id)).all()
            counts = _count(kept(snapshot))
        session.execute(delete(Statistic))
        for some in _in_parts(_spread(counts).items()):
            session.execute(insert(Statistic), [_row(*item) for item in some])
        for numbers in _in_parts(delta_ids):
            session.execute(delete(StatisticDelta).where(StatisticDelta.id.in_(numbers)))


def catch_up(database: Database, kept: CountedCases) -> None:
    """Count all cells again if so many deltas wait that folding them would take longer, as after an upgrade."""
    if _more_wait(database, FOLD_LEFTOVER):
        recount(database, kept)


def _in_parts(items: Iterable[BatchedItem], size: int = 10_000) -> Iterator[list[BatchedItem]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def _count(cases: Iterable[Counted], tables: Collection[str] = tuple(TABLES)) -> dict[Path, Counter[StatisticCell]]:
    by_path = defaultdict[Path, Counter[StatisticCell]](Counter)
    for case in cases:
        by_path[tuple(case[WITHIN])].update(cells_of(case, tables))
    return by_path


def miscounted(session: Session, kept: CountedCases, tables: Collection[str] = tuple(TABLES)) -> int:
    """Return how many cells, with the deltas not folded yet, differ from a new count. There should never be any."""
    columns = (Statistic.by, Statistic.widely_visible, Statistic.first, Statistic.second)
    cells = (
        select(Statistic.entity_id, Statistic.cases, *columns)
        .where(Statistic.by.in_(tables))
        .execution_options(yield_per=1000)
    )
    difference = Counter[Cell]()
    for entity_id, cases, by, widely_visible, first, second in session.execute(cells):
        difference[entity_id.hex, by, widely_visible, first, second] = cases
    deltas = session.execute(select(StatisticDelta.before, StatisticDelta.after)).all()
    difference.update(_sum(deltas, tables))
    difference.subtract(_spread(_count(kept(session), tables)))
    return sum(cases != 0 for cases in difference.values())
