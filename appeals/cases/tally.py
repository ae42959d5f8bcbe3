"""Tallies: counts of people, each with a source and a day. Conflicting tallies are kept side by side."""

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
    """A count: a range `low`–`high` as of a day, according to a source."""

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
    """A count of people between `low` and `high`, which are equal if it is exact."""

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
            raise ValueError("high must not be below low")
        parts = [part for part in (self.women, self.men, self.other, self.unknown) if part is not None]
        if sum(parts) > self.high:
            raise ValueError("women, men, other and unknown must not add up to more than high")
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
    contested: Annotated[
        bool, Field(description="Whether another source gives a count of that day that contradicts it.")
    ]


class Detention(Model):
    """What became of the arrested people: held + released + bailed + died + unknown = arrested (section 6 of the domain
    specification, invariant 9).

    It is the reading that leaves nobody behind: the largest counts of arrests, the smallest of releases.
    """

    arrested: int
    held: int
    released: int
    bailed: int
    died: int
    unknown: Annotated[int, Field(description="Arrested people who are counted neither as held nor as out.")]


class Charges(Model):
    """What became of the charged people: dropped + acquitted + convicted + pending = charged (section 6 of the domain
    specification, invariant 9).

    It is the reading that leaves nobody behind.
    """

    charged: int
    dropped: int
    acquitted: int
    convicted: int
    pending: int


def headline(tallies: Iterable[Tally], kind: TallyKind) -> Tally | None:
    """Return the tally of a kind that is quoted: the newest, then the best graded, then the last recorded."""
    fitting = [tally for tally in tallies if tally.kind == kind]
    return max(fitting, key=lambda t: (t.as_of, -_RANK[t.reliability], t.id), default=None)


_RANK: dict[str, int] = {grade: rank for rank, grade in enumerate(Reliability)}


def headlines(tallies: Iterable[Tally]) -> list[Headline]:
    """Return the headline count of each kind on record, in the order of the vocabulary."""
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
    """Return what became of the arrested people, by the headlines.

    A `held` count is taken as it is on its day. Without one, or with arrests counted after it, all arrested people who
    are not on record as released, bailed or dead count as held. If the counts of several sources add up to more than
    the arrests, that sum counts as the arrests.
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
    """Return what became of the charged people, by the headlines: charged, less those whose charges ended in
    any way.
    """
    all_tallies = list(tallies)
    charged = sum(tally.high for kind in CHARGED if (tally := headline(all_tallies, kind)))
    dropped, acquitted, convicted = (_least(all_tallies, kind) for kind in CHARGE_ENDED)
    ended = dropped + acquitted + convicted
    pending = max(0, charged - ended)
    return Charges(charged=ended + pending, dropped=dropped, acquitted=acquitted, convicted=convicted, pending=pending)


class DayCounts(Model):
    """The counts on record as of a day."""

    on: date
    detention: Detention
    charges: Charges


def day_by_day(tallies: Iterable[Tally]) -> list[DayCounts]:
    """Return the counts on each day that has a tally."""
    all_tallies = list(tallies)
    days = sorted({tally.as_of for tally in all_tallies if tally.kind in _OF_PEOPLE_TAKEN})
    by_then = {day: [tally for tally in all_tallies if tally.as_of <= day] for day in days}
    return [DayCounts(on=day, detention=detention(so_far), charges=charges(so_far)) for day, so_far in by_then.items()]


_OF_PEOPLE_TAKEN = {*ONCE_HELD, *NO_LONGER_HELD, *CHARGED, *CHARGE_ENDED}


def _least(tallies: Iterable[Tally], kind: TallyKind) -> int:
    tally = headline(tallies, kind)
    return tally.low if tally else 0


def more_out_than_in(tallies: Iterable[Tally], newest: Tally) -> bool:
    """Return whether more people are released, or acquitted and so on, than were ever held, or charged, by then.

    It is the most generous reading: the smallest counts of those out, the largest of those inside. Nobody can be
    released who was not held (section 6 of the domain specification, invariant 9).
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
