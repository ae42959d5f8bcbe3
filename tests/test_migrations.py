"""Migrations: one tree for both databases, up and down with rows, equal to the model, and independent of it."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import delete, inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from appeals import schema
from appeals.alert import Alert
from appeals.case import Case, HistoryEntry
from appeals.database import MIGRATIONS, Base, Database, head_revision
from appeals.kept_view import all_counted
from appeals.key import Key, new_key, rotate
from appeals.network import Membership, network_version
from appeals.statistics import fold, miscounted
from appeals.vocabulary import Status
from tests.cast import World, found_cast, kept_as_written
from tests.conftest import PEPPER

VERSIONS = sorted((MIGRATIONS / "versions").glob("*.py"))


def tables(database: Database) -> set[str]:
    """The tables there are, but for Alembic's own and those of SQLite's full-text index."""
    found = inspect(database.engine).get_table_names()
    return {name for name in found if name != "alembic_version" and not name.startswith("search_index")}


def test_the_model_asks_for_nothing_that_the_migrations_do_not_make(empty_url: str) -> None:
    database = Database(empty_url)
    schema.migrate(database)
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


def test_going_down_one_revision_and_up_again_loses_nothing_that_both_hold(world: World) -> None:
    world.case_in("remediation")
    world.migrate("-1")
    kept = {table: count(world.database, table) for table in tables(world.database)}
    world.migrate()
    both = kept.keys() & tables(world.database)
    assert {table: count(world.database, table) for table in both} == {table: kept[table] for table in both}
    assert world.database.ready()


def count(database: Database, table: str) -> int:
    """How many rows a table has."""
    with database.reading() as session:
        return session.scalar(text(f'SELECT count(*) FROM "{table}"')) or 0  # noqa: S608 - names of our own tables


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
    assert database.ready()
    database.engine.dispose()


def test_a_database_at_another_revision_is_not_ready(world: World) -> None:
    assert world.database.ready()
    world.migrate("-1")
    assert not world.database.ready()
    world.migrate()
    assert world.database.ready()


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
    """`head_revision` and `make migration` read the order off the file names."""
    assert [path.name[:5] for path in VERSIONS] == [f"{number:04d}_" for number in range(1, len(VERSIONS) + 1)]
    assert head_revision() == VERSIONS[-1].name[:4]


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.name)
def test_a_migration_stands_alone(path: Path) -> None:
    """What a migration did years ago must not change with the model."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in named} <= {"alembic", "sqlalchemy", *sys.stdlib_module_names}


def down_and_up(migrate: Callable[..., None], name: str) -> None:
    """Undo the revision of this name and all that came after it, and do them again."""
    at = next(at for at, path in enumerate(VERSIONS) if path.stem.endswith(name))
    migrate(f"-{len(VERSIONS) - at}")
    migrate("head")


def test_keys_that_were_there_before_keep_their_ends_and_tell_which_came_first(empty_url: str) -> None:
    database, now = Database(empty_url), datetime.now(UTC)
    later = now + timedelta(hours=1)
    schema.migrate(database)
    schema.found(database, PEPPER.encode(), now)
    with database.writing() as session:
        (first, other) = session.scalars(select(Key).order_by(Key.id))
        account_id = first.account_id
        rotate(session, first, PEPPER.encode(), later)
        ended = new_key(session, account_id, PEPPER.encode(), later, now + timedelta(days=9)).kept.id
        session.execute(update(Key).where(Key.id == ended).values(ended_at=now))
    down_and_up(partial(schema.migrate, database), "how_keys_came_and_ended")
    with database.reading() as session:
        keys = list(session.scalars(select(Key)))
        assert {key.id for key in keys if key.origin == "first_start"} == {first.id, other.id}
        assert not session.get_one(Key, ended).lives(now)
        assert len(keys) == 4
    database.engine.dispose()


def test_glass_that_was_broken_before_alerts_the_team_of_that_time(world: World) -> None:
    reference = world.case("asia coordinator", visibility="sealed")
    broken = world.coordinator.add(reference, "break-glass", {"reason": "Nobody of the team can be reached now."})
    assert broken.status_code == 201
    late = {"account": "caseworker"}
    assert world.as_("asia coordinator").add(reference, "team", late).status_code == 201
    down_and_up(world.migrate, "alerts")
    told = {
        who: world.as_(who).get("/v1/alerts").json()["items"]
        for who in ("asia coordinator", "caseworker", "coordinator")
    }
    assert {who: [item["reference"] for item in items] for who, items in told.items()} == {
        "asia coordinator": [reference],
        "caseworker": [],
        "coordinator": [],
    }


def test_going_down_makes_no_role_of_a_proposal_and_coming_up_keeps_what_is_held(world: World) -> None:
    admin = world.as_("admin")
    body = {"name": "dhaka desk", "kind": "person", "role": "coordinator", "entity": "South Asia"}
    proposed = admin.post("/v1/accounts", body).json()["memberships"][0]
    given = world.give(world.cast.accounts["dashboard"], "reader", "Europe")
    ended = given["id"]
    assert admin.post(f"/v1/memberships/{ended}/ending", {}).status_code == 201
    down_and_up(world.migrate, "four_eyes_on_rights")
    with world.database.reading() as session:
        states = {str(one.id): one.state for one in session.scalars(select(Membership))}
        assert (states.pop(proposed["id"]), states.pop(ended)) == ("ended", "ended")
        assert set(states.values()) == {"held"}
        assert set(session.scalars(select(Alert.kind))) == set()
    assert world.coordinator.get("/v1/cases").status_code == 200
    before = network_version_of(world)
    assert admin.post("/v1/accounts", {**body, "name": "another desk"}).status_code == 201
    assert network_version_of(world) > before


def test_counts_stand_as_they_were_after_going_down_and_up(world: World) -> None:
    """And for dashboards they are told apart: before this they counted what is restricted too."""
    for visibility in ("sealed", "restricted", *["regional"] * 6):
        world.case("asia coordinator", visibility=visibility)
    fold(world.database)
    world.take(world.case(visibility="regional"), "screening")
    people = [world.as_(name) for name in ("coordinator", "dashboard")]
    counts = [who.get("/v1/statistics?by=visibility,status").json() for who in people]
    down_and_up(world.migrate, "statistics_of_what_is_widely_visible")
    assert [who.get("/v1/statistics?by=visibility,status").json() for who in people] == counts
    while fold(world.database):
        pass
    assert [who.get("/v1/statistics?by=visibility,status").json() for who in people] == counts
    assert [row["cases"] for row in counts[0]["items"]] == [6, 1, 1]
    assert [row["cases"] for row in counts[1]["items"]] == [5]
    with world.database.reading() as session:
        assert miscounted(session, all_counted) == 0


def network_version_of(world: World) -> int:
    """How often the network changed."""
    with world.database.reading() as session:
        return network_version(session)
