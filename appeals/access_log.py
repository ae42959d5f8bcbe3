"""The access log: who looked at, opened, exported or was denied what, and when. It holds no content and no address.

A row stands before the answer it speaks of leaves. What is written anyway takes its row along in its own transaction
(`record`); reads and denials wait for the `Recorder`, which writes the rows of all who wait with one commit.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from anyio import to_thread
from sqlalchemy import ColumnElement, ForeignKey, Index, false, insert, or_, select, true
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship
from sqlalchemy.orm.util import AliasedClass

from appeals.database import TRIES, Base, Busy, Database, Entangled, Unavailable, failure_of, new_id
from appeals.network import Caller, Entity, Membership, is_of_root
from appeals.vocabulary import Logged, Role

log = logging.getLogger("appeals")


class AccessEntry(Base):
    """A row of the log; append only. Nothing it names has to exist: it may tell of what somebody only asked for."""

    __tablename__ = "access_log"
    __table_args__ = (Index(None, "account_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(index=True)
    account_id: Mapped[UUID | None]
    key_id: Mapped[str | None]
    kind: Mapped[str]
    door: Mapped[str]
    status: Mapped[int]
    about: Mapped[list["AccessSubject"]] = relationship(order_by="AccessSubject.subject")

    @property
    def subjects(self) -> list[str]:
        """The references and ids of what it was about."""
        return [found.subject for found in self.about]


class AccessSubject(Base):
    """A case reference or an id that an entry is about; found by it, newest first."""

    __tablename__ = "access_subject"

    subject: Mapped[str] = mapped_column(primary_key=True)
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("access_log.id"), primary_key=True, index=True)


class Unwritten(Busy):
    """The row could not be written; so the answer is not given."""


@dataclass(frozen=True)
class Access:
    """What is to be logged: `status` is that of the answer, `subjects` are references and ids, never content."""

    at: datetime
    account_id: UUID | None
    key_id: str | None
    kind: Logged
    door: str
    status: int
    subjects: tuple[str, ...] = ()


def record(session: Session, accesses: Sequence[Access]) -> None:
    """Write rows in the transaction at hand. Raises: Unwritten; then the transaction has to be given up."""
    if not accesses:
        return
    session.flush()  # what fails from here on is the log, not what it speaks of
    numbered = [(new_id(), access) for access in accesses]
    subjects = [
        {"subject": subject, "entry_id": number}
        for number, access in numbered
        for subject in sorted(set(access.subjects))
    ]
    try:
        connection = session.connection()  # plain inserts: each view waits for this
        connection.execute(_ENTERED, [_row(number, access) for number, access in numbered])
        if subjects:
            connection.execute(_SPOKEN_OF, subjects)
    except SQLAlchemyError as error:
        if failure_of(error):
            raise  # the whole database fails, not the log: whoever opened the transaction tells so
        raise _unwritten(error) from error


_ENTERED, _SPOKEN_OF = insert(AccessEntry), insert(AccessSubject)


def _row(number: UUID, access: Access) -> dict[str, Any]:
    return {
        "id": number,
        "at": access.at,
        "account_id": access.account_id,
        "key_id": access.key_id,
        "kind": access.kind,
        "door": access.door,
        "status": access.status,
    }


def _unwritten(error: Exception) -> Unwritten:
    # The kind of failure only: a message could hold what was to be written.
    log.error("the access log could not be written: %s", type(error).__name__)
    return Unwritten()


def readable_by(caller: Caller, entry: type[AccessEntry] | AliasedClass[AccessEntry]) -> ColumnElement[bool]:
    """The rows an auditor reads: of accounts that hold a role at or below their entity, or once did; over the root all.

    A role that was only proposed gives nothing: else an admin could lay any account open.
    """
    paths = [held.path for held in caller.held if held.role is Role.AUDITOR]
    if any(is_of_root(path) for path in paths):
        return true()
    below = or_(false(), *(Entity.path.startswith(path) for path in paths))
    accounts = select(Membership.account_id).join(Entity, Entity.id == Membership.entity_id)
    return entry.account_id.in_(accounts.where(below, Membership.effective_at.is_not(None)))


@dataclass(frozen=True)
class _Waiting:
    """Rows to be written together, and who is told when they are: by None, or by what went wrong."""

    accesses: Sequence[Access]
    used: Sequence[tuple[str, date]]
    told: "asyncio.Future[Exception | None]"


class Recorder:
    """Writes the rows of all who wait at the moment with one commit, one commit after the other.

    Where there is one writer at a time, it takes its turn among those who write. `note_use` is told, in the same
    transaction, of each key that is used for the first time on a day.
    """

    def __init__(
        self,
        database: Database,
        turns: AbstractAsyncContextManager[None],
        note_use: Callable[[Session, str, date], None] | None = None,
    ) -> None:
        self._database, self._turns, self._note_use = database, turns, note_use
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._uses: dict[str, tuple[date, asyncio.Future[Exception | None]]] = {}

    def forget(self) -> None:
        """Forget which keys were used today: another database is served now."""
        self._uses.clear()

    async def write(self, accesses: Sequence[Access], use: Access | None = None) -> None:
        """Return when the rows are committed; `use` only if its key was not used that day. Raises: Unavailable."""
        told = [self._queue(accesses)] if accesses else []
        if use is not None:
            told.append(self._first_use(use))
        for future in told:
            await self._heard(future)

    def _first_use(self, use: Access) -> "asyncio.Future[Exception | None]":
        """What becomes of the row of this key and day; one that failed is tried again by the next caller."""
        key_id, day = str(use.key_id), use.at.date()
        known = self._uses.get(key_id)
        if known is None or known[0] != day or _failed(known[1]):
            known = self._uses[key_id] = day, self._queue([use], [(key_id, day)])
        return known[1]

    def _queue(
        self, accesses: Sequence[Access], used: Sequence[tuple[str, date]] = ()
    ) -> "asyncio.Future[Exception | None]":
        told: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(accesses, used, told))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        return told

    async def _heard(self, told: "asyncio.Future[Exception | None]") -> None:
        if not told.done():
            await asyncio.wait({told}, timeout=self._database.lock_timeout_s)
        if not told.done():
            raise Busy
        error = told.result()
        if error is not None:
            raise error

    async def _write_all(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)  # who asks at the same moment is written with the first of them
            async with self._turns:
                together, self._waiting = self._waiting, []
                error = await to_thread.run_sync(self._commit, together)
            for waiting in together:
                waiting.told.set_result(error)

    def _commit(self, together: Sequence[_Waiting]) -> Exception | None:
        """Write what they wait for; what went wrong, or None."""
        error: Exception | None = None
        for _ in range(TRIES):
            error = self._commit_once(together)
            if not isinstance(error, Entangled):
                break
        return error

    def _commit_once(self, together: Sequence[_Waiting]) -> Exception | None:
        try:
            with self._database.writing() as session:
                record(session, [access for waiting in together for access in waiting.accesses])
                self._note_uses(session, {used for waiting in together for used in waiting.used})
        except Unavailable as error:
            return error
        except Exception as error:  # whatever is wrong, those who wait have to hear of it
            return _unwritten(error)
        return None

    def _note_uses(self, session: Session, used: set[tuple[str, date]]) -> None:
        """The one place where the first use of a key on a day is handled; sorted, so that none wait for each other."""
        for key_id, day in sorted(used):
            if self._note_use:
                self._note_use(session, key_id, day)


def _failed(told: "asyncio.Future[Exception | None]") -> bool:
    return told.cancelled() or (told.done() and told.result() is not None)
