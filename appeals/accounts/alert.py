"""Alerts: what somebody has to be told because it was done with few eyes on it. Append only.

Who is told is decided when it happens, and stays so: whoever leaves afterwards was told all the same.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Select, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.database.declarative import Base, deferred_fk, new_id
from appeals.vocabulary import AlertKind


class Alert(Base):
    """What happened, and to which account: who broke the glass, who was given a role. `by_id` is who did it.

    What else there is to say stands in the row that it names: of a team, or of a role.
    """

    __tablename__ = "alert"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    recorded_at: Mapped[datetime]
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    case_id: Mapped[UUID | None] = mapped_column(deferred_fk("case.id"))
    team_member_id: Mapped[UUID | None] = mapped_column(deferred_fk("team_member.id"))
    membership_id: Mapped[UUID | None] = mapped_column(ForeignKey("membership.id"))


class AlertRecipient(Base):
    """An account that is told."""

    __tablename__ = "alert_recipient"
    __table_args__ = (Index(None, "account_id", "alert_id"),)

    alert_id: Mapped[UUID] = mapped_column(ForeignKey("alert.id"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)


def raise_alert(session: Session, kind: AlertKind, recipients: Iterable[UUID], **facts: Any) -> Alert:
    """Tell these accounts, in the transaction of what they are told. `facts` are columns of the alert."""
    alert = Alert(id=new_id(), kind=kind, **facts)
    session.add(alert)
    session.flush()
    session.add_all(AlertRecipient(alert_id=alert.id, account_id=account_id) for account_id in set(recipients))
    session.flush()
    return alert


def alerts_for(account_id: UUID, kinds: Iterable[AlertKind] = ()) -> Select[Alert]:
    """The alerts of an account, of these kinds where any are named."""
    query = (
        select(Alert)
        .join(AlertRecipient, AlertRecipient.alert_id == Alert.id)
        .where(AlertRecipient.account_id == account_id)
    )
    alert_kinds = list(kinds)
    return query.where(Alert.kind.in_(alert_kinds)) if alert_kinds else query
