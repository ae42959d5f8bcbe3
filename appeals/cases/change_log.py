"""The change log: one row for each case that a transaction wrote to, in the order of commits.

A transaction that began earlier may commit later, so a reader who goes by ids alone would miss rows. None is missed if
they are read by (`transaction_id`, `id`), below every transaction that still runs (`xid_order.snapshot_xmin`).
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from appeals.database.declarative import Base, deferred_fk
from appeals.database.types import AutoIncrement


class Change(Base):
    """A change of a case by a transaction, however many rows it wrote. Append-only.

    `version` is the version of the case afterwards, `at` the server's time.
    """

    __tablename__ = "change"
    __table_args__ = (Index(None, "transaction_id", "id"),)

    id: Mapped[int] = mapped_column(AutoIncrement, Identity(), primary_key=True)
    transaction_id: Mapped[int] = mapped_column(BigInteger)
    case_id: Mapped[UUID] = mapped_column(deferred_fk("case.id"), index=True)
    at: Mapped[datetime]
    version: Mapped[int]


class PreviousVisibility(Base):
    """The columns that decided who saw a case before a change of them, with the same names as those of the case."""

    __tablename__ = "previous_visibility"

    change_id: Mapped[int] = mapped_column(ForeignKey("change.id"), primary_key=True)
    visibility: Mapped[str]
    lead_entity_id: Mapped[UUID]
    intake_entity_id: Mapped[UUID]
    handover_to_id: Mapped[UUID | None]
    region_id: Mapped[UUID | None]


class PreviousTeamMember(Base):
    """A member of the team before a change of who sees the case; `until` is as it was on the team."""

    __tablename__ = "previous_team_member"

    change_id: Mapped[int] = mapped_column(ForeignKey("change.id"), primary_key=True)
    account: Mapped[UUID] = mapped_column(primary_key=True, index=True)
    until: Mapped[datetime | None]
