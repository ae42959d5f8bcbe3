"""The relations through which callers reach a case, each as the roles they give on it and as an SQL condition."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, false, func, or_, select, true
from sqlalchemy.orm.util import AliasedClass
from sqlalchemy.sql.elements import False_

from appeals.accounts.caller import Caller
from appeals.accounts.entity import Entity, is_of_root
from appeals.cases.case import Case
from appeals.cases.change_log import PreviousTeamMember, PreviousVisibility
from appeals.cases.team import TeamMember
from appeals.database.types import UtcDateTime
from appeals.vocabulary import (
    Role,
    TeamStatus,
)

VisibilityTable = type[Case] | type[PreviousVisibility] | AliasedClass[Case]
"""A table with the columns that decide who sees a case: the case now, or its visibility before a change."""


def _on_team(caller: Caller, of: VisibilityTable, *, for_a_day: bool) -> ColumnElement[bool]:
    """Return the condition that the caller is or was on the team, as a named member or by break-glass access
    for a day.
    """
    if of is PreviousVisibility:
        until = PreviousTeamMember.until.is_not(None) if for_a_day else PreviousTeamMember.until.is_(None)
        was_on = select(PreviousTeamMember.change_id).where(
            PreviousTeamMember.change_id == PreviousVisibility.change_id,
            PreviousTeamMember.account == caller.account_id,
            until,
        )
        return was_on.correlate(PreviousVisibility).exists()
    # A named parameter, so that the cached statement works at any time.
    not_over = TeamMember.until > bindparam("now", caller.now, UtcDateTime)
    is_on = select(TeamMember.id).where(
        TeamMember.case_id == of.id,  # type: ignore[union-attr]
        TeamMember.account == caller.account_id,
        TeamMember.status == TeamStatus.ON,
        not_over if for_a_day else TeamMember.until.is_(None),
    )
    return is_on.correlate(of).exists()


@dataclass(frozen=True)
class Via:
    """A relation to a case: the roles it gives on the case, and an SQL condition for the cases it reaches with some
    roles.

    The condition is for a table with the columns that decide who sees a case: the case, or its previous visibility. A
    relation that does not last is limited in time, and its callers leave nothing behind, in this case or in another.
    One that is `personal` depends on the account, all others on its roles.
    """

    says: str
    roles: Callable[[Caller, Case], frozenset[Role]]
    condition: Callable[[Caller, frozenset[Role], "VisibilityTable"], ColumnElement[bool]]
    lasts: bool = True
    personal: bool = False


def _via_entity(place: str, says: str, *, lasts: bool = True) -> Via:
    """Return the relation through roles held over the entity that a column of the case names."""

    def roles(caller: Caller, case: Case) -> frozenset[Role]:
        entity: Entity | None = getattr(case, place)
        return caller.roles_over(entity.path) if entity else frozenset()

    def condition(caller: Caller, needed: frozenset[Role], of: VisibilityTable) -> ColumnElement[bool]:
        column: ColumnElement[UUID | None] = getattr(of, f"{place}_id")
        paths = _paths(caller, needed)
        if any(is_of_root(path) for path in paths):
            return column.is_not(None)
        below = or_(false(), *(Entity.path.startswith(path) for path in paths))
        return select(Entity.id).where(Entity.id == column, below).correlate(of).exists() if paths else false()

    return Via(says, roles, condition, lasts)


def _team_roles(caller: Caller, case: Case) -> frozenset[Role]:
    """Return the roles of a named team member: those held anywhere, but a coordinator of other leads acts as a
    caseworker.
    """
    if not any(member.account == caller.account_id and member.is_named for member in case.team):
        return frozenset()
    over_lead = caller.roles_over(case.lead_entity.path)
    anywhere = frozenset(grant.role for grant in caller.grants)
    if Role.COORDINATOR in anywhere - over_lead:
        anywhere = anywhere - {Role.COORDINATOR} | {Role.CASEWORKER}
    return anywhere | over_lead


def _on_team_filter(caller: Caller, roles: frozenset[Role], of: VisibilityTable) -> ColumnElement[bool]:
    return _on_team(caller, of, for_a_day=False) if _paths(caller, roles) else false()


def _break_glass_roles(caller: Caller, case: Case) -> frozenset[Role]:
    """Return the roles during the day of break-glass access, as long as they are held over the lead."""
    if not any(member.account == caller.account_id and member.broke_glass(caller.now) for member in case.team):
        return frozenset()
    return caller.roles_over(case.lead_entity.path)


def _break_glass_filter(caller: Caller, roles: frozenset[Role], of: VisibilityTable) -> ColumnElement[bool]:
    over_lead = VIA_LEAD.condition(caller, roles, of)
    return over_lead if isinstance(over_lead, False_) else and_(over_lead, _on_team(caller, of, for_a_day=True))


def _region_roles(caller: Caller, case: Case) -> frozenset[Role]:
    """Return the roles held in the region of the case. A lead without a coalition counts as its own region."""
    region_id = case.region_id or case.lead_entity.id
    return frozenset(grant.role for grant in caller.grants if region_id in _at_or_above([grant.path]))


def _of_region(caller: Caller, roles: frozenset[Role], of: VisibilityTable) -> ColumnElement[bool]:
    region_id = func.coalesce(of.region_id, of.lead_entity_id)
    return region_id.in_(_at_or_above(_paths(caller, roles)))


def _via_exact_entity(place: str, says: str) -> Via:
    """Return the relation through roles held in the entity itself that a column of the case names, not above it."""

    def roles(caller: Caller, case: Case) -> frozenset[Role]:
        entity_id: UUID | None = getattr(case, f"{place}_id")
        return frozenset(grant.role for grant in caller.grants if grant.entity_id == entity_id)

    def condition(caller: Caller, needed: frozenset[Role], of: VisibilityTable) -> ColumnElement[bool]:
        column: ColumnElement[UUID | None] = getattr(of, f"{place}_id")
        return or_(false(), *(column == entity_id for entity_id in _entity_ids(caller, needed)))

    return Via(says, roles, condition)


VIA_TEAM = Via("named on its team", _team_roles, _on_team_filter, personal=True)


VIA_LEAD = _via_entity("lead_entity", "held over its lead entity")


VIA_INTAKE = _via_exact_entity("intake_entity", "held in the entity that logged it")


VIA_BREAK_GLASS = Via(
    "over its lead entity, for the day after break-glass access",
    _break_glass_roles,
    _break_glass_filter,
    lasts=False,
    personal=True,
)


VIA_HANDOVER = _via_entity("handover_to", "held over the entity it is offered to", lasts=False)


VIA_REGION = Via(
    "held in or below the regional coalition of its lead, or the lead itself if it has none",
    _region_roles,
    _of_region,
)


VIA_ANYWHERE = Via(
    "held anywhere",
    lambda caller, _: frozenset(grant.role for grant in caller.grants),
    lambda caller, roles, _: true() if _paths(caller, roles) else false(),
)


def _entity_ids(caller: Caller, roles: Collection[Role]) -> list[UUID]:
    return sorted({grant.entity_id for grant in caller.grants if grant.role in roles})


def _paths(caller: Caller, roles: Collection[Role]) -> list[str]:
    return sorted({grant.path for grant in caller.grants if grant.role in roles})


def _at_or_above(paths: Iterable[str]) -> set[UUID]:
    """Return the entities of these paths and all above them except the root, below which is the whole network."""
    parts = [path.strip("/").split("/") for path in paths]
    return {UUID(part) for own in parts for part in own[1:] or own}
