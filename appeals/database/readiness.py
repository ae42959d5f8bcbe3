"""Readiness: whether the database answers, has the schema of this release, and takes a write."""

import time
from shutil import disk_usage
from threading import Lock

from sqlalchemy import BigInteger, update
from sqlalchemy.orm import Mapped, mapped_column

from appeals.database.declarative import Base
from appeals.database.engine import Database
from appeals.database.failures import Busy, Full, Unavailable

ASKED_EVERY_S = 1
PATIENCE_S = 1
LOOKS_WITHIN_S = 3
"""A database that has not answered for so long is away."""
FULL_FOR_S = 30
"""For so long after a write found no room the service is not ready, also where a smaller one found some."""
ENOUGH_ROOM = 1_048_576
READY = ""
DATABASE_AWAY = "The database is away or cannot be written to."
OTHER_SCHEMA = "The schema of the database is another; run appeals migrate."
NO_ROOM = "The database has no room left."


class Heartbeat(Base):
    """One row, which is written to in order to see that it can be."""

    __tablename__ = "heartbeat"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    beats: Mapped[int] = mapped_column(BigInteger)


class Readiness:
    """Tells what keeps the service from its work. Whoever asks, and how often: the database is asked once a second."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._told = ""
        self._asked_at: float | None = None
        self._looks_since = 0.0

    def clear(self) -> None:
        """Forget what was found: another database is served now."""
        self._asked_at = None

    def missing(self) -> str:
        """What is missing, as a sentence, or READY. While somebody looks, others hear what was found before."""
        if not self._lock.acquire(blocking=self._asked_at is None):
            return self._told if time.monotonic() - self._looks_since < LOOKS_WITHIN_S else DATABASE_AWAY
        try:
            self._looks_since = time.monotonic()
            if self._asked_at is None or self._looks_since - self._asked_at >= ASKED_EVERY_S:
                self._told = self._check()
                self._asked_at = time.monotonic()
        finally:
            self._lock.release()
        return self._told

    def _check(self) -> str:
        try:
            if not self._database.has_schema():
                return OTHER_SCHEMA
            with self._database.writing(patience_s=PATIENCE_S) as session:
                session.execute(update(Heartbeat).values(beats=Heartbeat.beats + 1))
        except Busy:
            pass  # others are written for
        except Full:
            return NO_ROOM
        except Unavailable:
            return DATABASE_AWAY
        return READY if self._has_room() else NO_ROOM

    def _has_room(self) -> bool:
        file, full_at = self._database.file, self._database.failed_at.get(Full)
        if full_at is not None and time.monotonic() - full_at < FULL_FOR_S:
            return False
        return file is None or disk_usage(file.parent).free >= ENOUGH_ROOM
