"""The register: finding many cases by filters, in pages by key."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, Select, and_, or_, select, tuple_
from sqlalchemy import case as sql_case
from sqlalchemy.orm import Session, selectinload

from appeals.access import visible_to, worked_on_by
from appeals.case import Case
from appeals.field import Country, Day, Instant, Model, NameOrId, as_uuid
from appeals.network import Account, Caller, Entity
from appeals.party import BUYERS, Party
from appeals.violation import Violation
from appeals.vocabulary import (
    GROUP,
    Priority,
    RiskLevel,
    Status,
    StatusGroup,
    ViolationCode,
    Visibility,
)

Sort = Literal["received_on", "updated_at", "priority"]


class PageQuery(Model):
    """Which page: how many items, and from which cursor on."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str | None, Field(max_length=2000, pattern=r"^[A-Za-z0-9_-]+$")] = None


Value = TypeVar("Value")
AnyOf = Annotated[list[Value], Field(max_length=100)]


class CaseQuery(PageQuery):
    """Filters of the list of cases. Where one is given several times, any of its values fits."""

    status: AnyOf[Status] = []
    group: AnyOf[StatusGroup] = []
    country: AnyOf[Country] = []
    region: Annotated[AnyOf[NameOrId], Field(description="Entity, by name or id.")] = []
    lead: Annotated[AnyOf[NameOrId], Field(description="Entity, by name or id.")] = []
    assignee: Annotated[AnyOf[NameOrId], Field(description="Account, by name or id; of the cases you work on.")] = []
    violation: AnyOf[ViolationCode] = []
    brand: Annotated[AnyOf[UUID], Field(description="Organisation, by id; of the cases you work on.")] = []
    facility: Annotated[AnyOf[UUID], Field(description="By id; of the cases you work on.")] = []
    risk: AnyOf[RiskLevel] = []
    priority: AnyOf[Priority] = []
    visibility: AnyOf[Visibility] = []
    danger: bool | None = None
    received_from: Day | None = None
    received_to: Day | None = None
    updated_since: Instant | None = None
    sort: Sort = "received_on"


def find(
    session: Session, caller: Caller, asked: CaseQuery, after: list[Any] | None
) -> tuple[list[Case], list[Any] | None]:
    """A page of the cases the caller may see, newest or most pressing first, and the place where the next begins."""
    key = _key(asked.sort)
    query: Select[Any] = select(Case, key).where(visible_to(caller), *_conditions(caller, asked))
    if after is not None:
        query = query.where(tuple_(key, Case.id) < tuple_(_typed(asked.sort, after[0]), UUID(after[1])))
    query = query.options(*(selectinload(part) for part in SHOWN_IN_LISTS))
    rows = session.execute(query.order_by(key.desc(), Case.id.desc()).limit(asked.limit + 1)).all()
    page = rows[: asked.limit]
    if len(rows) <= asked.limit:
        return [row[0] for row in page], None
    last, value = page[-1]
    shown = value if isinstance(value, int) else value.isoformat()
    return [row[0] for row in page], [shown, str(last.id)]


SHOWN_IN_LISTS = (
    Case.tallies, Case.team, Case.merged_into, Case.lead_entity, Case.intake_entity, Case.handover_to,
)  # fmt: skip
"""What a line of the list is made of, and what decides who gets which view of it: fetched for the page as a whole."""


def _key(sort: Sort) -> ColumnElement[Any]:
    if sort == "priority":
        ranks = {level: rank for rank, level in enumerate(reversed(Priority))}
        return sql_case(ranks, value=Case.priority)
    column: ColumnElement[Any] = getattr(Case, sort)
    return column


def _typed(sort: Sort, value: Any) -> Any:
    if sort == "priority":
        return value
    return datetime.fromisoformat(value) if sort == "updated_at" else date.fromisoformat(value)


def _conditions(caller: Caller, asked: CaseQuery) -> list[ColumnElement[bool]]:
    statuses = {*asked.status, *(state for state in Status if GROUP[state] in asked.group)}
    if asked.status and asked.group:
        statuses = {state for state in asked.status if GROUP[state] in asked.group}
    plain: list[tuple[Any, ColumnElement[bool]]] = [
        (asked.status or asked.group, Case.status.in_(statuses)),
        (asked.country, Case.country.in_(asked.country)),
        (asked.risk, Case.risk.in_(asked.risk)),
        (asked.priority, Case.priority.in_(asked.priority)),
        (asked.visibility, Case.visibility.in_(asked.visibility)),
        (asked.region, Case.region_id.in_(_ids(Entity, asked.region))),
        (asked.lead, Case.lead_entity_id.in_(_ids(Entity, asked.lead))),
        (asked.violation, Case.id.in_(select(Violation.case_id).where(Violation.code.in_(asked.violation)))),
        # Who only follows the status of a case gets neither its parties nor its assignee, by a filter neither.
        (asked.assignee, and_(worked_on_by(caller), Case.assignee_id.in_(_ids(Account, asked.assignee)))),
        (asked.brand, and_(worked_on_by(caller), Case.id.in_(_of_brand(asked.brand)))),
        (asked.facility, and_(worked_on_by(caller), Case.id.in_(_of_facility(asked.facility)))),
    ]
    given = [condition for value, condition in plain if value]
    if asked.danger is not None:
        given.append(Case.danger.is_(asked.danger))
    if asked.received_from is not None:
        given.append(Case.received_on >= asked.received_from)
    if asked.received_to is not None:
        given.append(Case.received_on <= asked.received_to)
    if asked.updated_since is not None:
        given.append(Case.updated_at >= asked.updated_since)
    return given


def _ids(table: type[Entity] | type[Account], named: list[str]) -> Select[UUID]:
    numbers = [number for name in named if (number := as_uuid(name))]
    return select(table.id).where(or_(table.name.in_(named), table.id.in_(numbers)))


def _of_brand(brands: list[UUID]) -> Select[UUID]:
    return select(Party.case_id).where(Party.organisation_id.in_(brands), Party.target.in_(BUYERS))


def _of_facility(facilities: list[UUID]) -> Select[UUID]:
    return select(Party.case_id).where(Party.facility_id.in_(facilities))
