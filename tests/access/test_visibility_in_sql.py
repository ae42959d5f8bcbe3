"""The decision who sees a case agrees with its SQL, on every case for every caller."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle, product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.orm import Session

from appeals.access.visibility import cached_statement, is_on_team, sees, visible_filter, work_view_filter
from appeals.accounts.account import Account
from appeals.accounts.authentication import authenticate
from appeals.accounts.caller import Caller, RoleGrant
from appeals.accounts.entity import Entity
from appeals.cases.case import Case
from appeals.cases.case_rows import new_reference
from appeals.cases.directory import Organisation
from appeals.cases.team import TeamMember
from appeals.database.declarative import new_id
from appeals.database.statement_cache import statement_cache
from appeals.vocabulary import Role, Visibility
from tests.conftest import PEPPER
from tests.support.cast import World, today

AN_HOUR = timedelta(hours=1)
MEMBERS: list[dict[str, Any] | None] = [
    None,
    {"status": "on", "until": None},
    {"status": "on", "until": datetime.now(UTC) + AN_HOUR},
    {"status": "on", "until": datetime.now(UTC) - AN_HOUR},
    {"status": "left", "until": None},
]
"""Somebody is on the team, for good or for a day; that day is over; they left."""


@contextmanager
def all_kinds_of_cases(world: World) -> Iterator[tuple[Session, list[Case], list[UUID]]]:
    """Cases of every visibility, lead, place of logging and proposed handover, with and without a named team."""
    with world.database.writing() as session:
        entities = list(session.scalars(select(Entity).order_by(Entity.name)))
        places = [entity for entity in entities if entity.name not in {"East Asia", "South East Asia"}]
        people = list(session.scalars(select(Account.id).order_by(Account.name)))
        requester = Organisation(identity="x", name="x", kind="ngo", may_be_named=False, listed=False)
        session.add(requester)
        session.flush()
        combinations = product(Visibility, places, places[::2], [None, places[2]], range(2))
        rows = [
            {
                "id": new_id(), "reference": new_reference("BD", 2026), "title": "T", "narrative": "N",
                "narrative_language": "en", "help_asked": "H", "channel": "email", "country": "BD",
                "status": "received", "visibility": visibility, "publication": "none", "priority": "normal",
                "danger": False, "requester_id": requester.id, "intake_entity_id": intake.id,
                "lead_entity_id": lead.id, "region_id": lead.region_id, "handover_to_id": to.id if to else None,
                "assignee_id": None, "received_on": today(), "received_precision": "exact", "reopen_count": 0,
                "version": 1, "revision": 1, "recorded_at": datetime.now(UTC), "updated_at": datetime.now(UTC),
                "recorded_by": people[len(people) // 2],
            }
            for visibility, lead, intake, to, _ in combinations
        ]  # fmt: skip
        session.execute(insert(Case), rows)
        named = [
            {"id": new_id(), "case_id": row["id"], "account": people[0], "recorded_at": row["recorded_at"],
             "recorded_by": people[1], "label": None, "left_at": None, "broke_glass_because": None, **member}
            for row, member in zip(rows, cycle(MEMBERS))
            if member
        ]  # fmt: skip
        session.execute(insert(TeamMember), named)
    with world.database.reading() as session:
        yield session, list(session.scalars(select(Case))), people


@pytest.mark.behind_the_back
def test_the_decision_and_its_sql_agree_on_every_case_for_every_caller(world: World) -> None:
    with all_kinds_of_cases(world) as (session, cases, people):
        memberships = all_memberships(session)
        singles = [(people[at % 2], (grants,)) for at, grants in enumerate(memberships)]
        pairs = [(people[1], (grants, other)) for grants, other in zip(memberships, memberships[13:], strict=False)]
        for account, grants in [(people[0], ()), *singles, *pairs]:
            require_agreement(session, cases, account, grants)
        assert session.scalar(select(func.count()).select_from(Case)) == len(cases) > 280


@pytest.mark.behind_the_back
def test_they_agree_for_callers_who_hold_anything_anywhere(world: World) -> None:
    with all_kinds_of_cases(world) as (session, cases, people):
        held_by_somebody = st.lists(st.sampled_from(all_memberships(session)), max_size=5)

        @given(st.sampled_from(people[:2]), held_by_somebody)
        def agree(account: UUID, grants: list[RoleGrant]) -> None:
            require_agreement(session, cases, account, grants)

        agree()


def all_memberships(session: Session) -> list[RoleGrant]:
    """Every role in every entity."""
    everywhere = product(Role, session.scalars(select(Entity)).all())
    return [RoleGrant(role, entity.id, entity.path, new_id()) for role, entity in everywhere]


def require_agreement(session: Session, cases: list[Case], account: UUID, grants: Sequence[RoleGrant]) -> None:
    """See that for this caller the decision and its SQL find the same cases, in the same view."""
    caller = Caller(account_id=account, name="somebody", grants=tuple(grants), now=datetime.now(UTC))
    decided = {case.id for case in cases if sees(caller, case)}
    assert set(session.scalars(select(Case.id).where(visible_filter(caller)))) == decided, grants
    team = {case.id for case in cases if case.id in decided and is_on_team(caller, case)}
    assert set(session.scalars(select(Case.id).where(work_view_filter(caller)))) == team, grants


@pytest.mark.behind_the_back
def test_a_statement_that_is_kept_lets_nobody_in_who_forgets_to_say_when(world: World) -> None:
    """Whoever is on a team for a time only: run at no moment, the statement takes that time to be over."""
    reference = world.case()
    sealed = world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": "sealed"}, If_Match="*")
    assert sealed.status_code == 200, sealed.text
    with world.unprotected() as session:
        session.execute(update(TeamMember).values(until=datetime.now(UTC) + timedelta(hours=1)))
    with world.database.reading() as session:
        caller = authenticate(session, world.coordinator.key, PEPPER.encode(), datetime.now(UTC))
        query = cached_statement(statement_cache(session), caller, cases_seen)
        later = replace(caller, now=caller.now + timedelta(hours=2))
        assert query is cached_statement(statement_cache(session), later, cases_seen)
        assert session.scalars(query).all() == []
        (case,) = session.scalars(query, {"now": caller.now})
        assert case.reference == reference
        assert session.scalars(query, {"now": caller.now + timedelta(hours=2)}).all() == []


def cases_seen(caller: Caller) -> Select[Case]:
    return select(Case).where(visible_filter(caller))
