"""Alerts: messages to accounts about acts that few people saw, such as break-glass access. The rows are append-only.

The recipients are chosen when it happens, and remain even if they leave later.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Select, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.database.declarative import Base, deferred_fk, new_id
from appeals.vocabulary import AlertKind


class Alert(Base):
    """What happened, and the account it is about: who used break-glass access, or who got a role. `by_id` is who did
    it.

    Further facts are in the row of the team or the role that it names.
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
    """A recipient of an alert."""

    __tablename__ = "alert_recipient"
    __table_args__ = (Index(None, "account_id", "alert_id"),)

    alert_id: Mapped[UUID] = mapped_column(ForeignKey("alert.id"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)


def raise_alert(session: Session, kind: AlertKind, recipients: Iterable[UUID], **facts: object) -> Alert:
    """Alert these accounts, in the transaction of the act itself. `facts` are columns of the alert."""
    alert = Alert(id=new_id(), kind=kind, **facts)
    session.add(alert)
    session.flush()
    session.add_all(AlertRecipient(alert_id=alert.id, account_id=account_id) for account_id in set(recipients))
    session.flush()
    return alert


def alerts_for(account_id: UUID, kinds: Iterable[AlertKind] = ()) -> Select[Alert]:
    """Return the alerts of an account, of these kinds or of all."""
    query = (
        select(Alert)
        .join(AlertRecipient, AlertRecipient.alert_id == Alert.id)
        .where(AlertRecipient.account_id == account_id)
    )
    alert_kinds = list(kinds)
    return query.where(Alert.kind.in_(alert_kinds)) if alert_kinds else query
