"""The next batch of events for a webhook: retries that are due, and changes after its position in the feed."""

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
from appeals.json_types import JsonObject
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
    """The events to send to a webhook now, and its position after them. Deliveries in `dropped` are no longer sent."""

    webhook: Webhook
    events: Sequence[Event]
    after: FeedPosition
    dropped: Sequence[UUID]


def batch_for(session: Session, webhook_id: UUID, pepper: bytes, now: datetime) -> DeliveryBatch:
    """Return the next batch, read in one snapshot: the due retries and, unless a retry blocks them, the next
    changes.
    """
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
    """Yield the due deliveries in the order of changes, each with its event; None if its case is invisible to the
    account.
    """
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
    """Return a change as an event. Its id is derived from the change, so that every attempt sends the same id."""
    transaction, change_id, at, version, reference, line, _ = row
    if number is None:
        print_ = hmac.digest(pepper, b"event of a webhook" + webhook_id.bytes + b"%d" % change_id, hashlib.sha256)
        number = UUID(bytes=print_[:16], version=4)
    kind = "case.removed" if line is None else "case.changed"
    data = {"reference": reference, "version": None if line is None else version}
    return Event(number, _body(kind, at, data), change_id, (transaction, change_id))


def caller_for(session: Session, account: Account, now: datetime) -> Caller:
    """Return the account of a webhook as a caller, with the roles that it holds now."""
    return Caller(account_id=account.id, name=account.name, grants=grants_of(session, account.id), now=now)


def _since(position: FeedPosition) -> ReadRange:
    """Return the range of the feed after a position.

    A webhook starts at the end of the feed, so nothing before it is read.
    """
    return ReadRange(position, BEGINNING)


def _body(kind: str, at: datetime, data: JsonObject) -> str:
    return json.dumps({"type": kind, "timestamp": at.isoformat().replace("+00:00", "Z"), "data": data})
