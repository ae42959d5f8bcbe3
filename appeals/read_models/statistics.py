"""Statistics: how many cases there are, by one or two dimensions, updated by every write and always exact.

The statistics of an entity count the cases led at or below it, except sealed ones. Everybody who works or reads over
that entity may see those (`visibility.VIA_LEAD`), so no count reveals a case to somebody who may not see it. A
dashboard counts only those of them that are widely visible, rounded down to fives, so it reveals no others.

A write that changes how a case is counted adds a row, the *delta*: how it was counted before, and how now. No write
waits for another at a counter. Deltas are *folded* into the cells regularly. A reader takes cells and deltas in one
statement, and so from one snapshot. The reasons are in docs/decisions/0022-statistics.md.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import product
from typing import Any
from uuid import UUID

from sqlalchemy import String, null, select, type_coerce, union_all
from sqlalchemy.orm import Session

from appeals.access.visibility import COUNTING_ROLES, LEADING_ROLES
from appeals.accounts.caller import Caller
from appeals.accounts.entity import Entity, entity_named
from appeals.database.types import AnySelect
from appeals.errors import FieldError, Invalid
from appeals.read_models.public_statistics import MIN_CELL
from appeals.read_models.statistic_counts import (
    DIMENSIONS,
    NONE,
    WITHIN,
    Counted,
    Dimension,
    Every,
    Statistic,
    StatisticDelta,
    Values,
    entities_on,
    is_widely_visible,
)


def visible_paths(session: Session, caller: Caller, within: str | None) -> list[str]:
    """Return the paths of the entities that are counted for a caller, none of them below another.

    With `within`, it is the path of the entity with this name or id. Raises: Invalid, if the caller has no such role
    over it.
    """
    if within is None:
        return topmost(grant.path for grant in caller.grants if grant.role in COUNTING_ROLES)
    entity = entity_named(session, within)
    if entity is None or not caller.roles_over(entity.path) & COUNTING_ROLES:
        raise Invalid([FieldError("?within", "is not an entity for which one of your roles counts cases")])
    return [entity.path]


def topmost(paths: Iterable[str]) -> list[str]:
    """Return the paths that are not below another."""
    paths_above: list[str] = []
    for path in sorted(set(paths)):
        if not paths_above or not path.startswith(paths_above[-1]):
            paths_above.append(path)
    return paths_above


def exact_for(caller: Caller, paths: Iterable[str]) -> bool:
    """Return whether the caller may see the cases themselves, over each of the entities. All others get a dashboard.

    A dashboard's counts must not reveal a case that readers around do not see, nor small numbers (section 8 of the
    domain specification, and section 6, invariant 8).
    """
    return all(caller.roles_over(path) & LEADING_ROLES for path in paths)


def asked_for(paths: Collection[str], by: Sequence[Dimension], *, exact: bool) -> AnySelect:
    """Return the statement for the cells of a table over these entities, with the deltas not folded yet: rows for
    `table_of`.

    Without `exact`, it counts only widely visible cases.
    """
    name = ",".join(dimension for dimension in DIMENSIONS if dimension in by)
    missing = type_coerce(null(), String)
    entities = [UUID(entities_on(path)[-1]) for path in paths]
    cells = select(
        Statistic.first, Statistic.second, Statistic.cases, missing.label("before"), missing.label("after")
    ).where(Statistic.entity_id.in_(entities), Statistic.by == name)
    deltas = select(missing, missing, null(), StatisticDelta.before, StatisticDelta.after)
    if not exact:
        cells, deltas = cells.where(Statistic.widely_visible), deltas.where(StatisticDelta.widely_visible)
    return select(union_all(cells, deltas).subquery())


def table_of(
    rows: Iterable[Sequence[Any]], paths: Iterable[str], by: Sequence[Dimension], *, exact: bool
) -> Counter[Values]:
    """Return the count of each combination of values, in the order of `by`; some may be 0."""
    entities = {entities_on(path)[-1] for path in paths}
    order = sorted(by, key=DIMENSIONS.index)
    counts = Counter[Values]()
    for first, second, cases, before, after in rows:
        if cases is not None:
            counts[(first, second)[: len(by)]] += cases
            continue
        for text, sign in ((before, -1), (after, 1)):
            case: Counted = json.loads(text) if text else {WITHIN: []}
            if exact or is_widely_visible(case):
                for values in _values(case, entities, order):
                    counts[values] += sign
    return counts if order == list(by) else Counter({values[::-1]: cases for values, cases in counts.items()})


def _values(case: Counted, entities: set[str], by: Sequence[Dimension]) -> Iterator[Values]:
    if not entities.isdisjoint(case[WITHIN]):
        yield from product(*(case.get(dimension, ()) for dimension in by))


def over_time(counts: Counter[Values], every: Every) -> Counter[Values]:
    """Return counts whose first value is a month, by months or years, without cases that have no date."""
    periods = Counter[Values]()
    for (month, *others), cases in counts.items():
        if month != NONE:
            periods[month[: LENGTH[every]], *others] += cases
    return periods


LENGTH: dict[Every, int] = {"month": 7, "year": 4}


def names(session: Session) -> dict[str, str]:
    """Return the name of every entity by its id, as cells contain it."""
    return {row_id.hex: name for row_id, name in session.execute(select(Entity.id, Entity.name))}


StatisticValue = str | int | bool | None


def rows_of(
    counts: Counter[Values], columns: Sequence[str], entities: dict[str, str], *, exact: bool
) -> list[dict[str, StatisticValue]]:
    """Return counts as flat rows in the order of their values, null last, without zeros.

    Without `exact` they are rounded down to fives, so that neither a count nor a difference of counts shows fewer.
    """
    step = 1 if exact else MIN_CELL
    display = [
        {value: _display_value(name, value, entities) for value in {values[at] for values in counts}}
        for at, name in enumerate(columns)
    ]
    place = [{value: (shown is None, str(shown)) for value, shown in column.items()} for column in display]
    rows = []
    for values in sorted(counts, key=lambda values: [place[at][value] for at, value in enumerate(values)]):
        cases = counts[values] - counts[values] % step
        if cases:
            row = {name: display[at][values[at]] for at, name in enumerate(columns)}
            rows.append({**row, "cases": cases})
    return rows


def _display_value(column: str, value: str, entities: dict[str, str]) -> StatisticValue:
    if value == NONE:
        return None
    if column in ("region", "lead"):
        return entities[value]
    return json.loads(value) if column in ("danger", "year") else value
