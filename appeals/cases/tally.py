"""Tallies: how many people, said by whom, as of when. Conflicting tallies stand side by side."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated

from pydantic import Field, model_validator
from sqlalchemy.orm import Mapped

from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.fields import Count, Happened, Model, Name, earliest, latest
from appeals.vocabulary import Precision, Reliability, SourceConnection, TallyKind

CHARGED = (TallyKind.CHARGED_NAMED, TallyKind.CHARGED_UNNAMED)
CHARGE_ENDED = (TallyKind.CHARGES_DROPPED, TallyKind.ACQUITTED, TallyKind.CONVICTED)
ONCE_HELD = (TallyKind.ARRESTED, TallyKind.HELD)
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
        parts = [part for part in (self.women, self.men, self.other, self.unknown) if part is not None]
        if sum(parts) > self.high:
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


class Headline(Model):
    """The count of a kind that is quoted."""

    kind: TallyKind
    low: int
    high: int
    as_of: date
    as_of_precision: Precision
    contested: Annotated[bool, Field(description="Whether another source's count of that day cannot be the same.")]


class Detention(Model):
    """What became of those who were arrested: held + released + bailed + died + unknown = arrested (invariant 9).

    In the reading that leaves nobody behind: the most that came in, the least that went out.
    """

    arrested: int
    held: int
    released: int
    bailed: int
    died: int
    unknown: Annotated[int, Field(description="Arrested, and neither counted as held nor told to be out.")]


class Charges(Model):
    """What became of those who were charged: dropped + acquitted + convicted + pending = charged (invariant 9).

    In the reading that leaves nobody behind.
    """

    charged: int
    dropped: int
    acquitted: int
    convicted: int
    pending: int


def headline(tallies: Iterable[Tally], kind: TallyKind) -> Tally | None:
    """The tally of a kind that is quoted: the newest, and of the same day the best graded, then the last told."""
    fitting = [tally for tally in tallies if tally.kind == kind]
    return max(fitting, key=lambda t: (t.as_of, -_RANK[t.reliability], t.id), default=None)


_RANK: dict[str, int] = {grade: rank for rank, grade in enumerate(Reliability)}


def headlines(tallies: Iterable[Tally]) -> list[Headline]:
    """The count of each kind on record, in the order of the vocabulary."""
    all_tallies = list(tallies)
    return [_headline(tally, all_tallies) for kind in TallyKind if (tally := headline(all_tallies, kind))]


def _headline(main: Tally, tallies: Iterable[Tally]) -> Headline:
    others = [tally for tally in tallies if (tally.kind, tally.as_of) == (main.kind, main.as_of)]
    return Headline(
        kind=TallyKind(main.kind),
        low=main.low,
        high=main.high,
        as_of=main.as_of,
        as_of_precision=Precision(main.as_of_precision),
        contested=any(other.high < main.low or main.high < other.low for other in others),
    )


def detention(tallies: Iterable[Tally]) -> Detention:
    """What became of those who were arrested, by the headlines.

    A `held` count speaks for itself as of its day. Without one, or with arrests counted after it, whoever was
    arrested and is not on record as released, bailed or dead is taken to be held. Where counts of several sources
    come to more than were counted as arrested, at least so many were.
    """
    all_tallies = list(tallies)
    arrested, tally = headline(all_tallies, TallyKind.ARRESTED), headline(all_tallies, TallyKind.HELD)
    released, bailed, died = (_least(all_tallies, kind) for kind in NO_LONGER_HELD)
    out = released + bailed + died
    left = max(0, (arrested.high if arrested else 0) - out)
    inside = left if tally is None else tally.high
    if tally and arrested and arrested.as_of > tally.as_of:
        inside = max(inside, left)
    unknown = max(0, left - inside)
    return Detention(
        arrested=inside + out + unknown, held=inside, released=released, bailed=bailed, died=died, unknown=unknown
    )


def charges(tallies: Iterable[Tally]) -> Charges:
    """What became of those who were charged, by the headlines: charged, less those whose charges ended in any way."""
    all_tallies = list(tallies)
    charged = sum(tally.high for kind in CHARGED if (tally := headline(all_tallies, kind)))
    dropped, acquitted, convicted = (_least(all_tallies, kind) for kind in CHARGE_ENDED)
    ended = dropped + acquitted + convicted
    pending = max(0, charged - ended)
    return Charges(charged=ended + pending, dropped=dropped, acquitted=acquitted, convicted=convicted, pending=pending)


class DayCounts(Model):
    """What the counts on record said as of a day."""

    on: date
    detention: Detention
    charges: Charges


def day_by_day(tallies: Iterable[Tally]) -> list[DayCounts]:
    """What became of people, on each day as of which somebody counted."""
    all_tallies = list(tallies)
    days = sorted({tally.as_of for tally in all_tallies if tally.kind in _OF_PEOPLE_TAKEN})
    by_then = {day: [tally for tally in all_tallies if tally.as_of <= day] for day in days}
    return [DayCounts(on=day, detention=detention(so_far), charges=charges(so_far)) for day, so_far in by_then.items()]


_OF_PEOPLE_TAKEN = {*ONCE_HELD, *NO_LONGER_HELD, *CHARGED, *CHARGE_ENDED}


def _least(tallies: Iterable[Tally], kind: TallyKind) -> int:
    tally = headline(tallies, kind)
    return tally.low if tally else 0


def more_out_than_in(tallies: Iterable[Tally], newest: Tally) -> bool:
    """True when more people are told to be out, or acquitted and so on, than ever were held, or charged, by then.

    In the reading that is kindest to the counts: the least that are out, the most that any source has inside.
    Invariant 9: nobody is released who was not held.
    """
    for inside, outside in ((ONCE_HELD, NO_LONGER_HELD), (CHARGED, CHARGE_ENDED)):
        if newest.kind in outside:
            all_tallies = list(tallies)
            days = {latest(tally.as_of, tally.as_of_precision) for tally in all_tallies if tally.kind in outside}
            since = latest(newest.as_of, newest.as_of_precision)
            return any(_out_of(all_tallies, inside, outside, day) for day in days if day >= since)
    return False


def _out_of(tallies: list[Tally], inside: Iterable[TallyKind], outside: Iterable[TallyKind], day: date) -> bool:
    begun = [tally for tally in tallies if earliest(tally.as_of, tally.as_of_precision) <= day]
    over = [tally for tally in tallies if latest(tally.as_of, tally.as_of_precision) <= day]
    most = [max((tally.high for tally in begun if tally.kind == kind), default=0) for kind in inside]
    most_inside = max(most) if inside is ONCE_HELD else sum(most)
    return sum(_least(over, kind) for kind in outside) > most_inside
