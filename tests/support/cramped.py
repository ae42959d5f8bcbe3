"""`appeals serve` on a disk that is full while a file exists: SQLite then cannot write another page."""

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from appeals.__main__ import main

FILE = Path(os.environ.pop("CRAMPED_WHILE"))


@event.listens_for(Engine, "begin")
def begin(connection: Any) -> None:
    """Before each transaction."""
    pages = 1 if FILE.exists() else 1073741823
    connection.connection.driver_connection.execute(f"PRAGMA max_page_count={pages}")


main()
