"""Who may see and do what: THE POLICY, in three tables.

`SIGHTS` says who gets which view of a case; from it come the decision (`view_of`) and the same as SQL
(`visible_to`, `worked_on_by`), which stands inside every query. `RECORDING` says who may write each kind of record,
the table of steps who may take which step, and `POLICIES` gathers them with all other doors: one line for each. A
door without a line stops the start. Printed as `docs/access.md`. Source: domain.md 3 (roles) and 4 (visibility).
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

from appeals.case import Case
from appeals.change import FormerMember, FormerSight
from appeals.database import Moment, statement_cache
from appeals.directory import FORMS, Facility, Organisation
from appeals.lifecycle import CASEWORK, COORDINATION, INTAKE_ROLES, STEPS
from appeals.network import Caller, Entity, Held, is_of_root
from appeals.party import Party
from appeals.team import TeamMember
from appeals.vocabulary import Logged, Role, Scope, TeamStatus, View, Visibility

FIELD_WORK = CASEWORK | {Role.PARTNER}
TEAM_ROLES = FIELD_WORK | {Role.REVIEWER}
CASE_ROLES = TEAM_ROLES | {Role.READER}
"""The roles that have to do with cases; to all others no case exists."""


Statement = TypeVar("Statement", bound=Executable)


# How somebody reaches a case

Seen = type[Case] | type[FormerSight] | AliasedClass[Case]
"""A table with the columns that decide who sees a case: as they stand, or as they stood before a change."""


def _on_team(caller: Caller, of: Seen, *, for_a_day: bool) -> ColumnElement[bool]:
    """That the caller is on the team, or was: named for good, or for the day since they broke the glass."""
    if of is FormerSight:
        until = FormerMember.until.is_not(None) if for_a_day else FormerMember.until.is_(None)
        was_on = select(FormerMember.change_id).where(
            FormerMember.change_id == FormerSight.change_id, FormerMember.account == caller.account_id, until
        )
        return was_on.correlate(FormerSight).exists()
    # A parameter of a name, so that the statement can be used again at another moment.
    not_over = TeamMember.until > bindparam("now", caller.now, Moment)
    is_on = select(TeamMember.id).where(
        TeamMember.case_id == of.id,  # type: ignore[union-attr]
        TeamMember.account == caller.account_id,
        TeamMember.status == TeamStatus.ON,
        not_over if for_a_day else TeamMember.until.is_(None),
    )
    return is_on.correlate(of).exists()


@dataclass(frozen=True)
class Reach:
    """A way to a case: the roles somebody holds on it that way, and, as SQL, the cases they reach in some roles.

    The SQL is of a table that has the columns which decide who sees a case: of the case, or of its former sight. A way
    that does not last is for a time: who comes by it leaves nothing behind, on this case or on another. One that is
    `personal` depends on who it is, the others on the roles they hold.
    """

    says: str
    roles: Callable[[Caller, Case], frozenset[Role]]
    condition: Callable[[Caller, frozenset[Role], "Seen"], ColumnElement[bool]]
    lasts: bool = True
    personal: bool = False


def _held_over(place: str, says: str, *, lasts: bool = True) -> Reach:
    """By roles held over the entity that a column of the case names."""

    def roles(caller: Caller, case: Case) -> frozenset[Role]:
        entity: Entity | None = getattr(case, place)
        return caller.roles_over(entity.path) if entity else frozenset()

    def condition(caller: Caller, wanted: frozenset[Role], of: Seen) -> ColumnElement[bool]:
        column: ColumnElement[UUID | None] = getattr(of, f"{place}_id")
        paths = _paths(caller, wanted)
        if any(is_of_root(path) for path in paths):
            return column.is_not(None)
        below = or_(false(), *(Entity.path.startswith(path) for path in paths))
        return select(Entity.id).where(Entity.id == column, below).correlate(of).exists() if paths else false()

    return Reach(says, roles, condition, lasts)


def _named(caller: Caller, case: Case) -> frozenset[Role]:
    """On a team one acts in the roles one holds anywhere; who coordinates elsewhere is a caseworker here."""
    if not any(member.account == caller.account_id and member.is_named for member in case.team):
        return frozenset()
    over_lead = caller.roles_over(case.lead_entity.path)
    anywhere = frozenset(held.role for held in caller.held)
    if Role.COORDINATOR in anywhere - over_lead:
        anywhere = anywhere - {Role.COORDINATOR} | {Role.CASEWORKER}
    return anywhere | over_lead


def _names(caller: Caller, wanted: frozenset[Role], of: Seen) -> ColumnElement[bool]:
    return _on_team(caller, of, for_a_day=False) if _paths(caller, wanted) else false()


def _behind_glass(caller: Caller, case: Case) -> frozenset[Role]:
    """For the day since they broke it, as long as they are over the lead."""
    if not any(member.account == caller.account_id and member.broke_glass(caller.now) for member in case.team):
        return frozenset()
    return caller.roles_over(case.lead_entity.path)


def _broke_glass(caller: Caller, wanted: frozenset[Role], of: Seen) -> ColumnElement[bool]:
    over_lead = LEADING.condition(caller, wanted, of)
    return over_lead if isinstance(over_lead, False_) else and_(over_lead, _on_team(caller, of, for_a_day=True))


def _in_region(caller: Caller, case: Case) -> frozenset[Role]:
    """A lead without a coalition stands for its own: it and all below it."""
    region_id = case.region_id or case.lead_entity.id
    return frozenset(held.role for held in caller.held if region_id in _at_or_above([held.path]))


def _of_region(caller: Caller, wanted: frozenset[Role], of: Seen) -> ColumnElement[bool]:
    region_id = func.coalesce(of.region_id, of.lead_entity_id)
    return region_id.in_(_at_or_above(_paths(caller, wanted)))


def _held_in(place: str, says: str) -> Reach:
    """By roles held within the very entity that a column of the case names, not above it."""

    def roles(caller: Caller, case: Case) -> frozenset[Role]:
        entity_id: UUID | None = getattr(case, f"{place}_id")
        return frozenset(held.role for held in caller.held if held.entity_id == entity_id)

    def condition(caller: Caller, wanted: frozenset[Role], of: Seen) -> ColumnElement[bool]:
        column: ColumnElement[UUID | None] = getattr(of, f"{place}_id")
        return or_(false(), *(column == entity_id for entity_id in _entity_ids(caller, wanted)))

    return Reach(says, roles, condition)


NAMED = Reach("named on its team", _named, _names, personal=True)
LEADING = _held_over("lead_entity", "held over its lead entity")
LOGGING = _held_in("intake_entity", "held in the entity that logged it")
GLASS = Reach(
    "over its lead entity, for the day since they broke the glass",
    _behind_glass,
    _broke_glass,
    lasts=False,
    personal=True,
)
RECEIVING = _held_over("handover_to", "held over the entity it is offered to", lasts=False)
REGION = Reach(
    "held in the regional coalition of its lead (where it has none, in the lead itself), or below",
    _in_region,
    _of_region,
)
ANYWHERE = Reach(
    "held anywhere",
    lambda caller, _: frozenset(held.role for held in caller.held),
    lambda caller, wanted, _: true() if _paths(caller, wanted) else false(),
)


# What they get of it


class Acts(Enum):
    """What the roles of a row are good for besides seeing the case."""

    FULLY = "yes"
    TO_PROTECT = "only to protect"
    NOT = "no"


@dataclass(frozen=True)
class Sight:
    """A row: in one of these roles, reached this way, a case of this visibility or a wider one gives this view."""

    roles: frozenset[Role]
    reach: Reach
    least: Visibility
    view: View
    acts: Acts = Acts.FULLY


SIGHTS: tuple[Sight, ...] = (
    Sight(TEAM_ROLES, NAMED, Visibility.SEALED, View.WORK),
    Sight(COORDINATION, GLASS, Visibility.SEALED, View.WORK, Acts.TO_PROTECT),
    Sight(TEAM_ROLES - {Role.PARTNER}, LEADING, Visibility.RESTRICTED, View.WORK),
    Sight(frozenset({Role.PARTNER}), LOGGING, Visibility.RESTRICTED, View.WORK),
    Sight(frozenset({Role.READER}), LEADING, Visibility.RESTRICTED, View.STATUS),
    Sight(COORDINATION, RECEIVING, Visibility.RESTRICTED, View.STATUS, Acts.NOT),
    Sight(CASE_ROLES, REGION, Visibility.REGIONAL, View.STATUS, Acts.NOT),
    Sight(CASE_ROLES, ANYWHERE, Visibility.NETWORK, View.STATUS, Acts.NOT),
)


LEADING_ROLES = frozenset[Role]().union(*(sight.roles for sight in SIGHTS if sight.reach is LEADING))
"""The roles that see all cases led at or below where they are held, but for sealed ones."""
COUNTING_ROLES = LEADING_ROLES | {Role.DASHBOARD}
"""Those for whom these cases are counted."""


def view_of(caller: Caller, case: Case) -> View | None:
    """The view the caller gets of the case; None where to them it does not exist."""
    views = [sight.view for sight in SIGHTS if _roles_by(sight, caller, case)]
    return max(views, key=list(View).index, default=None)


def _roles_by(sight: Sight, caller: Caller, case: Case) -> frozenset[Role]:
    open_to = case.visibility in _AT_LEAST[sight.least]
    return sight.roles & sight.reach.roles(caller, case) if open_to else frozenset()


_AT_LEAST = {least: list(Visibility)[rank:] for rank, least in enumerate(Visibility)}


def _is_at_least(least: Visibility, of: Seen) -> ColumnElement[bool]:
    """That a case is as widely visible. Spelt without IN: for each of those SQLite builds a table when it runs."""
    return or_(*(of.visibility == wider for wider in _AT_LEAST[least]))


def visible_to(caller: Caller, of: Seen = Case) -> ColumnElement[bool]:
    """`view_of` gives a view, as a condition on the case table; or gave one, as a condition on the former sights."""
    return _any_of(caller, SIGHTS, of)


def statement_for(session: Session, caller: Caller, make: Callable[..., Statement], *of: Any) -> Statement:
    """`make(caller, *of)`, cached by the session's database per account and roles: building a statement is slow.

    Run it with `now=caller.now`, or members of a team for a limited time lose sight of the case.
    """
    statement: Statement = statement_cache(session).get(_statement, caller.account_id, caller.held, make, of)
    return statement


def _statement(
    account_id: UUID, held: tuple[Held, ...], make: Callable[..., Statement], of: tuple[Any, ...]
) -> Statement:
    return make(Caller(account_id, "", held, datetime.max.replace(tzinfo=UTC)), *of)


def worked_on_by(caller: Caller, *, lasting: bool = False) -> ColumnElement[bool]:
    """`view_of` gives the work view, as a condition on the case table; if `lasting`, for longer than a time."""
    working = (sight for sight in SIGHTS if sight.view is View.WORK and (sight.reach.lasts or not lasting))
    return _any_of(caller, working, Case)


def lastingly_visible_to(caller: Caller) -> ColumnElement[bool]:
    """The cases that the caller sees for longer than a time, as a condition on the case table."""
    return _any_of(caller, (sight for sight in SIGHTS if sight.reach.lasts), Case)


def works(caller: Caller) -> bool:
    """True for those who may get the work view of some case; for others `worked_on_by` holds of none."""
    return any(held.role in TEAM_ROLES for held in caller.held)


def _any_of(caller: Caller, sights: Iterable[Sight], of: Seen) -> ColumnElement[bool]:
    """What never holds is left out, and what is looked up elsewhere comes last: it is run for every answer."""
    reached = [(sight.reach.condition(caller, sight.roles, of), _is_at_least(sight.least, of)) for sight in sights]
    reached.sort(key=lambda pair: _is_looked_up(pair[0]))
    open_to = [and_(wide_enough, met) for met, wide_enough in reached if not isinstance(met, False_)]
    return or_(*open_to) if open_to else false()


def _is_looked_up(condition: ColumnElement[bool]) -> bool:
    return any(isinstance(part, Exists) for part in (condition, *condition.get_children()))


def sees(caller: Caller, case: Case) -> bool:
    """True when this caller may learn that the case exists (domain.md 4, visibility)."""
    return view_of(caller, case) is not None


def seen_in_roles(caller: Caller, case: Case) -> bool:
    """True when the roles alone give a view of the case; asked of a case as it was, of which no team is remembered."""
    return any(_roles_by(sight, caller, case) for sight in SIGHTS if not sight.reach.personal)


def visible_in_roles(caller: Caller, of: Seen) -> ColumnElement[bool]:
    """`seen_in_roles`, as a condition on the case table or on the former sights."""
    return _any_of(caller, (sight for sight in SIGHTS if not sight.reach.personal), of)


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
    return frozenset[Role]().union(*(_roles_by(sight, caller, case) for sight in SIGHTS if sight.acts is acts))


def roles_receiving(caller: Caller, case: Case) -> frozenset[Role]:
    """The roles over the entity the case is about to be handed to; while it is offered to none, over its lead.

    Not those of somebody who sees the case by broken glass alone: nothing they do outlives the day (domain.md 8).
    """
    if case.handover_to is None:
        return roles_on(caller, case)
    sees = any(_roles_by(sight, caller, case) for sight in SIGHTS if sight.acts is not Acts.TO_PROTECT)
    return RECEIVING.roles(caller, case) if sees else frozenset()


def may_break_glass(caller: Caller) -> ColumnElement[bool]:
    """The cases of a lead that the caller coordinates: a sealed one they may see for a day, and its team is told.

    A condition on the case table: a case that is not theirs is neither read nor locked, so that no time tells of it.
    """
    return LEADING.condition(caller, COORDINATION, Case)


def role_at(door: str, caller: Caller, case: Case) -> Role | None:
    """The role in which the caller passes a door of the case: the most responsible one when several fit."""
    return foremost(policy_of(door).roles_of(caller, case))


def foremost(roles: Collection[Role]) -> Role | None:
    """The most responsible of the roles in which somebody works on a case."""
    return next((role for role in (Role.COORDINATOR, Role.CASEWORKER, Role.PARTNER) if role in roles), None)


def membership(caller: Caller, case: Case, role: Role, *, receiving: bool = False) -> Held:
    """The membership that gives the caller this role on the case: the one nearest to it."""
    over = case.handover_to if receiving else None
    over = over or (case.intake_entity if role is Role.PARTNER else case.lead_entity)
    as_role = [held for held in caller.held if held.role is role] or list(caller.held)
    fitting = [held for held in as_role if over.path.startswith(held.path)] or as_role
    return max(fitting, key=lambda held: len(held.path))


def own_parties(caller: Caller, *, lasting: bool = False) -> Select[Party]:
    """The parties of the cases that the caller works on, or of those they work on for longer than a time."""
    return select(Party).join(Case, Case.id == Party.case_id).where(worked_on_by(caller, lasting=lasting))


def as_known(
    session: Session, caller: Caller, table: type[Organisation | Facility], number: UUID, *, lasting: bool = False
) -> dict[str, Any] | None:
    """A row of the directory in the words this caller may know it by; None where there is none for them.

    Listed ones are known to all; another only in the words of a case that the caller works on and that names it. To be
    named in another case it has to be known for longer than a time: `lasting`.
    """
    row: Any = session.get(table, number)
    if row is not None and row.listed:
        return FORMS[table].model_validate(row).model_dump(mode="json")
    key = Party.organisation_id if table is Organisation else Party.facility_id
    named = session.scalar(own_parties(caller, lasting=lasting).where(key == number).order_by(Party.id.desc()).limit(1))
    return named.named if named else None


def _entity_ids(caller: Caller, roles: Collection[Role]) -> list[UUID]:
    return sorted({held.entity_id for held in caller.held if held.role in roles})


def _paths(caller: Caller, roles: Collection[Role]) -> list[str]:
    return sorted({held.path for held in caller.held if held.role in roles})


def _at_or_above(paths: Iterable[str]) -> set[UUID]:
    """The entities at these paths, and all above them but for the root: below it is the whole network."""
    parts = [path.strip("/").split("/") for path in paths]
    return {UUID(part) for own in parts for part in own[1:] or own}


# Who passes which door


@dataclass(frozen=True)
class Policy:
    """A line: who passes a door, with a key of which scope, and what the access log calls it.

    With `view`, the door is one of a case: to those who do not see the case it does not exist, those who see it but
    get less than `view` are refused, and `roles` are those somebody acts in on the case (none: seeing it is enough).
    Without, `roles` may be held anywhere (none: any live key passes). A `public` door asks for no key at all. A door
    that `protects` is passed too by those who act on the case only to protect; what they may write there, see `Kind`.
    A door of keys takes the very key that is shown whatever its scope; `others` is the scope for any other key.
    """

    door: str
    roles: frozenset[Role] = frozenset()
    view: View | None = None
    scope: Scope | None = Scope.READ
    logged: Logged | None = None
    acting: Callable[[Caller, Case], frozenset[Role]] = roles_on
    public: bool = False
    others: Scope | None = None
    protects: bool = False

    def roles_of(self, caller: Caller, case: Case) -> frozenset[Role]:
        """The roles in which the caller passes this door of the case."""
        acting = self.acting(caller, case) | (roles_protecting(caller, case) if self.protects else frozenset())
        return acting & self.roles

    @property
    def forbids(self) -> bool:
        """True when somebody with a live key, who sees what the door is about, may still be refused."""
        asks = self.scope is not None or self.others is not None
        return not self.public and (asks or bool(self.roles) or self.view is View.WORK)


RECORDING: dict[str, frozenset[Role]] = {
    "parties": FIELD_WORK,
    "violations": FIELD_WORK,
    "demands": CASEWORK,
    "people": FIELD_WORK,
    "consents": FIELD_WORK,
    "risk_assessments": CASEWORK,
    "approvals": frozenset({Role.REVIEWER}),
    "actions": CASEWORK,
    "responses": CASEWORK,
    "commitments": CASEWORK,
    "tallies": FIELD_WORK,
    "payments": FIELD_WORK,
    "proceedings": CASEWORK,
    "outcomes": CASEWORK,
    "links": CASEWORK,
    "team": COORDINATION,
}
"""Who may write each kind of record of a case, and change it where it can be changed."""
STANDING = frozenset({"violations", "risk_assessments", "approvals", "tallies", "payments", "outcomes", "links"})
"""Kinds of record that stand as they were recorded: what is right is recorded beside them."""


PROTECTING = frozenset({"suspension", "withdrawal", "consents", "risk_assessments", "team"})
"""Steps, and kinds of record of which some are written by those who act only to protect (domain.md 8, broken glass)."""


def _writing(door: str, roles: frozenset[Role], view: View | None = View.WORK, **more: Any) -> Policy:
    """A line of casework: its answer shows the case, so that it is logged as a view."""
    return Policy(door, roles, view, Scope.WRITE, **{"logged": Logged.VIEW, **more})


def _managing(door: str, roles: frozenset[Role] = frozenset({Role.ADMIN}), logged: Logged = Logged.ROLE) -> Policy:
    """A line of running the network."""
    return Policy(door, roles, None, Scope.MANAGE, logged)


_ANYBODY = frozenset[Role]()
POLICIES: tuple[Policy, ...] = (
    # cases
    Policy("list_cases", CASE_ROLES),
    _writing("take_in", INTAKE_ROLES, None),
    Policy("show_case", view=View.STATUS),
    _writing("amend_case", CASEWORK),
    Policy("show_steps", view=View.STATUS),
    Policy("show_history", view=View.STATUS),
    *(
        _writing(
            step.door,
            step.roles,
            View.STATUS,
            acting=roles_receiving if step.receiving else roles_on,
            protects=step.noun in PROTECTING,
        )
        for step in STEPS
    ),
    Policy("show_story", view=View.STATUS),
    Policy("show_counts", view=View.STATUS),
    # over many cases
    Policy("list_changes", CASE_ROLES),
    Policy("stream_changes", CASE_ROLES),
    Policy("list_webhooks"),
    _managing("make_webhook", CASE_ROLES, Logged.KEY),
    Policy("show_webhook"),
    *(
        _managing(door, _ANYBODY, Logged.KEY)
        for door in ("change_webhook", "replace_secret", "end_webhook", "retry_delivery")
    ),
    Policy("list_deliveries"),
    Policy("show_attention", CASE_ROLES, logged=Logged.VIEW),
    Policy("show_statistics", COUNTING_ROLES),
    Policy("show_statistics_timeline", COUNTING_ROLES),
    *(Policy(f"show_record_of_{whose}", TEAM_ROLES, logged=Logged.VIEW) for whose in ("brand", "facility", "owner")),
    # records
    *(Policy(f"{verb}_{kind}", view=View.WORK, logged=Logged.VIEW) for kind in RECORDING for verb in ("list", "show")),
    *(_writing(f"add_{kind}", roles, protects=kind in PROTECTING) for kind, roles in RECORDING.items()),
    *(
        _writing(f"change_{kind}", roles, protects=kind == "consents")  # by the shorthand for a no
        for kind, roles in RECORDING.items()
        if kind not in STANDING
    ),
    _writing("answer_action", RECORDING["responses"]),
    _writing("confirm_member", RECORDING["team"], protects=True),
    # what is sealed
    Policy("open_sealed", FIELD_WORK, View.WORK, Scope.OPEN, Logged.OPENING, protects=True),
    Policy("list_openings", view=View.WORK, logged=Logged.VIEW),
    Policy("break_glass", COORDINATION, None, Scope.OPEN, Logged.BREAK_GLASS),
    Policy("list_alerts"),
    # what is published
    Policy("list_publications", view=View.WORK, logged=Logged.VIEW),
    _writing("publish", COORDINATION, logged=Logged.PUBLICATION),
    _writing("take_down", CASEWORK, logged=Logged.PUBLICATION, protects=True),
    Policy("list_published", public=True),
    Policy("show_published", public=True),
    Policy("show_figures", public=True),
    # directories
    Policy("list_organisations"),
    _writing("add_organisation", INTAKE_ROLES, None, logged=None),
    Policy("list_facilities"),
    _writing("add_facility", INTAKE_ROLES, None, logged=None),
    Policy("show_vocabulary"),
    # the network
    Policy("show_me"),
    Policy("list_entities"),
    _managing("add_entity"),
    Policy("list_accounts", frozenset({Role.ADMIN}) | COORDINATION),
    _managing("add_account"),
    _managing("disable_account"),
    _managing("add_membership"),
    _managing("end_membership", frozenset({Role.ADMIN}) | COORDINATION),
    Policy("list_confirmations", frozenset({Role.ADMIN}) | COORDINATION),
    _managing("confirm_membership", frozenset({Role.ADMIN}) | COORDINATION),
    _managing("list_account_keys", logged=Logged.KEY),
    _managing("make_first_key", _ANYBODY, Logged.KEY),
    _managing("make_enrolment_code", frozenset({Role.ADMIN}) | COORDINATION, Logged.KEY),
    Policy("enrol", public=True, logged=Logged.KEY),
    Policy("list_own_keys"),
    _managing("make_own_key", _ANYBODY, Logged.KEY),
    Policy("rotate_own_key", scope=None, logged=Logged.KEY, others=Scope.MANAGE),
    Policy("revoke_key", scope=None, logged=Logged.KEY, others=Scope.MANAGE),
    Policy("list_accesses", frozenset({Role.AUDITOR})),
)
BY_DOOR = {policy.door: policy for policy in POLICIES}


class Unruled(Exception):
    """A door that no line of the policy names: the service does not start."""


def policy_of(door: str) -> Policy:
    """The line for a door. Raises: Unruled."""
    if door not in BY_DOOR:
        raise Unruled(f"no line of the policy in access.py says who passes the door {door}")
    return BY_DOOR[door]
