"""Migrations: one tree for both databases, up and down with rows, equal to the model, and independent of it."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import delete, inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from appeals.accounts import bootstrap
from appeals.accounts.account import Membership
from appeals.accounts.alert import Alert
from appeals.accounts.api_key import Key, new_key, rotate
from appeals.accounts.entity import auth_version
from appeals.cases.case import Case
from appeals.cases.history import HistoryEntry
from appeals.database import migrations
from appeals.database.declarative import Base
from appeals.database.engine import Database
from appeals.database.schema_version import MIGRATIONS, head_revision
from appeals.read_models.case_snapshot import all_counted_cases
from appeals.read_models.statistics import fold, miscounted
from appeals.vocabulary import Status
from tests.conftest import PEPPER
from tests.support.cast import World, found_cast, kept_as_written

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


def test_going_down_one_revision_and_up_again_loses_nothing_that_both_hold(world: World) -> None:
    world.case_in("remediation")
    world.migrate("-1")
    kept = {table: count(world.database, table) for table in tables(world.database)}
    world.migrate()
    both = kept.keys() & tables(world.database)
    assert {table: count(world.database, table) for table in both} == {table: kept[table] for table in both}
    assert world.database.is_ready()


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
    assert database.is_ready()
    database.engine.dispose()


def test_a_database_at_another_revision_is_not_ready(world: World) -> None:
    assert world.database.is_ready()
    world.migrate("-1")
    assert not world.database.is_ready()
    world.migrate()
    assert world.database.is_ready()


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
    migrations.migrate(database)
    bootstrap.bootstrap(database, PEPPER.encode(), now)
    with database.writing() as session:
        (first, other) = session.scalars(select(Key).order_by(Key.id))
        account_id = first.account_id
        rotate(session, first, PEPPER.encode(), later)
        ended = new_key(session, account_id, PEPPER.encode(), later, now + timedelta(days=9)).key.id
        session.execute(update(Key).where(Key.id == ended).values(ended_at=now))
    down_and_up(partial(migrations.migrate, database), "how_keys_came_and_ended")
    with database.reading() as session:
        keys = list(session.scalars(select(Key)))
        assert {key.id for key in keys if key.origin == "first_start"} == {first.id, other.id}
        assert not session.get_one(Key, ended).is_active(now)
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
        assert miscounted(session, all_counted_cases) == 0


def network_version_of(world: World) -> int:
    """How often the network changed."""
    with world.database.reading() as session:
        return auth_version(session)


def test_new_names_keep_every_row_and_every_answer(world: World) -> None:
    """Before that revision the access log called operations otherwise."""
    reference = world.case_in("public_campaign")
    sent = {"Idempotency_Key": "once"}
    made = world.coordinator.add(reference, "violations", {"label": "again", "code": "antiunion_dismissal"}, **sent)
    hook = world.coordinator.post("/v1/webhooks", {"url": "https://receiver.example.org/hook"})
    assert (made.status_code, hook.status_code) == (201, 201)
    paths = (
        "/v1/cases",
        f"/v1/cases/{reference}",
        "/v1/changes",
        "/v1/webhooks",
        "/public/cases",
        "/public/statistics",
    )
    answers = [shown(world, path) for path in paths]
    rows = {table: count(world.database, table) for table in tables(world.database)}
    before = logged_operations(world, "operation")
    at = next(at for at, path in enumerate(VERSIONS) if path.stem.endswith("words_of_the_field"))
    world.migrate(f"-{len(VERSIONS) - at}")
    assert "kept_view" in tables(world.database)
    assert logged_operations(world, "door")[: len(before)] == [OLD_NAMES.get(name, name) for name in before]
    assert sum(count(world.database, table) for table in tables(world.database)) == sum(rows.values())
    world.migrate()
    assert {table: count(world.database, table) for table in tables(world.database)} == rows
    assert logged_operations(world, "operation") == before
    assert [shown(world, path) for path in paths] == answers
    again = world.coordinator.add(reference, "violations", {"label": "again", "code": "antiunion_dismissal"}, **sent)
    assert (again.status_code, again.text) == (201, made.text)


OLD_NAMES = {"create_case": "take_in", "get_case": "show_case", "create_webhook": "make_webhook"}


def shown(world: World, path: str) -> dict[str, Any]:
    """What somebody is shown there, but for a cursor, which never is the same twice."""
    answer = world.coordinator.get(path)
    assert answer.status_code == 200, answer.text
    return {**answer.json(), "next": None}


def logged_operations(world: World, column: str) -> list[str]:
    """What the access log calls the operations it knows, oldest first."""
    with world.database.reading() as session:
        return list(session.scalars(text(f"SELECT {column} FROM access_log ORDER BY id")))  # noqa: S608 - a name of ours
