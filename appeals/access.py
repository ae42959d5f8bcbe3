"""Who may see a case, and which roles somebody holds on it: the same rule as a decision and as SQL."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, or_, select
from sqlalchemy.orm import Session

from appeals.case import Case
from appeals.directory import FORMS, Facility, Organisation
from appeals.network import Caller, Entity, Held
from appeals.party import Party
from appeals.vocabulary import Role, Visibility

OVER_THE_LEAD = frozenset({Role.CASEWORKER, Role.COORDINATOR, Role.REVIEWER, Role.READER})
CASE_ROLES = OVER_THE_LEAD | {Role.PARTNER}
TEAM = frozenset({Role.PARTNER, Role.CASEWORKER, Role.COORDINATOR, Role.REVIEWER})


def roles_on(caller: Caller, case: Case) -> frozenset[Role]:
    """The roles good for this case: those over its lead entity; `partner` over where it was logged."""
    own = caller.roles_over(case.intake_entity.path) & {Role.PARTNER}
    return (caller.roles_over(case.lead_entity.path) - {Role.PARTNER}) | own


def roles_receiving(caller: Caller, case: Case) -> frozenset[Role]:
    """The roles over the entity the case is about to be handed to; while it is offered to none, over its lead."""
    return caller.roles_over(case.handover_to.path) if case.handover_to else roles_on(caller, case)


def foremost(roles: Collection[Role]) -> Role | None:
    """The most responsible of the roles in which somebody works on a case."""
    return next((role for role in (Role.COORDINATOR, Role.CASEWORKER, Role.PARTNER) if role in roles), None)


def membership(caller: Caller, case: Case, role: Role, *, receiving: bool = False) -> Held:
    """The membership that gives the caller this role on the case: the one nearest to it."""
    over = case.handover_to if receiving else None
    over = over or (case.intake_entity if role is Role.PARTNER else case.lead_entity)
    fitting = [held for held in caller.held if held.role is role and over.path.startswith(held.path)]
    return max(fitting, key=lambda held: len(held.path))


def is_on_team(caller: Caller, case: Case) -> bool:
    """True for those who get the records of a case, not only its status."""
    return bool(roles_on(caller, case) & TEAM)


def sees(caller: Caller, case: Case) -> bool:
    """True when this caller may learn that the case exists (domain.md 4, visibility)."""
    roles = roles_on(caller, case)
    if not _case_paths(caller, CASE_ROLES):
        return False
    if Role.COORDINATOR in roles or Role.COORDINATOR in roles_receiving(caller, case):
        return True
    if caller.account_id in {case.assignee_id, case.recorded_by}:
        return True
    if case.visibility == Visibility.SEALED:
        return False
    if roles & CASE_ROLES or case.visibility == Visibility.NETWORK:
        return True
    return case.visibility == Visibility.REGIONAL and case.region_id in _entities_above(caller)


def visible_to(caller: Caller) -> ColumnElement[bool]:
    """`sees`, as a condition on the case table."""
    if not _case_paths(caller, CASE_ROLES):
        return false()
    coordinates = _below(_case_paths(caller, {Role.COORDINATOR}))
    regional = and_(Case.visibility == Visibility.REGIONAL, Case.region_id.in_(_entities_above(caller)))
    return or_(
        Case.lead_entity_id.in_(coordinates),
        Case.handover_to_id.in_(coordinates),
        Case.assignee_id == caller.account_id,
        Case.recorded_by == caller.account_id,
        and_(
            Case.visibility != Visibility.SEALED,
            or_(
                Case.lead_entity_id.in_(_below(_case_paths(caller, OVER_THE_LEAD))),
                Case.intake_entity_id.in_(_below(_case_paths(caller, {Role.PARTNER}))),
                Case.visibility == Visibility.NETWORK,
                regional,
            ),
        ),
    )


def worked_on_by(caller: Caller) -> ColumnElement[bool]:
    """`is_on_team`, as a condition on the case table; it goes with `visible_to`."""
    return or_(
        Case.lead_entity_id.in_(_below(_case_paths(caller, TEAM - {Role.PARTNER}))),
        Case.intake_entity_id.in_(_below(_case_paths(caller, {Role.PARTNER}))),
    )


def own_parties(caller: Caller) -> Select[Party]:
    """The parties of the cases that the caller works on."""
    return select(Party).join(Case, Case.id == Party.case_id).where(visible_to(caller), worked_on_by(caller))


def as_known(
    session: Session, caller: Caller, table: type[Organisation | Facility], number: UUID
) -> dict[str, Any] | None:
    """A row of the directory in the words this caller may know it by; None where there is none for them.

    Listed ones are known to all; another only in the words of a case that the caller works on and that names it.
    """
    row: Any = session.get(table, number)
    if row is not None and row.listed:
        return FORMS[table].model_validate(row).model_dump(mode="json")
    key = Party.organisation_id if table is Organisation else Party.facility_id
    named = session.scalar(own_parties(caller).where(key == number).order_by(Party.id.desc()).limit(1))
    return named.named if named else None


def _case_paths(caller: Caller, roles: frozenset[Role] | set[Role]) -> list[str]:
    return sorted({held.path for held in caller.held if held.role in roles})


def _below(paths: list[str]) -> Select[UUID]:
    """The entities at these paths and below."""
    return select(Entity.id).where(or_(false(), *(Entity.path.startswith(path) for path in paths)))


def _entities_above(caller: Caller) -> set[UUID]:
    """The entities the caller's case roles are held in, and all above them."""
    return {UUID(part) for path in _case_paths(caller, CASE_ROLES) for part in path.strip("/").split("/")}
