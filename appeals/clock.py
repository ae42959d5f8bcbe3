"""The clock: what follows when days pass, without anybody calling.

Each process looks now and then for due dates that have passed. What follows is done in one transaction with closing
the due date, under the lock of the case: by whichever process gets there first, once, and after a kill as if it had
never begun. There is no broker; the table of `due.py` is all there is.
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

from appeals import enrolment, step
from appeals.action import Action, silence_of
from appeals.case import Case
from appeals.database import Busy, Database, claim_row
from appeals.due import DueDate
from appeals.kept_view import keep
from appeals.network import Account, Caller, Entity, Held, expire
from appeals.records import BY_NOUN, Writing
from appeals.team import TeamMember
from appeals.vocabulary import AccountKind, DueKind, Role, TeamStatus

CLOCK = UUID(int=0)
AT_ONCE, IN_A_TURN = 100, 10
log = logging.getLogger("appeals")


async def run(database: Database, turns: AbstractAsyncContextManager[None], every_s: float) -> None:
    """Look for what is due, now and every so many seconds, until cancelled.

    It takes its turn among those who write, for a few due dates at a time, so that nobody waits long for it.
    """
    while True:
        async with turns:
            closed = await to_thread.run_sync(_look, database, timedelta(seconds=every_s))
        if closed < IN_A_TURN:
            await asyncio.sleep(every_s)


def _look(database: Database, waits: timedelta) -> int:
    try:
        return pass_time(database, datetime.now(UTC), waits, IN_A_TURN)
    except Exception as error:  # whatever is wrong now may be right the next time
        log.error("what is due could not be done: %s", type(error).__name__)
        return 0


def pass_time(database: Database, now: datetime, waits: timedelta = timedelta(0), most: float = math.inf) -> int:
    """Do what follows from due dates that have passed, the oldest first, `most` of them; how many were closed here.

    What was put on record within `waits` is left for the next time: whoever logs an old letter is about to log the
    answer to it. So is one that fails, or whose case somebody else has locked.
    """
    mend_glass(database, now)
    end_rights(database, now)
    closed, left = 0, set[UUID]()
    while closed < most:
        with database.reading() as session:
            passed = select(DueDate.id).where(
                DueDate.acted_at.is_(None), DueDate.due_on < now.date(), DueDate.set_at <= now - waits
            )
            found = session.scalars(passed.where(DueDate.id.not_in(left)).order_by(DueDate.due_on).limit(AT_ONCE)).all()
        if not found:
            break
        for number in found[: int(min(most - closed, AT_ONCE))]:
            done = close(database, number, now)
            closed += done
            if not done:
                left.add(number)
    return closed


def mend_glass(database: Database, now: datetime) -> None:
    """Let those leave the team who broke the glass for a day that has passed, so that the feed tells them it is gone.

    They see the case no longer anyway: that is asked of the time itself. Whom they proposed goes with them.
    """
    ended = select(TeamMember.id, TeamMember.case_id).where(
        TeamMember.status != TeamStatus.LEFT, TeamMember.until <= now
    )
    with database.reading() as session:
        found = session.execute(ended.limit(AT_ONCE)).all()
    for number, case_id in found:
        try:
            with database.writing() as session:
                _leave(session, case_id, number, now)
        except Exception as error:  # the next time; nobody else's time waits for it
            log.error("who broke the glass could not be let go: %s", type(error).__name__)


def _leave(session: Session, case_id: UUID, number: UUID, now: datetime) -> None:
    locked = select(Case.id).where(Case.id == case_id).with_for_update(of=Case, skip_locked=True)
    if session.scalar(locked) is None:
        return
    member = session.get_one(TeamMember, number, populate_existing=True)
    keep(session, now, _caller(session, now).account_id)
    if member.status != TeamStatus.LEFT and member.until:
        member.status, member.left_at = TeamStatus.LEFT, member.until


def end_rights(database: Database, now: datetime) -> None:
    """Put on record which keys, proposals and codes are over, so that none lives again if the clock is set back."""
    try:
        with database.writing() as session:
            expire(session, now)
            enrolment.expire(session, now)
    except Exception as error:  # the next time; nobody else's time waits for it
        log.error("rights whose time has passed could not be ended: %s", type(error).__name__)


def close(database: Database, number: UUID, now: datetime) -> bool:
    """Do what follows from one due date; True if it was done here and now."""
    try:
        with database.writing() as session:
            return _act(session, number, now)
    except Busy:
        return False
    except Exception as error:
        log.error("a due date could not be closed: %s", type(error).__name__)
        return False


def _act(session: Session, number: UUID, now: datetime) -> bool:
    """The case is locked before its due date is read: whoever writes to a case sets its due dates under that lock."""
    of_it = select(DueDate.case_id).where(DueDate.id == number).scalar_subquery()
    case = session.scalar(select(Case).where(Case.id == of_it).with_for_update(of=Case, skip_locked=True))
    due = session.get(DueDate, number, populate_existing=True)
    if case is None or due is None or due.acted_at is not None or due.due_on >= now.date():
        return False
    now = max(now, case.updated_at)  # others wrote to the case since this look began
    caller = _caller(session, now)
    keep(session, now, caller.account_id)
    FOLLOWS[DueKind(due.kind)](Writing(session, case, caller, now), due)
    due.acted_at = now
    return True


def _caller(session: Session, now: datetime) -> Caller:
    """Who acts when time passes: an account that nobody holds a key of, with the authority of the root."""
    account = {"id": CLOCK, "name": "the clock", "kind": AccountKind.MACHINE, "active": False, "recorded_at": now}
    if session.get(Account, CLOCK) is None:
        claim_row(session, Account, account)
    root = session.scalars(select(Entity).where(Entity.parent_id.is_(None))).one()
    return Caller(CLOCK, "the clock", (Held(Role.COORDINATOR, root.id, root.path, CLOCK),), now)


def _note_silence(writing: Writing, due: DueDate) -> None:
    """Where nothing came of what was awaited, put the silence on record (invariant 15)."""
    asked: Action = next(made for made in writing.case.actions if made.id == due.subject_id)
    if asked.awaited_until and not asked.answers:
        step.add(writing, BY_NOUN["responses"], silence_of(asked))


def _look_again(writing: Writing, _due: DueDate) -> None:
    """A consent ran out: what rested on it alone follows (invariant 2)."""
    step.follow_up(writing)


FOLLOWS: dict[DueKind, Callable[[Writing, DueDate], None]] = {
    DueKind.ANSWER: _note_silence,
    DueKind.CONSENT: _look_again,
}
