"""Tallies: how many people, said by whom, as of when. Conflicting tallies stand side by side."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated

from pydantic import Field, model_validator
from sqlalchemy.orm import Mapped

from appeals.field import Count, Happened, Name
from appeals.record import Record, RecordInput, RecordOutput
from appeals.vocabulary import Precision, Reliability, SourceConnection, TallyKind

CHARGED = (TallyKind.CHARGED_NAMED, TallyKind.CHARGED_UNNAMED)
CHARGE_ENDED = (TallyKind.CHARGES_DROPPED, TallyKind.ACQUITTED, TallyKind.CONVICTED)
NO_LONGER_HELD = (TallyKind.RELEASED, TallyKind.BAILED, TallyKind.DIED)


class Tally(Record):
    """One count: a range `low`–`high`, as of a day, from a source."""

    __tablename__ = "tally"

    kind: Mapped[str]
    low: Mapped[int]
    high: Mapped[int]
    women: Mapped[int | None]
    men: Mapped[int | None]
    other: Mapped[int | None]
    unknown: Mapped[int | None]
    as_of: Mapped[date]
    as_of_precision: Mapped[str]
    source: Mapped[str | None]
    connection: Mapped[str | None]
    reliability: Mapped[str]


class TallyInput(RecordInput):
    """A count of people. `low` and `high` bound it; give both the same when it is exact."""

    kind: TallyKind
    low: Count
    high: Count
    women: Count | None = None
    men: Count | None = None
    other: Count | None = None
    unknown: Count | None = None
    as_of: Happened
    as_of_precision: Precision = Precision.EXACT
    source: Annotated[Name | None, Field(description="The organisation or publication that says so.")] = None
    connection: SourceConnection | None = None
    reliability: Reliability = Reliability.UNKNOWN

    @model_validator(mode="after")
    def _bounds_agree(self) -> "TallyInput":
        if self.high < self.low:
            raise ValueError("high is below low")
        told = [part for part in (self.women, self.men, self.other, self.unknown) if part is not None]
        if sum(told) > self.high:
            raise ValueError("women, men, other and unknown add up to more than high")
        return self


class TallyOutput(RecordOutput):
    kind: TallyKind
    low: int
    high: int
    women: int | None
    men: int | None
    other: int | None
    unknown: int | None
    as_of: date
    as_of_precision: Precision
    source: str | None
    connection: SourceConnection | None
    reliability: Reliability


def headline(tallies: Iterable[Tally], kind: TallyKind) -> Tally | None:
    """The tally of a kind that is quoted: the newest, and of the same day the best graded, then the last told."""
    grades = list(Reliability)
    fitting = [tally for tally in tallies if tally.kind == kind]
    return max(fitting, key=lambda t: (t.as_of, -grades.index(Reliability(t.reliability)), t.id), default=None)


def still_held(tallies: Iterable[Tally]) -> int:
    """How many may still be held, by the upper bounds on record.

    A `held` count speaks for itself as of its day. Without one, or with arrests counted after it, whoever was
    arrested and is not on record as released, bailed or dead is taken to be held.
    """
    known = list(tallies)
    held, arrested = headline(known, TallyKind.HELD), headline(known, TallyKind.ARRESTED)
    counted = _left(known, (TallyKind.ARRESTED,), NO_LONGER_HELD)
    if held is None:
        return counted
    return max(held.high, counted) if arrested and arrested.as_of > held.as_of else held.high


def charges_pending(tallies: Iterable[Tally]) -> int:
    """How many may still be charged: charged, less those whose charges ended in any way."""
    return _left(list(tallies), CHARGED, CHARGE_ENDED)


def _left(tallies: list[Tally], begun: Iterable[TallyKind], ended: Iterable[TallyKind]) -> int:
    """The upper bound of those for whom it began and has not ended: the most of the one, the least of the other."""
    most = sum(found.high for kind in begun if (found := headline(tallies, kind)))
    least = sum(found.low for kind in ended if (found := headline(tallies, kind)))
    return max(0, most - least)
