"""Failures: what keeps the database from its work, whichever database it is."""

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


class Unavailable(Exception):
    """The database cannot do it now; the same call may be tried again. The parent of all that keeps it from that.

    Unavailable
    ├── Busy            others did not give way in time; nothing was changed
    │   └── Deadlock    two transactions waited for each other; this one may be run again at once
    ├── Unreachable     away, restarting or read-only; what was being committed may be committed all the same
    └── Full            no room is left; nothing was changed
    """


class Busy(Unavailable):
    """The database did not give way in time; nothing was changed, and the same call may be tried again."""


class Deadlock(Busy):
    """Two transactions waited for each other; this one was rolled back, and may be run again at once."""


class Unreachable(Unavailable):
    """The database is away, restarting or read-only. What was being committed may be committed all the same."""


class Full(Unavailable):
    """The database has no room left; nothing was changed."""


FAILURE_OF_SQLSTATE: dict[str, type[Unavailable]] = {
    "40P01": Deadlock,  # deadlock
    "40001": Deadlock,  # serialization
    "55P03": Busy,  # a lock that was not to be had
    "53100": Full,  # disk full
    "25006": Unreachable,  # read-only
    "25P03": Unreachable,  # ended while it rested
    "25P04": Unreachable,  # ended since it took long
    "42501": Unreachable,  # our user may not: the grants are those of another release, or were taken away
    "08": Unreachable,  # connection
    "28": Unreachable,  # who we are
    "3D": Unreachable,  # no such database
    "53": Unreachable,  # connections, memory
    "57": Unreachable,  # stopped by an operator
    "58": Unreachable,  # the system below
    "XX": Unreachable,  # damaged
}
"""What a server's error means, by its code or by the class of that: PostgreSQL, appendix A."""
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
"""The same of SQLite, by the primary code."""
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


def failure_from(error: Exception) -> Unavailable | None:
    """What keeps the database from its work, if an error tells that; None where the mistake is the statement's."""
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
    if state is None:  # the server has not said it: the line is down
        return Unreachable() if isinstance(error, OperationalError | InterfaceError) else None
    kind = FAILURE_OF_SQLSTATE.get(state) or FAILURE_OF_SQLSTATE.get(state[:2])
    return kind() if kind else None


def failure_code(error: Exception) -> str:
    """What the database calls a failure, without its message."""
    cause = getattr(error, "orig", error)
    code = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    return f"{type(cause).__name__} {code or ''}".strip()
