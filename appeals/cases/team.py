"""The team of a case: who is named on it, and who broke the glass to see it for a day."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.database.declarative import deferred_fk
from appeals.fields import Model, NameOrId, Prose
from appeals.vocabulary import TeamStatus

GLASS_IS_BROKEN_FOR = timedelta(hours=24)
SHORTEST_REASON = 20


class TeamMember(Record):
    """Somebody who is named on the team, from `recorded_at` until `left_at`; who broke the glass, until `until`.

    A proposed member waits for a second coordinator until `until`.
    """

    __tablename__ = "team_member"
    __table_args__ = (UniqueConstraint("case_id", "label"), Index(None, "account", "case_id"))

    account: Mapped[UUID] = mapped_column(deferred_fk("account.id"))
    status: Mapped[str]
    until: Mapped[datetime | None] = mapped_column(index=True)
    broke_glass_because: Mapped[str | None]
    left_at: Mapped[datetime | None]

    @property
    def is_named(self) -> bool:
        """True while they are on the team for good."""
        return self.status == TeamStatus.ON and self.until is None

    def broke_glass(self, now: datetime) -> bool:
        """True for the day since they broke the glass."""
        return self.status == TeamStatus.ON and self.until is not None and now < self.until

    def is_proposed(self, now: datetime) -> bool:
        """True while a second coordinator may confirm them."""
        return self.status == TeamStatus.PROPOSED and self.until is not None and now < self.until


class TeamMemberInput(RecordInput):
    account: Annotated[NameOrId, Field(description="Who holds a role somewhere that works on cases.")]


class TeamMemberOutput(RecordOutput):
    account: UUID
    status: TeamStatus
    until: Annotated[datetime | None, Field(description="Of whom broke the glass, or is proposed: when that ends.")]
    broke_glass_because: str | None
    left_at: datetime | None


class TeamMemberChange(RecordInput):
    """The end of a membership; who was on the team stays on record."""

    status: TeamStatus


def _says_enough(reason: str) -> str:
    if len(" ".join(reason.split())) < SHORTEST_REASON:
        raise ValueError(f"must have at least {SHORTEST_REASON} characters, spaces at its ends and doubled ones apart")
    return reason


class GlassInput(Model):
    """Why somebody who is not named on a sealed case has to see it now. Never a person's name."""

    reason: Annotated[Prose, Field(min_length=SHORTEST_REASON), AfterValidator(_says_enough)]
