"""Statistics as they are read: who sees which, in which form; the folding in the background."""

from datetime import UTC, datetime
from itertools import product
from typing import Any

import anyio
import pytest
from anyio import CapacityLimiter
from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from appeals.access import visibility as visibility_rules
from appeals.access.via import VIA_LEAD
from appeals.access.visibility import COUNTING_ROLES, LEADING_ROLES
from appeals.accounts.account import Account, grant
from appeals.accounts.authentication import authenticate
from appeals.accounts.caller import Caller
from appeals.accounts.entity import entity_named
from appeals.cases.case import Case
from appeals.database.engine import Database
from appeals.errors import Invalid
from appeals.read_models import statistics_folding
from appeals.read_models.statistic_counts import DIMENSIONS, StatisticDelta
from appeals.read_models.statistics import topmost
from appeals.read_models.statistics_folding import fold
from appeals.vocabulary import Role
from tests.conftest import PEPPER
from tests.support.cast import Person, World, day
from tests.support.counting import ask, log_case, member, require_exact, rows

# Who is told what


def caller_of(session: Session, who: Person) -> Caller:
    return authenticate(session, who.key, PEPPER.encode(), access_time(session))


def access_time(session: Session) -> Any:
    return session.scalars(select(func.max(Case.updated_at))).one()


def test_counted_is_what_those_see_who_lead(world: World) -> None:
    assert {Role.CASEWORKER, Role.COORDINATOR, Role.REVIEWER, Role.READER} == LEADING_ROLES
    assert LEADING_ROLES | {Role.DASHBOARD} == COUNTING_ROLES
    people = [member(world), *(world.as_(name) for name in ("coordinator", "asia coordinator", "europe coordinator"))]
    for who, visibility in product(people, ("sealed", "restricted", "network")):
        reference = log_case(who)
        sealed = world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": visibility}, If_Match="*")
        assert sealed.status_code == 200
    for name in ("coordinator", "reviewer", "reader", "asia coordinator", "asia reader", "europe caseworker"):
        with world.database.reading() as session:
            caller = caller_of(session, world.as_(name))
            led = and_(VIA_LEAD.condition(caller, LEADING_ROLES, Case), Case.visibility != "sealed")
            cases = session.scalar(select(func.count()).where(led))
            seen = session.scalar(select(func.count()).where(led, visibility_rules.visible_filter(caller)))
        assert rows(world.as_(name)) == [{"cases": cases}]
        assert cases == seen
        assert cases


def everything(who: Person) -> list[tuple[str, bytes]]:
    """What somebody is told, and by which tag."""
    params = ["", *(f"?by={name}" for name in DIMENSIONS), "?by=lead,visibility", "/timeline?by=country"]
    answers = [ask(who, query) for query in params]
    return [(answer.headers["ETag"], answer.content) for answer in answers]


def test_what_one_may_not_see_changes_no_answer(world: World) -> None:
    world.case("asia caseworker")
    reader = world.as_("asia reader")
    before = everything(reader)
    world.case("asia coordinator", visibility="sealed", country="KH")
    abroad = world.case("europe caseworker", country="TR", received_on=day(400))
    world.take(abroad, "suspension")
    assert everything(reader) == before
    fold(world.database)
    assert everything(reader) == before
    world.case("asia caseworker")
    assert all(now != then for now, then in zip(everything(reader), before, strict=True))


def test_who_holds_several_roles_is_told_of_each_case_once(world: World) -> None:
    log_case(member(world))
    for who in ("asia caseworker", "europe caseworker", "coordinator"):
        world.case(who)
    jack = world.newcomer("jack of two regions", Role.READER, Role.REVIEWER, entity="Garment Workers Centre")
    assert rows(jack) == [{"cases": 1}]
    for entity, role, cases in (
        ("South Asia", Role.READER, 2),
        ("Europe", Role.CASEWORKER, 3),
        ("International Office", Role.READER, 4),
    ):
        with world.database.writing() as session:
            account, place = (
                session.scalars(select(Account).where(Account.name == "jack of two regions")).one(),
                entity_named(session, entity),
            )
            assert place is not None
            grant(session, account, role, place, datetime.now(UTC))
        for _ in range(2):
            assert rows(jack) == [{"cases": cases}]
            fold(world.database)


def test_of_paths_the_topmost_are_taken() -> None:
    assert topmost(["/a/b/", "/a/", "/c/d/", "/a/b/e/", "/c/", "/ab/", "/a/"]) == ["/a/", "/ab/", "/c/"]
    assert topmost([]) == []


def test_one_may_ask_of_an_entity_below(world: World) -> None:
    caseworker = member(world)
    for who in (caseworker, caseworker, world.as_("asia caseworker"), world.as_("europe caseworker")):
        log_case(who)
    below = next(
        found
        for found in world.coordinator.get("/v1/entities").json()["items"]
        if found["name"] == "Garment Workers Centre"
    )
    reader = world.as_("asia reader")
    assert rows(reader) == [{"cases": 3}]
    for named in ("Garment Workers Centre", below["id"]):
        assert rows(reader, f"?within={named}") == [{"cases": 2}]
        assert rows(reader, f"/timeline?every=year&within={named}")[0]["cases"] == 2


def test_one_may_not_ask_of_any_other(world: World) -> None:
    reader = world.as_("asia reader")
    for named in ("Europe", "International Office", "Nowhere"):
        refused = reader.get(f"/v1/statistics?within={named}")
        assert (refused.status_code, [error["pointer"] for error in refused.json()["errors"]]) == (422, ["?within"])
    for who in ("partner", "auditor", "admin"):
        assert world.as_(who).get("/v1/statistics").status_code == 403
        assert world.as_(who).get("/v1/statistics/timeline?of=nothing").status_code == 403


def test_a_dashboard_gets_counts_and_no_case(world: World) -> None:
    """And no count tells it of fewer than five (invariant 8)."""
    dashboard, seen = world.as_("dashboard"), {"visibility": "regional"}
    for _ in range(6):
        world.case("asia coordinator", country="BD", **seen)
    for _ in range(3):
        world.case("asia coordinator", country="KH", **seen)
    assert dashboard.get("/v1/cases").status_code == 403
    for _ in range(2):
        assert ask(dashboard, "?by=country").json() == {"fives": True, "items": [{"country": "BD", "cases": 5}]}
        assert rows(dashboard) == [{"cases": 5}]
        assert ask(world.coordinator, "?by=country").json()["fives"] is False
        fold(world.database)
    world.case("asia coordinator", country="KH", **seen)
    assert rows(dashboard) == [{"cases": 10}]
    assert rows(dashboard, "?by=country") == [{"country": "BD", "cases": 5}]


def test_who_works_on_part_of_what_a_dashboard_counts_is_told_that_part_exactly(world: World) -> None:
    who = world.newcomer("a dashboard that works", Role.DASHBOARD)
    with world.database.writing() as session:
        account, place = (
            session.scalars(select(Account).where(Account.name == "a dashboard that works")).one(),
            entity_named(session, "Europe"),
        )
        assert place is not None
        grant(session, account, Role.READER, place, datetime.now(UTC))
    world.case("europe caseworker")
    assert rows(who) == []
    assert rows(who, "?within=Europe") == [{"cases": 1}]
    assert rows(who, "?within=South Asia") == []


# How it is told


def test_rows_stand_in_the_order_of_their_values(world: World) -> None:
    violations = [{"code": "threat"}, {"code": "raid"}, {"code": "raid", "description": "Again."}]
    world.case("asia caseworker", country="TR", danger=True, violations=violations)
    world.case(country="BD")
    fold(world.database)
    world.case(country="BD")
    told = rows(world.coordinator, "?by=region,country")
    assert told == [
        {"region": "South Asia", "country": "TR", "cases": 1},
        {"region": None, "country": "BD", "cases": 2},
    ]
    assert rows(world.coordinator, "?by=country,danger") == [
        {"country": "BD", "danger": False, "cases": 2},
        {"country": "TR", "danger": True, "cases": 1},
    ]
    assert [row["violation"] for row in rows(world.coordinator, "?by=violation")] == [
        "antiunion_dismissal",
        "raid",
        "threat",
    ]
    assert rows(world.coordinator) == [{"cases": 3}]


def test_over_time(world: World) -> None:
    for on in ("2024-11-03", "2024-12-31", "2025-01-01", "2025-01-31"):
        reference = world.case(received_on=on)
    world.take(reference, "withdrawal")
    assert rows(world.coordinator, "/timeline") == [
        {"month": "2024-11", "cases": 1}, {"month": "2024-12", "cases": 1}, {"month": "2025-01", "cases": 2},
    ]  # fmt: skip
    assert rows(world.coordinator, "/timeline?every=year&by=country") == [
        {"year": 2024, "country": "BD", "cases": 2},
        {"year": 2025, "country": "BD", "cases": 2},
    ]
    assert rows(world.coordinator, "/timeline?of=closed&by=close_reason") == [
        {"month": day()[:7], "close_reason": "withdrawn_by_workers", "cases": 1}
    ]
    assert rows(world.coordinator, "/timeline?of=closed&by=received&every=year") == [
        {"year": int(day()[:4]), "received": "2025-01", "cases": 1}
    ]


@pytest.mark.parametrize(
    "query",
    [
        "?by=brand",
        "?by=status,status",
        "?by=status,risk,country",
        "?by=status,",
        "?by=%20status",
        "?by=Status",
        "?of=closed",
        "/timeline?of=accepted",
        "/timeline?every=day",
        "/timeline?by=received",
        "/timeline?by=status,risk",
    ],
)
def test_what_is_no_dimension_is_refused(world: World, query: str) -> None:
    refused = world.coordinator.get(f"/v1/statistics{query}")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")


def test_as_a_table_and_as_lines(world: World) -> None:
    world.case("asia caseworker", danger=True)
    path = "?by=region,danger"
    assert (
        ask(world.coordinator, path, Accept="text/csv").text
        == '"region","danger","cases"\r\n"South Asia","true","1"\r\n'
    )
    lines = ask(world.coordinator, path, Accept="application/x-ndjson").text
    assert lines == '{"region":"South Asia","danger":true,"cases":1}\n'
    exported = world.as_("auditor").get("/v1/access-log?limit=200").json()["items"]
    assert [entry["operation"] for entry in exported if entry["kind"] == "export"] == ["get_statistics"] * 2


def test_nothing_new_is_304_and_a_write_is_told_at_once(world: World) -> None:
    world.case()
    for _ in range(3):
        tag = ask(world.coordinator, "?by=lead").headers["ETag"]
        assert world.coordinator.get("/v1/statistics?by=lead", If_None_Match=tag).status_code == 304
        world.case()
        told = world.coordinator.get("/v1/statistics?by=lead", If_None_Match=tag)
        assert told.status_code == 200
        fold(world.database)
        assert ask(world.coordinator, "?by=lead").content == told.content


# In the background


def test_the_service_folds_by_itself(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(statistics_folding, "FOLD_EVERY_S", 0.01)
    world.case()

    async def a_while() -> None:
        with anyio.move_on_after(0.2):
            await statistics_folding.run_folding(world.database, CapacityLimiter(1))

    anyio.run(a_while)
    with world.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(StatisticDelta)) == 0
    require_exact(world.database)
    world.case()
    monkeypatch.setattr(statistics_folding, "fold", stop_folding)
    anyio.run(a_while)
    assert "statistics could not be folded: Invalid" in caplog.text


@pytest.mark.parametrize(("left", "folded"), [(1, False), (0, True)])
def test_while_others_wait_for_their_turn_some_are_left_for_later(
    world: World, monkeypatch: pytest.MonkeyPatch, left: int, folded: bool
) -> None:
    monkeypatch.setattr(statistics_folding, "FOLD_EVERY_S", 0.01)
    monkeypatch.setattr(statistics_folding, "FOLD_LEFTOVER", left)
    world.case()
    turns = CapacityLimiter(1)

    async def write_again_and_again() -> None:
        while True:
            async with turns:
                await anyio.sleep(0.005)

    async def a_while() -> None:
        with anyio.move_on_after(2):
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(write_again_and_again)
                tasks.start_soon(statistics_folding.run_folding, world.database, turns)

    anyio.run(a_while)
    with world.database.reading() as session:
        assert (session.scalar(select(func.count()).select_from(StatisticDelta)) == 0) is folded
    require_exact(world.database)


def stop_folding(_: Database) -> None:
    raise Invalid([])
