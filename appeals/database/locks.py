"""Advisory locks: what one transaction at a time may do."""

from enum import IntEnum

from sqlalchemy import BigInteger, Connection, bindparam, func, select
from sqlalchemy.dialects import postgresql

from appeals.database.types import AnySelect


class AdvisoryLock(IntEnum):
    """What one transaction at a time may do; the numbers are the same in every process."""

    LISTING = 20_260_101
    COUNTING = 20_260_102
    FOLDING = 20_260_103
    MIGRATING = 20_260_104


def acquire_lock(connection: Connection, turn: AdvisoryLock) -> None:
    """Wait until no other transaction has this turn, and keep it to the end of one's own.

    What others wrote in theirs is seen afterwards. A transaction that takes both turns takes LISTING first. SQLite has
    one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(turn)))


def acquire_locks(connection: Connection, keys: list[int]) -> None:
    """Wait until no other transaction has a turn of these keys, and keep them to the end of one's own."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_ALL, {"keys": keys})


def _lock_all() -> AnySelect:
    keys = bindparam("keys", type_=postgresql.ARRAY(BigInteger))
    ordered = select(func.unnest(keys).label("key")).order_by("key").subquery()
    return select(func.pg_advisory_xact_lock(ordered.c.key))


_LOCK_ALL = _lock_all()
