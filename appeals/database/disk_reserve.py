"""The disk reserve: a file beside an embedded database that keeps some space free on its disk.

On a full disk the service could not start, because SQLite needs some space to open its log. So the file is deleted
before the database is opened, and created again whenever there is enough space.
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
"""The free space that the disk must have before the file is created, so that the file does not fill it."""
CHECK_EVERY_S = 60
log = logging.getLogger("appeals")


def file_of(database: Database) -> Path | None:
    """Return the path of the reserve; None if the database is not a file."""
    file = database.file
    return file and file.with_name(f"{file.name}-reserve")


def release(database: Database) -> None:
    """Delete the reserve, so that the database can use its space."""
    file = file_of(database)
    if file is not None:
        with suppress(OSError):
            file.unlink()


def allocate(database: Database) -> None:
    """Create the reserve unless it exists or there is little free space."""
    file = file_of(database)
    if file is None or not file.parent.is_dir() or file.exists() or disk_usage(file.parent).free < ROOM:
        return
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as reserve:
            reserve.write(os.urandom(SIZE))  # a file that the disk can compress would reserve nothing
    except OSError as error:
        log.warning("the disk reserve could not be created: %s", type(error).__name__)
        with suppress(OSError):
            file.unlink()


async def run(database: Database) -> None:
    """Create the reserve if it is missing, now and every minute, until cancelled."""
    while True:
        await to_thread.run_sync(allocate, database)
        await asyncio.sleep(CHECK_EVERY_S)
