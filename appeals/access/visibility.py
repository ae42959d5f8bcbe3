"""Who sees a case: THE VISIBILITY RULES, as a decision and as SQL.

`VISIBILITY_RULES` says who gets which view of a case; from it come the decision (`view_of`) and the same as SQL
(`visible_filter`, `work_view_filter`), which stands inside every query. Source: domain.md 3 (roles) and 4 (visibility).
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


def cached_statement(cache: StatementCache, caller: Caller, make: Callable[..., Statement], *of: object) -> Statement:
    """`make(caller, *of)`, cached by its database per account and roles: building a statement is slow.

    Run it with `now=caller.now`, or members of a team for a limited time lose sight of the case.
    """
    statement: Statement = cache.get(_build_statement, caller.account_id, caller.grants, make, of)
    return statement


def _build_statement(
    account_id: UUID, grants: tuple[RoleGrant, ...], make: Callable[..., Statement], of: tuple[object, ...]
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


def links(caller: Caller, case: Case) -> list[link.LinkOutput]:
    """The links made on a case and to it, as far as the caller sees both ends."""
    return [
        link.LinkOutput.model_validate(found)
        for found in (*case.links, *case.links_here)
        if sees(caller, found.this_case) and sees(caller, found.other_case)
    ]
