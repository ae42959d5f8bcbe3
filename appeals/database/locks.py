"""Advisory locks: what one transaction at a time may do."""

from enum import IntEnum

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session


class AdvisoryLock(IntEnum):
    """What one transaction at a time may do; the numbers are the same in every process."""

    LISTING = 20_260_101
    COUNTING = 20_260_102
    FOLDING = 20_260_103
    MIGRATING = 20_260_104


def acquire_lock(session: Session, turn: AdvisoryLock) -> None:
    """Wait until no other transaction has this turn, and keep it to the end of one's own.

    What others wrote in theirs is seen afterwards. A transaction that takes both turns takes LISTING first. SQLite has
    one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(turn)))


def acquire_locks(session: Session, keys: list[int]) -> None:
    """Wait until no other transaction has a turn of these keys, and keep them to the end of one's own."""
    if session.get_bind().dialect.name == "postgresql":
        ordered = select(func.unnest(cast(keys, postgresql.ARRAY(BigInteger))).label("key")).order_by("key").subquery()
        session.execute(select(func.pg_advisory_xact_lock(ordered.c.key)))
