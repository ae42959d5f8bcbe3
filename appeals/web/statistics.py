"""Doors of the statistics: counts of the cases led at or below the entities one holds a role in."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import Select

from appeals.errors import Fault, Invalid
from appeals.field import Model, NameOrId
from appeals.statistics import (
    DIMENSIONS,
    Dated,
    Dimension,
    Every,
    Told,
    asked_for,
    exact_for,
    names,
    over_time,
    places,
    rows_of,
    table_of,
)
from appeals.web.door import Answer, Call, Door
from appeals.web.page import as_table, wanted_of
from appeals.web.quick import Answered, Asked, Recipe, tag_of, unless_known

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
    items: list[dict[str, Told]]


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

    def rows(self, found: Iterable[Any]) -> list[dict[str, Told]]:
        """The rows of the answer, from what the statement gives."""
        counts = table_of(found, self.paths, self.by, exact=self.exact)
        counts = over_time(counts, self.every) if self.every else counts
        return rows_of(counts, self.columns, self.names, exact=self.exact)

    def content(self, found: Iterable[Any]) -> bytes:
        """The answer as JSON."""
        told = {"fives": not self.exact, "items": self.rows(found)}
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def of_statistics(call: Call) -> Table:
    """Raises: Invalid."""
    said = call.query.by.split(",") if call.query.by else []
    by = [dimension for name in said for dimension in DIMENSIONS if dimension == name]
    if len(by) < len(said) or len(set(by)) < len(by) or len(by) > 2:
        raise Invalid([Fault("?by", f"names one or two of {', '.join(DIMENSIONS)}, with a comma between them")])
    return _table(call, by, None)


def of_timeline(call: Call) -> Table:
    """Raises: Invalid."""
    asked: TimelineQuery = call.query
    if asked.by == asked.of:
        raise Invalid([Fault("?by", f"is what the timeline is of already: {asked.of}")])
    others = [asked.by] if asked.by else []
    return _table(call, [asked.of, *others], asked.every)


def _table(call: Call, by: Sequence[Dimension], every: Every | None) -> Table:
    paths = places(call.session, call.caller, call.query.within)
    known = names(call.session) if {"region", "lead"} & set(by) else {}
    return Table(by, every, paths, exact_for(call.caller, paths), known)


Of = Callable[[Call], Table]


def show(of: Of) -> Callable[[Call], Answer]:
    """The work of a door: the table, as the caller accepts it."""

    def work(call: Call) -> Answer:
        asked, wanted = of(call), wanted_of(call)
        found = call.session.execute(asked.statement)
        if wanted == "application/json":
            return Answer(asked.content(found))
        return as_table([*asked.columns, "cases"], asked.rows(found), wanted)

    return work


def show_quickly(of: Of) -> Callable[[Call], Recipe | None]:
    """The same again, while the network is the same: names, roles and entities are those of the first time."""

    def quickly(call: Call) -> Recipe | None:
        asked = of(call)

        def make(rows: list[Any], told: Asked) -> Answered:
            content = asked.content(rows)
            return unless_known(content, tag_of(content), told)

        return Recipe(asked.statement, lambda _: {}, make) if wanted_of(call) == "application/json" else None

    return quickly


def doors() -> list[Door]:
    """The doors of the statistics."""
    return [
        Door(
            "GET", "/v1/statistics", "show_statistics", "How many cases there are, by up to two dimensions.",
            show(of_statistics), Statistics, query=StatisticsQuery, as_table=True, tag="statistics",
            quick=show_quickly(of_statistics),
        ),
        Door(
            "GET", "/v1/statistics/timeline", "show_statistics_timeline", "How many cases came or went, over time.",
            show(of_timeline), Statistics, query=TimelineQuery, as_table=True, tag="statistics",
            quick=show_quickly(of_timeline),
        ),
    ]  # fmt: skip
