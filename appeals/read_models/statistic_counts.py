"""How a case is counted in statistics: its values, their cells, and the delta that a write leaves."""

import json
from collections.abc import Iterable
from itertools import combinations, product
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import Connection, Identity, insert
from sqlalchemy.orm import Mapped, mapped_column

from appeals.cases.case import Case
from appeals.database.declarative import Base, deferred_fk
from appeals.database.types import AutoIncrement
from appeals.vocabulary import HEADING, ViolationCode, Visibility

Dimension = Literal[
    "status", "group", "country", "region", "lead", "violation", "heading", "risk", "priority", "danger", "visibility",
    "publication", "close_reason", "received", "closed",
]  # fmt: skip


DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
"""The dimensions of statistics; `received` and `closed` are months."""


Dated = Literal["received", "closed"]


Every = Literal["month", "year"]


Counted = dict[str, list[str]]
"""How a case is counted: its values in each dimension, and under `within` the entities for which it counts."""


Values = tuple[str, ...]


StatisticCell = tuple[str, bool, str, str]
"""The dimensions, whether the case is widely visible, and the value in each dimension."""


WIDELY_VISIBLE = frozenset({Visibility.REGIONAL, Visibility.NETWORK})
"""Visibilities with which others than those concerned with the lead see a case."""


NONE = ""
"""The value for none, and for a missing second dimension."""


WITHIN = "within"


class Statistic(Base):
    """A cell: how many cases have these values in these dimensions, without the deltas that are not folded yet.

    Widely visible cases have their own cells. Exact counts are the sum of both.
    """

    __tablename__ = "statistic"

    entity_id: Mapped[UUID] = mapped_column(deferred_fk("entity.id"), primary_key=True)
    by: Mapped[str] = mapped_column(primary_key=True)
    widely_visible: Mapped[bool] = mapped_column(primary_key=True)
    first: Mapped[str] = mapped_column(primary_key=True)
    second: Mapped[str] = mapped_column(primary_key=True)
    cases: Mapped[int]


class StatisticDelta(Base):
    """How a case was counted before a write, and after it, as JSON; null if it is not counted.

    `widely_visible` says whether either is. A dashboard reads only such rows, so that its response time reveals no
    others.
    """

    __tablename__ = "statistic_delta"

    id: Mapped[int] = mapped_column(AutoIncrement, Identity(), primary_key=True)
    before: Mapped[str | None]
    after: Mapped[str | None]
    widely_visible: Mapped[bool]


def counted_dimensions(case: Case) -> Counted | None:
    """Return how the case is counted; None if it is sealed. Each value is one that the status view shows."""
    if case.visibility == Visibility.SEALED:
        return None
    codes = sorted({violation.code for violation in case.violations})
    values = {
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
        WITHIN: entities_on(case.lead_entity.path),
        **{name: [str(value)] for name, value in values.items()},
        "violation": codes or [NONE],
        "heading": sorted({str(HEADING[ViolationCode(code)]) for code in codes}) or [NONE],
    }


def log_delta(connection: Connection, before: Counted | None, after: Counted | None) -> None:
    """Write the delta of a case, in the transaction that changes it. `before` is how it was counted last."""
    if before != after:
        values = {
            "before": before and json.dumps(before),
            "after": after and json.dumps(after),
            "widely_visible": any(state and is_widely_visible(state) for state in (before, after)),
        }
        connection.execute(_COUNTED, values)


_COUNTED = insert(StatisticDelta)


def is_widely_visible(case: Counted) -> bool:
    """Return whether readers around its lead see it. The region of a case led by the root is the root alone."""
    below_the_root = len(case[WITHIN]) > 1
    shown = (wide for wide in case.get("visibility", ()) if below_the_root or wide != Visibility.REGIONAL)
    return not WIDELY_VISIBLE.isdisjoint(shown)


def entities_on(path: str) -> list[str]:
    return path.strip("/").split("/")


TABLES: dict[str, tuple[Dimension, ...]] = {
    ",".join(by): by for length in range(3) for by in combinations(DIMENSIONS, length)
}
"""The dimensions of each table, by its name: none for the total, each dimension, and each pair."""


def cells_of(case: Counted, tables: Iterable[str]) -> list[StatisticCell]:
    """Return the cells of a case in these tables, one for each of its values."""
    widely_visible = is_widely_visible(case)
    return [
        (name, widely_visible, *values, *[NONE] * (2 - len(values)))  # type: ignore[misc]
        for name in tables
        for values in product(*(case.get(dimension, ()) for dimension in TABLES[name]))
    ]
