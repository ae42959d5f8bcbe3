"""What is to be sent to a webhook: changes since its place in the feed as events, and what is tried again."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from appeals.accounts.account import Account, grants_of
from appeals.accounts.caller import Caller
from appeals.cases.change_log import Change
from appeals.read_models.change_feed import (
    BEGINNING,
    FeedPosition,
    ReadRange,
    changes_for,
    head_position,
    next_position,
)
from appeals.vocabulary import DeliveryState
from appeals.webhooks.attempts import Event
from appeals.webhooks.webhook import (
    Delivery,
    Webhook,
)

BATCH_SIZE = 50


@dataclass(frozen=True)
class DeliveryBatch:
    """What is to be carried to a webhook now, and the place after it; `dropped` are not to be sent any more."""

    webhook: Webhook
    events: Sequence[Event]
    after: FeedPosition
    dropped: Sequence[UUID]


def batch_for(session: Session, webhook_id: UUID, pepper: bytes, now: datetime) -> DeliveryBatch:
    """What is to be sent, as one snapshot has it: what is tried again and, unless that blocks, what follows."""
    webhook = session.get_one(Webhook, webhook_id)
    caller = caller_for(session, session.get_one(Account, webhook.account_id), now)
    again = list(_retries(session, webhook, caller, pepper, now))
    place = webhook.after_transaction, webhook.after_id
    waits = select(Delivery.id).where(
        Delivery.webhook_id == webhook_id, Delivery.state == DeliveryState.WAITING, Delivery.blocks
    )
    if session.scalar(waits.limit(1)) is not None:
        return _make_batch(webhook, again, [], place)
    end_now = session.execute(select(*head_position())).one()
    rows = session.execute(changes_for(caller, _since(place), BATCH_SIZE)).all()
    fresh = [_event(pepper, webhook.id, row) for row in rows[:BATCH_SIZE]]
    return _make_batch(webhook, again, fresh, next_position(rows, BATCH_SIZE, (end_now[0], end_now[1])))


def _make_batch(
    webhook: Webhook, again: Sequence[tuple[UUID, Event | None]], fresh: list[Event], after: FeedPosition
) -> DeliveryBatch:
    events = [event for _, event in again if event] + fresh
    return DeliveryBatch(webhook, events, after, [webhook_id for webhook_id, event in again if event is None])


def _retries(
    session: Session, webhook: Webhook, caller: Caller, pepper: bytes, now: datetime
) -> Iterator[tuple[UUID, Event | None]]:
    """The deliveries that are due, in the order of changes; without a letter where it is hidden meanwhile."""
    due = select(Delivery, Change.transaction_id).outerjoin(Change, Change.id == Delivery.change_id)
    due = due.where(Delivery.webhook_id == webhook.id, Delivery.state == DeliveryState.WAITING)
    due = due.where(Delivery.next_at <= now).order_by(Delivery.recorded_at, Delivery.id).limit(BATCH_SIZE)
    for delivery, transaction in session.execute(due):
        if delivery.change_id is None:
            body = _body("feed.begin_anew", delivery.recorded_at, {})
            yield delivery.id, Event(delivery.id, body, None, None)
            continue
        before = (transaction, delivery.change_id - 1)
        row = session.execute(changes_for(caller, _since(before), 0)).first()
        seen = row is not None and row[1] == delivery.change_id
        yield delivery.id, _event(pepper, webhook.id, row, delivery.id) if seen else None


def _event(pepper: bytes, webhook_id: UUID, row: Any, number: UUID | None = None) -> Event:
    """A change as an event. The same change has the same id, whoever sends it how often."""
    transaction, change_id, at, version, reference, line, _ = row
    if number is None:
        print_ = hmac.digest(pepper, b"event of a webhook" + webhook_id.bytes + b"%d" % change_id, hashlib.sha256)
        number = UUID(bytes=print_[:16], version=4)
    kind = "case.removed" if line is None else "case.changed"
    data = {"reference": reference, "version": None if line is None else version}
    return Event(number, _body(kind, at, data), change_id, (transaction, change_id))


def caller_for(session: Session, account: Account, now: datetime) -> Caller:
    """The account of a webhook, with the roles that it holds now."""
    return Caller(account_id=account.id, name=account.name, grants=grants_of(session, account.id), now=now)


def _since(place: FeedPosition) -> ReadRange:
    """After a place of a webhook: it began at the end of the feed, so that all that follows is for it."""
    return ReadRange(place, BEGINNING)


def _body(kind: str, at: datetime, data: dict[str, Any]) -> str:
    return json.dumps({"type": kind, "timestamp": at.isoformat().replace("+00:00", "Z"), "data": data})
