"""The `appeals` command: what it prints, what it does, what it refuses."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy import select
from typer.testing import CliRunner, Result

from appeals import __main__ as command
from appeals import app, documentation, schema
from appeals.database import Database
from appeals.lifecycle import STEPS
from appeals.network import Key
from appeals.settings import Settings, Unusable, pepper_of
from tests.cast import Person, World, intake
from tests.conftest import PEPPER

KEY = re.compile(r"ua_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}")
Appeals = Callable[..., Result]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Set settings by name, as in `Settings`; nothing is written but to the test's own folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("APPEALS_PEPPER", PEPPER)

    def put(**given: str) -> None:
        for name, value in given.items():
            monkeypatch.setenv(f"APPEALS_{name.upper()}", value)

    return put


@pytest.fixture
def appeals(monkeypatch: pytest.MonkeyPatch) -> Iterator[Appeals]:
    """Run the command with arguments; its connections end with the test, as they would with the process."""
    opened: list[Database] = []

    def database_of(settings: Settings) -> Database:
        opened.append(app.database_of(settings))
        return opened[-1]

    monkeypatch.setattr(command, "database_of", database_of)
    yield lambda *said: CliRunner().invoke(command.cli, said)
    for database in opened:
        database.engine.dispose()


@pytest.fixture
def here(settings: Callable[..., None], database_url: str) -> str:
    """The command speaks of the test's database, which holds the cast."""
    settings(database_url=database_url)
    return database_url


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Instead of serving, keep what the server would be started with."""
    kept: list[dict[str, Any]] = []
    monkeypatch.setattr(uvicorn, "run", lambda *_, **said: kept.append(said))
    return kept


def emptied(url: str) -> Database:
    """A database with a schema and nothing in it."""
    database = Database(url)
    schema.migrate(database)
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
        assert started.output == "appeals: the database is away or its schema is another; run: appeals migrate\n"
        assert not served


def test_an_embedded_database_is_served_by_one_process(
    appeals: Appeals, here: str, settings: Callable[..., None], served: list[dict[str, Any]]
) -> None:
    settings(workers="2")
    started = appeals("serve")
    assert (started.exit_code, len(served)) == ((1, 0) if here.startswith("sqlite") else (0, 1))


def test_each_server_process_builds_the_application_from_the_environment(here: str) -> None:
    made = command.application()
    assert str(made.state.database.engine.url.database) in here
    made.state.database.engine.dispose()


# migrate


def test_migrate_goes_up_down_and_back_by_steps(
    appeals: Appeals, settings: Callable[..., None], empty_url: str
) -> None:
    settings(database_url=empty_url)
    database = Database(empty_url)
    for said, ready in ([], True), (["-1"], False), (["head"], True), (["base"], False):
        done = appeals("migrate", *said)
        assert (done.exit_code, done.output) == (0, f"schema: {said[0] if said else 'head'}\n")
        assert database.ready() is ready
    database.engine.dispose()


# keys and accounts


def holder(world: World, made: Result) -> Person:
    """Whoever holds the key that was printed."""
    return Person(world.client, made.output.strip())


def test_key_new_prints_the_key_and_nothing_else(appeals: Appeals, here: str, world: World) -> None:
    made = appeals("key", "new", "--role", "reviewer")
    assert re.fullmatch(rf"{KEY.pattern}\n", made.output)
    me = holder(world, made).get("/v1/me").json()
    assert [(held["role"], held["entity_name"]) for held in me["memberships"]] == [("reviewer", "International Office")]


def test_a_key_works_within_its_entity_only(appeals: Appeals, here: str, world: World) -> None:
    europe = holder(world, appeals("key", "new", "--role", "coordinator", "--entity", "Europe"))
    assert europe.post("/v1/cases", intake(entity="Europe Production")).status_code == 201
    assert europe.post("/v1/cases", intake(entity="South Asia")).status_code == 403


def test_a_key_for_an_account_is_that_account(appeals: Appeals, here: str, world: World) -> None:
    partner = holder(world, appeals("key", "new", "--account", "partner"))
    assert partner.get("/v1/me").json()["name"] == "partner"


def test_a_key_lasts_as_long_as_was_said(appeals: Appeals, here: str, world: World) -> None:
    made = appeals("key", "new", "--account", "partner", "--days", "3").output
    with world.database.reading() as session:
        kept = session.get_one(Key, made.split("_")[1])
        assert kept.expires_at - kept.recorded_at == pytest.approx(timedelta(days=3), abs=timedelta(seconds=5))


def test_a_new_network_is_founded_before_its_first_key_is_made(
    appeals: Appeals, settings: Callable[..., None], empty_url: str
) -> None:
    emptied(empty_url)
    settings(database_url=empty_url)
    assert KEY.match(appeals("key", "new", "--role", "coordinator", "--entity", "South Asia").output)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ([], "say either --role or --account"),
        (["--role", "reviewer", "--account", "partner"], "say either --role or --account"),
        (["--role", "reviewer", "--entity", "Atlantis"], "no entity is named 'Atlantis'"),
        (["--account", "nobody"], "no account is named 'nobody'"),
    ],
)
def test_a_key_is_made_for_somebody_who_exists(appeals: Appeals, here: str, said: list[str], answer: str) -> None:
    made = appeals("key", "new", *said)
    assert (made.exit_code, made.output) == (1, f"appeals: {answer}\n")


def test_a_revoked_key_is_dead_on_the_next_request(appeals: Appeals, here: str, world: World) -> None:
    reader = world.as_("reader")
    assert reader.get("/v1/cases").status_code == 200
    key_id = (reader.key or "").split("_")[1]
    assert appeals("key", "revoke", key_id).output == f"revoked {key_id}\n"
    assert reader.get("/v1/cases").status_code == 401


def test_revoking_a_key_twice_keeps_the_first_moment(appeals: Appeals, here: str, world: World) -> None:
    key_id = (world.as_("reader").key or "").split("_")[1]
    moments = []
    for _ in range(2):
        appeals("key", "revoke", key_id)
        with world.database.reading() as session:
            moments.append(session.scalar(select(Key.revoked_at).where(Key.id == key_id)))
    assert moments[0] == moments[1] is not None


def test_a_key_that_nobody_has_cannot_be_revoked(appeals: Appeals, here: str) -> None:
    done = appeals("key", "revoke", "00000000")
    assert (done.exit_code, done.output) == (1, "appeals: no key has this id\n")


def test_accounts_are_made_given_more_roles_and_listed(appeals: Appeals, here: str) -> None:
    for role, entity in (("caseworker", "South Asia"), ("reviewer", "Europe"), ("reviewer", "Europe")):
        done = appeals("account", "new", "desk", "--role", role, "--entity", entity)
        assert done.output == f"desk: {role} in {entity}\n"
    listed = appeals("account", "list").output.splitlines()
    assert "desk\tperson\tcaseworker in South Asia, reviewer in Europe" in listed


def test_an_account_holds_its_role_in_an_entity_that_exists(appeals: Appeals, here: str) -> None:
    done = appeals("account", "new", "desk", "--role", "caseworker", "--entity", "Atlantis")
    assert (done.exit_code, done.output) == (1, "appeals: no entity is named 'Atlantis'\n")


# settings that cannot be used


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("APPEALS_PROT", "9000", "APPEALS_PROT is no setting"),
        ("APPEALS_PORT", "ninety", "APPEALS_PORT: "),
        ("APPEALS_PORT", "0", "APPEALS_PORT: "),
        ("APPEALS_PEPPER", "guessable", "the pepper in APPEALS_PEPPER is shorter than 16 characters"),
        ("APPEALS_PEPPER", "", "the pepper in APPEALS_PEPPER is shorter than 16 characters"),
    ],
)
def test_settings_that_cannot_be_used_are_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, settings: Callable[..., None], tmp_path: Path, name: str, value: str, says: str
) -> None:
    settings(database_url=f"sqlite:///{tmp_path}/new.db")
    monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["appeals", "key", "new", "--role", "reader"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert str(ended.value.code).startswith(f"appeals: {says}")
    assert "guessable" not in str(ended.value.code)


def test_an_empty_file_is_no_pepper(tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text("\n")
    with pytest.raises(Unusable, match="shorter than 16"):
        pepper_of(Settings(pepper_file=tmp_path / "pepper"))


# the table and the pages


def test_lifecycle_prints_a_row_for_every_step(appeals: Appeals) -> None:
    rows = appeals("lifecycle").output.splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [step.noun for step in STEPS]


def test_docs_writes_the_pages_and_tells_when_they_are_out_of_date(
    appeals: Appeals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(documentation, "DOCS", tmp_path)
    refused = appeals("docs", "--check")
    assert refused.exit_code == 1
    assert "lifecycle.md" in refused.output
    assert appeals("docs").exit_code == 0
    assert appeals("docs", "--check").exit_code == 0
    (tmp_path / "configuration.md").write_text("old")
    assert appeals("docs", "--check").output == "appeals: out of date, run make docs: configuration.md\n"


# replay


def test_replay_takes_all_three_keys_or_none(appeals: Appeals, here: str, tmp_path: Path) -> None:
    done = appeals("replay", str(tmp_path / "cases.jsonl"), "--coordinator-key", "ua_")
    assert (done.exit_code, done.output) == (1, "appeals: give all three keys, or none\n")


def test_without_arguments_it_says_what_it_can_do(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("sys.argv", ["appeals"])
    with pytest.raises(SystemExit):
        command.main()
    said = capsys.readouterr()
    assert all(word in said.out + said.err for word in ("serve", "migrate", "replay", "account", "key", "lifecycle"))
