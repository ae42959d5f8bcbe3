"""The webhook dispatcher: it sends events of the change feed to webhooks, as far as their accounts may see the cases.

Each process regularly looks for webhooks with pending events. Only one process at a time works on a webhook: it takes a
lease, sends the events after the webhook's position in order, and then moves the position. If the process is killed,
events that were sent but not recorded are sent again with the same `webhook-id`. An event that fails is stored as a
delivery, and later events wait in the feed. The decision is docs/decisions/0025-webhooks.md.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import anyio
import httpx2
from anyio import to_thread
from sqlalchemy import and_, exists, or_, select, tuple_
from sqlalchemy.orm import Session

from appeals.access.roles import CASE_ROLES
from appeals.access.visibility import visible_filter
from appeals.accounts.account import Account
from appeals.accounts.caller import Caller
from appeals.accounts.entity import NetworkState, auth_version
from appeals.cases.case import Case
from appeals.cases.change_log import Change
from appeals.database.declarative import new_id
from appeals.database.engine import Database
from appeals.read_models.change_feed import (
    cursor_for,
    head_position,
    position_from,
)
from appeals.vocabulary import DeliveryFault, DeliveryState, WebhookState
from appeals.webhooks.attempts import Attempt, advance, record_failure, record_success, waiting_delivery
from appeals.webhooks.batch import BATCH_SIZE, DeliveryBatch, batch_for, caller_for
from appeals.webhooks.outbound import AddressNotPublic, PublicAddressTransport
from appeals.webhooks.webhook import (
    Delivery,
    DeliveryOutput,
    StartingPoint,
    Webhook,
    drop_waiting,
    end,
    secrets_cipher,
    signed_headers,
)

LEASE = timedelta(minutes=2)
SENDING_TIME_S, REQUEST_TIMEOUT_S = 30, 10
MAX_CONCURRENT = 20
NO_GRANTS = b""
"""The `grants_hash` of a paused webhook.

It equals no other, so the webhook starts again once its account has a role.
"""
log = logging.getLogger("appeals")


def starting_point(session: Session, caller: Caller, pepper: bytes) -> StartingPoint:
    """Return the starting point of a new webhook of this caller: the end of the feed."""
    version, end = auth_version(session), position_from(session.execute(select(*head_position())).one())
    return StartingPoint(end, cursor_for(session, caller, pepper).grants_hash, version)


def pending_statement(now: datetime) -> Any:
    """Return the statement for the ids of webhooks that have something to send or check, and no lease."""
    last_transaction, last_id = head_position()
    waiting = and_(Delivery.webhook_id == Webhook.id, Delivery.state == DeliveryState.WAITING)
    due = exists().where(waiting, Delivery.next_at <= now)
    blocked = exists().where(waiting, Delivery.blocks)
    late = tuple_(Webhook.after_transaction, Webhook.after_id) < tuple_(last_transaction, last_id)
    elsewhere = Webhook.auth_version != select(NetworkState.auth_version).scalar_subquery()
    active = and_(Webhook.state == WebhookState.ACTIVE, or_(due, and_(late, ~blocked)))
    followed = Webhook.state.in_([WebhookState.ACTIVE, WebhookState.PAUSED])
    return select(Webhook.id).where(_is_unleased(now), or_(active, and_(followed, elsewhere))).order_by(Webhook.id)


def _is_unleased(now: datetime) -> Any:
    return or_(Webhook.leased_until.is_(None), Webhook.leased_until <= now)


Result = TypeVar("Result")


@dataclass(frozen=True)
class WebhookDispatcher:
    """Sends pending events. Its transactions wait in the queue of writes like all others."""

    database: Database
    turns: AbstractAsyncContextManager[object]
    pepper: bytes
    client: httpx2.AsyncClient

    async def pending(self, now: datetime) -> Sequence[UUID]:
        """Return the ids of webhooks that have something to send or check, and no lease."""
        return await to_thread.run_sync(self._pending, now)

    async def deliver(self, webhook_id: UUID, now: datetime) -> int:
        """Send one batch to a webhook, and return how many events were delivered, at most `BATCH_SIZE`."""
        begun = anyio.current_time()

        def moment() -> datetime:
            return now + timedelta(seconds=anyio.current_time() - begun)

        try:
            if not await self._write(self._lease, webhook_id, token := new_id(), moment()):
                return 0
            batch = await to_thread.run_sync(self._batch, webhook_id, moment())
            outcomes = await self._send(batch, moment)
            await self._write(self._record_attempts, batch, token, outcomes, moment())
        except Exception as error:  # other webhooks must not fail with this one
            log.error("events could not be sent to a webhook: %s", type(error).__name__)
            return 0
        return sum(outcome.fault is None for outcome in outcomes)

    async def _write(self, work: Callable[..., Result], *arguments: object) -> Result:
        async with self.turns:
            return await to_thread.run_sync(partial(self._in_a_transaction, work, *arguments))

    def _in_a_transaction(self, work: Callable[..., Result], *arguments: object) -> Result:
        with self.database.writing() as session:
            return work(session, *arguments)

    def _pending(self, now: datetime) -> Sequence[UUID]:
        with self.database.reading() as session:
            return session.scalars(pending_statement(now)).all()

    # Before sending

    def _lease(self, session: Session, webhook_id: UUID, token: UUID, now: datetime) -> bool:
        """Take a lease on a webhook that has none. Returns whether there may be something to send."""
        free = select(Webhook).where(Webhook.id == webhook_id, _is_unleased(now)).with_for_update(skip_locked=True)
        webhook = session.scalar(free)
        if webhook is None or webhook.state not in (WebhookState.ACTIVE, WebhookState.PAUSED):
            return False
        self._check_account(session, webhook, now)
        if webhook.state != WebhookState.ACTIVE:
            return False
        webhook.leased_by, webhook.leased_until = token, now + LEASE
        return True

    def _check_account(self, session: Session, webhook: Webhook, now: datetime) -> None:
        """End, pause or restart the webhook if its account was disabled, has no role on cases any more, or has other
        roles.
        """
        account = session.get_one(Account, webhook.account_id)
        caller = caller_for(session, account, now)
        begins = starting_point(session, caller, self.pepper)
        webhook.auth_version = begins.auth_version
        if not account.active:
            end(session, webhook, now)
        elif not any(grant.role in CASE_ROLES for grant in caller.grants):
            webhook.state, webhook.grants_hash = WebhookState.PAUSED, NO_GRANTS
            drop_waiting(session, webhook)
        elif begins.grants_hash != webhook.grants_hash:
            webhook.state, webhook.grants_hash = WebhookState.ACTIVE, begins.grants_hash
            webhook.after_transaction, webhook.after_id = begins.position
            drop_waiting(session, webhook)
            session.add(waiting_delivery(webhook.id, new_id(), None, now))
        else:
            webhook.state = WebhookState.ACTIVE

    def _batch(self, webhook_id: UUID, now: datetime) -> DeliveryBatch:
        with self.database.reading() as session:
            return batch_for(session, webhook_id, self.pepper, now)

    # Sending

    async def _send(self, batch: DeliveryBatch, moment: Callable[[], datetime]) -> list[Attempt]:
        """Send the events one after the other, until one fails or `SENDING_TIME_S` is over."""
        outcomes, begun, cipher = list[Attempt](), anyio.current_time(), secrets_cipher(self.pepper)
        for event in batch.events:
            if anyio.current_time() - begun > SENDING_TIME_S:
                break
            headers = signed_headers(batch.webhook, event.id, event.body, moment(), cipher)
            outcomes.append(await self._post(batch.webhook.url, headers, event.body))
            if outcomes[-1].fault is not None:
                break
        return outcomes

    async def _post(self, url: str, headers: dict[str, str], body: str) -> Attempt:
        """Send one event. Only the status of the answer is read."""
        try:
            with anyio.fail_after(REQUEST_TIMEOUT_S):
                async with self.client.stream("POST", url, headers=headers, content=body.encode()) as answer:
                    status = answer.status_code
        except AddressNotPublic:
            return Attempt(fault=DeliveryFault.ADDRESS)
        except (TimeoutError, httpx2.TimeoutException):
            return Attempt(fault=DeliveryFault.LATE)
        except (httpx2.HTTPError, httpx2.InvalidURL):
            return Attempt(fault=DeliveryFault.UNREACHABLE)
        return Attempt(status, None if 200 <= status < 300 else DeliveryFault.ANSWERED)

    # After sending

    def _record_attempts(
        self, session: Session, batch: DeliveryBatch, token: UUID, outcomes: Sequence[Attempt], now: datetime
    ) -> None:
        """Record the results and release the lease; nothing if the lease has expired and another process took one."""
        taken = select(Webhook).where(Webhook.id == batch.webhook.id, Webhook.leased_by == token).with_for_update()
        webhook = session.scalar(taken)
        if webhook is None:
            return
        webhook.leased_by = webhook.leased_until = None
        for webhook_id in batch.dropped:
            dropped = session.get_one(Delivery, webhook_id)
            dropped.state, dropped.next_at = DeliveryState.DROPPED, None
        for event, outcome in zip(batch.events, outcomes, strict=False):
            if outcome.fault is None:
                record_success(session, webhook, event, outcome, now)
            else:
                record_failure(session, webhook, event, outcome, now)
        if len(outcomes) == len(batch.events) and all(outcome.fault is None for outcome in outcomes):
            advance(webhook, batch.after)


def delivery_outputs(session: Session, caller: Caller, deliveries: Sequence[Delivery]) -> list[DeliveryOutput]:
    """Return the wire form of deliveries, with the references of cases that the caller may see now."""
    seen = select(Change.id, Case.reference).join(Case, Case.id == Change.case_id).where(visible_filter(caller))
    change_ids = {delivery.change_id for delivery in deliveries if delivery.change_id is not None}
    references = {row[0]: row[1] for row in session.execute(seen.where(Change.id.in_(change_ids)))}
    names = DeliveryOutput.model_fields.keys() - {"reference"}
    return [
        DeliveryOutput.model_validate(
            {**{name: getattr(row, name) for name in names}, "reference": references.get(row.change_id or 0)}
        )
        for row in deliveries
    ]


def client(*, to_loopback: bool) -> httpx2.AsyncClient:
    """Return the HTTP client for events.

    It connects only to public addresses, uses no proxy and follows no redirect.
    """
    inner = httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_keepalive_connections=0), trust_env=False)
    transport = PublicAddressTransport(inner, to_loopback=to_loopback)
    return httpx2.AsyncClient(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        timeout=REQUEST_TIMEOUT_S / 2,
        headers={"user-agent": "appeals-webhooks"},
    )


async def run_dispatcher(dispatcher: WebhookDispatcher, every_s: float) -> None:
    """Send pending events every `every_s` seconds as long as the process lives, to several webhooks at a time.

    A slow receiver delays no other webhook, unless `MAX_CONCURRENT` receivers are slow; the next ones are chosen at
    random.
    """
    busy = set[UUID]()

    async def deliver_all(webhook_id: UUID) -> None:
        while await dispatcher.deliver(webhook_id, datetime.now(UTC)) == BATCH_SIZE:
            pass
        busy.discard(webhook_id)

    async with dispatcher.client, anyio.create_task_group() as tasks:
        while True:
            try:
                waiting = set(await dispatcher.pending(datetime.now(UTC))) - busy
            except Exception as error:  # such as a database that is unreachable for a moment
                log.error("pending webhooks could not be read: %s", type(error).__name__)
                waiting = set()
            for webhook_id in random.sample(sorted(waiting), min(len(waiting), MAX_CONCURRENT - len(busy))):
                busy.add(webhook_id)
                tasks.start_soon(deliver_all, webhook_id)
            await asyncio.sleep(every_s)
