"""Statistics, and cases to count."""

import random
from collections import Counter
from itertools import combinations, product
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from appeals.accounts.entity import Entity, entity_named
from appeals.cases.case import Case
from appeals.database.engine import Database
from appeals.read_models import statistics
from appeals.read_models.case_snapshot import all_counted_cases
from appeals.read_models.statistic_counts import DIMENSIONS
from appeals.read_models.statistics import asked_for, table_of
from appeals.read_models.statistics_folding import miscounted
from appeals.vocabulary import GROUP, HEADING, Role, Status, ViolationCode
from tests.support.cast import Person, World, day, intake

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


def risk(world: World, reference: str, chance: random.Random) -> int:
    level = chance.choice(["low", "elevated", "high", "critical"])
    said = {"level": level, "assessed_on": day(chance.randint(0, 20))}
    return world.coordinator.add(reference, "risk-assessments", said).status_code


def violation(world: World, reference: str, chance: random.Random) -> int:
    said = {"code": chance.choice(["raid", "smear", "wage_unpaid", "osh_hazard"])}
    return world.coordinator.add(reference, "violations", said).status_code
