"""The feed: every change of the cases that the caller may see, in the order of commits, none missed and none twice.

Each change tells of the case as it stands when it is read. Where a change took the case out of the caller's sight, it
tells that it was removed, and of the changes that follow nothing. Who begins anew is told of no removal from before:
what they saw in those days, and whether they were there, nobody knows. A place in the feed is sealed: what it holds
counts the changes of everybody.
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
"""The number of a transaction and that of a change in it."""
BEGINNING: FeedPosition = (0, 0)
_END: FeedPosition = (2**63 - 1, 2**63 - 1)


class ReadRange(NamedTuple):
    """How far somebody has read, and where the feed ended when they began: they are told of removals since then."""

    position: FeedPosition
    began: FeedPosition


FROM_START = ReadRange(BEGINNING, _END)
"""Reading from the beginning, until it is known where the feed ends."""
SinceCursor = Annotated[
    str | None,
    Field(max_length=200, pattern=r"^[A-Za-z0-9_-]+$", description="A place that an earlier answer named."),
]


class FeedQuery(Model):
    """From which place on, how many at most, and how long to wait while there is nothing new."""

    since: SinceCursor = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    wait: Annotated[int, Field(ge=0, le=30, description="Seconds to wait for something new.")] = 0


class ChangeOutput(Model):
    """A case that changed, as it stands now; or one that you may no longer see, with nothing but its reference."""

    kind: Literal["changed", "removed"]
    at: datetime
    reference: str
    version: Annotated[
        int | None, Field(description="Of the case after this change; `case` may be newer. Of two keep the higher.")
    ]
    case: CaseOutput | None


class Changes(Model):
    """Changes in the order of commits. `next` is the place after them: ask from there the next time."""

    items: list[ChangeOutput]
    next: str


def changes_for(caller: Caller, reading: ReadRange, limit: int) -> AnySelect:
    """One more than a page of the changes that the caller may hear of, after where they have read.

    Of a case that they only follow, none from before it was last hidden from their roles: that is the past of those who
    worked on it. The change that showed it to them tells of it first.

    Columns: the place of each, when, the version, the reference, its line as it is kept if the case is seen, and the
    case it was merged into. How far was read stands in parameters, see `parameters`.
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
    """That the case could not be seen in the caller's roles for a time after the change."""
    later = aliased(Change)
    hidden = visible_by_role_filter(caller, PreviousVisibility).is_not(true())
    former = select(PreviousVisibility.change_id).join(later, later.id == PreviousVisibility.change_id)
    return former.where(later.case_id == Change.case_id, later.id > Change.id, hidden).correlate(Change).exists()


def parameters(reading: ReadRange) -> dict[str, int]:
    """How far was read, as the parameters of `changes_for`."""
    return _parameters("after", reading.position) | _parameters("began", reading.began)


def _parameters(name: str, place: FeedPosition) -> dict[str, int]:
    return {f"{name}_transaction": place[0], f"{name}_id": place[1]}


def head_position() -> tuple[Label[int | None], Label[int | None]]:
    """The place of the last change that is settled, as two columns: null before there is one."""
    last = select(Change.transaction_id, Change.id).where(below_xmin(Change.transaction_id))
    last = last.order_by(Change.transaction_id.desc(), Change.id.desc()).limit(1)
    return (
        last.with_only_columns(Change.transaction_id).scalar_subquery().label("head_transaction"),
        last.with_only_columns(Change.id).scalar_subquery().label("head_id"),
    )


def position_from(now: Sequence[int | None]) -> FeedPosition:
    """The place that the columns of `head_position` tell of; the beginning, before there is one."""
    transaction, number = now
    return (transaction or 0, number or 0)


def count_foreign_changes(session: Session) -> int:
    """How many changes carry numbers of transactions that are still to come here, as in a copy restored elsewhere."""
    return session.scalar(select(func.count()).where(Change.transaction_id >= snapshot_xmax())) or 0


def reset_feed(session: Session) -> None:
    """Number the changes anew, and have every reader and every webhook begin anew.

    In a restored copy places that were given out may be of changes that are lost, or of none yet.
    """
    session.execute(update(Change).values(transaction_id=0))
    session.execute(update(NetworkState).values(epoch=uuid4(), auth_version=NetworkState.auth_version + 1))


def items_from(rows: Sequence[FetchedRow], limit: int) -> list[bytes]:
    """The items of a page, each as JSON, out of the rows of `changes_for`."""
    return [_item(*row[2:]) for row in rows[:limit]]


def next_position(rows: Sequence[FetchedRow], limit: int, now: Sequence[int | None]) -> FeedPosition:
    """Where the page after this one begins: after its last item where more follow, else after all that is settled."""
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
    """Places in the feed of one caller, as they are given out: sealed, so that nobody can count by them.

    A place is good for the account it was given to, while its roles are the same and the changes are numbered as they
    were; otherwise the reader has to begin anew. A role that was taken and given again is another: what happened
    between is not for them.
    """

    caller: Caller
    epoch: UUID
    pepper: bytes

    def encode(self, reading: ReadRange) -> str:
        """The place up to which somebody has read, as text."""
        plain = struct.pack(_FORM, self.grants_hash, *reading.position, *reading.began)
        return self._cipher.encode(plain, self.caller.account_id.bytes)

    def decode(self, text: str) -> ReadRange:
        """The place that a text stands for. Raises: Invalid, when it was never given to this caller; CursorExpired."""
        try:
            plain = self._cipher.decode(text, self.caller.account_id.bytes)
            grants_hash, *places = struct.unpack(_FORM, plain)
        except (NotGenuine, struct.error):
            raise Invalid([FieldError("?since", "is not a place in this feed; begin again without it")]) from None
        if grants_hash != self.grants_hash:
            raise CursorExpired
        return ReadRange((places[0], places[1]), (places[2], places[3]))

    @property
    def grants_hash(self) -> bytes:
        """What a place depends on: the roles of the caller, and how the changes are numbered."""
        grants = sorted(f"{grant.membership_id} {grant.path}" for grant in self.caller.grants)
        return hashlib.sha256("\n".join([self.epoch.hex, *grants]).encode()).digest()[:8]

    @property
    def _cipher(self) -> Cipher:
        return Cipher(self.pepper, b"place in the feed")


_FORM = ">8sQQQQ"


def cursor_for(session: Session, caller: Caller, pepper: bytes) -> FeedCursor:
    """The places of a caller in the feed of this network."""
    return FeedCursor(caller, session.scalars(select(NetworkState.epoch)).one(), pepper)
