"""Public statistics: counts of published cases, from which no count of one to four cases can be worked out.

Cases are counted in batches. A batch never changes, every count is a sum of whole batches, and a batch has at least
five *fresh* cases, which were in no batch before. This is enough (section 6 of the domain specification, invariant 8):
put all batches in the order of time, and take any sum or difference of counts, of any tables and days, that results in
the count of one set of cases. Of the batches that remain in it, the latest has five cases that are in no earlier one,
so all five are counted alike and are in the set. So no cell, no total, and no difference of two tables or two days
counts fewer than five cases.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Literal, NamedTuple, TypeVar, get_args
from uuid import UUID

from sqlalchemy import Select, and_, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.cases.case import Case
from appeals.cases.violation import TRUE_ENOUGH, Violation
from appeals.database.declarative import Base, deferred_fk, new_id
from appeals.database.locks import AdvisoryLock, acquire_lock
from appeals.vocabulary import HEADING, ViolationCode

MIN_CELL = 5
"""The smallest count of any cell (section 6 of the domain specification, invariant 8)."""

PublicDimension = Literal["country", "year", "heading"]
PUBLIC_DIMENSIONS: tuple[PublicDimension, ...] = get_args(PublicDimension)
Cell = tuple[str | int | None, ...]
Value = TypeVar("Value")


class SuppressionBatch(Base):
    """A batch and its values; null, and no headings, where its cases differ. It is valid until it is dissolved."""

    __tablename__ = "suppression_batch"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    country: Mapped[str | None]
    year: Mapped[int | None]
    headings: Mapped[list[str]]
    formed_at: Mapped[datetime]
    dissolved_at: Mapped[datetime | None]


class SuppressionBatchCase(Base):
    """A case in a batch. Rows are kept after the batch is dissolved, since they show that a case is no longer fresh.

    `case_id` is not a foreign key: checking it would wait for a transaction that has locked the case and may itself
    wait for the lock of the batches.
    """

    __tablename__ = "suppression_batch_case"

    batch_id: Mapped[UUID] = mapped_column(deferred_fk("suppression_batch.id"), primary_key=True)
    case_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)


def public_statistics(
    session: Session, published: Select[UUID], by: tuple[PublicDimension, ...]
) -> list[dict[str, str | int | None]]:
    """Return the cells of one table: the value of each dimension, null if the batch does not reveal it, and the count
    under `cases`.

    `published` selects the ids of cases that outsiders may read now. A batch that holds another case is left out even
    before it is dissolved, because a consent may expire without a write. A batch with several headings counts under
    each of them; the total, `by=()`, counts it once. Empty cells are left out.
    """
    columns = (SuppressionBatch.country, SuppressionBatch.year, SuppressionBatch.headings)
    standing = (
        select(*columns, func.count())
        .join(SuppressionBatchCase)
        .where(_IS_CURRENT, SuppressionBatch.id.not_in(_broken(published)))
    )
    counted = [PublicCount(*row) for row in session.execute(standing.group_by(*columns))]
    cells = sorted(tabulate(counted, by).items(), key=lambda cell: [(value is None, str(value)) for value in cell[0]])
    return [{**dict(zip(by, cell, strict=True)), "cases": cases} for cell, cases in cells]


class PublicCount(NamedTuple):
    """The number of cases in batches with the same values."""

    country: str | None
    year: int | None
    headings: Iterable[str]
    cases: int


def tabulate(counted: Iterable[PublicCount], by: tuple[PublicDimension, ...]) -> dict[Cell, int]:
    """Return the sum of each cell. A cell has a value for each dimension, in the order of `by`."""
    cells = Counter[Cell]()
    for country, year, headings, cases in counted:
        under: list[str] | list[None] = sorted(headings) or [None]
        values: dict[PublicDimension, Sequence[str | int | None]] = {
            "country": [country],
            "year": [year],
            "heading": under,
        }
        for cell in product(*(values[dimension] for dimension in by)):
            cells[cell] += cases
    return cells


def update_batches(session: Session, published: Select[UUID], now: datetime) -> None:
    """Update the batches to what is published: dissolve those with a case that is not, and form new ones.

    It is called last in the transaction that publishes or takes down, and regularly for cases that wait and consents
    that expire. It holds a lock to the end of the transaction.
    """
    session.flush()
    acquire_lock(session.connection(), AdvisoryLock.COUNTING)
    broken = update(SuppressionBatch).where(_IS_CURRENT, SuppressionBatch.id.in_(_broken(published)))
    session.execute(broken.values(dissolved_at=now))
    for batch in form_batches(_unbatched(session, published), now.year):
        batch_id = new_id()
        columns = {"country": batch.country, "year": batch.year, "headings": sorted(batch.headings)}
        session.add(SuppressionBatch(id=batch_id, formed_at=now, **columns))
        session.add_all(SuppressionBatchCase(batch_id=batch_id, case_id=case_id) for case_id in batch.case_ids)
    session.flush()


_IS_CURRENT = SuppressionBatch.dissolved_at.is_(None)


def _broken(published: Select[UUID]) -> Select[UUID]:
    """Return the batches that hold a case that is not published."""
    return select(SuppressionBatchCase.batch_id).where(SuppressionBatchCase.case_id.not_in(published))


@dataclass(frozen=True)
class BatchItem:
    """A published case that waits to be counted. It is fresh if it was in no batch before."""

    case_id: UUID
    country: str
    year: int
    headings: frozenset[str]
    first_published: bool


def _unbatched(session: Session, published: Select[UUID]) -> list[BatchItem]:
    """Return the published cases that are in no batch."""
    counted = select(SuppressionBatchCase.case_id)
    fresh = Case.id.not_in(counted)
    true_enough = and_(Violation.case_id == Case.id, Violation.grade.in_(TRUE_ENOUGH))
    query = select(Case.id, Case.country, Case.received_on, fresh, Violation.code).outerjoin(Violation, true_enough)
    waiting = query.where(Case.id.in_(published), Case.id.not_in(counted.join(SuppressionBatch).where(_IS_CURRENT)))
    cases, headings = dict[UUID, tuple[str, int, bool]](), defaultdict[UUID, set[str]](set)
    for case_id, country, received_on, is_fresh, code in session.execute(waiting):
        cases[case_id] = country, received_on.year, bool(is_fresh)
        headings[case_id] |= {HEADING[ViolationCode(code)]} if code else set()
    return [
        BatchItem(case_id, country, year, frozenset(headings[case_id]), is_fresh)
        for case_id, (country, year, is_fresh) in cases.items()
    ]


@dataclass(frozen=True)
class Batch:
    """Cases to be counted together, and their values."""

    country: str | None
    year: int | None
    headings: frozenset[str]
    case_ids: tuple[UUID, ...]


COARSER: tuple[Callable[[BatchItem], Hashable], ...] = (
    lambda item: (item.country, item.year),
    lambda item: item.country,
    lambda item: item.year,
    lambda item: None,
)
"""The values that the cases of a batch must share at least, once they have waited until the end of the year."""


def form_batches(waiting: Iterable[BatchItem], this_year: int) -> list[Batch]:
    """Return the batches that the waiting cases can form. The others go on waiting.

    Cases that share all values form batches at any time. Those received before this year form batches of the rest.
    """
    batches, left = _gather(waiting, lambda item: (item.country, item.year, item.headings))
    left = [item for item in left if item.year < this_year]
    for alike in COARSER:
        formed, left = _gather(left, alike)
        batches += formed
    return batches


def _gather(items: Iterable[BatchItem], alike: Callable[[BatchItem], Hashable]) -> tuple[list[Batch], list[BatchItem]]:
    """Return the batches of cases with the same values, and the items that are too few."""
    groups = defaultdict[Hashable, list[BatchItem]](list)
    for item in sorted(items, key=lambda item: item.case_id):
        groups[alike(item)].append(item)
    batches, left = list[Batch](), list[BatchItem]()
    for group in groups.values():
        dealt = _split_group(group)
        batches += dealt
        left += [] if dealt else group
    return batches, left


def _split_group(group: list[BatchItem]) -> list[Batch]:
    """Return as many batches as possible with five fresh cases each, so that a dissolved batch affects few cases."""
    fresh, others = (
        [item for item in group if item.first_published],
        [item for item in group if not item.first_published],
    )
    count = len(fresh) // MIN_CELL
    return [_batch(fresh[turn::count] + others[turn::count]) for turn in range(count)]


def _batch(items: list[BatchItem]) -> Batch:
    """Return a batch with the values that all its cases share."""
    return Batch(
        country=_shared(item.country for item in items),
        year=_shared(item.year for item in items),
        headings=frozenset.intersection(*(item.headings for item in items)),
        case_ids=tuple(item.case_id for item in items),
    )


def _shared(values: Iterable[Value]) -> Value | None:
    different = set(values)
    return different.pop() if len(different) == 1 else None
