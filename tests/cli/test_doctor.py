"""The doctor: every check finds its fault, and nothing in a sound network with sound settings."""

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url, text, update
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

from appeals.accounts import bootstrap
from appeals.accounts.account import Account, Membership, account_named, grant
from appeals.accounts.api_key import Key
from appeals.accounts.entity import Entity, entity_named
from appeals.cli import commands, database_and_pepper, doctor, installation_checks
from appeals.cli.checks import Installation, Network
from appeals.cli.installation_checks import OF_THE_INSTALLATION, UNREADABLE
from appeals.cli.network_checks import OF_THE_NETWORK, first_keys
from appeals.database import migrations
from appeals.database.engine import Database
from appeals.database.schema_version import head_revision
from appeals.settings import Settings, database_of
from appeals.vocabulary import Role
from tests.conftest import PEPPER
from tests.support.cast import World

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
FAR = "postgresql://desk@db.example.org/appeals"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody on this machine may look into; pytest's own is closed to others."""
    with tempfile.TemporaryDirectory(prefix="appeals-doctor-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def safe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings about which there is nothing to say, but that no database is there."""
    monkeypatch.delenv("PGSSLMODE", raising=False)
    pepper = folder / "pepper"
    pepper.write_text(PEPPER)
    pepper.chmod(0o600)
    return Settings(database_url=f"sqlite:///{folder}/appeals.db", pepper_file=pepper)


def found(settings: Settings, database: Database | None = None) -> dict[str, str]:
    """What the doctor says, by the names of the checks."""
    opened = database or database_of(settings)
    said = {finding.check: finding.says for finding in doctor.findings(settings, opened, NOW)}
    if database is None:
        opened.engine.dispose()
    return said


def with_(settings: Settings, **changed: object) -> Settings:
    """The same settings but for some."""
    return settings.model_copy(update=changed)


def of_settings(settings: Settings) -> dict[str, str]:
    """What is said of the settings alone."""
    database = database_of(settings)
    at = Installation(settings, database)
    checks = [check for check in OF_THE_INSTALLATION if check.name != "database.unreadable"]
    said = {finding.check: finding.says for check in checks for finding in check.findings(at)}
    database.engine.dispose()
    return said


# Settings


def test_safe_settings_are_safe(safe: Settings) -> None:
    assert of_settings(safe) == {}


def test_a_database_that_is_not_there_is_told_and_no_further_looked_into(safe: Settings, folder: Path) -> None:
    said = found(safe)
    assert list(said) == ["database.unreadable"]
    assert f"the database {folder}/appeals.db does not exist" in said["database.unreadable"]
    assert not (folder / "appeals.db").exists()


def test_a_pepper_is_there_and_long_enough(safe: Settings, folder: Path) -> None:
    absent = with_(safe, pepper_file=folder / "absent")
    assert list(of_settings(absent)) == ["pepper.missing"]
    assert not (folder / "absent").exists()
    safe.pepper_file.write_text("guessable \n")
    said = of_settings(safe)
    assert list(said) == ["pepper.short"]
    assert "guessable" not in said["pepper.short"]
    said = of_settings(with_(safe, pepper=SecretStr("guessable")))
    assert list(said) == ["pepper.short", "pepper.in_environment"]
    assert "guessable" not in str(said)
    assert list(of_settings(with_(safe, pepper=SecretStr(PEPPER)))) == ["pepper.in_environment"]


def test_webhooks_to_this_machine_are_for_trying_only(safe: Settings) -> None:
    assert list(of_settings(with_(safe, webhooks_to_loopback=True))) == ["webhooks.to_this_machine"]


@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o640, False), (0o644, True), (0o602, True)])
def test_a_secret_is_closed_to_others(safe: Settings, folder: Path, mode: int, is_open: bool) -> None:
    safe.pepper_file.chmod(mode)
    said = of_settings(safe)
    assert list(said) == (["secret.open"] if is_open else [])
    assert str(safe.pepper_file) in str(said) or not is_open
    folder.chmod(0o700)  # a folder that is closed closes what lies in it
    assert of_settings(safe) == {}


def test_a_database_that_the_service_makes_is_closed_to_others(safe: Settings, folder: Path) -> None:
    before = os.umask(0o022)
    try:
        database = database_of(safe)
        migrations.migrate(database)
    finally:
        os.umask(before)
    with database.writing() as session:
        session.execute(update(Key).values(revoked_at=NOW))
    modes = {file.name: file.stat().st_mode & 0o777 for file in folder.glob("appeals.db*")}
    assert modes == dict.fromkeys(("appeals.db", "appeals.db-wal", "appeals.db-shm"), 0o600)
    database.engine.dispose()
    assert of_settings(safe) == {}


def test_a_database_whose_url_says_how_to_open_it_is_made_by_nobody_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    database = Database("sqlite:///file:appeals.db?mode=rw&uri=true")
    with pytest.raises(OperationalError):
        database.engine.connect()
    assert list(folder.iterdir()) == []


def test_connecting_ends_no_lock_that_this_process_holds_on_the_file(safe: Settings, folder: Path) -> None:
    database = database_of(safe)
    migrations.migrate(database)
    database.engine.dispose()
    looked = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 1)"
    with (folder / "appeals.db").open("r+") as held:
        fcntl.lockf(held, fcntl.LOCK_EX, 1, 1)  # a byte that SQLite itself never locks
        database.engine.connect().close()
        command_line = [sys.executable, "-c", looked, str(folder / "appeals.db")]
        other = subprocess.run(command_line, check=False, capture_output=True, text=True)  # noqa: S603 - our own
    database.engine.dispose()
    assert "BlockingIOError" in other.stderr


def test_a_database_and_a_file_with_a_password_are_closed_to_others(safe: Settings, folder: Path) -> None:
    password, database = folder / "password", folder / "appeals.db"
    for file in password, database:
        file.write_text("a secret word")
        file.chmod(0o644)
    said = of_settings(safe)
    assert list(said) == ["database.open"]
    assert str(database) in said["database.open"]
    far = with_(safe, database_url=f"{FAR}?sslmode=verify-full", database_password_file=password)
    says = f"Other users of this machine can read {password}: run chmod 600 on it, or close its folder (chmod 700)."
    assert of_settings(far) == {"secret.open": says}


def test_the_secrets_of_a_container_are_its_own(safe: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    safe.pepper_file.chmod(0o444)
    assert list(of_settings(safe)) == ["secret.open"]
    monkeypatch.setattr(installation_checks, "MOUNTED_SECRETS", safe.pepper_file.resolve().parent)
    assert of_settings(safe) == {}


def test_an_embedded_database_has_one_worker(safe: Settings) -> None:
    assert list(of_settings(with_(safe, workers=2))) == ["database.several_writers"]
    assert of_settings(with_(safe, workers=2, database_url=f"{FAR}?sslmode=verify-full")) == {}


@pytest.mark.parametrize(
    ("url", "check"),
    [
        (FAR, "database.unprotected_line"),
        (f"{FAR}?sslmode=prefer", "database.unprotected_line"),
        (f"{FAR}?sslmode=disable", "database.unprotected_line"),
        ("postgresql://desk@/appeals?host=db.example.org", "database.unprotected_line"),
        ("postgresql://desk@/appeals?host=localhost,db.example.org", "database.unprotected_line"),
        ("postgresql://desk@/appeals?host=localhost&host=10.0.0.9", "database.unprotected_line"),
        ("postgresql://desk@localhost/appeals?hostaddr=10.0.0.9", "database.unprotected_line"),
        ("postgresql://desk@10.0.0.9/appeals", "database.unprotected_line"),
        ("postgresql://desk@167772169/appeals", "database.unprotected_line"),  # 10.0.0.9 as one number
        ("postgresql://desk@database/appeals", "database.neighbours_line"),
        ("postgresql://desk@/appeals?host=database", "database.neighbours_line"),
        ("postgresql://desk@database/appeals?sslmode=verify-full", None),
        (f"{FAR}?sslmode=require", "database.unnamed_line"),
        (f"{FAR}?sslmode=verify-ca", "database.unnamed_line"),
        (f"{FAR}?sslmode=verify-full", None),
        ("postgresql://desk@localhost/appeals", None),
        ("postgresql://desk@127.0.0.2/appeals", None),
        ("postgresql://desk@[::1]/appeals", None),
        ("postgresql://desk@/appeals?host=/run/database", None),
        ("postgresql:///appeals", None),
    ],
)
def test_the_line_to_a_far_database_is_protected(safe: Settings, url: str, check: str | None) -> None:
    assert list(of_settings(with_(safe, database_url=url))) == ([check] if check else [])


def test_the_protection_of_the_line_may_stand_in_the_environment(
    safe: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert of_settings(with_(safe, database_url=FAR)) == {}


@pytest.mark.parametrize(
    "url",
    ["postgresql://desk:secret-word@localhost/appeals", "postgresql://desk@localhost/appeals?password=secret-word"],
)
def test_a_password_in_the_url_is_told_and_not_repeated(safe: Settings, folder: Path, url: str) -> None:
    said = of_settings(with_(safe, database_url=url))
    assert list(said) == ["database.password_in_url"]
    assert "secret-word" not in str(said)
    (folder / "password").write_text("secret-word")
    (folder / "password").chmod(0o600)
    filed = with_(safe, database_url="postgresql://desk@localhost/a", database_password_file=folder / "password")
    assert of_settings(filed) == {}
    said = of_settings(with_(filed, migration_database_url=url))
    assert list(said) == ["database.password_in_url", "database.owner_at_hand"]
    assert "APPEALS_MIGRATION_DATABASE_PASSWORD_FILE" in said["database.password_in_url"]
    assert "secret-word" not in str(said)


@pytest.mark.parametrize(
    ("host", "proxy", "checks"),
    [
        ("127.0.0.1", None, []),
        ("localhost", None, []),
        ("::1", None, []),
        ("0.0.0.0", None, ["proxy.missing"]),  # noqa: S104 - that is what is looked for
        ("::", None, ["proxy.missing"]),
        ("192.0.2.7", None, ["proxy.missing"]),
        ("192.0.2.7", "192.0.2.8", []),
        ("127.0.0.1", "*", ["proxy.anybody"]),
        ("0.0.0.0", "10.0.0.1, 0.0.0.0/0", ["proxy.anybody"]),  # noqa: S104
    ],
)
def test_who_listens_to_all_names_the_web_server_in_front(
    safe: Settings, host: str, proxy: str | None, checks: list[str]
) -> None:
    assert list(of_settings(with_(safe, host=host, proxy=proxy))) == checks


# The network


@pytest.fixture
def network(safe: Settings, world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, str]]:
    """What the doctor says of the network, whose keys last for a usual time."""
    monkeypatch.setattr(doctor, "OF_THE_INSTALLATION", (UNREADABLE,))
    change(world, Key, expires_at=NOW + 200 * DAY)
    return lambda: found(safe, world.database)


def change(world: World, table: type[Key | Account | Entity | Membership], *where: object, **values: object) -> None:
    """Change rows of a table."""
    with world.unprotected() as session:
        session.execute(update(table).where(*where).values(**values))  # type: ignore[arg-type]


def key_of(world: World, name: str) -> str:
    """The id of somebody's key."""
    return world.cast.keys[name].split("_")[1]


def test_of_a_sound_network_there_is_nothing_to_say(network: Callable[[], dict[str, str]]) -> None:
    assert network() == {}


def test_another_schema_is_told(network: Callable[[], dict[str, str]], world: World) -> None:
    is_at = text("UPDATE alembic_version SET version_num = :revision")
    with world.owner() as owner, owner.writing() as session:
        session.execute(is_at, {"revision": "0000"})
    said = network()
    assert list(said) == ["database.unreadable"]
    assert "appeals migrate" in said["database.unreadable"]
    with world.owner() as owner, owner.writing() as session:
        session.execute(is_at, {"revision": head_revision()})
    assert network() == {}


@pytest.mark.behind_the_back
def test_a_table_that_is_kept_no_more_is_told(network: Callable[[], dict[str, str]], world: World) -> None:
    with world.owner() as owner, owner.writing() as session:
        on = "" if owner.embedded else " ON opening"
        session.execute(text(f"DROP TRIGGER opening_not_deleted{on}"))
    said = network()
    assert list(said) == ["schema.unprotected"]
    assert "opening_not_deleted" in said["schema.unprotected"]
    assert "appeals migrate" in said["schema.unprotected"]
    world.migrate()
    assert network() == {}


@pytest.mark.parametrize("role", ["admin", "coordinator"])
def test_somebody_with_a_live_key_is_at_the_root(
    network: Callable[[], dict[str, str]], world: World, role: str
) -> None:
    says = f"No {role} of the root entity has a live key"
    change(world, Key, Key.id == key_of(world, role), expires_at=NOW)
    assert says in network()["root.nobody"]
    change(world, Key, Key.id == key_of(world, role), expires_at=NOW + 200 * DAY)
    change(world, Account, Account.name == role, active=False)
    assert says in network()["root.nobody"]
    change(world, Account, Account.name == role, active=True)
    assert network() == {}
    change(world, Membership, Membership.role == role, ended_at=NOW)
    assert says in network()["root.nobody"]


def test_an_admin_has_no_role_on_cases(network: Callable[[], dict[str, str]], world: World) -> None:
    add_role(world, "admin", Role.AUDITOR)
    assert network() == {}
    add_role(world, "admin", Role.READER)
    said = network()
    assert list(said) == ["account.admin_with_cases"]
    assert said["account.admin_with_cases"].startswith("admin is an admin and also holds a role")
    change(world, Membership, Membership.role == Role.READER, ended_at=NOW)
    assert network() == {}


def test_a_partner_held_above_others_is_noted(network: Callable[[], dict[str, str]], world: World) -> None:
    """They work on what that entity logs itself, which is rarely what was meant (domain.md 3)."""
    add_role(world, "other partner", Role.PARTNER)
    said = network()
    assert list(said) == ["account.partner_above"]
    assert said["account.partner_above"].startswith("other partner is partner in Europe, which has entities below it")
    change(world, Account, Account.name == "other partner", active=False)
    assert "account.partner_above" not in network()


def add_role(world: World, name: str, role: Role) -> None:
    """Let one of the people hold a role in Europe."""
    with world.database.writing() as session:
        account, europe = account_named(session, name), entity_named(session, "Europe")
        assert account
        assert europe
        membership = grant(session, account, role, europe, NOW)
        membership.confirmed_by = UUID(world.cast.accounts["coordinator"])


def test_keys_that_end_soon_live_long_or_lie_idle_are_noted(
    network: Callable[[], dict[str, str]], world: World
) -> None:
    key = key_of(world, "reader")
    changes: dict[str, dict[str, Any]] = {
        "key.soon_over": {"expires_at": NOW + 29 * DAY},
        "key.too_long": {"expires_at": NOW + 500 * DAY},
        "key.idle": {"last_used_on": NOW.date() - 91 * DAY},
    }
    for check, values in changes.items():
        change(world, Key, Key.id == key, expires_at=NOW + 200 * DAY, last_used_on=None)
        assert network() == {}
        change(world, Key, Key.id == key, **values)
        said = network()
        assert list(said) == [check]
        assert f"{key} of reader" in said[check]
        change(world, Key, Key.id == key, revoked_at=NOW)
        assert list(network()) == ["account.locked_out"]
        change(world, Key, Key.id == key, revoked_at=None)


def test_a_first_key_is_to_be_rotated_until_it_is(network: Callable[[], dict[str, str]], world: World) -> None:
    """It was printed, and whoever keeps the service's output has it."""
    key, other = key_of(world, "coordinator"), key_of(world, "reader")
    change(world, Key, Key.id == key, origin="first_start")
    assert list(network()) == ["key.first"]
    assert f"{key} of coordinator" in network()["key.first"]
    change(world, Key, Key.id == key, last_used_on=NOW.date())
    assert list(network()) == ["key.first"]
    change(world, Key, Key.id == key, replaced_by_id=other)
    assert network() == {}
    change(world, Key, Key.id == key, replaced_by_id=None, revoked_at=NOW)
    assert "key.first" not in network()


def test_the_keys_that_serve_prints_are_first_keys(empty_url: str) -> None:
    database = Database(empty_url)
    migrations.migrate(database)
    assert bootstrap.bootstrap(database, PEPPER.encode(), NOW)
    with database.reading() as session:
        at = Network(session, NOW)
        assert sorted(line.split(" of ")[1] for line in first_keys(at)) == [
            f"first {role} (until {(NOW + bootstrap.FIRST_KEYS_LAST).date()})" for role in ("admin", "coordinator")
        ]
    database.engine.dispose()


def test_a_key_that_was_never_used_is_idle_from_its_making(network: Callable[[], dict[str, str]], world: World) -> None:
    key = Key.id == key_of(world, "reader")
    change(world, Key, key, recorded_at=NOW - 91 * DAY)
    assert list(network()) == ["key.idle"]
    change(world, Key, key, last_used_on=(NOW - DAY).date())
    assert network() == {}


def test_whoever_has_no_live_key_is_noted_unless_disabled(network: Callable[[], dict[str, str]], world: World) -> None:
    change(world, Key, Key.id == key_of(world, "reader"), expires_at=NOW - DAY)
    said = network()
    assert list(said) == ["account.locked_out"]
    assert said["account.locked_out"].startswith("reader has no live key")
    change(world, Account, Account.name == "reader", active=False)
    assert network() == {}


def test_the_tree_is_sound(network: Callable[[], dict[str, str]], world: World) -> None:
    asia = Entity.name == "South Asia"
    change(world, Entity, asia, kind="subgroup")
    assert network()["network.misplaced"].startswith(
        "An entity is in the wrong place of the tree: South Asia, a subgroup, must"
    )
    change(world, Entity, asia, kind="regional_coalition")
    path = f"/{'0' * 32}/"
    change(world, Entity, Entity.name == "Garment Workers Centre", path=path)
    assert "Garment Workers Centre" in network()["network.paths"]


def test_there_is_one_root(network: Callable[[], dict[str, str]], world: World) -> None:
    change(world, Entity, Entity.name == "Tannery Workers Centre", parent_id=None)
    said = network()
    assert "International Office, Tannery Workers Centre" in said["network.roots"]
    assert "network.misplaced" in said


# The command


def test_doctor_tells_a_line_each_and_ends_with_one_if_there_is_a_problem(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"DATABASE_URL": database_url, "PEPPER": PEPPER, "HOST": "0.0.0.0"}.items():  # noqa: S104
        monkeypatch.setenv(f"APPEALS_{name}", value)
    monkeypatch.setattr(database_and_pepper, "database_of", lambda _: world.database)
    change(world, Key, expires_at=NOW + 20 * DAY)
    done = CliRunner().invoke(commands.cli, ["doctor"])
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert all(line.startswith(("problem: ", "note: ")) for line in lines)
    assert any("APPEALS_PROXY" in line for line in lines if line.startswith("problem: "))
    assert sum(" of reader (until " in line for line in lines if line.startswith("note: ")) == 1
    for secret in (PEPPER, *(key[12:] for key in world.cast.keys.values()), make_url(database_url).password or PEPPER):
        assert secret not in done.output
    monkeypatch.setattr(doctor, "OF_THE_INSTALLATION", (UNREADABLE,))
    done = CliRunner().invoke(commands.cli, ["doctor"])
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "no problems")


def test_each_check_has_a_name_of_its_own_and_a_sentence() -> None:
    checks = [(check.name, check.says) for check in OF_THE_INSTALLATION]
    checks += [(check.name, check.says) for check in OF_THE_NETWORK]
    assert len(dict(checks)) == len(checks)
    for _, says in checks:
        said = says.format("X")
        assert "X" in said
        assert said.endswith(".")
