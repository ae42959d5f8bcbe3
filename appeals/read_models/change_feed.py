"""The change feed: every change of the cases that a caller may see, in the order of commits, none missed and none
twice.

Each item shows the case as it is when it is read. If a change took the case out of the caller's sight, the item reports
its removal, and later changes are left out. A reader who starts from the beginning gets no removals from before, since
nobody knows what they saw then. Positions are encrypted, because they would count everybody's changes.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, NamedTuple
from uuid import UUID, uuid4

from pydantic import Field
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Label,
    and_,
    bindparam,
    func,
    not_,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy import case as sql_case
from sqlalchemy.orm import Session, aliased

from appeals.access.visibility import visible_by_role_filter, visible_filter, work_view_filter
from appeals.accounts.caller import Caller
from appeals.accounts.encryption import Cipher, NotGenuine
from appeals.accounts.entity import NetworkState
from appeals.cases.case import Case
from appeals.cases.change_log import Change, PreviousVisibility
from appeals.database.raw_reads import FetchedRow
from appeals.database.types import AnySelect
from appeals.database.xid_order import after_position, below_xmin, snapshot_xmax
from appeals.errors import CursorExpired, FieldError, Invalid
from appeals.fields import Model
from appeals.read_models.case_list import line_column, survivor_column
from appeals.read_models.case_snapshot import CaseSnapshot, insert_survivor
from appeals.read_models.views import CaseOutput

FeedPosition = tuple[int, int]
"""A position in the feed: the number of a transaction, and that of a change in it."""
BEGINNING: FeedPosition = (0, 0)
_END: FeedPosition = (2**63 - 1, 2**63 - 1)


class ReadRange(NamedTuple):
    """A range of the feed: the position that was read, and the end of the feed when the reader began.

    Removals since then are reported.
    """

    position: FeedPosition
    began: FeedPosition


FROM_START = ReadRange(BEGINNING, _END)
"""The range of a reader who starts at the beginning, before the end of the feed is known."""
SinceCursor = Annotated[
    str | None,
    Field(max_length=200, pattern=r"^[A-Za-z0-9_-]+$", description="The cursor of an earlier answer."),
]


class FeedQuery(Model):
    """The cursor to read from, how many changes at most, and how long to wait for one."""

    since: SinceCursor = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    wait: Annotated[int, Field(ge=0, le=30, description="Seconds to wait for a change.")] = 0


class ChangeOutput(Model):
    """A case that changed, as it is now; or one that you may no longer see, with nothing but its reference."""

    kind: Literal["changed", "removed"]
    at: datetime
    reference: str
    version: Annotated[
        int | None,
        Field(description="The version of the case after this change; `case` may be newer. Of two keep the higher."),
    ]
    case: CaseOutput | None


class Changes(Model):
    """Changes in the order of commits. `next` is the cursor after them, to read from the next time."""

    items: list[ChangeOutput]
    next: str


def changes_for(caller: Caller, reading: ReadRange, limit: int) -> AnySelect:
    """Return the statement for one more change than a page that the caller may read, after the range.

    With the status view, a case has no changes from before it was last hidden from the caller's roles: those belong to
    the past of the team. The change that shows it again comes first.

    Columns: the position of each, its time, the version, the reference, the stored line if the case may be seen, and
    the survivor if that may be seen. The range is in parameters, see `parameters`.
    """
    seen = visible_filter(caller)
    place = Change.transaction_id, Change.id
    after, began = (
        after_position(*place, *(bindparam(name, value, BigInteger) for name, value in position.items()))
        for position in (_parameters("after", reading.position), _parameters("began", reading.began))
    )
    removed = and_(PreviousVisibility.change_id.is_not(None), began, visible_filter(caller, PreviousVisibility))
    line = sql_case((seen, line_column(caller)), else_=null()).label("line")
    return (
        select(Change.transaction_id, Change.id, Change.at, Change.version, Case.reference, line)
        .add_columns(survivor_column(caller).label("survivor"))
        .join_from(Change, Case, Case.id == Change.case_id)
        .join(CaseSnapshot, CaseSnapshot.case_id == Case.id)
        .outerjoin(PreviousVisibility, PreviousVisibility.change_id == Change.id)
        .where(after, below_xmin(Change.transaction_id))
        .where(sql_case((seen, or_(work_view_filter(caller), not_(_hidden_since(caller)))), else_=removed))
        .order_by(Change.transaction_id, Change.id)
        .limit(limit + 1)
    )


def _hidden_since(caller: Caller) -> ColumnElement[bool]:
    """Return the condition that the case could not be seen in the caller's roles at some time after the change."""
    later = aliased(Change)
    hidden = visible_by_role_filter(caller, PreviousVisibility).is_not(true())
    former = select(PreviousVisibility.change_id).join(later, later.id == PreviousVisibility.change_id)
    return former.where(later.case_id == Change.case_id, later.id > Change.id, hidden).correlate(Change).exists()


def parameters(reading: ReadRange) -> dict[str, int]:
    """Return a range as the parameters of `changes_for`."""
    return _parameters("after", reading.position) | _parameters("began", reading.began)


def _parameters(name: str, place: FeedPosition) -> dict[str, int]:
    return {f"{name}_transaction": place[0], f"{name}_id": place[1]}


def head_position() -> tuple[Label[int | None], Label[int | None]]:
    """Return the position of the last settled change as two columns; null if there is none."""
    last = select(Change.transaction_id, Change.id).where(below_xmin(Change.transaction_id))
    last = last.order_by(Change.transaction_id.desc(), Change.id.desc()).limit(1)
    return (
        last.with_only_columns(Change.transaction_id).scalar_subquery().label("head_transaction"),
        last.with_only_columns(Change.id).scalar_subquery().label("head_id"),
    )


def position_from(now: Sequence[int | None]) -> FeedPosition:
    """Return the position in the columns of `head_position`, or the beginning if they are null."""
    transaction, number = now
    return (transaction or 0, number or 0)


def count_foreign_changes(session: Session) -> int:
    """Return how many changes have numbers of transactions that this server has not reached, as in a restored copy."""
    return session.scalar(select(func.count()).where(Change.transaction_id >= snapshot_xmax())) or 0


def reset_feed(session: Session) -> None:
    """Number the changes again, so that every reader and every webhook starts again.

    In a restored copy, cursors that were given out may point to changes that were lost or do not exist yet.
    """
    session.execute(update(Change).values(transaction_id=0))
    session.execute(update(NetworkState).values(epoch=uuid4(), auth_version=NetworkState.auth_version + 1))


def items_from(rows: Sequence[FetchedRow], limit: int) -> list[bytes]:
    """Return the items of a page, each as JSON, from the rows of `changes_for`."""
    return [_item(*row[2:]) for row in rows[:limit]]


def next_position(rows: Sequence[FetchedRow], limit: int, now: Sequence[int | None]) -> FeedPosition:
    """Return the position after a page: that of its last item if there are more, or the end of the settled changes."""
    if len(rows) > limit:
        transaction, number, *_ = rows[limit - 1]
        return transaction, number
    return position_from(now)


_CHANGED = b'{"kind":"changed","at":"%s","reference":"%s","version":%d,"case":%s}'
_REMOVED = b'{"kind":"removed","at":"%s","reference":"%s","version":null,"case":null}'


def _item(at: datetime, version: int, reference: str, line: bytes | None, survivor: str | None) -> bytes:
    when, which = at.isoformat().replace("+00:00", "Z").encode(), reference.encode()
    if line is None:
        return _REMOVED % (when, which)
    return _CHANGED % (when, which, version, insert_survivor(line, survivor))


@dataclass(frozen=True)
class FeedCursor:
    """The cursors of one caller: positions that are encrypted, so that nobody can count changes by them.

    A cursor is valid for one account, as long as its roles and the numbering of the changes stay the same; otherwise
    the reader must start again. A role that was ended and granted again is another one, because the time in between is
    not for its holder.
    """

    caller: Caller
    epoch: UUID
    pepper: bytes

    def encode(self, reading: ReadRange) -> str:
        """Return the cursor of a range."""
        plain = struct.pack(_FORM, self.grants_hash, *reading.position, *reading.began)
        return self._cipher.encode(plain, self.caller.account_id.bytes)

    def decode(self, text: str) -> ReadRange:
        """Return the range of a cursor. Raises: Invalid, if it was not given to this caller; CursorExpired."""
        try:
            plain = self._cipher.decode(text, self.caller.account_id.bytes)
            grants_hash, *places = struct.unpack(_FORM, plain)
        except (NotGenuine, struct.error):
            raise Invalid([FieldError("?since", "is not a cursor of this feed; start again without it")]) from None
        if grants_hash != self.grants_hash:
            raise CursorExpired
        return ReadRange((places[0], places[1]), (places[2], places[3]))

    @property
    def grants_hash(self) -> bytes:
        """The hash of what cursors depend on: the roles of the caller, and the numbering of the changes."""
        grants = sorted(f"{grant.membership_id} {grant.path}" for grant in self.caller.grants)
        return hashlib.sha256("\n".join([self.epoch.hex, *grants]).encode()).digest()[:8]

    @property
    def _cipher(self) -> Cipher:
        return Cipher(self.pepper, b"place in the feed")


_FORM = ">8sQQQQ"


def cursor_for(session: Session, caller: Caller, pepper: bytes) -> FeedCursor:
    """Return the cursors of a caller in the feed of this network."""
    return FeedCursor(caller, session.scalars(select(NetworkState.epoch)).one(), pepper)
