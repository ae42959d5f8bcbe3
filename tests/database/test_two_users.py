"""On PostgreSQL one user migrates and owns the tables, and the service's own user has only the rights it needs."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from appeals.cli import doctor
from appeals.cli.checks import Network
from appeals.cli.network_checks import OF_THE_NETWORK
from appeals.cli.population import populate
from appeals.database import migrations, protection
from appeals.database.append_only import TABLES, Working
from appeals.database.engine import Database
from appeals.database.requirements import DatabaseNotReady
from appeals.lifecycle import due_dates
from appeals.read_models import statistics_folding
from appeals.read_models.case_snapshot import all_counted_cases, rebuild
from appeals.read_models.change_feed import reset_feed
from appeals.settings import Settings
from tests.conftest import SERVICE, run_on_server, server_url
from tests.support.cast import World, as_owner, intake

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _on_a_server(dialect: str) -> None:
    if dialect == "sqlite":
        pytest.skip("a file has no users")


@pytest.fixture
def closing() -> Iterator[Callable[[str], Database]]:
    """Opens databases, and closes them in the end."""
    opened: list[Database] = []

    def opening(url: str) -> Database:
        opened.append(Database(url))
        return opened[-1]

    yield opening
    for database in opened:
        database.engine.dispose()


def said(database: Database) -> dict[str, str]:
    """What the doctor says of who may do what to the tables."""
    url = database.engine.url.render_as_string(hide_password=False)
    settings = Settings(database_url=url, pepper="a pepper that is long enough")
    found = doctor.findings(settings, database, NOW)
    checks = ("schema.unprotected", "schema.other_rights", "database.one_user", "database.owner_at_hand")
    return {finding.check: finding.says for finding in found if finding.check in checks}


# What the service's user may not


FORGERIES = (
    "DELETE FROM consent",
    "DELETE FROM access_log",
    "TRUNCATE status_history CASCADE",
    "UPDATE status_history SET role = 'admin'",
    "UPDATE consent SET subject = 'workers_union'",
    "UPDATE membership SET role = 'admin'",
    "UPDATE alembic_version SET version_num = '0001'",
    "ALTER TABLE status_history DISABLE TRIGGER ALL",
    "DROP TRIGGER status_history_not_updated ON status_history",
    "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    "DROP TABLE status_history CASCADE",
    "ALTER TABLE status_history OWNER TO CURRENT_USER",
    "SET session_replication_role = replica",
    "DROP SCHEMA public CASCADE",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "GRANT DELETE ON consent TO CURRENT_USER",
    "INSERT INTO access_log SELECT * FROM access_log ON CONFLICT (id) DO UPDATE SET kind = 'view'",
    "MERGE INTO consent c USING consent d ON c.id = d.id WHEN MATCHED THEN UPDATE SET state = 'refused'",
    "UPDATE pg_trigger SET tgenabled = 'D'",
    "CREATE FUNCTION append_nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    "CREATE TRIGGER passes BEFORE UPDATE ON consent EXECUTE FUNCTION append_only()",
    "CREATE RULE passes AS ON INSERT TO access_log DO INSTEAD NOTHING",
    "ALTER FUNCTION append_only() RENAME TO append_nothing",
    "SET ROLE {owner}",
    "SET SESSION AUTHORIZATION {owner}",
    "GRANT {owner} TO CURRENT_USER",
)


def test_the_service_may_not_forge(world: World) -> None:
    reference = world.case_in("screening")
    before = world.history(reference)
    owner = make_url(as_owner(world.database.engine.url.render_as_string(hide_password=False))).username
    for forgery in FORGERIES:
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner|no privileges were granted"):
            run(world.database, forgery.replace("{owner}", f'"{owner}"'))
    assert world.history(reference) == before
    assert said(world.database) == {}


def run(database: Database, statement: str) -> None:
    """Run a statement as the service's user would; a warning is as good as a refusal."""
    with database.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        told: list[str] = []
        driver.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
        connection.exec_driver_sql(statement)
        connection.rollback()
        if told:
            raise DBAPIError(statement, None, Exception(told[0]))


def test_it_may_do_to_no_table_more_than_its_line_says(world: World) -> None:
    with world.database.reading() as session:
        connection = session.connection()
        assert not protection.is_owner(connection)
        assert protection.differing_rights(connection) == []
        assert "DELETE consent" not in set(protection._rights_had(connection))


# What it has to be able to do


def test_all_that_the_service_does_it_may_do(world: World) -> None:
    """What the other tests do not do over HTTP; these all run as the service's user."""
    world.case_in("closed")
    world.case_in("public_campaign")
    later = NOW + timedelta(days=400)
    due_dates.process_due(world.database, later)
    while statistics_folding.fold(world.database):
        pass
    statistics_folding.recount(world.database, all_counted_cases)
    rebuild(world.database, all_of_them=True)
    populate(world.database, 25, 1, NOW, lambda _: None)
    with world.database.writing() as session:
        reset_feed(session)
    assert world.nobody.get("/readyz").status_code == 200
    assert world.coordinator.post("/v1/cases", intake(), Idempotency_Key="key").status_code == 201


def test_whatever_may_be_done_to_a_table_is_done_by_something() -> None:
    """Of the tables that hold what follows from others: no more than what is needed."""
    assert {name for name, rule in TABLES.items() if isinstance(rule, Working) and "DELETE" in rule.may} == {
    "statistic", "statistic_delta",
    }  # fmt: skip


# Migrating


@pytest.fixture
def service(worker_id: str) -> Iterator[str]:
    """The name of a user that is not there."""
    yield from no_user(f"appeals_newcomer_{worker_id}")


@pytest.fixture
def owner(worker_id: str) -> Iterator[str]:
    """A user who may make nobody, and owns what they are given."""
    for name in no_user(f"appeals_owner_{worker_id}"):
        run_on_server(f"CREATE ROLE {name} LOGIN")
        yield name


def no_user(name: str) -> Iterator[str]:
    """A user of this name is there neither before nor after."""
    run_on_server(f"DROP ROLE IF EXISTS {name}")
    yield name
    run_on_server(f"DROP ROLE IF EXISTS {name}")


@pytest.fixture
def url(service: str, owner: str, empty_url: str) -> str:
    """A database without a schema, gone before the users that may own it are."""
    return empty_url


def of(url: str, user: str) -> str:
    """The same database as another user finds it."""
    return make_url(url).set(username=user).render_as_string(hide_password=False)


def test_the_service_user_is_made_where_it_is_not_there(
    url: str, service: str, closing: Callable[[str], Database]
) -> None:
    secret = "a'secret"  # noqa: S105 - of a user that is made here
    migrations.migrate(closing(url), service=make_url(of(url, service)).set(password=secret))
    found = closing(of(url, service))
    assert found.is_ready()
    assert not is_owner(found)
    found.engine.dispose()
    assert password_of(service).startswith("SCRAM-SHA-256$")
    migrations.migrate(closing(url), service=make_url(of(url, service)).set(password=secret * 2))


def password_of(user: str) -> str:
    """How a password is kept."""
    database = Database(server_url().render_as_string(hide_password=False))
    with database.reading() as session:
        kept = str(session.scalar(text("SELECT rolpassword FROM pg_authid WHERE rolname = :user"), {"user": user}))
    database.engine.dispose()
    return kept


def is_owner(database: Database) -> bool:
    """Whether its user could take protection away."""
    with database.reading() as session:
        return protection.is_owner(session.connection())


def test_who_migrates_takes_over_what_was_the_service_users(
    url: str, service: str, closing: Callable[[str], Database]
) -> None:
    """As in an installation of an earlier release, where there was one user."""
    run_on_server(f"CREATE ROLE {service} LOGIN", f'ALTER DATABASE "{make_url(url).database}" OWNER TO {service}')
    one = closing(of(url, service))
    migrations.migrate(one)
    assert said_of_rights(one) == {"database.one_user"}
    migrations.migrate(closing(url), service=make_url(of(url, service)))
    assert said_of_rights(one) == set()
    with pytest.raises(DBAPIError, match="must be owner"):
        run(one, "ALTER TABLE status_history DISABLE TRIGGER ALL")
    one.engine.dispose()


def said_of_rights(database: Database) -> set[str]:
    """What the checks of the tables find, where no network was founded yet."""
    with database.reading() as session:
        at = Network(session, NOW)
        checks = [check for check in OF_THE_NETWORK if check.name.startswith(("schema.", "database."))]
        return {finding.check for check in checks for finding in check.findings(at)}


def test_an_owner_who_may_make_nobody_is_told_what_to_do(
    url: str, service: str, owner: str, closing: Callable[[str], Database]
) -> None:
    run_on_server(f'ALTER DATABASE "{make_url(url).database}" OWNER TO {owner}')
    database = closing(of(url, owner))
    with pytest.raises(DatabaseNotReady, match=f"CREATE ROLE {service}"):
        migrations.migrate(database, service=make_url(of(url, service)))
    assert not database.is_ready()
    run_on_server(f"CREATE ROLE {service} LOGIN")
    migrations.migrate(database, service=make_url(of(url, service)))
    assert closing(of(url, service)).is_ready()
    database.engine.dispose()


def test_the_service_uses_the_database_that_is_migrated(
    url: str, service: str, closing: Callable[[str], Database]
) -> None:
    elsewhere = make_url(of(url, service)).set(database="elsewhere")
    with pytest.raises(DatabaseNotReady, match="elsewhere"):
        migrations.migrate(closing(url), service=elsewhere)


def test_with_one_user_nothing_is_granted_and_the_doctor_notes_it(url: str, closing: Callable[[str], Database]) -> None:
    database = closing(url)
    migrations.migrate(database, service=make_url(url))
    assert said_of_rights(database) == {"database.one_user"}


# What the doctor finds


CHANGES = {
    "ALTER TABLE status_history DISABLE TRIGGER USER": ("schema.unprotected", "status_history_not_updated"),
    "DROP TRIGGER consent_not_deleted ON consent": ("schema.unprotected", "consent_not_deleted"),
    "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$": (
        "schema.unprotected",
        "append_only",
    ),
    f"GRANT DELETE ON consent TO {SERVICE}": ("schema.other_rights", "may DELETE consent"),
    f"GRANT UPDATE (role) ON status_history TO {SERVICE}": ("schema.other_rights", "may UPDATE status_history.role"),
    f"REVOKE INSERT ON access_log FROM {SERVICE}": ("schema.other_rights", "may not INSERT access_log"),
    f"ALTER TABLE payment OWNER TO {SERVICE}": ("database.one_user", SERVICE),
}


@pytest.mark.behind_the_back
@pytest.mark.parametrize("change", CHANGES)
def test_the_doctor_names_what_is_not_as_it_was_made(world: World, change: str) -> None:
    check, names = CHANGES[change]
    assert said(world.database) == {}
    with world.owner() as owner:
        with owner.writing() as session:
            session.execute(text(change))
        assert names in said(world.database)[check]
        migrations.migrate(owner, service=world.database.engine.url)
    assert said(world.database) == {}
