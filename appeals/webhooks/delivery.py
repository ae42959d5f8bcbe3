"""The dispatcher: carries events out of the feed to the webhooks, each as its account may hear of it at that moment.

Each process looks now and then which webhooks are behind. One process at a time works on a webhook: it takes it for a
while, sends what the feed holds after its place, in order, and then moves the place. After a kill, what was sent and
not noted is sent again, with the same `webhook-id`. An event that fails is kept as a delivery, and those after it wait
in the feed. Decisions: docs/decisions/0025-webhooks.md.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
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
"""Of a webhook that is paused: whatever roles its account is given, it begins anew."""
log = logging.getLogger("appeals")


def starting_point(session: Session, caller: Caller, pepper: bytes) -> StartingPoint:
    """Where a webhook of this caller begins: with what changes from now on."""
    version, end = auth_version(session), position_from(session.execute(select(*head_position())).one())
    return StartingPoint(end, cursor_for(session, caller, pepper).grants_hash, version)


def pending_statement(now: datetime) -> Any:
    """The ids of webhooks that something is to be done for and that nobody has taken."""
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


@dataclass(frozen=True)
class WebhookDispatcher:
    """Carries what is to be carried. It takes its turn among those who write."""

    database: Database
    turns: AbstractAsyncContextManager[Any]
    pepper: bytes
    client: httpx2.AsyncClient

    async def pending(self, now: datetime) -> Sequence[UUID]:
        """The webhooks that something is to be done for and that nobody has taken."""
        return await to_thread.run_sync(self._pending, now)

    async def deliver(self, webhook_id: UUID, now: datetime) -> int:
        """See to one webhook, from this moment on; how many events its receiver took, `BATCH_SIZE` at most."""
        begun = anyio.current_time()

        def moment() -> datetime:
            return now + timedelta(seconds=anyio.current_time() - begun)

        try:
            if not await self._write(self._lease, webhook_id, token := new_id(), moment()):
                return 0
            batch = await to_thread.run_sync(self._batch, webhook_id, moment())
            outcomes = await self._send(batch, moment)
            await self._write(self._record_attempts, batch, token, outcomes, moment())
        except Exception as error:  # whatever goes wrong with it keeps nobody else waiting
            log.error("a webhook could not be seen to: %s", type(error).__name__)
            return 0
        return sum(outcome.fault is None for outcome in outcomes)

    async def _write(self, work: Any, *given: Any) -> Any:
        async with self.turns:
            return await to_thread.run_sync(partial(self._in_a_transaction, work, *given))

    def _in_a_transaction(self, work: Any, *given: Any) -> Any:
        with self.database.writing() as session:
            return work(session, *given)

    def _pending(self, now: datetime) -> Sequence[UUID]:
        with self.database.reading() as session:
            return session.scalars(pending_statement(now)).all()

    # Before sending

    def _lease(self, session: Session, webhook_id: UUID, token: UUID, now: datetime) -> bool:
        """Take a webhook that is free; True when there may be something to send."""
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
        """See whether the account is what it was: it may be gone, hold no role any more, or hold others."""
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
        """Send one after the other, up to the first that fails, and none any more when the time is up."""
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
        """Send one. Of the answer, only the status is read."""
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
        """Keep what came of it, and let the webhook go; nothing where somebody else has taken it meanwhile."""
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
    """Deliveries with the references of those cases that the caller may see now."""
    seen = select(Change.id, Case.reference).join(Case, Case.id == Change.case_id).where(visible_filter(caller))
    told = {delivery.change_id for delivery in deliveries if delivery.change_id is not None}
    references = {row[0]: row[1] for row in session.execute(seen.where(Change.id.in_(told)))}
    names = DeliveryOutput.model_fields.keys() - {"reference"}
    return [
        DeliveryOutput.model_validate(
            {**{name: getattr(row, name) for name in names}, "reference": references.get(row.change_id or 0)}
        )
        for row in deliveries
    ]


def client(*, to_loopback: bool) -> httpx2.AsyncClient:
    """What events are sent with: to public addresses only, by no proxy, following nobody elsewhere."""
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
    """Look every so many seconds, for as long as the process lives, and see to several webhooks at a time.

    None waits for a receiver that is slow, unless `MAX_CONCURRENT` are: then chance says who is next.
    """
    busy = set[UUID]()

    async def see_to(webhook_id: UUID) -> None:
        while await dispatcher.deliver(webhook_id, datetime.now(UTC)) == BATCH_SIZE:
            pass
        busy.discard(webhook_id)

    async with dispatcher.client, anyio.create_task_group() as tasks:
        while True:
            try:
                waiting = set(await dispatcher.pending(datetime.now(UTC))) - busy
            except Exception as error:  # whatever is wrong now may be right the next time
                log.error("webhooks could not be seen to: %s", type(error).__name__)
                waiting = set()
            for webhook_id in random.sample(sorted(waiting), min(len(waiting), MAX_CONCURRENT - len(busy))):
                busy.add(webhook_id)
                tasks.start_soon(see_to, webhook_id)
            await asyncio.sleep(every_s)
