"""The access log: who viewed, opened, exported or was denied what, and when. It holds no content and no addresses.

A row is committed before its answer is sent. A write stores its row in its own transaction (`write_events`). Reads and
denials wait for the `AccessLogWriter`, which stores all waiting rows with one commit.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from anyio import to_thread
from sqlalchemy import ColumnElement, Connection, ForeignKey, Index, false, insert, or_, select, true
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship
from sqlalchemy.orm.util import AliasedClass

from appeals.accounts.account import Membership
from appeals.accounts.caller import Caller
from appeals.accounts.entity import Entity, is_of_root
from appeals.database.declarative import Base, new_id
from appeals.database.engine import MAX_TRIES, Database
from appeals.database.failures import Busy, Deadlock, Unavailable, failure_from
from appeals.vocabulary import Logged, Role

log = logging.getLogger("appeals")


class AccessEntry(Base):
    """A row of the access log, append-only.

    Its references need not exist, because a denied request may name anything.
    """

    __tablename__ = "access_log"
    __table_args__ = (Index(None, "account_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(index=True)
    account_id: Mapped[UUID | None]
    key_id: Mapped[str | None]
    kind: Mapped[str]
    operation: Mapped[str]
    status: Mapped[int]
    about: Mapped[list["AccessSubject"]] = relationship(order_by="AccessSubject.subject")

    @property
    def subjects(self) -> list[str]:
        """The references and ids that it is about."""
        return [access_subject.subject for access_subject in self.about]


class AccessSubject(Base):
    """A case reference or an id that an entry is about, indexed to find entries by it."""

    __tablename__ = "access_subject"

    subject: Mapped[str] = mapped_column(primary_key=True)
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("access_log.id"), primary_key=True, index=True)


class AccessLogUnavailable(Busy):
    """The row could not be written, so the answer is not sent."""


@dataclass(frozen=True)
class AccessEvent:
    """An event to be logged. `status` is that of the answer; `subjects` are references and ids, never content."""

    at: datetime
    account_id: UUID | None
    key_id: str | None
    kind: Logged
    operation: str
    status: int
    subjects: tuple[str, ...] = ()


def write_events(connection: Connection, events: Sequence[AccessEvent]) -> None:
    """Write rows in the current transaction.

    Raises: AccessLogUnavailable, after which the transaction must be rolled back.
    """
    if not events:
        return
    numbered = [(new_id(), event) for event in events]
    subjects = [
        {"subject": subject, "entry_id": entry_id}
        for entry_id, event in numbered
        for subject in sorted(set(event.subjects))
    ]
    try:
        connection.execute(_INSERT_ENTRY, [_row(entry_id, event) for entry_id, event in numbered])
        if subjects:
            connection.execute(_INSERT_SUBJECT, subjects)
    except SQLAlchemyError as error:
        if failure_from(error):
            raise  # the database itself fails, which the owner of the transaction reports
        raise _unavailable(error) from error


_INSERT_ENTRY, _INSERT_SUBJECT = insert(AccessEntry), insert(AccessSubject)


def _row(entry_id: UUID, event: AccessEvent) -> dict[str, object]:
    return {
        "id": entry_id,
        "at": event.at,
        "account_id": event.account_id,
        "key_id": event.key_id,
        "kind": event.kind,
        "operation": event.operation,
        "status": event.status,
    }


def _unavailable(error: Exception) -> AccessLogUnavailable:
    # Only the kind of failure is logged: its message could contain the row.
    log.error("the access log could not be written: %s", type(error).__name__)
    return AccessLogUnavailable()


def readable_filter(caller: Caller, entry: type[AccessEntry] | AliasedClass[AccessEntry]) -> ColumnElement[bool]:
    """Return the condition for rows an auditor reads: those of accounts that hold or once held a role at or below the
    entity.

    An auditor of the root reads all. Proposed roles do not count, or an admin could make any account readable.
    """
    paths = [grant.path for grant in caller.grants if grant.role is Role.AUDITOR]
    if any(is_of_root(path) for path in paths):
        return true()
    below = or_(false(), *(Entity.path.startswith(path) for path in paths))
    accounts = select(Membership.account_id).join(Entity, Entity.id == Membership.entity_id)
    return entry.account_id.in_(accounts.where(below, Membership.effective_at.is_not(None)))


@dataclass(frozen=True)
class _Batch:
    """Rows to be written together. `done` gets None, or the error."""

    events: Sequence[AccessEvent]
    used: Sequence[tuple[str, date]]
    done: "asyncio.Future[Exception | None]"


class AccessLogWriter:
    """Writes all rows that wait with one commit, then the next ones.

    If the database has one writer at a time, it waits in the queue of writes. `note_use` is called in the same
    transaction for each key that is used for the first time on a day.
    """

    def __init__(
        self,
        database: Database,
        turns: AbstractAsyncContextManager[None],
        note_use: Callable[[Session, str, date], None] | None = None,
    ) -> None:
        self._database, self._turns, self._note_use = database, turns, note_use
        self._waiting: list[_Batch] = []
        self._writer: asyncio.Task[None] | None = None
        self._uses: dict[str, tuple[date, asyncio.Future[Exception | None]]] = {}

    def clear(self) -> None:
        """Forget which keys were used today, when another database is served."""
        self._uses.clear()

    async def write(self, events: Sequence[AccessEvent], use: AccessEvent | None = None) -> None:
        """Return once the rows are committed; `use` is written only on the first use of its key on a day.

        Raises: Unavailable.
        """
        futures = [self._queue(events)] if events else []
        if use is not None:
            futures.append(self._first_use(use))
        for future in futures:
            await self._wait_for(future)

    def _first_use(self, use: AccessEvent) -> "asyncio.Future[Exception | None]":
        """Return the future of this key and day. If the last one failed, the next caller tries again."""
        key_id, day = str(use.key_id), use.at.date()
        use_of_today = self._uses.get(key_id)
        if use_of_today is None or use_of_today[0] != day or _failed(use_of_today[1]):
            use_of_today = self._uses[key_id] = day, self._queue([use], [(key_id, day)])
        return use_of_today[1]

    def _queue(
        self, events: Sequence[AccessEvent], used: Sequence[tuple[str, date]] = ()
    ) -> "asyncio.Future[Exception | None]":
        future: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Batch(events, used, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        return future

    async def _wait_for(self, future: "asyncio.Future[Exception | None]") -> None:
        if not future.done():
            await asyncio.wait({future}, timeout=self._database.lock_timeout_s)
        if not future.done():
            raise Busy
        error = future.result()
        if error is not None:
            raise error

    async def _write_all(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)  # requests of the same moment are written together
            async with self._turns:
                together, self._waiting = self._waiting, []
                error = await to_thread.run_sync(self._commit, together)
            for waiting in together:
                waiting.done.set_result(error)

    def _commit(self, together: Sequence[_Batch]) -> Exception | None:
        """Write the waiting rows. Returns the error, or None."""
        error: Exception | None = None
        for _ in range(MAX_TRIES):
            error = self._commit_once(together)
            if not isinstance(error, Deadlock):
                break
        return error

    def _commit_once(self, together: Sequence[_Batch]) -> Exception | None:
        try:
            with self._database.writing() as session:
                write_events(session.connection(), [event for waiting in together for event in waiting.events])
                self._note_uses(session, {used for waiting in together for used in waiting.used})
        except Unavailable as error:
            return error
        except Exception as error:  # the waiting requests need an answer after any error
            return _unavailable(error)
        return None

    def _note_uses(self, session: Session, used: set[tuple[str, date]]) -> None:
        """Record the first use of keys on a day, sorted so that transactions do not wait for each other."""
        for key_id, day in sorted(used):
            if self._note_use:
                self._note_use(session, key_id, day)


def _failed(future: "asyncio.Future[Exception | None]") -> bool:
    return future.cancelled() or (future.done() and future.result() is not None)
