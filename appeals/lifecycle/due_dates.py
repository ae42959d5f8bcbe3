"""The processing of due dates: what follows when days pass, without a request.

Each process regularly looks for due dates that have passed. What follows is done under the lock of the case, in the
same transaction that closes the due date. So it happens exactly once, in the process that comes first, even after a
kill. There is no broker; the table of `cases/due_date.py` is the queue.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from anyio import to_thread
from sqlalchemy import select
from sqlalchemy.orm import Session

from appeals.accounts import enrolment
from appeals.accounts.account import Account
from appeals.accounts.authentication import expire_keys_and_proposals
from appeals.accounts.caller import Caller, RoleGrant
from appeals.accounts.entity import Entity
from appeals.cases.action import Action, silence_of
from appeals.cases.due_date import DueDate
from appeals.cases.team import TeamMember
from appeals.database.bulk import insert_ignore
from appeals.database.engine import Database
from appeals.database.failures import Busy
from appeals.lifecycle import transition
from appeals.lifecycle.record_kinds import KIND_OF_NOUN
from appeals.lifecycle.write_context import WriteContext
from appeals.transaction import Transaction, transaction
from appeals.vocabulary import AccountKind, DueKind, Role, TeamStatus

SYSTEM_ACCOUNT = UUID(int=0)
BATCH_SIZE, MAX_PER_TRANSACTION = 100, 10
log = logging.getLogger("appeals")


async def run_due_dates(database: Database, turns: AbstractAsyncContextManager[None], every_s: float) -> None:
    """Process due dates now and then every `every_s` seconds, until cancelled.

    It waits in the queue of writes, and processes a few due dates at a time so that other writes need not wait long.
    """
    while True:
        async with turns:
            closed = await to_thread.run_sync(_process_once, database, timedelta(seconds=every_s))
        if closed < MAX_PER_TRANSACTION:
            await asyncio.sleep(every_s)


def _process_once(database: Database, waits: timedelta) -> int:
    try:
        return process_due(database, datetime.now(UTC), waits, MAX_PER_TRANSACTION)
    except Exception as error:  # such as a database that is unreachable for a moment
        log.error("due dates could not be processed: %s", type(error).__name__)
        return 0


def process_due(database: Database, now: datetime, waits: timedelta = timedelta(0), most: float = math.inf) -> int:
    """Process due dates that have passed, the oldest first, at most `most`. Returns how many were closed.

    Those set within `waits` are left for later: whoever logs an old letter is about to log its answer. So are those
    that fail, or whose case is locked.
    """
    expire_break_glass(database, now)
    expire_rights(database, now)
    closed, left = 0, set[UUID]()
    while closed < most:
        with database.reading() as session:
            passed = select(DueDate.id).where(
                DueDate.acted_at.is_(None), DueDate.due_on < now.date(), DueDate.set_at <= now - waits
            )
            ids = session.scalars(
                passed.where(DueDate.id.not_in(left)).order_by(DueDate.due_on).limit(BATCH_SIZE)
            ).all()
        if not ids:
            break
        for due_date_id in ids[: int(min(most - closed, BATCH_SIZE))]:
            done = process_date(database, due_date_id, now)
            closed += done
            if not done:
                left.add(due_date_id)
    return closed


def expire_break_glass(database: Database, now: datetime) -> None:
    """End the break-glass access of members whose day has passed, so that their change feed removes the case.

    Their access has ended already, because every query checks the time. Members whom they proposed leave with them.
    """
    ended = select(TeamMember.id, TeamMember.case_id).where(
        TeamMember.status != TeamStatus.LEFT, TeamMember.until <= now
    )
    with database.reading() as session:
        rows = session.execute(ended.limit(BATCH_SIZE)).all()
    for member_id, case_id in rows:
        try:
            with transaction(database) as tx:
                _end_break_glass(tx, case_id, member_id, now)
        except Exception as error:  # the next run tries again; the others must not wait for it
            log.error("a break-glass access could not be ended: %s", type(error).__name__)


def _end_break_glass(tx: Transaction, case_id: UUID, member_id: UUID, now: datetime) -> None:
    case = tx.lock_if_free(case_id)
    if case is None:
        return
    member = next(member for member in case.team if member.id == member_id)
    if member.status != TeamStatus.LEFT and member.until:
        member.status, member.left_at = TeamStatus.LEFT, member.until
    tx.commit(now, _caller(tx.session, now).account_id)


def expire_rights(database: Database, now: datetime) -> None:
    """Record which keys, proposals and codes have expired, so that they stay ended even if the clock is set back."""
    try:
        with database.writing() as session:
            expire_keys_and_proposals(session, now)
            enrolment.expire(session, now)
    except Exception as error:  # the next run tries again; due dates must not wait for it
        log.error("expired rights could not be ended: %s", type(error).__name__)


def process_date(database: Database, due_date_id: UUID, now: datetime) -> bool:
    """Process one due date, and return whether it was closed here."""
    try:
        with transaction(database) as tx:
            return _act(tx, due_date_id, now)
    except Busy:
        return False
    except Exception as error:
        log.error("a due date could not be closed: %s", type(error).__name__)
        return False


def _act(tx: Transaction, due_date_id: UUID, now: datetime) -> bool:
    """Process a due date. The case is locked first, because due dates are written under its lock."""
    case_id = tx.session.scalar(select(DueDate.case_id).where(DueDate.id == due_date_id))
    case = tx.lock_if_free(case_id) if case_id else None
    due = next((due for due in case.due_dates if due.id == due_date_id), None) if case else None
    if case is None or due is None or due.acted_at is not None or due.due_on >= now.date():
        return False
    now = max(now, case.updated_at)  # another transaction may have written to the case meanwhile
    caller = _caller(tx.session, now)
    ON_DUE[DueKind(due.kind)](WriteContext(tx, case, caller, now), due)
    due.acted_at = now
    tx.commit(now, caller.account_id)
    return True


def _caller(session: Session, now: datetime) -> Caller:
    """Return the caller for automatic acts: an account without keys that has the roles of a coordinator of the root."""
    account = {
        "id": SYSTEM_ACCOUNT,
        "name": "the clock",
        "kind": AccountKind.MACHINE,
        "active": False,
        "recorded_at": now,
    }
    if session.get(Account, SYSTEM_ACCOUNT) is None:
        insert_ignore(session.connection(), Account, account)
    root = session.scalars(select(Entity).where(Entity.parent_id.is_(None))).one()
    grant = RoleGrant(Role.COORDINATOR, root.id, root.path, SYSTEM_ACCOUNT)
    return Caller(account_id=SYSTEM_ACCOUNT, name="the clock", grants=(grant,), now=now)


def _note_silence(writing: WriteContext, due: DueDate) -> None:
    """Record that an expected answer did not come by its day (section 6 of the domain specification, invariant 15)."""
    params: Action = next(action for action in writing.case.actions if action.id == due.subject_id)
    if params.awaited_until and not params.answers:
        transition.add(writing, KIND_OF_NOUN["responses"], silence_of(params))


def _follow_up(writing: WriteContext, _due: DueDate) -> None:
    """Do what follows from the end of a consent (section 6 of the domain specification, invariant 2)."""
    transition.follow_up(writing)


ON_DUE: dict[DueKind, Callable[[WriteContext, DueDate], None]] = {
    DueKind.ANSWER: _note_silence,
    DueKind.CONSENT: _follow_up,
}
