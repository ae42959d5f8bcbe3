"""The courier: carries events out of the feed to the webhooks, each as its account may hear of it at that moment.

Each process looks now and then which webhooks are behind. One process at a time works on a webhook: it takes it for a
while, sends what the feed holds after its place, in order, and then moves the place. After a kill, what was sent and
not noted is sent again, with the same `webhook-id`. An event that fails is kept as a delivery, and those after it wait
in the feed. Decisions: docs/decisions/0025-webhooks.md.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import random
from collections.abc import Callable, Iterator, Sequence
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

from appeals.access import CASE_ROLES, visible_to
from appeals.address import NotPublic, PublicOnly
from appeals.case import Case
from appeals.change import Change
from appeals.database import Database, new_id
from appeals.feed import BEGINNING, Place, Reading, changes_for, head, place_after, places_of, reached
from appeals.network import Account, Caller, NetworkState, held_by, network_version
from appeals.vocabulary import DeliveryFault, DeliveryState, WebhookState
from appeals.webhook import (
    Beginning,
    Delivery,
    DeliveryOutput,
    Webhook,
    drop_waiting,
    end,
    seal_of_secrets,
    signed,
)

TRIED_AGAIN_AFTER = tuple(timedelta(seconds=seconds) for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600))
"""Then it is dead: the schedule that Standard Webhooks gives as its example, as far as it is of hours."""
JITTER = 0.2
"""Up to this part of it is added to each pause, so that not all come back at once."""
GIVEN_UP_AFTER = timedelta(days=3)
TAKEN_FOR = timedelta(minutes=2)
BEGINS_NONE_AFTER_S, ANSWERS_WITHIN_S = 30, 10
IN_A_TURN, AT_ONCE = 50, 20
NO_STANDING = b""
"""Of a webhook that is paused: whatever roles its account is given, it begins anew."""
log = logging.getLogger("appeals")


@dataclass(frozen=True)
class Letter:
    """An event on its way: its `webhook-id`, its body, its change and the place of that. Others come without change."""

    id: UUID
    body: str
    change_id: int | None
    place: Place | None


@dataclass(frozen=True)
class Errand:
    """What is to be carried to a webhook now, and the place after it; `dropped` are not to be sent any more."""

    webhook: Webhook
    letters: Sequence[Letter]
    after: Place
    dropped: Sequence[UUID]


@dataclass(frozen=True)
class Outcome:
    """What came of sending: the receiver's status, and what went wrong."""

    status: int | None = None
    fault: DeliveryFault | None = None


def beginning(session: Session, caller: Caller, pepper: bytes) -> Beginning:
    """Where a webhook of this caller begins: with what changes from now on."""
    version, end = network_version(session), reached(session.execute(select(*head())).one())
    return Beginning(end, places_of(session, caller, pepper).standing, version)


def caller_for(session: Session, account: Account, now: datetime) -> Caller:
    """The account of a webhook, with the roles that it holds now."""
    return Caller(account.id, account.name, held_by(session, account.id), now)


def behind(now: datetime) -> Any:
    """The ids of webhooks that something is to be done for and that nobody has taken."""
    last_transaction, last_id = head()
    waiting = and_(Delivery.webhook_id == Webhook.id, Delivery.state == DeliveryState.WAITING)
    due = exists().where(waiting, Delivery.next_at <= now)
    blocked = exists().where(waiting, Delivery.blocks)
    late = tuple_(Webhook.after_transaction, Webhook.after_id) < tuple_(last_transaction, last_id)
    elsewhere = Webhook.network_version != select(NetworkState.version).scalar_subquery()
    active = and_(Webhook.state == WebhookState.ACTIVE, or_(due, and_(late, ~blocked)))
    followed = Webhook.state.in_([WebhookState.ACTIVE, WebhookState.PAUSED])
    return select(Webhook.id).where(_free(now), or_(active, and_(followed, elsewhere))).order_by(Webhook.id)


def _free(now: datetime) -> Any:
    return or_(Webhook.taken_until.is_(None), Webhook.taken_until <= now)


@dataclass(frozen=True)
class Courier:
    """Carries what is to be carried. It takes its turn among those who write."""

    database: Database
    turns: AbstractAsyncContextManager[Any]
    pepper: bytes
    client: httpx2.AsyncClient

    async def behind(self, now: datetime) -> Sequence[UUID]:
        """The webhooks that something is to be done for and that nobody has taken."""
        return await to_thread.run_sync(self._behind, now)

    async def carry(self, number: UUID, now: datetime) -> int:
        """See to one webhook, from this moment on; how many events its receiver took, `IN_A_TURN` at most."""
        begun = anyio.current_time()

        def moment() -> datetime:
            return now + timedelta(seconds=anyio.current_time() - begun)

        try:
            if not await self._write(self._take, number, token := new_id(), moment()):
                return 0
            errand = await to_thread.run_sync(self._errand, number, moment())
            outcomes = await self._send(errand, moment)
            await self._write(self._note, errand, token, outcomes, moment())
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

    def _behind(self, now: datetime) -> Sequence[UUID]:
        with self.database.reading() as session:
            return session.scalars(behind(now)).all()

    # Before sending

    def _take(self, session: Session, number: UUID, token: UUID, now: datetime) -> bool:
        """Take a webhook that is free; True when there may be something to send."""
        free = select(Webhook).where(Webhook.id == number, _free(now)).with_for_update(skip_locked=True)
        webhook = session.scalar(free)
        if webhook is None or webhook.state not in (WebhookState.ACTIVE, WebhookState.PAUSED):
            return False
        self._follow(session, webhook, now)
        if webhook.state != WebhookState.ACTIVE:
            return False
        webhook.taken_by, webhook.taken_until = token, now + TAKEN_FOR
        return True

    def _follow(self, session: Session, webhook: Webhook, now: datetime) -> None:
        """See whether the account is what it was: it may be gone, hold no role any more, or hold others."""
        account = session.get_one(Account, webhook.account_id)
        caller = caller_for(session, account, now)
        begins = beginning(session, caller, self.pepper)
        webhook.network_version = begins.network_version
        if not account.active:
            end(session, webhook, now)
        elif not any(held.role in CASE_ROLES for held in caller.held):
            webhook.state, webhook.standing = WebhookState.PAUSED, NO_STANDING
            drop_waiting(session, webhook)
        elif begins.standing != webhook.standing:
            webhook.state, webhook.standing = WebhookState.ACTIVE, begins.standing
            webhook.after_transaction, webhook.after_id = begins.place
            drop_waiting(session, webhook)
            session.add(_waiting(webhook.id, new_id(), None, now))
        else:
            webhook.state = WebhookState.ACTIVE

    def _errand(self, number: UUID, now: datetime) -> Errand:
        """What is to be sent, as one snapshot has it: what is tried again and, unless that blocks, what follows."""
        with self.database.reading() as session:
            webhook = session.get_one(Webhook, number)
            caller = caller_for(session, session.get_one(Account, webhook.account_id), now)
            again = list(self._again(session, webhook, caller, now))
            place = webhook.after_transaction, webhook.after_id
            waits = select(Delivery.id).where(
                Delivery.webhook_id == number, Delivery.state == DeliveryState.WAITING, Delivery.blocks
            )
            if session.scalar(waits.limit(1)) is not None:
                return self._errand_of(webhook, again, [], place)
            end_now = session.execute(select(*head())).one()
            rows = session.execute(changes_for(caller, _since(place), IN_A_TURN)).all()
            fresh = [self._letter(webhook.id, row) for row in rows[:IN_A_TURN]]
            return self._errand_of(webhook, again, fresh, place_after(rows, IN_A_TURN, (end_now[0], end_now[1])))

    def _errand_of(
        self, webhook: Webhook, again: Sequence[tuple[UUID, Letter | None]], fresh: list[Letter], after: Place
    ) -> Errand:
        letters = [letter for _, letter in again if letter] + fresh
        return Errand(webhook, letters, after, [number for number, letter in again if letter is None])

    def _again(
        self, session: Session, webhook: Webhook, caller: Caller, now: datetime
    ) -> Iterator[tuple[UUID, Letter | None]]:
        """The deliveries that are due, in the order of changes; without a letter where it is hidden meanwhile."""
        due = select(Delivery, Change.transaction_id).outerjoin(Change, Change.id == Delivery.change_id)
        due = due.where(Delivery.webhook_id == webhook.id, Delivery.state == DeliveryState.WAITING)
        due = due.where(Delivery.next_at <= now).order_by(Delivery.recorded_at, Delivery.id).limit(IN_A_TURN)
        for delivery, transaction in session.execute(due):
            if delivery.change_id is None:
                body = _body("feed.begin_anew", delivery.recorded_at, {})
                yield delivery.id, Letter(delivery.id, body, None, None)
                continue
            before = (transaction, delivery.change_id - 1)
            row = session.execute(changes_for(caller, _since(before), 0)).first()
            seen = row is not None and row[1] == delivery.change_id
            yield delivery.id, self._letter(webhook.id, row, delivery.id) if seen else None

    def _letter(self, webhook_id: UUID, row: Any, number: UUID | None = None) -> Letter:
        """A change as an event. The same change has the same id, whoever sends it how often."""
        transaction, change_id, at, version, reference, line, _ = row
        if number is None:
            print_ = hmac.digest(
                self.pepper, b"event of a webhook" + webhook_id.bytes + b"%d" % change_id, hashlib.sha256
            )
            number = UUID(bytes=print_[:16], version=4)
        kind = "case.removed" if line is None else "case.changed"
        data = {"reference": reference, "version": None if line is None else version}
        return Letter(number, _body(kind, at, data), change_id, (transaction, change_id))

    # Sending

    async def _send(self, errand: Errand, moment: Callable[[], datetime]) -> list[Outcome]:
        """Send one after the other, up to the first that fails, and none any more when the time is up."""
        outcomes, begun, seal = list[Outcome](), anyio.current_time(), seal_of_secrets(self.pepper)
        for letter in errand.letters:
            if anyio.current_time() - begun > BEGINS_NONE_AFTER_S:
                break
            headers = signed(errand.webhook, letter.id, letter.body, moment(), seal)
            outcomes.append(await self._post(errand.webhook.url, headers, letter.body))
            if outcomes[-1].fault is not None:
                break
        return outcomes

    async def _post(self, url: str, headers: dict[str, str], body: str) -> Outcome:
        """Send one. Of the answer, only the status is read."""
        try:
            with anyio.fail_after(ANSWERS_WITHIN_S):
                async with self.client.stream("POST", url, headers=headers, content=body.encode()) as answer:
                    status = answer.status_code
        except NotPublic:
            return Outcome(fault=DeliveryFault.ADDRESS)
        except (TimeoutError, httpx2.TimeoutException):
            return Outcome(fault=DeliveryFault.LATE)
        except (httpx2.HTTPError, httpx2.InvalidURL):
            return Outcome(fault=DeliveryFault.UNREACHABLE)
        return Outcome(status, None if 200 <= status < 300 else DeliveryFault.ANSWERED)

    # After sending

    def _note(self, session: Session, errand: Errand, token: UUID, outcomes: Sequence[Outcome], now: datetime) -> None:
        """Keep what came of it, and let the webhook go; nothing where somebody else has taken it meanwhile."""
        taken = select(Webhook).where(Webhook.id == errand.webhook.id, Webhook.taken_by == token).with_for_update()
        webhook = session.scalar(taken)
        if webhook is None:
            return
        webhook.taken_by = webhook.taken_until = None
        for number in errand.dropped:
            dropped = session.get_one(Delivery, number)
            dropped.state, dropped.next_at = DeliveryState.DROPPED, None
        for letter, outcome in zip(errand.letters, outcomes, strict=False):
            if outcome.fault is None:
                _note_delivered(session, webhook, letter, outcome, now)
            else:
                _note_failed(session, webhook, letter, outcome, now)
        if len(outcomes) == len(errand.letters) and all(outcome.fault is None for outcome in outcomes):
            _move(webhook, errand.after)


def _note_delivered(session: Session, webhook: Webhook, letter: Letter, outcome: Outcome, now: datetime) -> None:
    webhook.delivered_at, webhook.failing_since = now, None
    kept = session.get(Delivery, letter.id)
    if kept is not None:
        kept.state, kept.next_at, kept.fault, kept.status = DeliveryState.DELIVERED, None, None, outcome.status
        kept.tries += 1
    _move(webhook, letter.place)


def _note_failed(session: Session, webhook: Webhook, letter: Letter, outcome: Outcome, now: datetime) -> None:
    kept = session.get(Delivery, letter.id) or _waiting(webhook.id, letter.id, letter.change_id, now)
    session.add(kept)
    if kept.state == DeliveryState.DROPPED:  # hidden for a while, and seen again
        kept.state, kept.blocks, kept.tries = DeliveryState.WAITING, True, 0
    kept.fault, kept.status = outcome.fault, outcome.status
    kept.tries += 1
    webhook.failing_since = webhook.failing_since or now
    if kept.tries > len(TRIED_AGAIN_AFTER):
        kept.state, kept.next_at = DeliveryState.DEAD, None
        _move(webhook, letter.place)
    else:
        kept.next_at = now + TRIED_AGAIN_AFTER[kept.tries - 1] * (1 + JITTER * random.random())  # noqa: S311
    if webhook.state == WebhookState.ACTIVE and outcome.status == 410:
        webhook.state = WebhookState.GONE
    elif webhook.state == WebhookState.ACTIVE and now - webhook.failing_since > GIVEN_UP_AFTER:
        webhook.state = WebhookState.FAILING


def _since(place: Place) -> Reading:
    """After a place of a webhook: it began at the end of the feed, so that all that follows is for it."""
    return Reading(place, BEGINNING)


def _waiting(webhook_id: UUID, number: UUID, change_id: int | None, now: datetime) -> Delivery:
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


def _move(webhook: Webhook, place: Place | None) -> None:
    """Move the place of a webhook on, never back: what is tried again by hand lies before it."""
    if place is not None and place > (webhook.after_transaction, webhook.after_id):
        webhook.after_transaction, webhook.after_id = place


def _body(kind: str, at: datetime, data: dict[str, Any]) -> str:
    return json.dumps({"type": kind, "timestamp": at.isoformat().replace("+00:00", "Z"), "data": data})


def delivery_outputs(session: Session, caller: Caller, deliveries: Sequence[Delivery]) -> list[DeliveryOutput]:
    """Deliveries with the references of those cases that the caller may see now."""
    seen = select(Change.id, Case.reference).join(Case, Case.id == Change.case_id).where(visible_to(caller))
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
    transport = PublicOnly(inner, to_loopback=to_loopback)
    return httpx2.AsyncClient(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        timeout=ANSWERS_WITHIN_S / 2,
        headers={"user-agent": "appeals-webhooks"},
    )


async def run(courier: Courier, every_s: float) -> None:
    """Look every so many seconds, for as long as the process lives, and see to several webhooks at a time.

    None waits for a receiver that is slow, unless `AT_ONCE` are: then chance says who is next.
    """
    busy = set[UUID]()

    async def see_to(number: UUID) -> None:
        while await courier.carry(number, datetime.now(UTC)) == IN_A_TURN:
            pass
        busy.discard(number)

    async with courier.client, anyio.create_task_group() as tasks:
        while True:
            try:
                waiting = set(await courier.behind(datetime.now(UTC))) - busy
            except Exception as error:  # whatever is wrong now may be right the next time
                log.error("webhooks could not be seen to: %s", type(error).__name__)
                waiting = set()
            for number in random.sample(sorted(waiting), min(len(waiting), AT_ONCE - len(busy))):
                busy.add(number)
                tasks.start_soon(see_to, number)
            await asyncio.sleep(every_s)
