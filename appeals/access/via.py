"""The ways by which somebody reaches a case: as the roles they hold on it that way, and as SQL."""

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
"""A table with the columns that decide who sees a case: as they stand, or as they stood before a change."""


def _on_team(caller: Caller, of: VisibilityTable, *, for_a_day: bool) -> ColumnElement[bool]:
    """That the caller is on the team, or was: named for good, or for the day since they broke the glass."""
    if of is PreviousVisibility:
        until = PreviousTeamMember.until.is_not(None) if for_a_day else PreviousTeamMember.until.is_(None)
        was_on = select(PreviousTeamMember.change_id).where(
            PreviousTeamMember.change_id == PreviousVisibility.change_id,
            PreviousTeamMember.account == caller.account_id,
            until,
        )
        return was_on.correlate(PreviousVisibility).exists()
    # A parameter of a name, so that the statement can be used again at another moment.
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
    """A way to a case: the roles somebody holds on it that way, and, as SQL, the cases they reach in some roles.

    The SQL is of a table that has the columns which decide who sees a case: of the case, or of its former sight. A way
    that does not last is for a time: who comes by it leaves nothing behind, on this case or on another. One that is
    `personal` depends on who it is, the others on the roles they hold.
    """

    says: str
    roles: Callable[[Caller, Case], frozenset[Role]]
    condition: Callable[[Caller, frozenset[Role], "VisibilityTable"], ColumnElement[bool]]
    lasts: bool = True
    personal: bool = False


def _via_entity(place: str, says: str, *, lasts: bool = True) -> Via:
    """By roles held over the entity that a column of the case names."""

    def roles(caller: Caller, case: Case) -> frozenset[Role]:
        entity: Entity | None = getattr(case, place)
        return caller.roles_over(entity.path) if entity else frozenset()

    def condition(caller: Caller, wanted: frozenset[Role], of: VisibilityTable) -> ColumnElement[bool]:
        column: ColumnElement[UUID | None] = getattr(of, f"{place}_id")
        paths = _paths(caller, wanted)
        if any(is_of_root(path) for path in paths):
            return column.is_not(None)
        below = or_(false(), *(Entity.path.startswith(path) for path in paths))
        return select(Entity.id).where(Entity.id == column, below).correlate(of).exists() if paths else false()

    return Via(says, roles, condition, lasts)


def _team_roles(caller: Caller, case: Case) -> frozenset[Role]:
    """On a team one acts in the roles one holds anywhere; who coordinates elsewhere is a caseworker here."""
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
    """For the day since they broke it, as long as they are over the lead."""
    if not any(member.account == caller.account_id and member.broke_glass(caller.now) for member in case.team):
        return frozenset()
    return caller.roles_over(case.lead_entity.path)


def _break_glass_filter(caller: Caller, roles: frozenset[Role], of: VisibilityTable) -> ColumnElement[bool]:
    over_lead = VIA_LEAD.condition(caller, roles, of)
    return over_lead if isinstance(over_lead, False_) else and_(over_lead, _on_team(caller, of, for_a_day=True))


def _region_roles(caller: Caller, case: Case) -> frozenset[Role]:
    """A lead without a coalition stands for its own: it and all below it."""
    region_id = case.region_id or case.lead_entity.id
    return frozenset(grant.role for grant in caller.grants if region_id in _at_or_above([grant.path]))


def _of_region(caller: Caller, roles: frozenset[Role], of: VisibilityTable) -> ColumnElement[bool]:
    region_id = func.coalesce(of.region_id, of.lead_entity_id)
    return region_id.in_(_at_or_above(_paths(caller, roles)))


def _via_exact_entity(place: str, says: str) -> Via:
    """By roles held within the very entity that a column of the case names, not above it."""

    def roles(caller: Caller, case: Case) -> frozenset[Role]:
        entity_id: UUID | None = getattr(case, f"{place}_id")
        return frozenset(grant.role for grant in caller.grants if grant.entity_id == entity_id)

    def condition(caller: Caller, wanted: frozenset[Role], of: VisibilityTable) -> ColumnElement[bool]:
        column: ColumnElement[UUID | None] = getattr(of, f"{place}_id")
        return or_(false(), *(column == entity_id for entity_id in _entity_ids(caller, wanted)))

    return Via(says, roles, condition)


VIA_TEAM = Via("named on its team", _team_roles, _on_team_filter, personal=True)


VIA_LEAD = _via_entity("lead_entity", "held over its lead entity")


VIA_INTAKE = _via_exact_entity("intake_entity", "held in the entity that logged it")


VIA_BREAK_GLASS = Via(
    "over its lead entity, for the day since they broke the glass",
    _break_glass_roles,
    _break_glass_filter,
    lasts=False,
    personal=True,
)


VIA_HANDOVER = _via_entity("handover_to", "held over the entity it is offered to", lasts=False)


VIA_REGION = Via(
    "held in the regional coalition of its lead (where it has none, in the lead itself), or below",
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
    """The entities at these paths, and all above them but for the root: below it is the whole network."""
    parts = [path.strip("/").split("/") for path in paths]
    return {UUID(part) for own in parts for part in own[1:] or own}
