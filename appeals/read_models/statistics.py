"""Statistics: how many cases there are, by any one or two dimensions, kept by every write and exact at every moment.

Counted for an entity are the cases led at or below it, but for sealed ones: what everybody may see who works or reads
over that entity (`visibility.VIA_LEAD`), so that no count tells of a case to somebody who may not see it. For a
dashboard only those of them are counted that are widely visible, in fives: of others it is told nothing, whoever adds
to them.

A write that changes how a case is counted adds one row, a *delta*: how it was counted before, and how now. No writer
waits for another at a counter. Deltas are *folded* into the cells now and then. Whoever reads takes cells and deltas in
one statement, hence from one snapshot. Why: docs/decisions/0022-statistics.md.
"""

import asyncio
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import combinations, islice, product
from typing import Any, Literal, TypeVar, get_args
from uuid import UUID

import anyio
from anyio import CapacityLimiter, to_thread
from sqlalchemy import Connection, Identity, Select, String, delete, insert, null, select, type_coerce, union_all
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.access.visibility import COUNTING_ROLES, LEADING_ROLES
from appeals.accounts.caller import Caller
from appeals.accounts.entity import Entity, entity_named
from appeals.cases.case import Case
from appeals.database.bulk import upsert_add
from appeals.database.declarative import Base, deferred_fk
from appeals.database.engine import Database
from appeals.database.locks import AdvisoryLock, acquire_lock
from appeals.database.types import AutoIncrement
from appeals.errors import FieldError, Invalid
from appeals.read_models.public_statistics import MIN_CELL
from appeals.vocabulary import HEADING, ViolationCode, Visibility

Dimension = Literal[
    "status", "group", "country", "region", "lead", "violation", "heading", "risk", "priority", "danger", "visibility",
    "publication", "close_reason", "received", "closed",
]  # fmt: skip
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
"""What cases are counted by; `received` and `closed` are months."""
Dated = Literal["received", "closed"]
Every = Literal["month", "year"]
Counted = dict[str, list[str]]
"""How a case is counted: its values in each dimension, and under `within` the entities that it is counted for."""
BatchedItem = TypeVar("BatchedItem")
Values = tuple[str, ...]
Path = tuple[str, ...]
StatisticCell = tuple[str, bool, str, str]
"""The dimensions, whether the case is widely visible, and a value in each dimension."""
Cell = tuple[str, str, bool, str, str]
"""A place, and the entity before it."""
WIDELY_VISIBLE = frozenset({Visibility.REGIONAL, Visibility.NETWORK})
"""With these, more see a case than who has to do with its lead."""
NONE = ""
"""The value of a case that has none, and where there is no second dimension."""
WITHIN = "within"
FOLD_BATCH_SIZE, FOLD_LEFTOVER = 25, 500
FOLD_EVERY_S = 1
log = logging.getLogger("appeals")


class Statistic(Base):
    """A cell: how many cases have these values in these dimensions, up to the deltas that are not folded yet.

    Those that are widely visible and the others are counted in cells of their own; who gets exact counts gets the sum.
    """

    __tablename__ = "statistic"

    entity_id: Mapped[UUID] = mapped_column(deferred_fk("entity.id"), primary_key=True)
    by: Mapped[str] = mapped_column(primary_key=True)
    widely_visible: Mapped[bool] = mapped_column(primary_key=True)
    first: Mapped[str] = mapped_column(primary_key=True)
    second: Mapped[str] = mapped_column(primary_key=True)
    cases: Mapped[int]


class StatisticDelta(Base):
    """How a case was counted before a write, and how afterwards, as JSON; null where it was or is not counted.

    `widely_visible` says whether it was or is: for a dashboard no others are read, so that no time tells of them.
    """

    __tablename__ = "statistic_delta"

    id: Mapped[int] = mapped_column(AutoIncrement, Identity(), primary_key=True)
    before: Mapped[str | None]
    after: Mapped[str | None]
    widely_visible: Mapped[bool]


# Writing


def counted_dimensions(case: Case) -> Counted | None:
    """How the case is counted, as it stands; None when it is sealed. Each value is one that the status view shows."""
    if case.visibility == Visibility.SEALED:
        return None
    codes = sorted({violation.code for violation in case.violations})
    told = {
        "status": case.status,
        "group": case.group,
        "country": case.country,
        "region": case.region_id.hex if case.region_id else NONE,
        "lead": case.lead_entity.id.hex,
        "risk": case.risk or NONE,
        "priority": case.priority,
        "danger": json.dumps(case.danger),
        "visibility": case.visibility,
        "publication": case.publication,
        "close_reason": case.close_reason or NONE,
        "received": f"{case.received_on:%Y-%m}",
        "closed": f"{case.closed_on:%Y-%m}" if case.closed_on else NONE,
    }
    return {
        WITHIN: _entities_on(case.lead_entity.path),
        **{name: [str(value)] for name, value in told.items()},
        "violation": codes or [NONE],
        "heading": sorted({str(HEADING[ViolationCode(code)]) for code in codes}) or [NONE],
    }


def log_delta(connection: Connection, before: Counted | None, after: Counted | None) -> None:
    """Have a case counted otherwise: to be called in the transaction that changes it, with what was told of it last."""
    if before != after:
        values = {
            "before": before and json.dumps(before),
            "after": after and json.dumps(after),
            "widely_visible": any(state and _is_widely_visible(state) for state in (before, after)),
        }
        connection.execute(_COUNTED, values)


_COUNTED = insert(StatisticDelta)


def _is_widely_visible(case: Counted) -> bool:
    """Whether readers around its lead see it; what the root leads is regional to the root alone."""
    below_the_root = len(case[WITHIN]) > 1
    shown = (wide for wide in case.get("visibility", ()) if below_the_root or wide != Visibility.REGIONAL)
    return not WIDELY_VISIBLE.isdisjoint(shown)


def _entities_on(path: str) -> list[str]:
    return path.strip("/").split("/")


TABLES: dict[str, tuple[Dimension, ...]] = {
    ",".join(by): by for length in range(3) for by in combinations(DIMENSIONS, length)
}
"""The total, each dimension and each pair of them, by the name under which their cells are kept."""


def _cells(case: Counted, tables: Iterable[str]) -> list[StatisticCell]:
    """Where a case counts in these tables: once under each of its values."""
    widely_visible = _is_widely_visible(case)
    return [
        (name, widely_visible, *values, *[NONE] * (2 - len(values)))  # type: ignore[misc]
        for name in tables
        for values in product(*(case.get(dimension, ()) for dimension in TABLES[name]))
    ]


# Folding


async def run_folding(database: Database, turns: CapacityLimiter) -> None:
    """Fold some of what there is, now and every second, until cancelled. It takes its turn among those who write.

    While others wait for theirs it leaves `FOLD_LEFTOVER` deltas for later. After many writes at once more wait than
    are folded in a turn: then it rests only as long as folding took. They are counted all the same meanwhile, and
    nobody who writes waits long.
    """
    while True:
        async with turns:
            began, others_wait = anyio.current_time(), turns.statistics().tasks_waiting > 0
            folded = await to_thread.run_sync(_try_to_fold, database, FOLD_LEFTOVER if others_wait else 0)
            took = anyio.current_time() - began
        await asyncio.sleep(FOLD_EVERY_S if folded < FOLD_BATCH_SIZE else took)


def _try_to_fold(database: Database, left: int) -> int:
    """Fold, if there are more deltas than may be left for later; how many were folded."""
    try:
        return fold(database) if _more_wait(database, left) else 0
    except Exception as error:  # whatever is wrong now may be right the next time
        log.error("statistics could not be folded: %s", type(error).__name__)
        return 0


def _more_wait(database: Database, than: int) -> bool:
    """True when more deltas than this are not folded yet."""
    with database.reading() as session:
        return session.scalar(select(StatisticDelta.id).offset(than).limit(1)) is not None


def fold(database: Database, most: int = FOLD_BATCH_SIZE) -> int:
    """Add the oldest deltas to the cells and delete them, in one transaction, and nobody else meanwhile; how many."""
    with database.writing() as session:
        acquire_lock(session.connection(), AdvisoryLock.FOLDING)
        oldest = select(StatisticDelta.id).order_by(StatisticDelta.id).limit(most)
        taking = delete(StatisticDelta).where(StatisticDelta.id.in_(oldest))
        taken = session.execute(taking.returning(StatisticDelta.before, StatisticDelta.after)).all()
        _add(session, _sum(taken))
    return len(taken)


def _sum(deltas: Iterable[Sequence[Any]], tables: Collection[str] = tuple(TABLES)) -> Counter[Cell]:
    """What deltas come to. Of a case that stays where it is, only tables change in which it has another value.

    Where its visibility changes all may, since its cells may be others.
    """
    by_path = defaultdict[Path, Counter[StatisticCell]](Counter)
    for told in deltas:
        before, after = ((json.loads(text) if text else {WITHIN: []}) for text in told)
        changed = [name for name in tables if _moves(before, after, (WITHIN, "visibility", *TABLES[name]))]
        by_path[tuple(before[WITHIN])].subtract(_cells(before, changed))
        by_path[tuple(after[WITHIN])].update(_cells(after, changed))
    return _spread(by_path)


def _moves(before: Counted, after: Counted, names: Iterable[str]) -> bool:
    return any(before.get(name) != after.get(name) for name in names)


def _spread(by_path: dict[Path, Counter[StatisticCell]]) -> Counter[Cell]:
    """What was counted for each path, as cells of every entity on it; the counts are used up."""
    total = Counter[Cell]()
    while by_path:
        path, counts = by_path.popitem()
        for entity in path:
            for place, cases in counts.items():
                total[(entity, *place)] += cases
    return total


def _add(session: Session, change: Counter[Cell]) -> None:
    """Add to cells; those that come to nothing go."""
    rows = [_row(cell, cases) for cell, cases in sorted(change.items()) if cases]
    for cell in upsert_add(session, Statistic, "cases", rows):
        if cell.pop("cases") == 0:
            session.execute(delete(Statistic).filter_by(**cell))


def _row(cell: Cell, cases: int) -> dict[str, Any]:
    entity, by, widely_visible, first, second = cell
    values = {"widely_visible": widely_visible, "first": first, "second": second}
    return {"entity_id": UUID(entity), "by": by, **values, "cases": cases}


# Counting anew

CountedCases = Callable[[Session], Iterable[Counted]]
"""Reads how every case is counted that is counted."""


def recount(database: Database, kept: CountedCases) -> None:
    """Count all cells anew, from how every case is counted.

    What is written meanwhile stays a delta; nobody folds. Where there is one writer at a time, the others wait.
    """
    with database.writing(resting=True) as session:
        acquire_lock(session.connection(), AdvisoryLock.FOLDING)
        with database.reading() as snapshot:
            known = snapshot.scalars(select(StatisticDelta.id)).all()
            counts = _count(kept(snapshot))
        session.execute(delete(Statistic))
        for some in _in_parts(_spread(counts).items()):
            session.execute(insert(Statistic), [_row(*found) for found in some])
        for numbers in _in_parts(known):
            session.execute(delete(StatisticDelta).where(StatisticDelta.id.in_(numbers)))


def catch_up(database: Database, kept: CountedCases) -> None:
    """Count all cells anew where so many deltas wait that to fold them would take longer, as after an upgrade."""
    if _more_wait(database, FOLD_LEFTOVER):
        recount(database, kept)


def _in_parts(items: Iterable[BatchedItem], size: int = 10_000) -> Iterator[list[BatchedItem]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def _count(cases: Iterable[Counted], tables: Collection[str] = tuple(TABLES)) -> dict[Path, Counter[StatisticCell]]:
    by_path = defaultdict[Path, Counter[StatisticCell]](Counter)
    for case in cases:
        by_path[tuple(case[WITHIN])].update(_cells(case, tables))
    return by_path


def miscounted(session: Session, kept: CountedCases, tables: Collection[str] = tuple(TABLES)) -> int:
    """How many cells, with the deltas that are not folded yet, are not what counting anew gives: none, ever."""
    columns = (Statistic.by, Statistic.widely_visible, Statistic.first, Statistic.second)
    cells = (
        select(Statistic.entity_id, Statistic.cases, *columns)
        .where(Statistic.by.in_(tables))
        .execution_options(yield_per=1000)
    )
    told = Counter[Cell]()
    for entity_id, cases, by, widely_visible, first, second in session.execute(cells):
        told[entity_id.hex, by, widely_visible, first, second] = cases
    deltas = session.execute(select(StatisticDelta.before, StatisticDelta.after)).all()
    told.update(_sum(deltas, tables))
    told.subtract(_spread(_count(kept(session), tables)))
    return sum(cases != 0 for cases in told.values())


# Reading


def visible_paths(session: Session, caller: Caller, within: str | None) -> list[str]:
    """The paths of the entities that are counted for a caller, none of them below another.

    With `within`, that of the entity of this name or id. Raises: Invalid, where the caller has no such role over it.
    """
    if within is None:
        return topmost(grant.path for grant in caller.grants if grant.role in COUNTING_ROLES)
    entity = entity_named(session, within)
    if entity is None or not caller.roles_over(entity.path) & COUNTING_ROLES:
        raise Invalid([FieldError("?within", "names no entity that cases are counted for in a role of yours")])
    return [entity.path]


def topmost(paths: Iterable[str]) -> list[str]:
    """Those of the paths that do not lie below another."""
    found: list[str] = []
    for path in sorted(set(paths)):
        if not found or not path.startswith(found[-1]):
            found.append(path)
    return found


def exact_for(caller: Caller, paths: Iterable[str]) -> bool:
    """True for who may look at the cases themselves, over each of the entities; to others they are a dashboard.

    To a dashboard no count tells of a case that readers around do not see, and none of few (domain.md 8, invariant 8).
    """
    return all(caller.roles_over(path) & LEADING_ROLES for path in paths)


def asked_for(paths: Collection[str], by: Sequence[Dimension], *, exact: bool) -> Select[Any]:
    """The cells of a table over these entities, and the deltas that are not folded yet: rows for `table_of`.

    Not `exact`, only of cases that are widely visible.
    """
    name = ",".join(dimension for dimension in DIMENSIONS if dimension in by)
    missing = type_coerce(null(), String)
    entities = [UUID(_entities_on(path)[-1]) for path in paths]
    cells = select(
        Statistic.first, Statistic.second, Statistic.cases, missing.label("before"), missing.label("after")
    ).where(Statistic.entity_id.in_(entities), Statistic.by == name)
    deltas = select(missing, missing, null(), StatisticDelta.before, StatisticDelta.after)
    if not exact:
        cells, deltas = cells.where(Statistic.widely_visible), deltas.where(StatisticDelta.widely_visible)
    return select(union_all(cells, deltas).subquery())


def table_of(rows: Iterable[Any], paths: Iterable[str], by: Sequence[Dimension], *, exact: bool) -> Counter[Values]:
    """The count of each combination of values, in the order of `by`; some may be 0."""
    entities = {_entities_on(path)[-1] for path in paths}
    order = sorted(by, key=DIMENSIONS.index)
    counts = Counter[Values]()
    for first, second, cases, before, after in rows:
        if cases is not None:
            counts[(first, second)[: len(by)]] += cases
            continue
        for text, sign in ((before, -1), (after, 1)):
            case: Counted = json.loads(text) if text else {WITHIN: []}
            if exact or _is_widely_visible(case):
                for values in _values(case, entities, order):
                    counts[values] += sign
    return counts if order == list(by) else Counter({values[::-1]: cases for values, cases in counts.items()})


def _values(case: Counted, entities: set[str], by: Sequence[Dimension]) -> Iterator[Values]:
    if not entities.isdisjoint(case[WITHIN]):
        yield from product(*(case.get(dimension, ()) for dimension in by))


def over_time(counts: Counter[Values], every: Every) -> Counter[Values]:
    """Counts of which the first value is a month, by months or years, without what has no date."""
    periods = Counter[Values]()
    for (month, *others), cases in counts.items():
        if month != NONE:
            periods[month[: LENGTH[every]], *others] += cases
    return periods


LENGTH: dict[Every, int] = {"month": 7, "year": 4}


def names(session: Session) -> dict[str, str]:
    """The name of every entity, by its id as it stands in cells."""
    return {row_id.hex: name for row_id, name in session.execute(select(Entity.id, Entity.name))}


StatisticValue = str | int | bool | None


def rows_of(
    counts: Counter[Values], columns: Sequence[str], entities: dict[str, str], *, exact: bool
) -> list[dict[str, StatisticValue]]:
    """Counts as flat rows in the order of their values, null last; nothing is said of what there is none of.

    Not `exact`, they are rounded down to fives, so that neither a count nor a total less other counts is of fewer.
    """
    step = 1 if exact else MIN_CELL
    told = [
        {value: _display_value(name, value, entities) for value in {values[at] for values in counts}}
        for at, name in enumerate(columns)
    ]
    place = [{value: (said is None, str(said)) for value, said in column.items()} for column in told]
    rows = []
    for values in sorted(counts, key=lambda values: [place[at][value] for at, value in enumerate(values)]):
        cases = counts[values] - counts[values] % step
        if cases:
            row = {name: told[at][values[at]] for at, name in enumerate(columns)}
            rows.append({**row, "cases": cases})
    return rows


def _display_value(column: str, value: str, entities: dict[str, str]) -> StatisticValue:
    if value == NONE:
        return None
    if column in ("region", "lead"):
        return entities[value]
    return json.loads(value) if column in ("danger", "year") else value
