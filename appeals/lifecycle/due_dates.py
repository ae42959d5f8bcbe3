"""The clock: what follows when days pass, without anybody calling.

Each process looks now and then for due dates that have passed. What follows is done in one transaction with closing
the due date, under the lock of the case: by whichever process gets there first, once, and after a kill as if it had
never begun. There is no broker; the table of `cases/due_date.py` is all there is.
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
    """Look for what is due, now and every so many seconds, until cancelled.

    It takes its turn among those who write, for a few due dates at a time, so that nobody waits long for it.
    """
    while True:
        async with turns:
            closed = await to_thread.run_sync(_process_once, database, timedelta(seconds=every_s))
        if closed < MAX_PER_TRANSACTION:
            await asyncio.sleep(every_s)


def _process_once(database: Database, waits: timedelta) -> int:
    try:
        return process_due(database, datetime.now(UTC), waits, MAX_PER_TRANSACTION)
    except Exception as error:  # whatever is wrong now may be right the next time
        log.error("what is due could not be done: %s", type(error).__name__)
        return 0


def process_due(database: Database, now: datetime, waits: timedelta = timedelta(0), most: float = math.inf) -> int:
    """Do what follows from due dates that have passed, the oldest first, `most` of them; how many were closed here.

    What was put on record within `waits` is left for the next time: whoever logs an old letter is about to log the
    answer to it. So is one that fails, or whose case somebody else has locked.
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
    """Let those leave the team who broke the glass for a day that has passed, so that the feed tells them it is gone.

    They see the case no longer anyway: that is asked of the time itself. Whom they proposed goes with them.
    """
    ended = select(TeamMember.id, TeamMember.case_id).where(
        TeamMember.status != TeamStatus.LEFT, TeamMember.until <= now
    )
    with database.reading() as session:
        found = session.execute(ended.limit(BATCH_SIZE)).all()
    for member_id, case_id in found:
        try:
            with transaction(database) as tx:
                _end_break_glass(tx, case_id, member_id, now)
        except Exception as error:  # the next time; nobody else's time waits for it
            log.error("who broke the glass could not be let go: %s", type(error).__name__)


def _end_break_glass(tx: Transaction, case_id: UUID, member_id: UUID, now: datetime) -> None:
    case = tx.lock_if_free(case_id)
    if case is None:
        return
    member = next(member for member in case.team if member.id == member_id)
    if member.status != TeamStatus.LEFT and member.until:
        member.status, member.left_at = TeamStatus.LEFT, member.until
    tx.commit(now, _caller(tx.session, now).account_id)


def expire_rights(database: Database, now: datetime) -> None:
    """Put on record which keys, proposals and codes are over, so that none lives again if the clock is set back."""
    try:
        with database.writing() as session:
            expire_keys_and_proposals(session, now)
            enrolment.expire(session, now)
    except Exception as error:  # the next time; nobody else's time waits for it
        log.error("rights whose time has passed could not be ended: %s", type(error).__name__)


def process_date(database: Database, due_date_id: UUID, now: datetime) -> bool:
    """Do what follows from one due date; True if it was done here and now."""
    try:
        with transaction(database) as tx:
            return _act(tx, due_date_id, now)
    except Busy:
        return False
    except Exception as error:
        log.error("a due date could not be closed: %s", type(error).__name__)
        return False


def _act(tx: Transaction, due_date_id: UUID, now: datetime) -> bool:
    """The case is locked before its due date is read: whoever writes to a case sets its due dates under that lock."""
    case_id = tx.session.scalar(select(DueDate.case_id).where(DueDate.id == due_date_id))
    case = tx.lock_if_free(case_id) if case_id else None
    due = next((due for due in case.due_dates if due.id == due_date_id), None) if case else None
    if case is None or due is None or due.acted_at is not None or due.due_on >= now.date():
        return False
    now = max(now, case.updated_at)  # others wrote to the case since this look began
    caller = _caller(tx.session, now)
    ON_DUE[DueKind(due.kind)](WriteContext(tx, case, caller, now), due)
    due.acted_at = now
    tx.commit(now, caller.account_id)
    return True


def _caller(session: Session, now: datetime) -> Caller:
    """Who acts when time passes: an account that nobody holds a key of, with the authority of the root."""
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
    """Where nothing came of what was awaited, put the silence on record (invariant 15)."""
    params: Action = next(action for action in writing.case.actions if action.id == due.subject_id)
    if params.awaited_until and not params.answers:
        transition.add(writing, KIND_OF_NOUN["responses"], silence_of(params))


def _follow_up(writing: WriteContext, _due: DueDate) -> None:
    """A consent ran out: what rested on it alone follows (invariant 2)."""
    transition.follow_up(writing)


ON_DUE: dict[DueKind, Callable[[WriteContext, DueDate], None]] = {
    DueKind.ANSWER: _note_silence,
    DueKind.CONSENT: _follow_up,
}
