"""Ways in which a database fails and recovers: unreachable, read-only, full. Each is a context on a world's
database.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event, make_url, text

from appeals.database.declarative import Base
from appeals.database.engine import Database
from tests.conftest import run_on_server
from tests.support.cast import World, as_owner

OUT_OF_ROOM = """CREATE FUNCTION out_of_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT 1 FROM no_room) THEN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
    END IF;
    RETURN NULL; END $$"""
"""What a server says that has no room, while a table has a row."""
GROW = "INSERT INTO filler VALUES (zeroblob(409600))"


def hang_up(url: str) -> None:
    """End every connection to a database of the server."""
    name = make_url(url).database
    run_on_server(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608


@contextmanager
def away(world: World) -> Iterator[None]:
    """The database does not answer."""
    url = world.database.engine.url
    name = str(url.database)
    if world.database.embedded:
        world.leave()
        file, elsewhere = Path(name), Path(f"{name}.elsewhere")
        file.rename(elsewhere)
        file.mkdir()
        try:
            yield
        finally:
            file.rmdir()
            elsewhere.rename(file)
        return
    run_on_server(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    hang_up(str(url))
    try:
        yield
    finally:
        run_on_server(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@contextmanager
def read_only(world: World) -> Iterator[None]:
    """It answers, and takes no write."""
    name = str(world.database.engine.url.database)
    if world.database.embedded:
        with pragma(world, "query_only=ON", "query_only=OFF"):
            yield
        return
    run_on_server(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    hang_up(str(world.database.engine.url))
    try:
        yield
    finally:
        run_on_server(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        hang_up(str(world.database.engine.url))


@contextmanager
def full(world: World) -> Iterator[None]:
    """It answers, and has no room for more."""
    url = as_owner(world.database.engine.url.render_as_string(hide_password=False))
    prepare(url)
    with refusing(url):
        if not world.database.embedded:
            yield
            return
        with pragma(world, "max_page_count=1", "max_page_count=1073741823"):  # one is as many as there are
            yield


def prepare(url: str) -> None:
    """Make ready that each row written asks a server for room that it has not, SQLite for a hundred pages more."""
    verbs = [(table, verb) for table in Base.metadata.tables for verb in ("INSERT", "UPDATE")]
    made = ["CREATE TABLE no_room (since INTEGER)"]
    if make_url(url).get_backend_name() == "sqlite":
        when = "WHEN EXISTS (SELECT 1 FROM no_room)"
        made += ["CREATE TABLE filler (filler BLOB)"]
        made += [
            f'CREATE TRIGGER "no_room_{table}_{verb}" BEFORE {verb} ON "{table}" {when} BEGIN {GROW}; END'
            for table, verb in verbs
        ]
    else:
        made += [OUT_OF_ROOM, "GRANT SELECT ON no_room TO PUBLIC"]
        made += [
            f'CREATE TRIGGER no_room_{verb} BEFORE {verb} ON "{table}" EXECUTE FUNCTION out_of_room()'
            for table, verb in verbs
        ]
    run(url, *made)


@contextmanager
def refusing(url: str) -> Iterator[None]:
    """Meanwhile they ask for it."""
    run(url, "INSERT INTO no_room VALUES (1)")
    try:
        yield
    finally:
        run(url, "DELETE FROM no_room")


def run(url: str, *statements: str) -> None:
    """Run statements, in one transaction."""
    database = Database(url)
    with database.writing() as session:
        for statement in statements:
            session.execute(text(statement))
    database.engine.dispose()


@contextmanager
def pragma(world: World, during: str, after: str) -> Iterator[None]:
    """Every transaction begins with a pragma; afterwards with another."""

    def begin(connection: Any) -> None:
        connection.connection.driver_connection.execute(f"PRAGMA {said[-1]}")

    said = [during]
    event.listen(world.database.engine, "begin", begin)
    try:
        yield
    finally:
        said.append(after)
        with world.database.reading() as session:
            session.execute(text("SELECT 1"))
        event.remove(world.database.engine, "begin", begin)
        world.leave()


Failing = Callable[[World], AbstractContextManager[None]]
