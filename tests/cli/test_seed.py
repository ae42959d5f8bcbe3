"""The invented population is one that the service itself could have written."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from appeals.cases.case import Case
from appeals.cases.change_log import Change
from appeals.cases.directory import Organisation
from appeals.cases.due_date import DueDate
from appeals.cases.history import HistoryEntry
from appeals.cli import clone_tables, fake_acts, fake_cases, population, scenario_acts, scenarios
from appeals.cli.commands import cli
from appeals.cli.doctor import findings
from appeals.database.declarative import Base
from appeals.database.engine import Database
from appeals.fields import CASE_REFERENCE
from appeals.lifecycle import due_dates
from appeals.lifecycle.steps import ENDED, STEPS
from appeals.read_models.case_snapshot import CaseSnapshot, all_counted_cases, rebuild, stale_snapshots
from appeals.read_models.name_similarity import BlockingKey, keys_of_case, names_of_party
from appeals.read_models.statistics_folding import miscounted
from appeals.vocabulary import Status, Visibility
from tests.conftest import Template
from tests.support.cast import World

CASES = 300


@pytest.fixture(scope="session")
def sown_url(template: Template) -> Iterator[str]:
    """The URL of a database with a small population in it, of which most are copies."""
    url, told = template.copy(), list[int]()
    database = Database(url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(population, "TEMPLATES", 0)  # one of each way
        patch.setattr(population, "MEMBERS", 2 * len(fake_cases.COUNTRIES))
        population.populate(database, CASES, 7, datetime.now(UTC), told.append)
    database.engine.dispose()
    assert sum(told) == CASES
    yield url
    template.drop(url)


@pytest.fixture
def sown(template: Template, sown_url: str) -> Iterator[World]:
    """A service on that database, to look at."""
    template.world.move_to(sown_url)
    yield template.world
    template.world.leave()


@pytest.fixture
def own(template: Template, sown_url: str) -> Iterator[World]:
    """A service on a copy of that database, to write to."""
    url = template.copy(of=sown_url)
    template.world.move_to(url)
    yield template.world
    template.world.leave()
    template.drop(url)


def one_of_each(session: Session) -> list[Case]:
    """A copy of each kind: of a state, a reason of closing, seen by so many, merged, reopened, published."""

    def kind(case: Case) -> tuple[str, ...]:
        sealed = case.visibility == Visibility.SEALED
        told = (case.status, case.close_reason, case.merged_into_id is not None, case.reopen_count, case.publication)
        return (*map(str, told), str(sealed and case.status))

    known = session.scalars(select(Case)).all()
    return [max(alike, key=lambda case: case.id) for _, alike in groupby(sorted(known, key=kind), kind)]


def test_every_case_is_where_its_history_leads(sown: World) -> None:
    with sown.database.reading() as session:
        cases = session.scalars(select(Case)).all()
        last = {entry.case_id: entry for entry in session.scalars(select(HistoryEntry).order_by(HistoryEntry.sequence))}
        assert len({case.reference for case in cases}) == len(cases) == CASES
        for case in cases:
            assert re.fullmatch(CASE_REFERENCE, case.reference)
            assert case.reference.split("-")[2] == str(case.received_on.year)
            assert case.status == last[case.id].to_status
            assert case.version >= last[case.id].sequence
            assert case.received_on >= date.today() - timedelta(days=12 * 366)  # noqa: DTZ011
            assert case.updated_at < datetime.now(UTC)
        assert {case.status for case in cases} == set(Status)
        assert sum(case.status not in ENDED for case in cases) == pytest.approx(CASES * 0.075, abs=9)


def test_no_two_rows_share_an_id_and_every_reference_leads_somewhere(sown: World) -> None:
    with sown.database.reading() as session:
        known = [
            session.scalars(select(table.c.id)).all()
            for table in Base.metadata.sorted_tables
            if "id" in table.columns and table.name not in {"key", "change", "network_state", "statistic_delta"}
        ]
        ids = [number for numbers in known for number in numbers]
        assert len(ids) == len(set(ids)) > CASES * 50
        # PostgreSQL has asked for each already: also what is copied is checked when the transaction ends.
        if sown.database.embedded:
            assert session.execute(text("PRAGMA foreign_key_check")).all() == []


def test_what_is_kept_of_a_copy_is_what_a_fresh_rendering_gives(sown: World) -> None:
    with sown.database.reading() as session:
        assert list(stale_snapshots(session, one_of_each(session))) == []
        unindexed = select(func.count()).select_from(CaseSnapshot).where(CaseSnapshot.indexed.is_(None))
        assert session.scalar(unindexed) == 0
        for case in one_of_each(session):
            kept = session.scalars(select(BlockingKey.key).where(BlockingKey.case_id == case.id))
            assert set(kept) == set(
                keys_of_case(case.country, [names_of_party(party.role, party.named) for party in case.parties])
            )
    with sown.database.reading() as session:
        assert miscounted(session, all_counted_cases) == 0


def test_nothing_is_left_for_the_clock(own: World) -> None:
    with own.database.reading() as session:
        awaited = select(func.count()).select_from(DueDate).where(DueDate.acted_at.is_(None))
        assert (session.scalar(awaited) or 0) > 0
    assert due_dates.process_due(own.database, datetime.now(UTC)) == 0


def test_every_kind_of_case_can_be_looked_at(sown: World) -> None:
    with sown.database.reading() as session:
        some = [(case.reference, case.visibility, case.recorded_at, case.title) for case in one_of_each(session)]
    for reference, visibility, recorded_at, title in some:
        known = 404 if visibility == Visibility.SEALED else 200
        path = f"/v1/cases/{reference}"
        told = {
            rest: sown.coordinator.get(path + rest)
            for rest in ("?view=work", "?view=status", "/history", "/timeline", "/counts", "/steps", "/payments")
        }
        assert {answer.status_code for answer in told.values()} == {known}, (reference, told)
        if known == 200:
            assert reference in found(sown, f"/v1/cases?q={title.partition(' at ')[2].partition(',')[0]}")
            assert_remembered(sown, path, told["?view=work"].json(), recorded_at)


def found(world: World, path: str) -> list[str]:
    """The references that a list tells."""
    return [item["reference"] for item in world.coordinator.get(path).json()["items"]]


def assert_remembered(world: World, path: str, now: dict[str, Any], recorded_at: datetime) -> None:
    """A copy knows what was on record when: as it stands since its last change, in the beginning as it came in."""
    answer = world.coordinator.get(f"{path}?view=work&as_of={now['updated_at']}")
    assert answer.status_code == 200, answer.text
    assert {**answer.json(), "links": []} == {**now, "links": []}
    first = world.coordinator.get(f"{path}?as_of={recorded_at.isoformat().replace('+00:00', 'Z')}").json()
    assert (first["status"], first["version"], first["approvals"]) == ("received", 1, [])


def test_a_brand_has_a_record_and_money_is_owed_in_several_currencies(sown: World) -> None:
    with sown.database.reading() as session:
        brand = session.scalars(select(Organisation).where(Organisation.name.startswith("Brand")).limit(1)).one()
        owed = set(session.scalars(text("SELECT DISTINCT currency FROM payment")))
        contested = session.scalar(text("SELECT count(*) FROM payment WHERE contests IS NOT NULL"))
    record = sown.coordinator.get(f"/v1/brands/{brand.id}/record")
    assert record.status_code == 200, record.text
    assert len(owed) > 2
    assert contested


def test_a_copied_case_can_be_worked_on(own: World) -> None:
    with own.database.reading() as session:
        waiting = select(Case).where(Case.status == Status.RECEIVED, Case.visibility != Visibility.SEALED)
        case = session.scalars(waiting.order_by(Case.id.desc())).first()
    assert case is not None
    taken = own.take(case.reference, "screening")
    assert (taken["case"]["status"], taken["entry"]["sequence"]) == ("screening", case.version + 1)
    with own.database.reading() as session:
        assert list(stale_snapshots(session, [session.get_one(Case, case.id)])) == []


def test_each_copy_is_told_of_in_the_feed(sown: World) -> None:
    with sown.database.reading() as session:
        assert session.scalar(select(func.count(func.distinct(Change.case_id)))) == CASES
        order = select(Change.case_id).order_by(Change.transaction_id, Change.id)
        told = session.scalars(order).all()
        assert max(told[-CASES // 2 :]) == max(told), "copies come after what was there"
    assert sown.as_("asia reader").get("/v1/changes?limit=100").status_code == 200


KINDS = ("view.", "feed.", "statistics.", "case.", "account.locked")


def test_the_doctor_finds_nothing_wrong_and_would_see_it(own: World) -> None:
    def wrong() -> list[str]:
        told = findings(own.settings, own.database, datetime.now(UTC))
        return [found.check for found in told if found.check.startswith(KINDS)]

    assert wrong() == ["account.locked_out"], "the reviewer, to whom the command gives a key"
    with own.unprotected() as session:
        newest = select(Case.id).order_by(Case.updated_at.desc(), Case.id.desc()).limit(1)
        session.execute(delete(CaseSnapshot).where(CaseSnapshot.case_id.in_(newest)))
    assert rebuild(own.database, all_of_them=False) == 1
    with own.unprotected() as session:
        session.execute(update(Case).where(Case.id.in_(newest)).values(status=Status.INFO_REQUESTED))
        session.execute(update(Change).values(transaction_id=2**40))
    # What was kept of the case is lost, also how it was counted: so it was counted twice.
    said = ["view.stale", "feed.restored", "statistics.miscounted", "case.unmoved", "account.locked_out"]
    assert wrong() == said


def test_as_many_as_wanted_by_their_shares() -> None:
    for wanted in (1, 2, 7, 300, 800, 100_000):
        numbers = population.quotas(wanted)
        assert sum(number * way.cases for way, number in numbers.items()) == wanted
        assert min(numbers.values()) >= 0
    assert sum(number for way, number in population.quotas(800).items() if way.is_open) == pytest.approx(60, abs=3)
    assert sum(way.share for way in scenarios.SCENARIOS) == 1000


def test_the_same_number_invents_the_same() -> None:
    def said(number: int) -> Any:
        rng = Random(number)  # noqa: S311
        name = fake_cases.workplace(rng, set())
        scene = fake_cases.FakeCase(
            rng, date(2026, 1, 31), "BD", uuid4(), "desk", Visibility.NETWORK, name, danger=True, brands=45
        )
        return {**fake_cases.intake(scene), "entity": None}

    assert said(3) == said(3) != said(4)
    assert sum(party["role"] == "brand" for party in said(3)["records"]["parties"]) == 45


def test_every_act_has_its_words() -> None:
    acts = {act for way in scenarios.SCENARIOS for act in (*way.acts, *(way.second or ()))} - {scenarios.SECOND}
    nouns = {step.noun for step in STEPS}
    assert acts - nouns <= scenario_acts.WORK.keys()
    assert acts & nouns == {*fake_acts.STEPS, "breach", "closure", "merger"} - {"information"}


def test_every_table_of_a_case_is_copied_or_left_out_knowingly() -> None:
    copied = {table.name for table in clone_tables.tables()}
    of_a_case = {table.name for table in Base.metadata.sorted_tables if "case_id" in table.columns}
    assert of_a_case <= copied | clone_tables.LEFT_OUT
    assert {"case", "revision", "publication_consent", "due_date", "case_snapshot"} <= copied
    assert copied.isdisjoint(clone_tables.LEFT_OUT | {"account", "entity", "access_log", "key"})


def test_the_command_prints_keys_and_mixes_nothing_by_mistake(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appeals.cli.seed.open_network", lambda _: world.database)
    monkeypatch.setattr("appeals.cli.seed.required_pepper", lambda _: b"a pepper for tests only")
    made = CliRunner().invoke(cli, ["seed", "--cases", "3"])
    assert made.exit_code == 0, made.output
    keys = dict(re.findall(r"^(.+) key: (ua_\S+)$", made.output, re.MULTILINE))
    assert list(keys) == ["coordinator", "reviewer", "South Asia reader", "dashboard"]
    told = [world.nobody.get("/v1/cases", Authorization=f"Bearer {key}").status_code for key in keys.values()]
    assert told == [200, 200, 200, 403]
    refused = CliRunner().invoke(cli, ["seed", "--cases", "5"])
    assert refused.exit_code == 1
    assert "--more" in refused.output
    assert CliRunner().invoke(cli, ["seed", "--cases", "1", "--more"]).exit_code == 0
    with world.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Case)) == 4
    assert rebuild(world.database, all_of_them=True) == 4
