"""Links between cases. Each is shown on both cases to those who may see both."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped, mapped_column, relationship

from appeals.cases.record import Record, RecordInput, RecordOutput
from appeals.database.declarative import deferred_fk
from appeals.fields import CASE_REFERENCE, Prose
from appeals.vocabulary import LinkKind


class Link(Record):
    """A link from a case to an `other` one."""

    __tablename__ = "case_link"

    kind: Mapped[str]
    other: Mapped[UUID] = mapped_column(deferred_fk("case.id"), index=True)
    note: Mapped[str | None]
    this_case: Mapped[Any] = relationship("Case", foreign_keys="Link.case_id", viewonly=True)
    other_case: Mapped[Any] = relationship("Case", foreign_keys="Link.other", viewonly=True)

    @property
    def reference(self) -> str:
        """The reference of the case on which it was made."""
        return str(self.this_case.reference)

    @property
    def other_reference(self) -> str:
        """The reference of the case to which it leads."""
        return str(self.other_case.reference)


class LinkInput(RecordInput):
    """A link to another case that you may see."""

    kind: LinkKind
    other: Annotated[str, Field(pattern=CASE_REFERENCE, description="The reference of the other case.")]
    note: Prose | None = None


class LinkOutput(RecordOutput):
    """A link, which reads as a sentence: `reference` is (for example) `part_of` `other_reference`."""

    reference: str
    kind: LinkKind
    other_reference: str
    note: str | None
