"""Advisory locks, which one transaction at a time can hold."""

from enum import IntEnum

from sqlalchemy import BigInteger, Connection, bindparam, func, select
from sqlalchemy.dialects import postgresql

from appeals.database.types import AnySelect


class AdvisoryLock(IntEnum):
    """The advisory locks. The numbers are the same in every process."""

    LISTING = 20_260_101
    COUNTING = 20_260_102
    FOLDING = 20_260_103
    MIGRATING = 20_260_104


def acquire_lock(connection: Connection, turn: AdvisoryLock) -> None:
    """Wait for an advisory lock, and hold it to the end of the transaction.

    What its earlier holders wrote is visible afterwards. A transaction that needs both locks takes LISTING first.
    SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(turn)))


def acquire_locks(connection: Connection, keys: list[int]) -> None:
    """Wait for the advisory locks of these keys, and hold them to the end of the transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_ALL, {"keys": keys})


def _lock_all() -> AnySelect:
    keys = bindparam("keys", type_=postgresql.ARRAY(BigInteger))
    ordered = select(func.unnest(keys).label("key")).order_by("key").subquery()
    return select(func.pg_advisory_xact_lock(ordered.c.key))


_LOCK_ALL = _lock_all()
