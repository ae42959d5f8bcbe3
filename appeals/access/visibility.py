"""THE VISIBILITY RULES: who sees which view of a case, as a decision and as SQL.

The decision (`view_of`) and the conditions in every query (`visible_filter`, `work_view_filter`) are both made from
`VISIBILITY_RULES`. Source: sections 3 (roles) and 4 (visibility) of the domain specification.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, Exists, and_, false, or_
from sqlalchemy.sql.elements import False_

from appeals.access.roles import CASE_ROLES, COORDINATION, TEAM_ROLES
from appeals.access.via import (
    VIA_ANYWHERE,
    VIA_BREAK_GLASS,
    VIA_HANDOVER,
    VIA_INTAKE,
    VIA_LEAD,
    VIA_REGION,
    VIA_TEAM,
    Via,
    VisibilityTable,
)
from appeals.accounts.caller import Caller, RoleGrant
from appeals.cases import (
    link,
)
from appeals.cases.case import Case
from appeals.database.statement_cache import StatementCache
from appeals.vocabulary import (
    Role,
    View,
    Visibility,
)

Statement = TypeVar("Statement", bound=Executable)


class Acts(Enum):
    """What the roles of a rule permit besides seeing the case."""

    FULLY = "yes"
    TO_PROTECT = "only to protect"
    NOT = "no"


@dataclass(frozen=True)
class VisibilityRule:
    """A rule: one of these roles, with this relation, gives this view of a case with this visibility or a wider one."""

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
"""The roles that see all cases led at or below their entity, except sealed ones."""


COUNTING_ROLES = LEADING_ROLES | {Role.DASHBOARD}
"""The roles for which these cases are counted."""


def view_of(caller: Caller, case: Case) -> View | None:
    """Return the view that the caller gets of the case; None if it does not exist for them."""
    views = [rule.view for rule in VISIBILITY_RULES if _roles_by(rule, caller, case)]
    return max(views, key=list(View).index, default=None)


def _roles_by(rule: VisibilityRule, caller: Caller, case: Case) -> frozenset[Role]:
    open_to = case.visibility in _VISIBILITIES_FROM[rule.least]
    return rule.roles & rule.via.roles(caller, case) if open_to else frozenset()


_VISIBILITIES_FROM = {least: list(Visibility)[rank:] for rank, least in enumerate(Visibility)}


def _has_visibility(least: Visibility, of: VisibilityTable) -> ColumnElement[bool]:
    """Return the condition that a case is at least as visible.

    It avoids IN, for which SQLite builds a table at each run.
    """
    return or_(*(of.visibility == wider for wider in _VISIBILITIES_FROM[least]))


def visible_filter(caller: Caller, of: VisibilityTable = Case) -> ColumnElement[bool]:
    """Return the condition that `view_of` gives a view, for the case table or for the previous visibility."""
    return _any_rule(caller, VISIBILITY_RULES, of)


def cached_statement(cache: StatementCache, caller: Caller, make: Callable[..., Statement], *of: object) -> Statement:
    """Return `make(caller, *of)`, cached in its database by account and roles, because building a statement is slow.

    Run it with `now=caller.now`, or team members for a limited time lose the case.
    """
    statement: Statement = cache.get(_build_statement, caller.account_id, caller.grants, make, of)
    return statement


def _build_statement(
    account_id: UUID, grants: tuple[RoleGrant, ...], make: Callable[..., Statement], of: tuple[object, ...]
) -> Statement:
    return make(Caller(account_id=account_id, name="", grants=grants, now=datetime.max.replace(tzinfo=UTC)), *of)


def work_view_filter(caller: Caller, *, lasting: bool = False) -> ColumnElement[bool]:
    """Return the condition that `view_of` gives the work view; with `lasting`, for longer than a limited time."""
    working = (rule for rule in VISIBILITY_RULES if rule.view is View.WORK and (rule.via.lasts or not lasting))
    return _any_rule(caller, working, Case)


def lasting_visible_filter(caller: Caller) -> ColumnElement[bool]:
    """Return the condition that the caller sees a case for longer than a limited time."""
    return _any_rule(caller, (rule for rule in VISIBILITY_RULES if rule.via.lasts), Case)


def may_work_on_cases(caller: Caller) -> bool:
    """Return whether the caller may get the work view of any case; `work_view_filter` is false for all others."""
    return any(grant.role in TEAM_ROLES for grant in caller.grants)


def _any_rule(caller: Caller, rules: Iterable[VisibilityRule], of: VisibilityTable) -> ColumnElement[bool]:
    """Return the conditions joined by OR, without those that are always false, and with subqueries last, for speed."""
    reached = [(rule.via.condition(caller, rule.roles, of), _has_visibility(rule.least, of)) for rule in rules]
    reached.sort(key=lambda pair: _has_subquery(pair[0]))
    open_to = [and_(wide_enough, met) for met, wide_enough in reached if not isinstance(met, False_)]
    return or_(*open_to) if open_to else false()


def _has_subquery(condition: ColumnElement[bool]) -> bool:
    return any(isinstance(part, Exists) for part in (condition, *condition.get_children()))


def sees(caller: Caller, case: Case) -> bool:
    """Return whether the caller may learn that the case exists (section 4 of the domain specification, visibility)."""
    return view_of(caller, case) is not None


def is_visible_by_role(caller: Caller, case: Case) -> bool:
    """Return whether the roles alone give a view. It is for former states of a case, whose team is not known."""
    return any(_roles_by(rule, caller, case) for rule in VISIBILITY_RULES if not rule.via.personal)


def visible_by_role_filter(caller: Caller, of: VisibilityTable) -> ColumnElement[bool]:
    """Return the condition of `is_visible_by_role`, for the case table or the previous visibility."""
    return _any_rule(caller, (rule for rule in VISIBILITY_RULES if not rule.via.personal), of)


def is_on_team(caller: Caller, case: Case) -> bool:
    """Return whether the caller gets the records of a case, not only its status."""
    return view_of(caller, case) is View.WORK


def roles_on(caller: Caller, case: Case) -> frozenset[Role]:
    """Return the roles in which the caller may do all that they allow on this case."""
    return _acting(caller, case, Acts.FULLY)


def roles_protecting(caller: Caller, case: Case) -> frozenset[Role]:
    """Return the roles in which the caller may act on this case only to protect somebody."""
    return _acting(caller, case, Acts.TO_PROTECT)


def _acting(caller: Caller, case: Case, acts: Acts) -> frozenset[Role]:
    return frozenset[Role]().union(*(_roles_by(rule, caller, case) for rule in VISIBILITY_RULES if rule.acts is acts))


def roles_receiving(caller: Caller, case: Case) -> frozenset[Role]:
    """Return the roles over the entity to which the case is offered; if there is none, over its lead.

    Roles through break-glass access do not count, since nothing they do may outlive the day (section 8 of the domain
    specification).
    """
    if case.handover_to is None:
        return roles_on(caller, case)
    sees = any(_roles_by(rule, caller, case) for rule in VISIBILITY_RULES if rule.acts is not Acts.TO_PROTECT)
    return VIA_HANDOVER.roles(caller, case) if sees else frozenset()


def break_glass_filter(caller: Caller) -> ColumnElement[bool]:
    """Return the condition for cases whose lead the caller coordinates: sealed ones are open to break-glass access for
    a day.

    As a condition it keeps other cases unread and unlocked, so that no response time reveals them.
    """
    return VIA_LEAD.condition(caller, COORDINATION, Case)


def acting_roles(
    caller: Caller, case: Case, roles: frozenset[Role], *, receiving: bool = False, protects: bool = False
) -> frozenset[Role]:
    """Return those of some roles in which the caller acts on the case, for a step or operation."""
    acting = roles_receiving(caller, case) if receiving else roles_on(caller, case)
    return (acting | (roles_protecting(caller, case) if protects else frozenset())) & roles


def most_senior(roles: Collection[Role]) -> Role | None:
    """Return the most responsible of the roles in which somebody works on a case."""
    return next((role for role in (Role.COORDINATOR, Role.CASEWORKER, Role.PARTNER) if role in roles), None)


def membership(caller: Caller, case: Case, role: Role, *, receiving: bool = False) -> RoleGrant:
    """Return the role grant that gives the caller this role on the case, the nearest one if there are several."""
    over = case.handover_to if receiving else None
    over = over or (case.intake_entity if role is Role.PARTNER else case.lead_entity)
    as_role = [grant for grant in caller.grants if grant.role is role] or list(caller.grants)
    fitting = [grant for grant in as_role if over.path.startswith(grant.path)] or as_role
    return max(fitting, key=lambda grant: len(grant.path))


def links(caller: Caller, case: Case) -> list[link.LinkOutput]:
    """Return the links from a case and to it whose other end the caller sees."""
    return [
        link.LinkOutput.model_validate(found)
        for found in (*case.links, *case.links_here)
        if sees(caller, found.this_case) and sees(caller, found.other_case)
    ]
