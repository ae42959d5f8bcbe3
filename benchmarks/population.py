"""What benchmarks read: a seeded database, people with keys, and references, filters, tags and places to ask for."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select, text

from appeals.accounts import bootstrap
from appeals.accounts.account import account_named, grant, new_account
from appeals.accounts.api_key import new_key
from appeals.accounts.entity import Entity
from appeals.cases.case import Case
from appeals.cli import population as invented
from appeals.database import migrations
from appeals.database.engine import Database
from appeals.vocabulary import AccountKind, Role, Visibility
from benchmarks.databases import KEPT, run_on_server, server_url
from benchmarks.service import PEPPER

SOME = 200
PAGE, PAGES = 50, 4
"""Filters are such that there is more than a page of cases, and as many, however few cases there are in all."""
ROLES = {"reader": Role.READER, "worker": Role.COORDINATOR}


@dataclass(frozen=True)
class Population:
    """What is asked for: cases, countries with a status, cases with their tags, places in the feed."""

    references: list[str]
    filters: list[tuple[str, str]]
    tags: list[tuple[str, str]]
    bare_tags: list[tuple[str, str]]
    places: list[tuple[str, int]]

    @classmethod
    def of(cls, url: str, here: Callable[[str], "Answer"], there: Callable[[str], "Answer"]) -> "Population":
        """What there is to ask for; tags and places as the service and the reference give them."""
        database = Database(url)
        with database.reading() as session:
            usual = select(Case.reference).where(Case.visibility != Visibility.SEALED, Case.merged_into_id.is_(None))
            usual = usual.where(Case.reference.like("UA-___-____-_____"))  # not those the reference has made
            references = list(session.scalars(usual.order_by(func.random()).limit(SOME)))
            pairs = select(Case.country, Case.status).group_by(Case.country, Case.status)
            full = pairs.having(func.count() > PAGE).order_by(func.count().desc()).limit(PAGES)
            filters = [(country, status) for country, status in session.execute(full)]
        database.engine.dispose()
        tags = [(reference, here(f"/v1/cases/{reference}").tag) for reference in references]
        bare_tags = [(reference, there(f"/poll/{reference}").tag) for reference in references]
        return cls(references, filters, tags, bare_tags, list(_places(here)))


def _places(here: Callable[[str], "Answer"]) -> Iterator[tuple[str, int]]:
    """Places at the beginning of the feed, and the number of the last change before each."""
    place = ""
    for page in range(5):
        page_of_changes = json.loads(here(f"/v1/changes?limit=100{place}").content)
        place = f"&since={page_of_changes['next']}"
        yield page_of_changes["next"], (page + 1) * 100


@dataclass(frozen=True)
class Answer:
    """An answer."""

    content: bytes
    tag: str


def asks(port: int, key: str = "") -> Callable[[str], Answer]:
    """Asks a service on loopback for a path."""

    def ask(path: str) -> Answer:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        params = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
        with urllib.request.urlopen(params) as answer:  # noqa: S310 - loopback
            return Answer(answer.read(), str(answer.headers["ETag"]))

    return ask


@contextmanager
def populated(kind: str, cases: int, place: Path) -> Iterator[str]:
    """The URL of a seeded database."""
    name = f"bench_{cases}"
    folder = Path(KEPT) if KEPT else place
    file = folder / f"{name}.db"
    url = f"sqlite:///{file}" if kind == "sqlite" else server_url(name)
    existing = "SELECT datname FROM pg_database"
    if not (file.exists() if kind == "sqlite" else name in run_on_server(existing)):
        if kind != "sqlite":
            run_on_server(f"CREATE DATABASE {name}")
        _seed(Database(url), cases)
    yield url
    if not KEPT and kind != "sqlite":
        run_on_server(f"DROP DATABASE {name} WITH (FORCE)")


def _seed(database: Database, cases: int) -> None:
    """Lay the database and seed it."""
    now = datetime.now(UTC)
    migrations.migrate(database)
    bootstrap.bootstrap(database, PEPPER.encode(), now)
    invented.populate(database, cases, 1, now, lambda _: None)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    database.engine.dispose()


def keys(url: str) -> dict[str, str]:
    """Keys of a reader and of a coordinator over the whole network."""
    database, now, keys_by_name = Database(url), datetime.now(UTC), {}
    with database.writing() as session:
        root = session.scalars(select(Entity).where(Entity.parent_id.is_(None))).one()
        for name, role in ROLES.items():
            account = account_named(session, name)
            if account is None:
                account = new_account(session, name, AccountKind.PERSON, now)
                grant(session, account, role, root, now)
            ends = now + timedelta(days=7)
            keys_by_name[name] = new_key(session, account.id, PEPPER.encode(), now, ends).text
    database.engine.dispose()
    return keys_by_name
