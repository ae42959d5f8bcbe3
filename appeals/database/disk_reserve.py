"""The reserve: a file beside an embedded database that keeps some room on its disk.

A full disk would keep the service from starting: SQLite needs some room to open its log. So the file is given up before
the database is opened, and made again whenever there is room for it and for others.
"""

import asyncio
import logging
import os
from contextlib import suppress
from pathlib import Path
from shutil import disk_usage

from anyio import to_thread

from appeals.database.engine import Database

SIZE = 1_048_576
ROOM = 8 * SIZE
"""It is made only where so much is free: it is not to be what fills the disk."""
CHECK_EVERY_S = 60
log = logging.getLogger("appeals")


def file_of(database: Database) -> Path | None:
    """Where the reserve is; None for a database that is no file."""
    file = database.file
    return file and file.with_name(f"{file.name}-reserve")


def release(database: Database) -> None:
    """Give its room to the database."""
    file = file_of(database)
    if file is not None:
        with suppress(OSError):
            file.unlink()


def allocate(database: Database) -> None:
    """Make it, unless it is there or there is little room."""
    file = file_of(database)
    if file is None or not file.parent.is_dir() or file.exists() or disk_usage(file.parent).free < ROOM:
        return
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as reserve:
            reserve.write(os.urandom(SIZE))  # what could be compressed would keep no room
    except OSError as error:
        log.warning("the reserve could not be made: %s", type(error).__name__)
        with suppress(OSError):
            file.unlink()


async def run(database: Database) -> None:
    """Look whether it is there, now and every minute, until cancelled."""
    while True:
        await to_thread.run_sync(allocate, database)
        await asyncio.sleep(CHECK_EVERY_S)
