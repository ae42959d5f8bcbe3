"""The `appeals` command: what it prints, what it does, what it refuses."""

import pickle
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy import make_url, select, update
from typer.testing import CliRunner, Result

from appeals import __main__ as command
from appeals.accounts import bootstrap
from appeals.accounts.account import Account
from appeals.accounts.api_key import OVERLAP, Key, note_use
from appeals.accounts.entity import Entity
from appeals.cli import commands, database_and_pepper, generated_docs, replay_player, replay_results, serve
from appeals.database import migrations
from appeals.database.engine import Database
from appeals.lifecycle.steps import STEPS
from appeals.read_models.case_snapshot import CaseSnapshot
from appeals.settings import ROOT, Settings, SettingsError, pepper_of
from appeals.settings import database_of as settings_database_of
from tests.conftest import PEPPER
from tests.support.cast import Person, World, as_owner, intake

KEY = re.compile(r"ua_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}")
Appeals = Callable[..., Result]
Refused = Callable[..., str]
CASES = str(ROOT / "examples" / "real_cases.jsonl")
ON_A_NETWORK = [
    ["key", "new", "--role", "reader"],
    ["key", "list"],
    ["key", "revoke", "00000000"],
    ["account", "new", "desk", "--role", "reader"],
    ["account", "list"],
    ["account", "grant", "desk", "--role", "reader"],
    ["account", "end-role", "desk", "--role", "reader"],
    ["account", "disable", "desk", "--reason", "left"],
    ["entity", "new", "Sample Desk", "--kind", "member"],
    ["entity", "list"],
    ["key", "rotate", "00000000"],
    ["replay", CASES],
]
"""What works on a network that stands already."""
NOWHERE = "postgresql://desk:secret-word@127.0.0.1:1/appeals"


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
        opened.append(settings_database_of(settings))
        return opened[-1]

    monkeypatch.setattr(database_and_pepper, "database_of", database_of)
    yield lambda *said: CliRunner().invoke(commands.cli, said)
    for database in opened:
        database.engine.dispose()


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, appeals: Appeals) -> Refused:
    """Run the command as a shell does; the one sentence with which it ends."""

    def run(*said: str) -> str:
        monkeypatch.setattr("sys.argv", ["appeals", *said])
        with pytest.raises(SystemExit) as ended:
            command.main()
        assert isinstance(ended.value.code, str)
        assert "\n" not in ended.value.code
        return ended.value.code

    return run


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a service answered wherever it is asked."""
    monkeypatch.setattr(replay_player, "check", lambda _file, _url: None)


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
        assert isinstance(started.exception, migrations.DatabaseNotReady)
        assert str(started.exception) == migrations.OTHER_SCHEMA
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
    assert refused("migrate", "9999").startswith("appeals: the schema cannot be brought to 9999: ")


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
    assert said == "appeals: the database is busy, nothing was changed; try again"


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
    assert refused(*said) == f"appeals: there is no database kept/appeals.db; {where}"
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
    assert refused(*said) == "appeals: there is no network here yet; appeals serve founds it on its first start"
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
    assert refused("account", "list") == f"appeals: {migrations.OTHER_SCHEMA}"
    database = Database(here)
    assert not database.is_ready()
    database.engine.dispose()


@pytest.mark.parametrize("said", [ON_A_NETWORK[0], ON_A_NETWORK[-2], ON_A_NETWORK[-1]], ids=" ".join)
@pytest.mark.usefixtures("answering")
def test_a_key_is_made_with_the_pepper_of_the_service_or_not_at_all(
    refused: Refused, here: str, monkeypatch: pytest.MonkeyPatch, world: World, tmp_path: Path, said: list[str]
) -> None:
    monkeypatch.delenv("APPEALS_PEPPER")
    where = "run this where the service runs, or set APPEALS_PEPPER_FILE"
    with world.database.reading() as session:
        before = session.scalars(select(Account.name)).all()
    assert refused(*said) == f"appeals: there is no pepper appeals.pepper; {where}"
    with world.database.reading() as session:
        assert session.scalars(select(Account.name)).all() == before
    assert not (tmp_path / "appeals.pepper").exists()


# keys and accounts

ENTITIES = (
    "East Asia, Europe, Europe Production, Garment Workers Centre, International Office, South Asia, South East Asia, "
    "Tannery Workers Centre"
)


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


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ([], "say either --role or --account"),
        (["--role", "reviewer", "--account", "partner"], "say either --role or --account"),
        (["--role", "reviewer", "--entity", "Atlantis"], f"no entity is named 'Atlantis'; there are: {ENTITIES}"),
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


def test_a_whole_key_is_not_repeated(appeals: Appeals, here: str, world: World) -> None:
    key = world.as_("reader").key or ""
    for said in key, key[:11], "7fK2m9Q":
        done = appeals("key", "revoke", said)
        assert done.exit_code == 1
        assert done.output == "appeals: a key is revoked by its id: give the 8 characters after ua_ and no others\n"
    assert world.as_("reader").get("/v1/me").status_code == 200


def test_keys_are_listed_with_whose_they_are_and_how_long_they_last(appeals: Appeals, here: str, world: World) -> None:
    appeals("account", "new", "zz desk", "--role", "reader")
    secrets = [appeals("key", "new", "--account", "zz desk", "--days", days).output.strip() for days in ("3", "9")]
    ids = [secret.split("_")[1] for secret in secrets]
    appeals("key", "revoke", ids[1])
    listed = appeals("key", "list").output
    with world.database.reading() as session:
        days = [session.get_one(Key, id).expires_at.date() for id in ids]
        assert len(listed.splitlines()) == len(session.scalars(select(Key.id)).all())
    assert listed.splitlines()[-2:] == [
        f"{ids[0]}\tzz desk\t{days[0]}\tnot revoked\tread write open manage\tnever used",
        f"{ids[1]}\tzz desk\t{days[1]}\trevoked\tread write open manage\tnever used",
    ]
    assert not KEY.search(listed)


def test_accounts_are_made_given_more_roles_and_listed(appeals: Appeals, here: str) -> None:
    for role, entity in (("caseworker", "South Asia"), ("reviewer", "Europe"), ("reviewer", "Europe")):
        done = appeals("account", "new", "desk", "--role", role, "--entity", entity)
        assert done.output == f"desk: {role} in {entity}\n"
    listed = appeals("account", "list").output.splitlines()
    assert "desk\tperson\tcaseworker in South Asia, reviewer in Europe" in listed


def test_an_account_holds_its_role_in_an_entity_that_exists(appeals: Appeals, here: str) -> None:
    done = appeals("account", "new", "desk", "--role", "caseworker", "--entity", "Atlantis")
    assert (done.exit_code, done.output) == (1, f"appeals: no entity is named 'Atlantis'; there are: {ENTITIES}\n")


def test_a_key_opens_what_was_said_and_all_if_nothing_was(appeals: Appeals, here: str, world: World) -> None:
    narrow = appeals("key", "new", "--account", "reader", "--scope", "manage", "--scope", "read").output
    assert re.fullmatch(rf"{KEY.pattern}\n", narrow)
    wide = appeals("key", "new", "--account", "reader").output
    with world.database.reading() as session:
        kept = [session.get_one(Key, key.split("_")[1]).scopes for key in (narrow, wide)]
    assert kept == [["read", "manage"], ["read", "write", "open", "manage"]]
    assert appeals("key", "new", "--account", "reader", "--scope", "everything").exit_code == 2


def test_a_key_is_rotated_by_its_id_once_at_a_time(appeals: Appeals, refused: Refused, here: str, world: World) -> None:
    old = appeals("key", "new", "--account", "reader", "--scope", "read").output.strip()
    key_id = old.split("_")[1]
    after = appeals("key", "rotate", key_id)
    assert re.fullmatch(rf"{KEY.pattern}\n", after.output)
    assert Person(world.client, old).get("/v1/me").status_code == holder(world, after).get("/v1/me").status_code == 200
    assert (
        f"{key_id}\treader\t{(datetime.now(UTC) + OVERLAP).date()}\trotated\tread\tused {datetime.now(UTC).date()}"
        in (appeals("key", "list").output)
    )
    assert refused("key", "rotate", key_id).startswith("appeals: Two keys are live already")
    assert old not in refused("key", "rotate", key_id)


def test_the_last_use_of_a_key_is_listed_by_its_day(appeals: Appeals, here: str, world: World) -> None:
    key_id = (world.as_("reader").key or "").split("_")[1]
    with world.database.writing() as session:
        note_use(session, key_id, date(2026, 3, 1))
    assert any(line.startswith(key_id) and line.endswith("\tused 2026-03-01") for line in listed_keys(appeals))


def listed_keys(appeals: Appeals) -> list[str]:
    """The lines of `key list`."""
    return appeals("key", "list").output.splitlines()


def test_roles_are_granted_and_ended_and_accounts_disabled(appeals: Appeals, here: str, world: World) -> None:
    assert appeals("account", "grant", "dashboard", "--role", "reader", "--entity", "Europe").output == (
        "dashboard: reader in Europe\n"
    )
    assert world.as_("dashboard").get("/v1/cases").status_code == 200
    assert appeals("account", "end-role", "dashboard", "--role", "reader", "--entity", "Europe").output == (
        "dashboard: no longer reader in Europe\n"
    )
    assert world.as_("dashboard").get("/v1/cases").status_code == 403
    assert appeals("account", "disable", "dashboard", "--reason", "left").output == "dashboard: disabled\n"
    assert world.as_("dashboard").get("/v1/me").status_code == 401
    assert "dashboard\tperson\tdisabled" in appeals("account", "list").output.splitlines()


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (["grant", "nobody", "--role", "reader"], "no account is named 'nobody'"),
        (["disable", "nobody", "--reason", "left"], "no account is named 'nobody'"),
        (["end-role", "reader", "--role", "partner"], "reader is no partner in International Office"),
        (["new", "gone", "--role", "reader"], "the account 'gone' was disabled; choose another name"),
    ],
)
def test_what_cannot_be_done_to_an_account_is_told(appeals: Appeals, here: str, said: list[str], answer: str) -> None:
    appeals("account", "new", "gone", "--role", "reader")
    appeals("account", "disable", "gone", "--reason", "mistake")
    done = appeals("account", *said)
    assert (done.exit_code, done.output) == (1, f"appeals: {answer}\n")


def test_the_last_admin_stays_also_by_command(refused: Refused, here: str) -> None:
    told = "appeals: Nobody would administer the network; make another admin of the root first."
    assert refused("account", "end-role", "admin", "--role", "admin") == told
    assert refused("account", "disable", "admin", "--reason", "left") == told


def test_entities_are_made_and_listed_as_a_tree(appeals: Appeals, refused: Refused, here: str) -> None:
    made = appeals(
        "entity", "new", "Sample Desk", "--kind", "member", "--parent", "Europe Production", "--country", "SE"
    )
    assert made.output == "Sample Desk: member below Europe Production\n"
    lines = appeals("entity", "list").output.splitlines()
    assert lines[0] == "International Office\tinternational_office\tno country"
    at = lines.index("  Europe\tregional_coalition\tno country")
    assert lines[at + 1 : at + 3] == ["    Europe Production\tsubgroup\tno country", "      Sample Desk\tmember\tSE"]
    assert refused("entity", "new", "Group", "--kind", "subgroup") == (
        "appeals: kind has its place below one of: regional_coalition"
    )
    for said, answer in (
        (["Europe", "--kind", "member"], "an entity is named 'Europe' already"),
        (["X", "--kind", "member", "--country", "Europe"], "country: Value error, must be an ISO 3166-1 alpha-2"),
        (["X", "--kind", "member", "--parent", "Atlantis"], "no entity is named 'Atlantis'; there are: East Asia"),
    ):
        done = appeals("entity", "new", *said)
        assert done.exit_code == 1
        assert done.output.startswith(f"appeals: {answer}")


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
    refused: Refused,
    settings: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    value: str,
    says: str,
) -> None:
    settings(database_url="sqlite:///new.db")
    monkeypatch.setenv(name, value)
    told = refused("serve")
    assert told.startswith(f"appeals: {says}")
    assert "guessable" not in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["nonsense", "postgresql://desk:half@of:secret-word@127.0.0.1/appeals"])
def test_an_address_that_cannot_be_read_is_not_repeated(
    refused: Refused, settings: Callable[..., None], value: str
) -> None:
    settings(database_url=value)
    assert re.fullmatch(r"appeals: APPEALS_DATABASE_URL .*", told := refused("serve"))
    assert value not in told
    assert "secret-word" not in told


def test_a_file_of_secrets_that_cannot_be_read_is_named(
    refused: Refused, settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings(database_url=NOWHERE)
    for name, says in ("missing", "No such file or directory"), (".", "Is a directory"):
        settings(database_password_file=name)
        for said in ["serve"], ["migrate"], *ON_A_NETWORK[:-1]:
            assert refused(*said) == f"appeals: APPEALS_DATABASE_PASSWORD_FILE: {name}: {says}"
    (tmp_path / "latin").write_bytes(b"gar\xe7on")
    settings(database_password_file=str(tmp_path / "latin"))
    assert refused("serve") == f"appeals: the password in {tmp_path}/latin is not written in UTF-8"
    monkeypatch.delenv("APPEALS_DATABASE_PASSWORD_FILE")
    monkeypatch.delenv("APPEALS_PEPPER")
    settings(pepper_file=".")
    assert refused("serve") == "appeals: APPEALS_PEPPER_FILE: .: Is a directory"


def test_an_empty_file_is_no_pepper(tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text("\n")
    with pytest.raises(SettingsError, match="shorter than 16"):
        pepper_of(Settings(pepper_file=tmp_path / "pepper"))


# the table and the pages


def test_lifecycle_prints_a_row_for_every_step(appeals: Appeals) -> None:
    rows = appeals("lifecycle").output.splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [step.noun for step in STEPS]


def test_docs_writes_the_pages_and_tells_when_they_are_out_of_date(
    appeals: Appeals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(generated_docs, "DOCS", tmp_path)
    refused = appeals("docs", "--check")
    assert refused.exit_code == 1
    assert "lifecycle.md" in refused.output
    assert appeals("docs").exit_code == 0
    assert appeals("docs", "--check").exit_code == 0
    (tmp_path / "configuration.md").write_text("old")
    assert appeals("docs", "--check").output == "appeals: out of date, run make docs: configuration.md\n"


# replay


def test_replay_takes_all_three_keys_or_none(appeals: Appeals, here: str) -> None:
    done = appeals("replay", CASES, "--coordinator-key", "ua_")
    assert (done.exit_code, done.output) == (1, "appeals: give all three keys, or none\n")


def test_replay_names_a_file_that_is_not_there(appeals: Appeals, here: str) -> None:
    done = appeals("replay", "nofile.jsonl")
    assert done.exit_code == 2
    assert "'nofile.jsonl' does not exist" in done.output


def test_replay_tells_when_nothing_answers_and_makes_no_account(
    refused: Refused, here: str, settings: Callable[..., None], world: World
) -> None:
    settings(port="1")
    for said, url in ([], "http://127.0.0.1:1"), (["--url", "http://127.0.0.1:2"], "http://127.0.0.1:2"):
        told = refused("replay", CASES, *said)
        assert told == f"appeals: nothing answers at {url}; is the service running? --url names another"
    with world.database.reading() as session:
        assert session.scalar(select(Account.id).where(Account.name.startswith("replay"))) is None


@pytest.mark.usefixtures("answering")
def test_replay_without_keys_makes_three_for_a_day(
    appeals: Appeals, here: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, str]] = []

    def played(_file: Path, _url: str, keys: dict[str, str], _console: object) -> list[replay_results.Result]:
        given.append(keys)
        return []

    monkeypatch.setattr(replay_player, "replay", played)
    assert appeals("replay", CASES).exit_code == 0
    (keys,) = given
    names = [Person(world.client, key).get("/v1/me").json()["name"] for key in keys.values()]
    assert names == ["replay coordinator", "replay caseworker", "replay reviewer"]


def test_without_arguments_it_says_what_it_can_do(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("sys.argv", ["appeals"])
    with pytest.raises(SystemExit):
        command.main()
    said = capsys.readouterr()
    assert all(word in said.out + said.err for word in ("serve", "migrate", "replay", "account", "key", "lifecycle"))


def test_after_restoring_a_copy_readers_of_the_feed_begin_anew(appeals: Appeals, here: str, world: World) -> None:
    place = world.coordinator.get("/v1/changes").json()["next"]
    assert world.coordinator.get(f"/v1/changes?since={place}").status_code == 200
    assert appeals("reset-feed").exit_code == 0
    assert world.coordinator.get(f"/v1/changes?since={place}").status_code == 410


def test_render_renders_all_and_counts_anew(appeals: Appeals, here: str, world: World) -> None:
    world.case()
    with world.database.writing() as session:
        session.execute(update(CaseSnapshot).values(status_tag="old"))
    assert appeals("rebuild").output == "rendered: 1 cases\n"
    assert world.coordinator.get("/v1/statistics").json()["items"] == [{"cases": 1}]
