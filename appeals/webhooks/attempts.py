"""The result of each attempt to deliver an event: delivered, to be retried at a certain time, or dead."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from appeals.read_models.change_feed import (
    FeedPosition,
)
from appeals.vocabulary import DeliveryFault, DeliveryState, WebhookState
from appeals.webhooks.webhook import (
    Delivery,
    Webhook,
)

RETRY_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600))
"""The pauses between the attempts; after the last, the delivery is dead.

They follow the example of Standard Webhooks.
"""
JITTER = 0.2
"""The largest part of a pause that is added to it at random, so that failed deliveries are not all retried at once."""
GIVE_UP_AFTER = timedelta(days=3)


@dataclass(frozen=True)
class Event:
    """An event to be delivered: its `webhook-id` and body, and the change that it reports with the position in the
    feed.

    An event that reports no change has neither a change nor a position.
    """

    id: UUID
    body: str
    change_id: int | None
    position: FeedPosition | None


@dataclass(frozen=True)
class Attempt:
    """The result of an attempt: the HTTP status of the receiver, and the fault; None if it was delivered."""

    status: int | None = None
    fault: DeliveryFault | None = None


def record_success(session: Session, webhook: Webhook, event: Event, outcome: Attempt, now: datetime) -> None:
    """Record that an event was delivered."""
    webhook.delivered_at, webhook.failing_since = now, None
    delivery = session.get(Delivery, event.id)
    if delivery is not None:
        delivery.state, delivery.next_at, delivery.fault, delivery.status = (
            DeliveryState.DELIVERED,
            None,
            None,
            outcome.status,
        )
        delivery.tries += 1
    advance(webhook, event.position)


def record_failure(session: Session, webhook: Webhook, event: Event, outcome: Attempt, now: datetime) -> None:
    """Record that an attempt failed, and when the event is retried."""
    delivery = session.get(Delivery, event.id) or waiting_delivery(webhook.id, event.id, event.change_id, now)
    session.add(delivery)
    if delivery.state == DeliveryState.DROPPED:  # its case was invisible to the account for a while
        delivery.state, delivery.blocks, delivery.tries = DeliveryState.WAITING, True, 0
    delivery.fault, delivery.status = outcome.fault, outcome.status
    delivery.tries += 1
    webhook.failing_since = webhook.failing_since or now
    if delivery.tries > len(RETRY_DELAYS):
        delivery.state, delivery.next_at = DeliveryState.DEAD, None
        advance(webhook, event.position)
    else:
        delivery.next_at = now + RETRY_DELAYS[delivery.tries - 1] * (1 + JITTER * random.random())  # noqa: S311
    if webhook.state == WebhookState.ACTIVE and outcome.status == 410:
        webhook.state = WebhookState.GONE
    elif webhook.state == WebhookState.ACTIVE and now - webhook.failing_since > GIVE_UP_AFTER:
        webhook.state = WebhookState.FAILING


def waiting_delivery(webhook_id: UUID, number: UUID, change_id: int | None, now: datetime) -> Delivery:
    """Return a new delivery that is due at once, and blocks later events until it is delivered."""
    return Delivery(
        id=number,
        webhook_id=webhook_id,
        change_id=change_id,
        state=DeliveryState.WAITING,
        blocks=True,
        tries=0,
        recorded_at=now,
        next_at=now,
    )


def advance(webhook: Webhook, position: FeedPosition | None) -> None:
    """Move the position of a webhook forward.

    An event that was retried by hand lies before it, and does not move it back.
    """
    if position is not None and position > (webhook.after_transaction, webhook.after_id):
        webhook.after_transaction, webhook.after_id = position
