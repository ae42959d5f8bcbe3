"""Migrations: one tree for both databases, up and down with rows, equal to the model, and independent of it."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import delete, inspect, text, update
from sqlalchemy.exc import IntegrityError

from appeals.cases.case import Case
from appeals.cases.history import HistoryEntry
from appeals.database import migrations, protection
from appeals.database.declarative import Base
from appeals.database.engine import Database
from appeals.database.requirements import DatabaseNotReady
from appeals.database.schema_version import LAST_SQUASHED, MIGRATIONS, head_revision, revisions
from appeals.vocabulary import Status
from tests.conftest import PEPPER
from tests.support.cast import World, kept_as_written
from tests.support.people import found_cast

VERSIONS = sorted((MIGRATIONS / "versions").glob("*.py"))


def tables(database: Database) -> set[str]:
    """The tables there are, but for Alembic's own and those of SQLite's full-text index."""
    found = inspect(database.engine).get_table_names()
    return {name for name in found if name != "alembic_version" and not name.startswith("search_index")}


def test_the_model_asks_for_nothing_that_the_migrations_do_not_make(empty_url: str) -> None:
    database = Database(empty_url)
    migrations.migrate(database)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.check(config)
    assert tables(database) == set(Base.metadata.tables)
    database.engine.dispose()


def test_every_constraint_and_index_has_a_name(world: World) -> None:
    found = inspect(world.database.engine)
    unnamed = [
        (table, constraint)
        for table in tables(world.database)
        for constraint in (
            found.get_pk_constraint(table),
            *found.get_foreign_keys(table),
            *found.get_unique_constraints(table),
            *found.get_check_constraints(table),
            *found.get_indexes(table),
        )
        if not str(constraint["name"]).startswith(("pk_", "fk_", "uq_", "ck_", "ix_"))
    ]
    assert unnamed == []


def found_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the schema away and lay it again, with the cast in it."""
    world.migrate("base")
    assert tables(world.database) == set()
    with world.owner() as owner:
        monkeypatch.setattr(world, "cast", found_cast(owner, PEPPER.encode(), world.database.engine.url))


def test_a_filled_database_goes_down_and_up_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for state in ("public_campaign", "monitoring", "closed"):
        world.case_in(state)
    found_anew(world, monkeypatch)
    assert world.history(world.case_in("public_campaign"))[-1]["step"] == "escalation"


def test_migrating_a_database_that_is_up_to_date_changes_nothing(world: World) -> None:
    reference = world.case_in("engagement")
    before = world.history(reference)
    world.migrate()
    assert world.history(reference) == before


def test_several_processes_may_migrate_one_empty_database_at_once(empty_url: str) -> None:
    environment = {**os.environ, "APPEALS_DATABASE_URL": empty_url}
    running = [subprocess.Popen([sys.executable, "-m", "appeals", "migrate"], env=environment) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    database = Database(empty_url)
    assert database.is_ready()
    database.engine.dispose()


def set_revision(world: World, revision: str) -> None:
    """Let a database say that it is at a revision."""
    with world.owner() as owner, owner.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def step_back_to_before_the_first(world: World, revision: str) -> None:
    """Let a database have the schema of the first revision, and say that it is at an older one."""
    if len(VERSIONS) > 1:
        world.migrate(f"-{len(VERSIONS) - 1}")
    set_revision(world, revision)


def revision_of(world: World) -> str | None:
    """The revision a database says that it is at."""
    with world.database.reading() as session:
        revision: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
        return revision


def test_a_database_at_another_revision_is_not_ready(world: World) -> None:
    assert world.database.is_ready()
    set_revision(world, "9999")
    assert not world.database.is_ready()


def test_a_database_at_the_last_revision_that_was_squashed_is_taken_for_one_at_the_first(world: World) -> None:
    reference = world.case_in("screening")
    before = world.history(reference)
    step_back_to_before_the_first(world, LAST_SQUASHED)
    assert not world.database.is_ready()
    world.migrate()
    assert world.database.is_ready()
    assert revision_of(world) == head_revision()
    assert world.history(reference) == before
    with world.database.reading() as session:
        assert protection.differing_triggers(session.connection()) == []


@pytest.mark.behind_the_back
@pytest.mark.parametrize("older", ["0001", f"{int(LAST_SQUASHED) - 1:04d}"])
def test_an_older_database_is_refused_with_what_to_do_first(world: World, older: str) -> None:
    reference = world.case_in("screening")
    before = world.history(reference)
    step_back_to_before_the_first(world, older)
    what_to_do = f"at revision {older}.* {LAST_SQUASHED} with the release before"
    with pytest.raises(DatabaseNotReady, match=what_to_do):
        world.migrate()
    assert revision_of(world) == older
    assert world.history(reference) == before


def test_a_database_that_is_not_as_its_revision_leaves_it_is_refused(world: World) -> None:
    with world.owner() as owner, owner.writing() as session:
        session.execute(text("DROP INDEX ix_access_log_at"))
        session.execute(text('ALTER TABLE webhook ADD COLUMN "colour" VARCHAR'))
    step_back_to_before_the_first(world, LAST_SQUASHED)
    with pytest.raises(DatabaseNotReady, match=f"at revision {LAST_SQUASHED}") as refusal:
        world.migrate()
    assert all(word in str(refusal.value) for word in ("add_index ix_access_log_at", "remove_column webhook colour"))
    assert revision_of(world) == LAST_SQUASHED


@pytest.mark.parametrize("steps", [f"-{len(VERSIONS)}", f"-{len(VERSIONS) + 4}"])
def test_nobody_steps_back_to_before_the_first_revision(world: World, steps: str) -> None:
    reference = world.case_in("screening")
    with pytest.raises(DatabaseNotReady, match="base drops the whole schema"):
        world.migrate(steps)
    assert world.database.is_ready()
    assert world.show(reference)["status"] == "screening"


@pytest.mark.behind_the_back
def test_a_migrated_database_takes_every_state(world: World) -> None:
    world.case()
    for state in Status:
        with world.database.writing() as session:
            session.execute(update(Case).values(status=state))
        with world.database.reading() as session:
            assert session.query(Case.status).scalar() == state


def test_a_migrated_database_refuses_a_thirteenth_state(world: World) -> None:
    world.case()
    with pytest.raises(IntegrityError, match=r"(?i)ck_case_status"), world.database.writing() as session:
        session.execute(update(Case).values(status="archived"))


@pytest.mark.parametrize("again", [False, True], ids=["up", "up-down-up"])
def test_history_can_be_neither_changed_nor_deleted(world: World, monkeypatch: pytest.MonkeyPatch, again: bool) -> None:
    if again:
        found_anew(world, monkeypatch)
    reference = world.case_in("screening")
    before = world.history(reference)
    tries = [update(HistoryEntry).values(to_status="closed"), delete(HistoryEntry)]
    if not world.database.embedded:
        tries.append(text("TRUNCATE status_history"))  # type: ignore[arg-type]
    for attempt in tries:
        with kept_as_written(world.database) as session:
            session.execute(attempt)
    assert world.history(reference) == before


def test_revisions_are_numbered_in_a_row() -> None:
    """`head_revision` and `make migration` read the order off the file names; those that were squashed keep theirs."""
    first = int(LAST_SQUASHED) + 1
    assert revisions() == [f"{number:04d}" for number in range(first, first + len(VERSIONS))]
    assert head_revision() == VERSIONS[-1].name[:4]


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.name)
def test_a_migration_stands_alone(path: Path) -> None:
    """What a migration did years ago must not change with the model."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in named} <= {"alembic", "sqlalchemy", *sys.stdlib_module_names}
