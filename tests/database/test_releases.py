"""A database of an earlier release is brought to this one: nothing is lost, the doctor finds nothing, work goes on."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import make_url, select, update

from appeals import __version__
from appeals.accounts.account import Account, Membership
from appeals.cli.checks import Network
from appeals.cli.database_checks import miscounted, stale_views, unmoved, unprotected
from appeals.database import migrations
from appeals.database.engine import Database
from appeals.vocabulary import Role
from tests.conftest import PEPPER, as_service
from tests.support.cast import Person, World, step_input
from tests.support.people import enter
from tests.support.release import RELEASES, cases_of, file, restore, write_release

CHECKS = (stale_views, miscounted, unmoved, unprotected)


def test_a_release_keeps_its_database(world: World, tmp_path: Path) -> None:
    if "WRITE_RELEASE" in os.environ:
        write_release(world, __version__, tmp_path)
        return
    dialect = "sqlite" if world.database.embedded else "postgresql"
    assert all(file(release, dialect, suffix).is_file() for release in RELEASES for suffix in ("gz", "json"))
    assert __version__ in RELEASES


@pytest.mark.parametrize("release", RELEASES)
def test_a_database_of_a_release_is_brought_to_this_one(release: str, empty_url: str, world: World) -> None:
    url = make_url(empty_url)
    restore(release, url)
    database = Database(empty_url)
    migrations.migrate(database, service=make_url(as_service(empty_url)))
    with database.writing() as session:
        expected = json.loads(file(release, url.get_backend_name(), "json").read_text())
        assert cases_of(session) == expected
        network = Network(session, datetime.now(UTC))
        assert [text for check in CHECKS for text in check(network)] == []
        account, key = enter(session, PEPPER.encode(), "newcomer", Role.COORDINATOR, entity="South Asia")
        other = session.scalars(select(Account.id).where(Account.id != UUID(account))).first()
        session.execute(update(Membership).where(Membership.account_id == UUID(account)).values(confirmed_by=other))
    database.engine.dispose()

    world.leave()
    world.move_to(as_service(empty_url))
    coordinator = Person(world.client, key)
    reference = next(reference for reference, case in expected.items() if case["status"] == "accepted")
    answer = coordinator.step(reference, "engagement", step_input("engagement"))
    assert answer.status_code == 201, answer.text
    assert answer.json()["case"]["status"] == "engagement"
