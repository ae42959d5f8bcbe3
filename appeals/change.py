"""Changes: one row for each case that a transaction wrote to, in the order of commits.

A transaction that began earlier may commit later, so that numbers alone would let a reader miss rows. None is missed
where they are read by (`transaction_id`, `id`), below every transaction that still runs (`database.settled_below`).
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from appeals.database import Base, Serial, refers_to


class Change(Base):
    """That a case changed: what the transaction wrote, it wrote at once. Append only.

    `version` is that of the case afterwards; `at` the time of the server.
    """

    __tablename__ = "change"
    __table_args__ = (Index(None, "transaction_id", "id"),)

    id: Mapped[int] = mapped_column(Serial, Identity(), primary_key=True)
    transaction_id: Mapped[int] = mapped_column(BigInteger)
    case_id: Mapped[UUID] = mapped_column(refers_to("case.id"), index=True)
    at: Mapped[datetime]
    version: Mapped[int]


class FormerSight(Base):
    """What decided who sees a case before a change that changed it; the columns are called as those of the case."""

    __tablename__ = "former_sight"

    change_id: Mapped[int] = mapped_column(ForeignKey("change.id"), primary_key=True)
    visibility: Mapped[str]
    lead_entity_id: Mapped[UUID]
    intake_entity_id: Mapped[UUID]
    handover_to_id: Mapped[UUID | None]
    region_id: Mapped[UUID | None]


class FormerMember(Base):
    """Who was on the team of a case before a change that changed who sees it; `until` as it was on the team."""

    __tablename__ = "former_member"

    change_id: Mapped[int] = mapped_column(ForeignKey("change.id"), primary_key=True)
    account: Mapped[UUID] = mapped_column(primary_key=True, index=True)
    until: Mapped[datetime | None]
