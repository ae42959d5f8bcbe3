"""The team of a case: its named members, and those with break-glass access for a day."""

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
    """A member of the team from `recorded_at` until `left_at`; by break-glass access, until `until`.

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
        """True for a named member."""
        return self.status == TeamStatus.ON and self.until is None

    def broke_glass(self, now: datetime) -> bool:
        """Return whether the member has break-glass access now."""
        return self.status == TeamStatus.ON and self.until is not None and now < self.until

    def is_proposed(self, now: datetime) -> bool:
        """Return whether a second coordinator may still confirm the member."""
        return self.status == TeamStatus.PROPOSED and self.until is not None and now < self.until


class TeamMemberInput(RecordInput):
    account: Annotated[NameOrId, Field(description="An account with a role that works on cases.")]


class TeamMemberOutput(RecordOutput):
    account: UUID
    status: TeamStatus
    until: Annotated[datetime | None, Field(description="When break-glass access, or a proposal, ends.")]
    broke_glass_because: str | None
    left_at: datetime | None


class TeamMemberChange(RecordInput):
    """The end of a membership. Former members stay on record."""

    status: TeamStatus


def _says_enough(reason: str) -> str:
    if len(" ".join(reason.split())) < SHORTEST_REASON:
        raise ValueError(
            f"must have at least {SHORTEST_REASON} characters, not counting spaces at its ends and doubled ones"
        )
    return reason


class GlassInput(Model):
    """Why somebody who is not on the team of a sealed case must see it now. Never a person's name."""

    reason: Annotated[Prose, Field(min_length=SHORTEST_REASON), AfterValidator(_says_enough)]
