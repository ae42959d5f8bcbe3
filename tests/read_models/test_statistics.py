"""Statistics: exact at every moment, whoever writes and folds meanwhile; no count tells of what one may not see."""

import logging
import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import combinations, product
from typing import Any

import anyio
import pytest
from anyio import CapacityLimiter
from sqlalchemy import and_, func, insert, select
from sqlalchemy.orm import Session

from appeals.access import visibility as visibility_rules
from appeals.access.via import VIA_LEAD
from appeals.access.visibility import COUNTING_ROLES, LEADING_ROLES
from appeals.accounts.account import Account, grant
from appeals.accounts.authentication import authenticate
from appeals.accounts.caller import Caller
from appeals.accounts.entity import Entity, entity_named
from appeals.cases.case import Case
from appeals.database.engine import Database
from appeals.errors import Invalid
from appeals.read_models import statistic_counts, statistics, statistics_folding
from appeals.read_models.case_snapshot import CaseSnapshot, all_counted_cases, rebuild
from appeals.read_models.statistic_counts import DIMENSIONS, Counted, Statistic, StatisticDelta, log_delta
from appeals.read_models.statistics import asked_for, table_of, topmost
from appeals.read_models.statistics_folding import catch_up, fold, miscounted, recount
from appeals.vocabulary import GROUP, HEADING, Role, Status, ViolationCode
from tests.conftest import PEPPER
from tests.support.cast import Person, World, day, intake, step_input
from tests.support.size import examples

WRITES = examples(50)
WRITERS, FOLDERS = 4, 2
log = logging.getLogger(__name__)
Row = dict[str, Any]
TABLES = [by for length in range(3) for by in combinations(DIMENSIONS, length)]


def ask(who: Person, query: str = "", **headers: str) -> Any:
    answer = who.get(f"/v1/statistics{query}", **headers)
    assert answer.status_code == 200, answer.text
    return answer


def rows(who: Person, query: str = "") -> list[Row]:
    items: list[Row] = ask(who, query).json()["items"]
    return items


def member(world: World) -> Person:
    """A caseworker of a member in South Asia."""
    return world.newcomer("member", Role.CASEWORKER, entity="Garment Workers Centre")


def log_case(who: Person, **changed: Any) -> str:
    """Log a case; its reference."""
    answer = who.post("/v1/cases", intake(**changed))
    assert answer.status_code == 201, answer.text
    reference: str = answer.json()["reference"]
    return reference


# By hand, once more: a case is counted by what its row says, and not by what was kept of it


def by_hand(session: Session, entity: str) -> list[dict[str, list[Any]]]:
    """The values of each case that is led at or below an entity and not sealed."""
    over = entity_named(session, entity)
    assert over is not None
    names: dict[Any, str] = {entity.id: entity.name for entity in session.scalars(select(Entity))}
    return [
        {
            "status": [case.status],
            "group": [GROUP[Status(case.status)].value],
            "country": [case.country],
            "region": [names.get(case.region_id)],
            "lead": [names[case.lead_entity_id]],
            "violation": list({found.code for found in case.violations}),
            "heading": list({HEADING[ViolationCode(found.code)].value for found in case.violations}),
            "risk": [case.risk],
            "priority": [case.priority],
            "danger": [case.danger],
            "visibility": [case.visibility],
            "publication": [case.publication],
            "close_reason": [case.close_reason],
            "received": [case.received_on.isoformat()[:7]],
            "closed": [case.closed_on.isoformat()[:7] if case.closed_on else None],
        }
        for case in session.scalars(select(Case).where(Case.visibility != "sealed"))
        if case.lead_entity.path.startswith(over.path)
    ]


def table_by_hand(cases: list[dict[str, list[Any]]], by: tuple[str, ...]) -> Counter[tuple[Any, ...]]:
    return Counter(values for case in cases for values in product(*(case[name] for name in by)))


def as_counter(told: list[Row], by: tuple[str, ...]) -> Counter[tuple[Any, ...]]:
    assert all(list(row) == [*by, "cases"] and row["cases"] > 0 for row in told)
    counts = Counter({tuple(row[name] for name in by): row["cases"] for row in told})
    assert len(counts) == len(told)
    return counts


def kept_table(session: Session, entity: str, by: tuple[Any, ...], *, exact: bool = True) -> list[Row]:
    """A table as the operation tells it; for dashboards, but not yet in fives."""
    over = entity_named(session, entity)
    assert over is not None
    counts = table_of(session.execute(asked_for([over.path], by, exact=exact)), [over.path], by, exact=exact)
    return statistics.rows_of(counts, by, statistics.names(session), exact=True)


def require_exact(database: Database, *entities: str) -> int:
    """See that every table (of the root, or of these) is as counted by hand, and nothing else kept; how many cells."""
    found = 0
    with database.reading() as session:
        for entity in entities or ("International Office",):
            cases = by_hand(session, entity)
            shown = [
                case for case in cases if case["visibility"] != ["regional"] or case["lead"] != ["International Office"]
            ]
            widely_visible = [case for case in shown if case["visibility"] in (["regional"], ["network"])]
            for by in TABLES:
                told = as_counter(kept_table(session, entity, by), by)
                assert told == table_by_hand(cases, by), (entity, by)
                found += len(told)
                if len(by) < 2:
                    told = as_counter(kept_table(session, entity, by, exact=False), by)
                    assert told == table_by_hand(widely_visible, by), (entity, by)
    with database.reading() as session:
        assert miscounted(session, all_counted_cases) == 0
    return found


# Many at once


class Crowd:
    """Writers who do whatever comes to their minds, on whatever case, while others fold and others read."""

    def __init__(self, world: World, writes: int) -> None:
        self.world, self.left = world, writes
        self.people = [world.as_(name) for name in ("coordinator", "asia caseworker", "europe caseworker")]
        self.people.append(member(world))
        self.references: list[str] = []
        self.over = threading.Event()
        self.written = self.folded = self.read = 0

    def run(self) -> None:
        with ThreadPoolExecutor(WRITERS + FOLDERS + 1) as pool:
            others = [pool.submit(self.fold, seed) for seed in range(FOLDERS)] + [pool.submit(self.watch)]
            writers = [pool.submit(self.write, seed) for seed in range(WRITERS)]
            for writer in writers:
                writer.exception()
            self.over.set()
            for done in (*writers, *others):
                done.result()

    def write(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - to write at random, and the same again
        while self.left > 0:
            self.left -= 1
            if len(self.references) < 5 or chance.random() < 0.1:
                self.references.append(self.intake(chance))
                self.written += 1
                continue
            reference = chance.choice(self.references)
            status = chance.choice(WRITING)(self.world, reference, chance)
            assert status < 500 or status == 503, status  # who waits long for their turn is sent away, uncounted
            self.written += status < 300

    def intake(self, chance: random.Random) -> str:
        codes = chance.sample(
            ["threat", "wage_unpaid", "detention", "gbvh", "antiunion_dismissal"], chance.randint(1, 3)
        )
        given = {
            "country": chance.choice(["BD", "KH", "TR"]),
            "danger": chance.random() < 0.3,
            "received_on": day(chance.randint(30, 500)),
            "violations": [{"label": f"v{number}", "code": code} for number, code in enumerate(codes)],
        }
        return log_case(chance.choice(self.people), **given)

    def fold(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - to write at random, and the same again
        while not self.over.is_set():
            self.folded += fold(self.world.database, chance.randint(1, 20))
            self.over.wait(chance.random() / 10)

    def watch(self) -> None:
        """At every moment, what is told is what a count in the same snapshot gives."""
        while not self.over.is_set():
            with self.world.database.reading() as session:
                told = as_counter(
                    kept_table(session, "International Office", ("status", "visibility")), ("status", "visibility")
                )
                open_ones = select(Case.status, Case.visibility, func.count()).where(Case.visibility != "sealed")
                counted = session.execute(open_ones.group_by(Case.status, Case.visibility))
                assert told == {(status, visibility): cases for status, visibility, cases in counted}
            self.read += 1
            self.over.wait(0.02)


LEADS = ["International Office", "South Asia", "Europe", "Garment Workers Centre"]


def patch(world: World, reference: str, chance: random.Random) -> int:
    change = chance.choice(
        [
            {"visibility": chance.choice(["sealed", "restricted", "regional", "network"])},
            {"visibility": chance.choice(["restricted", "regional", "network"])},
            {"priority": chance.choice(["urgent", "high", "normal", "low"])},
            {"danger": chance.random() < 0.5},
        ]
    )
    return world.coordinator.patch(f"/v1/cases/{reference}", change, If_Match="*").status_code


def risk(world: World, reference: str, chance: random.Random) -> int:
    level = chance.choice(["low", "elevated", "high", "critical"])
    said = {"level": level, "assessed_on": day(chance.randint(0, 20))}
    return world.coordinator.add(reference, "risk-assessments", said).status_code


def violation(world: World, reference: str, chance: random.Random) -> int:
    said = {"code": chance.choice(["raid", "smear", "wage_unpaid", "osh_hazard"])}
    return world.coordinator.add(reference, "violations", said).status_code


def step(world: World, reference: str, chance: random.Random) -> int:
    noun = chance.choice(
        ["screening", "screening", "suspension", "resumption", "decline", "reopening", "withdrawal", "acknowledgement"]
    )
    told = {"screening": {"lead_entity": chance.choice(LEADS)}, "withdrawal": {"withdrawn_on": day(1)}}
    return world.coordinator.step(reference, noun, {**step_input(noun), **told.get(noun, {})}).status_code


def hand_over(world: World, reference: str, chance: random.Random) -> int:
    said = {"receiving_entity": chance.choice(LEADS), "reason": "It is nearer."}
    world.coordinator.step(reference, "handover", said)
    return world.coordinator.step(reference, "handover-acceptance", {}).status_code


WRITING = [patch, patch, risk, violation, step, step, hand_over]


@pytest.mark.soak
def test_statistics_equal_a_count_by_hand_after_many_random_writes(world: World) -> None:
    crowd = Crowd(world, WRITES)
    crowd.run()
    cells = require_exact(world.database, *LEADS)
    while fold(world.database):
        pass
    require_exact(world.database)
    assert cells > 0
    assert min(crowd.written, crowd.folded, crowd.read) > 0
    log.info(
        "%s writes of %s, %s deltas folded, %s reads, %s cells", crowd.written, WRITES, crowd.folded, crowd.read, cells
    )


def test_of_several_who_fold_at_once_one_counts_a_delta(world: World) -> None:
    for _ in range(6):
        world.case()
    start = threading.Barrier(4)

    def fold_together(_: int) -> int:
        start.wait(30)
        return fold(world.database, 4)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(fold_together, range(4))) == 6
    require_exact(world.database)


def test_folding_is_one_transaction(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.case()
    with monkeypatch.context() as patched:
        patched.setattr(statistics_folding, "_row", stop)
        with pytest.raises(SystemExit):
            fold(world.database)
    require_exact(world.database)
    assert fold(world.database) == 1
    assert fold(world.database) == 0
    require_exact(world.database)


def stop(*_: object) -> None:
    raise SystemExit


def test_cells_that_come_to_nothing_go(world: World) -> None:
    reference = world.case()
    fold(world.database)
    sealed = world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": "sealed"}, If_Match="*")
    assert sealed.status_code == 200
    assert rows(world.coordinator) == []
    fold(world.database)
    with world.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Statistic)) == 0
    assert rows(world.coordinator) == []


# What must be noticed


def test_a_write_that_tells_nothing_of_before_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistic_counts, "log_delta", lambda session, _, after: log_delta(session, None, after))
    world.take(world.case(), "screening")
    with world.database.reading() as session:
        assert miscounted(session, all_counted_cases) > 0
    with pytest.raises(AssertionError):
        require_exact(world.database)


def test_a_delta_that_is_folded_twice_is_noticed_and_put_right(world: World) -> None:
    world.case()
    with world.database.writing() as session:
        columns = (StatisticDelta.before, StatisticDelta.after, StatisticDelta.widely_visible)
        session.execute(insert(StatisticDelta).from_select([column.key for column in columns], select(*columns)))
    fold(world.database)
    with world.database.reading() as session:
        assert miscounted(session, all_counted_cases) > 0
    recount(world.database, all_counted_cases)
    require_exact(world.database)


def test_after_many_writes_all_is_counted_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics_folding, "FOLD_LEFTOVER", 2)
    for waiting in (1, 2, 0):
        world.case(visibility="regional")
        catch_up(world.database, all_counted_cases)
        with world.database.reading() as session:
            assert session.scalar(select(func.count()).select_from(StatisticDelta)) == waiting
        require_exact(world.database)


def test_what_is_written_while_counting_anew_is_counted_once(world: World) -> None:
    if world.database.embedded:
        pytest.skip("SQLite has one writer at a time")
    world.case()

    def meanwhile(session: Session) -> Iterator[Counted]:
        yield from all_counted_cases(session)
        world.case()

    recount(world.database, meanwhile)
    assert rows(world.coordinator) == [{"cases": 2}]
    require_exact(world.database)


def test_cases_that_were_never_counted_are_when_they_are_rendered_anew(world: World) -> None:
    """As after the migration that brings the statistics."""
    world.case()
    with world.database.writing() as session:
        for table in (StatisticDelta, Statistic):
            session.execute(table.__table__.delete())  # type: ignore[attr-defined]
        session.scalars(select(CaseSnapshot)).one().counted = None
    assert rows(world.coordinator) == []
    for _ in range(2):
        rebuild(world.database, all_of_them=True)
    require_exact(world.database)
    assert rows(world.coordinator) == [{"cases": 1}]


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
