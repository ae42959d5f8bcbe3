"""Readiness: whether the database answers, has the schema of this release, and accepts a write."""

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
"""Seconds after which a database that has not answered counts as unreachable."""
FULL_FOR_S = 30
"""Seconds for which the service is not ready after a write failed on a full disk, even if a smaller one succeeded."""
ENOUGH_ROOM = 1_048_576
READY = ""
DATABASE_AWAY = "The database is unreachable or cannot be written to."
OTHER_SCHEMA = "The database has another schema than this release; run appeals migrate."
NO_ROOM = "The database has no disk space left."


class Heartbeat(Base):
    """A single row that is written to check that the database accepts writes."""

    __tablename__ = "heartbeat"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    beats: Mapped[int] = mapped_column(BigInteger)


class Readiness:
    """Checks what keeps the service from working, at most once a second, however many ask."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._told = ""
        self._asked_at: float | None = None
        self._looks_since = 0.0

    def clear(self) -> None:
        """Clear the last result, when another database is served."""
        self._asked_at = None

    def missing(self) -> str:
        """Return what is missing as a sentence, or READY. While a check runs, others get the last result."""
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
            pass  # busy with writes of others, so it accepts writes
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
