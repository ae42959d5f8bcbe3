"""Operations of the statistics: counts of the cases led at or below the entities one holds a role in."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import Select

from appeals.api.fast_reads import PreparedRead, ReadParams, ReadResult, or_not_modified, tag_of
from appeals.api.pagination import as_table, negotiate_format
from appeals.api.routing import Operation, RequestContext, Result
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

OUT_OF = f"Out of {', '.join(DIMENSIONS)}"
Within = Annotated[
    NameOrId | None, Field(description="Count only what is led at or below this entity: its name or id.")
]


class StatisticsQuery(Model):
    """By which dimensions to count; left out, only the total."""

    by: Annotated[str, Field(max_length=40, description=f"One, or two with a comma between them. {OUT_OF}.")] = ""
    within: Within = None


class TimelineQuery(Model):
    """Of which date to count the months or years, and by which dimension besides."""

    every: Every = "month"
    of: Dated = "received"
    by: Annotated[Dimension | Literal[""], Field(description="A further dimension.")] = ""
    within: Within = None


class Statistics(Model):
    """Counts as flat rows, a member for each dimension and `cases`; null stands for what a case does not have."""

    fives: Annotated[
        bool, Field(description="True for dashboards: of `regional` and `network` cases alone, rounded down to fives.")
    ]
    items: list[dict[str, StatisticValue]]


@dataclass(frozen=True)
class Table:
    """A table that is asked for: its dimensions, over which entities, and into which periods the first is put."""

    by: Sequence[Dimension]
    every: Every | None
    paths: list[str]
    exact: bool
    names: dict[str, str]

    @property
    def columns(self) -> list[str]:
        """What the columns are called, but for the count."""
        return [self.every, *self.by[1:]] if self.every else [*self.by]

    @property
    def statement(self) -> Select[Any]:
        """What is asked of the database."""
        return asked_for(self.paths, self.by, exact=self.exact)

    def rows(self, found: Iterable[Any]) -> list[dict[str, StatisticValue]]:
        """The rows of the answer, from what the statement gives."""
        counts = table_of(found, self.paths, self.by, exact=self.exact)
        counts = over_time(counts, self.every) if self.every else counts
        return rows_of(counts, self.columns, self.names, exact=self.exact)

    def content(self, found: Iterable[Any]) -> bytes:
        """The answer as JSON."""
        values = {"fives": not self.exact, "items": self.rows(found)}
        return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def of_statistics(call: RequestContext) -> Table:
    """Raises: Invalid."""
    said = call.query.by.split(",") if call.query.by else []
    by = [dimension for name in said for dimension in DIMENSIONS if dimension == name]
    if len(by) < len(said) or len(set(by)) < len(by) or len(by) > 2:
        raise Invalid([FieldError("?by", f"names one or two of {', '.join(DIMENSIONS)}, with a comma between them")])
    return _table(call, by, None)


def of_timeline(call: RequestContext) -> Table:
    """Raises: Invalid."""
    params: TimelineQuery = call.query
    if params.by == params.of:
        raise Invalid([FieldError("?by", f"is what the timeline is of already: {params.of}")])
    others = [params.by] if params.by else []
    return _table(call, [params.of, *others], params.every)


def _table(call: RequestContext, by: Sequence[Dimension], every: Every | None) -> Table:
    paths = visible_paths(call.session, call.caller, call.query.within)
    known = names(call.session) if {"region", "lead"} & set(by) else {}
    return Table(by, every, paths, exact_for(call.caller, paths), known)


Of = Callable[[RequestContext], Table]


def show(of: Of) -> Callable[[RequestContext], Result]:
    """The work of an operation: the table, as the caller accepts it."""

    def work(call: RequestContext) -> Result:
        params, wanted = of(call), negotiate_format(call)
        rows = call.session.execute(params.statement)
        if wanted == "application/json":
            return Result(params.content(rows))
        return as_table([*params.columns, "cases"], params.rows(rows), wanted)

    return work


def prepare_show_statistics(of: Of) -> Callable[[RequestContext], PreparedRead | None]:
    """The same again, while the network is the same: names, roles and entities are those of the first time."""

    def prepare(call: RequestContext) -> PreparedRead | None:
        params = of(call)

        def make(rows: list[Any], told: ReadParams) -> ReadResult:
            content = params.content(rows)
            return or_not_modified(content, tag_of(content), told)

        return (
            PreparedRead(params.statement, lambda _: {}, make) if negotiate_format(call) == "application/json" else None
        )

    return prepare


def operations() -> list[Operation]:
    """The operations of the statistics."""
    return [
        Operation(
            "GET", "/v1/statistics", "get_statistics", "How many cases there are, by up to two dimensions.",
            show(of_statistics), Statistics, query_model=StatisticsQuery, as_table=True, tag="statistics",
            fast_read=prepare_show_statistics(of_statistics),
        ),
        Operation(
            "GET", "/v1/statistics/timeline", "get_statistics_timeline", "How many cases came or went, over time.",
            show(of_timeline), Statistics, query_model=TimelineQuery, as_table=True, tag="statistics",
            fast_read=prepare_show_statistics(of_timeline),
        ),
    ]  # fmt: skip
