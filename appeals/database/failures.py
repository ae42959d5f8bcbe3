"""Failures of the database, the same for SQLite and PostgreSQL."""

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


class Unavailable(Exception):
    """The database cannot do it now; the same call may be tried again. The base class of its failures.

    Unavailable
    ├── Busy            it was locked for too long; nothing was changed
    │   └── Deadlock    two transactions waited for each other; this one may be run again at once
    ├── Unreachable     it is away, restarting or read-only; a commit that was running may have succeeded
    └── Full            its disk is full; nothing was changed
    """


class Busy(Unavailable):
    """The database was locked for too long. Nothing was changed, and the same call may be tried again."""


class Deadlock(Busy):
    """Two transactions waited for each other. This one was rolled back, and may be run again at once."""


class Unreachable(Unavailable):
    """The database is away, restarting or read-only. A commit that was running may have succeeded."""


class Full(Unavailable):
    """The disk of the database is full. Nothing was changed."""


FAILURE_OF_SQLSTATE: dict[str, type[Unavailable]] = {
    "40P01": Deadlock,  # deadlock
    "40001": Deadlock,  # serialization
    "55P03": Busy,  # lock not available
    "53100": Full,  # disk full
    "25006": Unreachable,  # read-only
    "25P03": Unreachable,  # ended because it was idle
    "25P04": Unreachable,  # ended because it took too long
    "42501": Unreachable,  # missing rights: those of another release, or revoked
    "08": Unreachable,  # connection
    "28": Unreachable,  # authentication
    "3D": Unreachable,  # no such database
    "53": Unreachable,  # connections, memory
    "57": Unreachable,  # stopped by an operator
    "58": Unreachable,  # operating system
    "XX": Unreachable,  # internal error
}
"""The failure for each error of PostgreSQL, by its code or the class of the code (appendix A of its manual)."""
FAILURE_OF_SQLITE_CODE: dict[int, type[Unavailable]] = {
    sqlite3.SQLITE_BUSY: Busy,
    sqlite3.SQLITE_LOCKED: Busy,
    sqlite3.SQLITE_PROTOCOL: Busy,
    sqlite3.SQLITE_FULL: Full,
    sqlite3.SQLITE_IOERR: Unreachable,
    sqlite3.SQLITE_CANTOPEN: Unreachable,
    sqlite3.SQLITE_PERM: Unreachable,
    sqlite3.SQLITE_READONLY: Unreachable,
    sqlite3.SQLITE_CORRUPT: Unreachable,
    sqlite3.SQLITE_NOTADB: Unreachable,
    sqlite3.SQLITE_NOMEM: Unreachable,
}
"""The failure for each error of SQLite, by its primary code."""
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


def failure_from(error: Exception) -> Unavailable | None:
    """Return the failure that an error means; None if the statement itself is wrong."""
    if isinstance(error, PoolTimeoutError):
        return Busy()
    if isinstance(error, OSError):
        return Full() if error.errno in NO_ROOM else None
    if not isinstance(error, DBAPIError):
        return None
    if isinstance(error.orig, sqlite3.Error):
        kind = FAILURE_OF_SQLITE_CODE.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF)
        return kind() if kind else None
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # not an answer of the server, so the connection is down
        return Unreachable() if isinstance(error, OperationalError | InterfaceError) else None
    kind = FAILURE_OF_SQLSTATE.get(state) or FAILURE_OF_SQLSTATE.get(state[:2])
    return kind() if kind else None


def failure_code(error: Exception) -> str:
    """Return the code of an error without its message."""
    cause = getattr(error, "orig", error)
    code = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    return f"{type(cause).__name__} {code or ''}".strip()
