"""What is noted of attempts to send: an event that arrived, one that is tried again and when, one that is dead."""

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
"""Then it is dead: the schedule that Standard Webhooks gives as its example, as far as it is of hours."""
JITTER = 0.2
"""Up to this part of it is added to each pause, so that not all come back at once."""
GIVE_UP_AFTER = timedelta(days=3)


@dataclass(frozen=True)
class Event:
    """An event on its way: its `webhook-id`, its body, its change and the place of that. Others come without change."""

    id: UUID
    body: str
    change_id: int | None
    position: FeedPosition | None


@dataclass(frozen=True)
class Attempt:
    """What came of sending: the receiver's status, and what went wrong."""

    status: int | None = None
    fault: DeliveryFault | None = None


def record_success(session: Session, webhook: Webhook, event: Event, outcome: Attempt, now: datetime) -> None:
    """Note that an event arrived."""
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
    """Note that an event did not arrive, and when it is tried again."""
    delivery = session.get(Delivery, event.id) or waiting_delivery(webhook.id, event.id, event.change_id, now)
    session.add(delivery)
    if delivery.state == DeliveryState.DROPPED:  # hidden for a while, and seen again
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
    """A delivery that is to be tried at once, and blocks those after it."""
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


def advance(webhook: Webhook, place: FeedPosition | None) -> None:
    """Move the place of a webhook on, never back: what is tried again by hand lies before it."""
    if place is not None and place > (webhook.after_transaction, webhook.after_id):
        webhook.after_transaction, webhook.after_id = place
