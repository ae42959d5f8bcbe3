"""Who sees a case: THE VISIBILITY RULES, as a decision and as SQL.

`VISIBILITY_RULES` says who gets which view of a case; from it come the decision (`view_of`) and the same as SQL
(`visible_filter`, `work_view_filter`), which stands inside every query. Source: domain.md 3 (roles) and 4 (visibility).
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, Exists, Select, and_, bindparam, false, func, or_, select, true
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import AliasedClass
from sqlalchemy.sql.elements import False_

from appeals.access.roles import CASE_ROLES, COORDINATION, TEAM_ROLES
from appeals.accounts.caller import Caller, RoleGrant
from appeals.accounts.entity import Entity, is_of_root
from appeals.cases import (
    link,
)
from appeals.cases.case import Case
from appeals.cases.change_log import PreviousTeamMember, PreviousVisibility
from appeals.cases.directory import FORMS, Facility, Organisation
from appeals.cases.party import Party
from appeals.cases.team import TeamMember
from appeals.database.statement_cache import StatementCache
from appeals.database.types import UtcDateTime
from appeals.vocabulary import (
    Role,
    TeamStatus,
    View,
    Visibility,
)

Statement = TypeVar("Statement", bound=Executable)


# How somebody reaches a case

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


# What they get of it


class Acts(Enum):
    """What the roles of a row are good for besides seeing the case."""

    FULLY = "yes"
    TO_PROTECT = "only to protect"
    NOT = "no"


@dataclass(frozen=True)
class VisibilityRule:
    """A row: in one of these roles, reached this way, a case of this visibility or a wider one gives this view."""

    roles: frozenset[Role]
    via: Via
    least: Visibility
    view: View
    acts: Acts = Acts.FULLY


VISIBILITY_RULES: tuple[VisibilityRule, ...] = (
    VisibilityRule(TEAM_ROLES, VIA_TEAM, Visibility.SEALED, View.WORK),
    VisibilityRule(COORDINATION, VIA_BREAK_GLASS, Visibility.SEALED, View.WORK, Acts.TO_PROTECT),
    VisibilityRule(TEAM_ROLES - {Role.PARTNER}, VIA_LEAD, Visibility.RESTRICTED, View.WORK),
    VisibilityRule(frozenset({Role.PARTNER}), VIA_INTAKE, Visibility.RESTRICTED, View.WORK),
    VisibilityRule(frozenset({Role.READER}), VIA_LEAD, Visibility.RESTRICTED, View.STATUS),
    VisibilityRule(COORDINATION, VIA_HANDOVER, Visibility.RESTRICTED, View.STATUS, Acts.NOT),
    VisibilityRule(CASE_ROLES, VIA_REGION, Visibility.REGIONAL, View.STATUS, Acts.NOT),
    VisibilityRule(CASE_ROLES, VIA_ANYWHERE, Visibility.NETWORK, View.STATUS, Acts.NOT),
)


LEADING_ROLES = frozenset[Role]().union(*(rule.roles for rule in VISIBILITY_RULES if rule.via is VIA_LEAD))
"""The roles that see all cases led at or below where they are held, but for sealed ones."""
COUNTING_ROLES = LEADING_ROLES | {Role.DASHBOARD}
"""Those for whom these cases are counted."""


def view_of(caller: Caller, case: Case) -> View | None:
    """The view the caller gets of the case; None where to them it does not exist."""
    views = [rule.view for rule in VISIBILITY_RULES if _roles_by(rule, caller, case)]
    return max(views, key=list(View).index, default=None)


def _roles_by(rule: VisibilityRule, caller: Caller, case: Case) -> frozenset[Role]:
    open_to = case.visibility in _VISIBILITIES_FROM[rule.least]
    return rule.roles & rule.via.roles(caller, case) if open_to else frozenset()


_VISIBILITIES_FROM = {least: list(Visibility)[rank:] for rank, least in enumerate(Visibility)}


def _has_visibility(least: Visibility, of: VisibilityTable) -> ColumnElement[bool]:
    """That a case is as widely visible. Spelt without IN: for each of those SQLite builds a table when it runs."""
    return or_(*(of.visibility == wider for wider in _VISIBILITIES_FROM[least]))


def visible_filter(caller: Caller, of: VisibilityTable = Case) -> ColumnElement[bool]:
    """`view_of` gives a view, as a condition on the case table; or gave one, as a condition on the former sights."""
    return _any_rule(caller, VISIBILITY_RULES, of)


def cached_statement(cache: StatementCache, caller: Caller, make: Callable[..., Statement], *of: Any) -> Statement:
    """`make(caller, *of)`, cached by its database per account and roles: building a statement is slow.

    Run it with `now=caller.now`, or members of a team for a limited time lose sight of the case.
    """
    statement: Statement = cache.get(_build_statement, caller.account_id, caller.grants, make, of)
    return statement


def _build_statement(
    account_id: UUID, grants: tuple[RoleGrant, ...], make: Callable[..., Statement], of: tuple[Any, ...]
) -> Statement:
    return make(Caller(account_id=account_id, name="", grants=grants, now=datetime.max.replace(tzinfo=UTC)), *of)


def work_view_filter(caller: Caller, *, lasting: bool = False) -> ColumnElement[bool]:
    """`view_of` gives the work view, as a condition on the case table; if `lasting`, for longer than a time."""
    working = (rule for rule in VISIBILITY_RULES if rule.view is View.WORK and (rule.via.lasts or not lasting))
    return _any_rule(caller, working, Case)


def lasting_visible_filter(caller: Caller) -> ColumnElement[bool]:
    """The cases that the caller sees for longer than a time, as a condition on the case table."""
    return _any_rule(caller, (rule for rule in VISIBILITY_RULES if rule.via.lasts), Case)


def may_work_on_cases(caller: Caller) -> bool:
    """True for those who may get the work view of some case; for others `work_view_filter` holds of none."""
    return any(grant.role in TEAM_ROLES for grant in caller.grants)


def _any_rule(caller: Caller, rules: Iterable[VisibilityRule], of: VisibilityTable) -> ColumnElement[bool]:
    """What never holds is left out, and what is looked up elsewhere comes last: it is run for every answer."""
    reached = [(rule.via.condition(caller, rule.roles, of), _has_visibility(rule.least, of)) for rule in rules]
    reached.sort(key=lambda pair: _has_subquery(pair[0]))
    open_to = [and_(wide_enough, met) for met, wide_enough in reached if not isinstance(met, False_)]
    return or_(*open_to) if open_to else false()


def _has_subquery(condition: ColumnElement[bool]) -> bool:
    return any(isinstance(part, Exists) for part in (condition, *condition.get_children()))


def sees(caller: Caller, case: Case) -> bool:
    """True when this caller may learn that the case exists (domain.md 4, visibility)."""
    return view_of(caller, case) is not None


def is_visible_by_role(caller: Caller, case: Case) -> bool:
    """True when the roles alone give a view of the case; asked of a case as it was, of which no team is remembered."""
    return any(_roles_by(rule, caller, case) for rule in VISIBILITY_RULES if not rule.via.personal)


def visible_by_role_filter(caller: Caller, of: VisibilityTable) -> ColumnElement[bool]:
    """`is_visible_by_role`, as a condition on the case table or on the former sights."""
    return _any_rule(caller, (rule for rule in VISIBILITY_RULES if not rule.via.personal), of)


def is_on_team(caller: Caller, case: Case) -> bool:
    """True for those who get the records of a case, not only its status."""
    return view_of(caller, case) is View.WORK


def roles_on(caller: Caller, case: Case) -> frozenset[Role]:
    """The roles in which the caller may do whatever is theirs to do on this case."""
    return _acting(caller, case, Acts.FULLY)


def roles_protecting(caller: Caller, case: Case) -> frozenset[Role]:
    """The roles in which the caller may do on this case what protects somebody, and nothing else."""
    return _acting(caller, case, Acts.TO_PROTECT)


def _acting(caller: Caller, case: Case, acts: Acts) -> frozenset[Role]:
    return frozenset[Role]().union(*(_roles_by(rule, caller, case) for rule in VISIBILITY_RULES if rule.acts is acts))


def roles_receiving(caller: Caller, case: Case) -> frozenset[Role]:
    """The roles over the entity the case is about to be handed to; while it is offered to none, over its lead.

    Not those of somebody who sees the case by broken glass alone: nothing they do outlives the day (domain.md 8).
    """
    if case.handover_to is None:
        return roles_on(caller, case)
    sees = any(_roles_by(rule, caller, case) for rule in VISIBILITY_RULES if rule.acts is not Acts.TO_PROTECT)
    return VIA_HANDOVER.roles(caller, case) if sees else frozenset()


def break_glass_filter(caller: Caller) -> ColumnElement[bool]:
    """The cases of a lead that the caller coordinates: a sealed one they may see for a day, and its team is told.

    A condition on the case table: a case that is not theirs is neither read nor locked, so that no time tells of it.
    """
    return VIA_LEAD.condition(caller, COORDINATION, Case)


def acting_roles(
    caller: Caller, case: Case, roles: frozenset[Role], *, receiving: bool = False, protects: bool = False
) -> frozenset[Role]:
    """Those of some roles in which the caller acts on the case: a step or an operation that these roles may take."""
    acting = roles_receiving(caller, case) if receiving else roles_on(caller, case)
    return (acting | (roles_protecting(caller, case) if protects else frozenset())) & roles


def most_senior(roles: Collection[Role]) -> Role | None:
    """The most responsible of the roles in which somebody works on a case."""
    return next((role for role in (Role.COORDINATOR, Role.CASEWORKER, Role.PARTNER) if role in roles), None)


def membership(caller: Caller, case: Case, role: Role, *, receiving: bool = False) -> RoleGrant:
    """The membership that gives the caller this role on the case: the one nearest to it."""
    over = case.handover_to if receiving else None
    over = over or (case.intake_entity if role is Role.PARTNER else case.lead_entity)
    as_role = [grant for grant in caller.grants if grant.role is role] or list(caller.grants)
    fitting = [grant for grant in as_role if over.path.startswith(grant.path)] or as_role
    return max(fitting, key=lambda grant: len(grant.path))


def own_parties(caller: Caller, *, lasting: bool = False) -> Select[Party]:
    """The parties of the cases that the caller works on, or of those they work on for longer than a time."""
    return select(Party).join(Case, Case.id == Party.case_id).where(work_view_filter(caller, lasting=lasting))


def directory_entry_for(
    session: Session, caller: Caller, table: type[Organisation | Facility], row_id: UUID, *, lasting: bool = False
) -> dict[str, Any] | None:
    """A row of the directory in the words this caller may know it by; None where there is none for them.

    Listed ones are known to all; another only in the words of a case that the caller works on and that names it. To be
    named in another case it has to be known for longer than a time: `lasting`.
    """
    row: Any = session.get(table, row_id)
    if row is not None and row.listed:
        return FORMS[table].model_validate(row).model_dump(mode="json")
    key = Party.organisation_id if table is Organisation else Party.facility_id
    named = session.scalar(own_parties(caller, lasting=lasting).where(key == row_id).order_by(Party.id.desc()).limit(1))
    return named.named if named else None


def _entity_ids(caller: Caller, roles: Collection[Role]) -> list[UUID]:
    return sorted({grant.entity_id for grant in caller.grants if grant.role in roles})


def _paths(caller: Caller, roles: Collection[Role]) -> list[str]:
    return sorted({grant.path for grant in caller.grants if grant.role in roles})


def _at_or_above(paths: Iterable[str]) -> set[UUID]:
    """The entities at these paths, and all above them but for the root: below it is the whole network."""
    parts = [path.strip("/").split("/") for path in paths]
    return {UUID(part) for own in parts for part in own[1:] or own}


def links(caller: Caller, case: Case) -> list[link.LinkOutput]:
    """The links made on a case and to it, as far as the caller sees both ends."""
    return [
        link.LinkOutput.model_validate(found)
        for found in (*case.links, *case.links_here)
        if sees(caller, found.this_case) and sees(caller, found.other_case)
    ]
