"""Safe-contact rules: how somebody may safely be contacted. All former rules are kept, sealed.

Whoever is about to call must see that yesterday's rule was another. So a new rule is a new row of the case or of a
person, and the newest one holds. Openings show all of them, with their times.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy.orm import Mapped, mapped_column

from appeals.cases.record import Record
from appeals.database.declarative import deferred_fk
from appeals.fields import Model


class SafeContactRule(Record):
    """A rule for the requester or, with `person`, for one of the people. Append-only."""

    __tablename__ = "safe_contact_rule"

    person: Mapped[UUID | None] = mapped_column(deferred_fk("person.id"))
    rule: Mapped[str]


class SafeContactRuleVersion(Model):
    """A safe-contact rule, since when it is on record, and who recorded it."""

    person: Annotated[UUID | None, Field(description="The person it is for; null for the requester.")]
    rule: str
    recorded_at: Annotated[datetime, Field(description="The time since which it holds; the older one held until then.")]
    recorded_by: UUID


def newest_rule(rules: Iterable[SafeContactRule], person_id: UUID | None) -> str | None:
    """Return the rule that holds for the requester or for one of the people."""
    of_them = [rule.rule for rule in rules if rule.person == person_id]
    return of_them[-1] if of_them else None
