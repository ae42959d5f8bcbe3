"""The `appeals` command: what it prints, what it does, what it refuses."""

import pickle
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy import make_url, select

from appeals.accounts import bootstrap
from appeals.accounts.account import Account
from appeals.accounts.api_key import Key
from appeals.accounts.entity import Entity
from appeals.cli import serve
from appeals.database import migrations
from appeals.database.engine import Database
from appeals.database.requirements import OTHER_SCHEMA, DatabaseNotReady
from appeals.settings import Settings
from tests.conftest import PEPPER
from tests.support.cast import World, as_owner
from tests.support.command_line import KEY, NOWHERE, ON_A_NETWORK, Appeals, Refused


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Instead of serving, keep what the server would be started with."""
    kept: list[dict[str, Any]] = []
    monkeypatch.setattr(uvicorn, "run", lambda *_, **said: kept.append(said))
    return kept


def emptied(url: str) -> Database:
    """A database with a schema and nothing in it."""
    database = Database(url)
    migrations.migrate(database)
    database.engine.dispose()
    return database


# serve


def test_the_first_start_prints_two_keys_once(
    appeals: Appeals, settings: Callable[..., None], served: list[dict[str, Any]], empty_url: str
) -> None:
    emptied(empty_url)
    settings(database_url=empty_url, port="8123")
    first, second = appeals("serve"), appeals("serve")
    lines = first.output.splitlines()
    assert re.fullmatch(rf"admin key: {KEY.pattern}", lines[1])
    assert re.fullmatch(rf"coordinator key: {KEY.pattern}", lines[2])
    assert second.output == "serving on http://127.0.0.1:8123\n"
    assert [said["port"] for said in served] == [8123, 8123]


def test_an_embedded_database_is_migrated_on_start_and_another_is_not(
    appeals: Appeals, settings: Callable[..., None], served: list[dict[str, Any]], empty_url: str
) -> None:
    settings(database_url=empty_url)
    started = appeals("serve")
    if empty_url.startswith("sqlite"):
        assert started.exit_code == 0
        assert served
    else:
        assert started.exit_code == 1
        assert isinstance(started.exception, DatabaseNotReady)
        assert str(started.exception) == OTHER_SCHEMA
        assert not served


def test_a_server_that_is_away_is_told_apart_from_another_schema(
    refused: Refused, settings: Callable[..., None], served: list[dict[str, Any]], tmp_path: Path
) -> None:
    settings(database_url=NOWHERE)
    for said in ["serve"], ["migrate"], *ON_A_NETWORK[:-1]:
        assert refused(*said) == "appeals: the database appeals at 127.0.0.1, port 1, does not answer"
    assert not served
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://desk:secret-word@[::1]:1/appeals", "appeals at ::1, port 1"),
        ("postgresql://desk:half@secret-word@127.0.0.1:1/appeals", "appeals at 127.0.0.1, port 1"),
        ("postgresql://desk:secret-word@/appeals?host=/nowhere&port=2", "appeals at /nowhere, port 2"),
        ("postgresql://desk:secret-word@/appeals?host=/nowhere", "appeals at /nowhere, port 5432"),
    ],
)
def test_a_database_that_does_not_answer_is_told_by_its_place_and_without_the_password(
    refused: Refused, settings: Callable[..., None], url: str, place: str
) -> None:
    settings(database_url=url)
    assert refused("migrate") == f"appeals: the database {place}, does not answer"


def test_a_server_that_refuses_is_told_with_its_reason(
    refused: Refused, settings: Callable[..., None], empty_url: str
) -> None:
    if empty_url.startswith("sqlite"):
        return
    settings(database_url=make_url(empty_url).set(database="nowhere").render_as_string(hide_password=False))
    assert re.fullmatch(r"appeals: the database nowhere at .* refuses: database .* does not exist", refused("serve"))


def test_an_embedded_database_is_served_by_one_process(
    appeals: Appeals, here: str, settings: Callable[..., None], served: list[dict[str, Any]]
) -> None:
    settings(workers="2")
    started = appeals("serve")
    assert (started.exit_code, len(served)) == ((1, 0) if here.startswith("sqlite") else (0, 1))


def test_only_the_proxy_that_is_named_is_believed(
    appeals: Appeals, here: str, settings: Callable[..., None], served: list[dict[str, Any]]
) -> None:
    appeals("serve")
    settings(proxy="10.1.0.0/16")
    appeals("serve")
    assert [said["forwarded_allow_ips"] for said in served] == ["127.0.0.1", "10.1.0.0/16"]


@pytest.mark.usefixtures("here")
def test_the_server_keeps_the_limits_that_are_set(
    appeals: Appeals, settings: Callable[..., None], served: list[dict[str, Any]]
) -> None:
    settings(header_limit="2048", idle_timeout_s="7", connection_limit="50")
    appeals("serve")
    limits = pickle.loads(pickle.dumps(served[0]["http"])).limits  # noqa: S301 - as a worker gets it
    assert (limits.header_limit, limits.idle_timeout_s, limits.connections) == (2048, 7, 50)
    assert limits.body_limit == Settings().body_limit


def test_each_server_process_builds_the_application_from_the_environment(here: str) -> None:
    made = serve.application()
    assert str(made.state.database.engine.url.database) in here
    made.state.database.engine.dispose()


# migrate


def test_migrate_goes_up_down_and_back_by_steps(
    appeals: Appeals, settings: Callable[..., None], empty_url: str
) -> None:
    settings(database_url=empty_url)
    database = Database(empty_url)
    for said, ready in ([], True), (["head"], True), (["base"], False):
        done = appeals("migrate", *said)
        assert (done.exit_code, done.output) == (0, f"schema: {said[0] if said else 'head'}\n")
        assert database.is_ready() is ready
    database.engine.dispose()


def test_migrate_knows_only_the_revisions_there_are(
    refused: Refused, settings: Callable[..., None], empty_url: str
) -> None:
    settings(database_url=empty_url)
    assert refused("migrate", "9999").startswith("appeals: the schema cannot be migrated to 9999: ")


@pytest.mark.parametrize("said", ["serve", "migrate"])
def test_a_folder_that_is_not_there_is_told(
    refused: Refused, settings: Callable[..., None], tmp_path: Path, said: str
) -> None:
    settings(database_url="sqlite:///missing/appeals.db")
    assert refused(said).startswith("appeals: missing/appeals.db cannot be used: ")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_told(refused: Refused, settings: Callable[..., None], tmp_path: Path) -> None:
    settings(database_url="sqlite:///appeals.db")
    (tmp_path / "appeals.db").write_text("a letter, and no database at all\n" * 100)
    for said in ["serve"], ["migrate"], *ON_A_NETWORK[:-1]:
        assert refused(*said).startswith("appeals: appeals.db cannot be used: file is not a database")


def test_a_database_that_cannot_be_written_to_is_told(
    refused: Refused, settings: Callable[..., None], tmp_path: Path
) -> None:
    database = emptied(f"sqlite:///{tmp_path}/appeals.db")
    bootstrap.bootstrap(database, PEPPER.encode(), datetime.now(UTC))
    database.engine.dispose()
    settings(database_url="sqlite:///file:appeals.db?mode=ro&uri=true")
    assert "attempt to write a readonly database" in refused("key", "new", "--role", "reader")


def test_a_busy_database_is_told(refused: Refused, settings: Callable[..., None], here: str, world: World) -> None:
    settings(lock_timeout_s="0.01")
    with world.database.writing() as session:
        for table in Account, Entity, Key:
            session.scalars(select(table).with_for_update()).all()
        said = refused("key", "revoke", (world.as_("reader").key or "").split("_")[1])
    assert said == "appeals: the database is busy and nothing was changed; try again"


# without a network


@pytest.mark.parametrize("said", ON_A_NETWORK, ids=" ".join)
@pytest.mark.usefixtures("answering")
def test_only_serve_makes_a_database(
    refused: Refused, settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: list[str]
) -> None:
    settings(database_url="sqlite:///kept/appeals.db")
    monkeypatch.delenv("APPEALS_PEPPER")
    (tmp_path / "kept").mkdir()
    where = "run this where the service runs, or set APPEALS_DATABASE_URL"
    assert refused(*said) == f"appeals: the database kept/appeals.db does not exist; {where}"
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "kept"]


@pytest.mark.parametrize("said", ON_A_NETWORK, ids=" ".join)
@pytest.mark.parametrize("laid", [True, False], ids=["with a schema", "without a schema"])
@pytest.mark.usefixtures("answering")
def test_only_serve_founds_a_network(
    refused: Refused,
    settings: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    empty_url: str,
    said: list[str],
    laid: bool,
) -> None:
    settings(database_url=empty_url)
    monkeypatch.delenv("APPEALS_PEPPER")
    database = emptied(empty_url) if laid else Database(empty_url)
    database.engine.connect().close()  # an embedded one has its file now
    assert refused(*said) == "appeals: the database has no network yet; appeals serve creates it on its first start"
    if laid:
        with database.reading() as session:
            assert session.scalar(select(Entity.id).limit(1)) is None
    database.engine.dispose()
    assert not Path("appeals.pepper").exists()


def test_another_schema_is_told_and_left_alone(
    refused: Refused, appeals: Appeals, here: str, settings: Callable[..., None]
) -> None:
    if as_owner(here) != here:
        said = refused("migrate", "base")
        assert "may not change the schema" in said
        assert "APPEALS_MIGRATION_DATABASE_URL" in said
    settings(migration_database_url=as_owner(here))
    appeals("migrate", "base")
    assert refused("account", "list") == f"appeals: {OTHER_SCHEMA}"
    database = Database(here)
    assert not database.is_ready()
    database.engine.dispose()


@pytest.mark.parametrize("said", [ON_A_NETWORK[0], ON_A_NETWORK[-2], ON_A_NETWORK[-1]], ids=" ".join)
@pytest.mark.usefixtures("answering")
def test_a_key_is_made_with_the_pepper_of_the_service_or_not_at_all(
    refused: Refused, here: str, monkeypatch: pytest.MonkeyPatch, world: World, tmp_path: Path, said: list[str]
) -> None:
    monkeypatch.delenv("APPEALS_PEPPER")
    where = "run this command where the service runs, or set APPEALS_PEPPER_FILE"
    with world.database.reading() as session:
        before = session.scalars(select(Account.name)).all()
    assert refused(*said) == f"appeals: the pepper file appeals.pepper does not exist; {where}"
    with world.database.reading() as session:
        assert session.scalars(select(Account.name)).all() == before
    assert not (tmp_path / "appeals.pepper").exists()
