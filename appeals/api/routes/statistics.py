"""Routes of the statistics: counts of the cases led at or below the entities of the caller's roles."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Query, Response
from pydantic import Field

from appeals.api.dependencies import Read
from appeals.api.openapi import AS_TABLE
from appeals.api.pagination import as_table, negotiate_format
from appeals.api.prepared_read import PreparedRead, ReadParams, ReadResult, or_not_modified, tag_of
from appeals.api.routing import new_router
from appeals.api.snapshot import Snapshot
from appeals.database.raw_reads import FetchedRow
from appeals.database.types import AnySelect
from appeals.errors import FieldError, Invalid
from appeals.fields import Model, NameOrId
from appeals.read_models.statistic_counts import DIMENSIONS, Dated, Dimension, Every
from appeals.read_models.statistics import (
    StatisticValue,
    asked_for,
    exact_for,
    names,
    over_time,
    rows_of,
    table_of,
    visible_paths,
)

router = new_router("statistics")
OUT_OF = f"The dimensions are {', '.join(DIMENSIONS)}"
Within = Annotated[NameOrId | None, Field(description="Count only cases led at or below this entity, by name or id.")]


class StatisticsQuery(Model):
    """The dimensions by which to count; if omitted, only the total."""

    by: Annotated[str, Field(max_length=40, description=f"One dimension, or two separated by a comma. {OUT_OF}.")] = ""
    within: Within = None


class TimelineQuery(Model):
    """The date whose months or years are counted, and a further dimension."""

    every: Every = "month"
    of: Dated = "received"
    by: Annotated[Dimension | Literal[""], Field(description="A further dimension.")] = ""
    within: Within = None


class Statistics(Model):
    """Counts as flat rows, with a member for each dimension and `cases`.

    Null stands for a value that a case does not have.
    """

    fives: Annotated[
        bool,
        Field(description="True for dashboards: only `regional` and `network` cases count, rounded down to fives."),
    ]
    items: list[dict[str, StatisticValue]]


@dataclass(frozen=True)
class Table:
    """A requested table: its dimensions, its entities, and the periods of its first dimension."""

    by: Sequence[Dimension]
    every: Every | None
    paths: list[str]
    exact: bool
    names: dict[str, str]

    @property
    def columns(self) -> list[str]:
        """The names of the columns, without the count."""
        return [self.every, *self.by[1:]] if self.every else [*self.by]

    @property
    def statement(self) -> AnySelect:
        """Return the statement of the table."""
        return asked_for(self.paths, self.by, exact=self.exact)

    def rows(self, rows: Iterable[FetchedRow]) -> list[dict[str, StatisticValue]]:
        """Return the rows of the answer from those of the statement."""
        counts = table_of(rows, self.paths, self.by, exact=self.exact)
        counts = over_time(counts, self.every) if self.every else counts
        return rows_of(counts, self.columns, self.names, exact=self.exact)

    def content(self, rows: Iterable[FetchedRow]) -> bytes:
        """Return the answer as JSON."""
        values = {"fives": not self.exact, "items": self.rows(rows)}
        return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def statistics_table(tx: Snapshot, query: StatisticsQuery) -> Table:
    """Return the table of a query. Raises: Invalid."""
    names_given = query.by.split(",") if query.by else []
    by = [dimension for name in names_given for dimension in DIMENSIONS if dimension == name]
    if len(by) < len(names_given) or len(set(by)) < len(by) or len(by) > 2:
        raise Invalid([FieldError("?by", f"must name one or two of {', '.join(DIMENSIONS)}, separated by a comma")])
    return _table(tx, query, by, None)


def timeline_table(tx: Snapshot, query: TimelineQuery) -> Table:
    """Return the table of a timeline query. Raises: Invalid."""
    if query.by == query.of:
        raise Invalid([FieldError("?by", f"is already the date of the timeline: {query.of}")])
    others = [query.by] if query.by else []
    return _table(tx, query, [query.of, *others], query.every)


def _table(tx: Snapshot, query: StatisticsQuery | TimelineQuery, by: Sequence[Dimension], every: Every | None) -> Table:
    paths = visible_paths(tx.session, tx.caller, query.within)
    entity_names = names(tx.session) if {"region", "lead"} & set(by) else {}
    return Table(by, every, paths, exact_for(tx.caller, paths), entity_names)


@router.get("/v1/statistics", response_model=Statistics, responses=AS_TABLE)
def get_statistics(query: Annotated[StatisticsQuery, Query()], read: Read) -> Response:
    """How many cases there are, by up to two dimensions.

    Name up to two dimensions with `by`. The answer holds a count for each combination of their values.
    """
    with read.snapshot() as tx:
        return _respond(tx, statistics_table(tx, query))


@router.get("/v1/statistics/timeline", response_model=Statistics, responses=AS_TABLE)
def get_statistics_timeline(query: Annotated[TimelineQuery, Query()], read: Read) -> Response:
    """How many cases came or went, over time.

    The answer holds a count for each month or year, of cases received or closed.
    """
    with read.snapshot() as tx:
        return _respond(tx, timeline_table(tx, query))


def _respond(tx: Snapshot, table: Table) -> Response:
    """Return the table in the format that the caller accepts."""
    media_type = negotiate_format(tx.request)
    if media_type == "application/json":
        return tx.send(tx.read(statistics_read(table)))
    rows = tx.rows(statistics_read(table), ReadParams())
    return as_table(tx, [*table.columns, "cases"], table.rows(rows), media_type)


def statistics_read(table: Table) -> PreparedRead:
    """Return the prepared read of the table.

    Names, roles and entities stay those of the first time, while the network is the same.
    """

    def render(rows: Sequence[FetchedRow], params: ReadParams) -> ReadResult:
        content = table.content(rows)
        return or_not_modified(ReadResult(content, tag_of(content)), params)

    return PreparedRead(table.statement, lambda _: {}, render)
