"""The list of cases: finding many cases by filters, in pages by key."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Annotated, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, Field
from sqlalchemy import CTE, ColumnElement, Select, and_, bindparam, false, null, or_, select, true, tuple_
from sqlalchemy import case as sql_case
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.elements import False_

from appeals.access.visibility import visible_filter, work_view_filter
from appeals.accounts.account import Account
from appeals.accounts.caller import Caller
from appeals.accounts.entity import Entity
from appeals.cases.case import Case
from appeals.cases.case_indexes import URGENCY
from appeals.cases.link import Link, LinkOutput
from appeals.cases.party import BUYERS, Party
from appeals.cases.violation import Violation
from appeals.database.full_text import FullTextMatch
from appeals.database.raw_reads import FetchedRow
from appeals.database.types import AnyColumn, AnySelect
from appeals.fields import Country, Day, Instant, Model, NameOrId, as_uuid
from appeals.json_types import Json
from appeals.read_models.case_snapshot import CaseSnapshot, insert_survivor
from appeals.read_models.search import search_matches
from appeals.read_models.tokenizer import words_in
from appeals.vocabulary import GROUP, Priority, RiskLevel, Status, StatusGroup, View, ViolationCode, Visibility

Sort = Literal["received_on", "updated_at", "priority"]


class PageQuery(Model):
    """The requested page: how many items, from which cursor."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str | None, Field(max_length=2000, pattern=r"^[A-Za-z0-9_-]+$")] = None


Value = TypeVar("Value")
OneOrMore = Annotated[list[Value], Field(max_length=100)]
MAX_WORDS = 20


def _searchable(query: str) -> str:
    if not 1 <= words_in(query) <= MAX_WORDS:
        raise ValueError(f"must contain a letter or digit, and at most {MAX_WORDS} words")
    return query


Words = Annotated[
    str,
    Field(
        max_length=200,
        description="Words of title, summary and country; for cases you work on also names and provinces of the "
        "parties. All must be found; the last may be the beginning of a word.",
    ),
    AfterValidator(_searchable),
]


class CaseQuery(PageQuery):
    """The filters of the list of cases. If one is given several times, any of its values fits."""

    status: OneOrMore[Status] = []
    group: OneOrMore[StatusGroup] = []
    country: OneOrMore[Country] = []
    region: Annotated[OneOrMore[NameOrId], Field(description="Entity, by name or id.")] = []
    lead: Annotated[OneOrMore[NameOrId], Field(description="Entity, by name or id.")] = []
    assignee: Annotated[
        OneOrMore[NameOrId], Field(description="The assigned account, by name or id; finds only cases you work on.")
    ] = []
    violation: OneOrMore[ViolationCode] = []
    brand: Annotated[OneOrMore[UUID], Field(description="The id of a brand; finds only cases you work on.")] = []
    facility: Annotated[OneOrMore[UUID], Field(description="The id of a facility; finds only cases you work on.")] = []
    risk: OneOrMore[RiskLevel] = []
    priority: OneOrMore[Priority] = []
    visibility: OneOrMore[Visibility] = []
    danger: bool | None = None
    received_from: Day | None = None
    received_to: Day | None = None
    updated_since: Instant | None = None
    q: Words | None = None
    sort: Sort = "received_on"


def list_statement(session: Session, caller: Caller, params: CaseQuery, after: list[Json] | None) -> AnySelect:
    """Return the statement for one more case than a page that the caller may see, newest or most urgent first.

    Columns: the sort keys, the stored line, and the survivor if the caller may see it. The position of the page is in
    parameters, see `next_cursor`.
    """
    before = after[0] if after and params.sort == "received_on" else None
    match = None if params.q is None else search_matches(session, caller, params.q, before=before)
    order = _order(params.sort, match)
    query = select(*order, line_column(caller).label("line"), survivor_column(caller).label("survivor"))
    query = query.join_from(Case, CaseSnapshot, CaseSnapshot.case_id == Case.id)
    query = query.where(visible_filter(caller), *_filters(caller, params))
    if match is not None:
        query = query.where(match.condition)
    if after is not None:
        values = zip(order, _after_key(order, after).items(), strict=True)
        place = [bindparam(name, value, key.type) for key, (name, value) in values]
        query = query.where(tuple_(*order) < tuple_(*place))
        if params.sort == "priority":
            query = query.where(
                order[0] <= place[0]
            )  # this follows from the row, but SQLite cannot use a row alone to search an index
    return query.order_by(*(key.desc() for key in order)).limit(params.limit + 1)


def next_cursor(params: CaseQuery, place: list[Json]) -> dict[str, Json]:
    """Return a position in the list as the parameters of its statement, for lists without a search by words."""
    return _after_key(_order(params.sort, None), place)


def _after_key(order: list[AnyColumn], place: list[Json]) -> dict[str, Json]:
    return {
        f"after_{number}": _decode_value(key, value)
        for number, (key, value) in enumerate(zip(order, place, strict=True))
    }


def line_column(caller: Caller) -> ColumnElement[bytes]:
    """Return the column of the stored line of a case, in the view that the caller has."""
    return sql_case((work_view_filter(caller), CaseSnapshot.work_line), else_=CaseSnapshot.status_line)


def survivor_column(
    caller: Caller, merged_into: ColumnElement[UUID | None] = Case.__table__.c.merged_into_id
) -> ColumnElement[str | None]:
    """Return the column of the survivor's reference, if the caller may see it."""
    survivor = aliased(Case)
    seen = select(survivor.reference).where(survivor.id == merged_into, visible_filter(caller, survivor))
    return seen.correlate_except(survivor).scalar_subquery()


def page_of(rows: Sequence[FetchedRow], limit: int) -> tuple[list[bytes], list[Json] | None]:
    """Return the lines of a page from the rows of `list_statement`, and the position of the next page."""
    lines = [insert_survivor(line, survivor) for *_, line, survivor in rows[:limit]]
    return lines, list(map(_encode_value, rows[limit - 1][:-2])) if len(rows) > limit else None


def snapshot_statement(caller: Caller, view: View | None) -> AnySelect:
    """Return the statement for a stored view of a case: the requested one, or the fullest that the caller has. It has
    no rows if the caller may not see the case.

    Columns: whether it is the work view, its tag, the view unless its tag is the parameter `known`, and the survivor if
    the caller may see it. For callers who may have the work view, those of `links_in`: a row for each link of the case,
    or one without. The reference of the case is the parameter `reference`.
    """
    works = work_view_filter(caller) if view is not View.STATUS else false()
    seen = select(Case.id, Case.merged_into_id, sql_case((works, true()), else_=false()).label("is_work"))
    seen = seen.where(Case.reference == bindparam("reference", ""), visible_filter(caller))
    if view is View.WORK:
        seen = seen.where(works)
    case = seen.cte("seen").prefix_with("MATERIALIZED")  # the rules are expensive, and their result is used five times
    tag = sql_case((case.c.is_work, CaseSnapshot.work_tag), else_=CaseSnapshot.status_tag)
    kept = sql_case((case.c.is_work, CaseSnapshot.work_view), else_=CaseSnapshot.status_view)
    fresh = sql_case((tag == bindparam("known", ""), null()), else_=kept).label("kept")
    survivor = survivor_column(caller, case.c.merged_into_id).label("survivor")
    query = select(case.c.is_work, tag.label("tag"), fresh, survivor)
    query = query.join_from(case, CaseSnapshot, CaseSnapshot.case_id == case.c.id)
    return query if isinstance(works, False_) else _with_links(query, caller, case)


def _with_links(query: AnySelect, caller: Caller, case: CTE) -> AnySelect:
    made_here = (Link.case_id == case.c.id).label("made_here")
    far_end = sql_case((made_here, Link.other), else_=Link.case_id)
    other = aliased(Case)
    far = select(other.reference).where(other.id == far_end, visible_filter(caller, other)).correlate(case, Link)
    condition = and_(case.c.is_work, or_(Link.case_id == case.c.id, Link.other == case.c.id), far.exists())
    link = (getattr(Link, name).label(f"link_{name}") for name in _OF_LINK)
    return query.add_columns(made_here, far.scalar_subquery().label("far_end"), *link).outerjoin(Link, condition)


_OF_LINK = ("id", "label", "recorded_at", "recorded_by", "kind", "note")


def links_in(rows: Iterable[FetchedRow], reference: str) -> list[LinkOutput]:
    """Return the links in rows of `snapshot_statement`, in the order of the case."""
    linked = [row[4:] for row in rows if len(row) > 4 and row[5] is not None]
    links = [(here, far, dict(zip(_OF_LINK, link, strict=True))) for here, far, *link in linked]
    links.sort(key=lambda item: (not item[0], item[2]["id"]))
    return [
        LinkOutput(**link, reference=reference if here else far, other_reference=far if here else reference)
        for here, far, link in links
    ]


def _order(sort: Sort, match: FullTextMatch | None) -> list[AnyColumn]:
    """Return the sort keys of the list. The last key is unique."""
    if match is not None and sort == "received_on":
        return [match.place]  # the same order, in which the index returns rows
    if sort == "priority":
        return [URGENCY.label("urgency"), _ID]
    return [getattr(Case, sort), _ID]


_ID: AnyColumn = Case.id.expression


def _encode_value(value: object) -> int | str:
    """Return a value of a sort key as it is stored in a cursor."""
    return value if isinstance(value, int) else str(value)


def _decode_value(key: AnyColumn, value: int | str) -> object:
    """Return a value of a sort key from a cursor."""
    return value if isinstance(value, int) else _VALUE_CODECS[str(key.key)](value)


_VALUE_CODECS: dict[str, Callable[[str], object]] = {
    "received_on": date.fromisoformat,
    "updated_at": datetime.fromisoformat,
    "id": UUID,
}


def _filters(caller: Caller, params: CaseQuery) -> list[ColumnElement[bool]]:
    statuses = {*params.status, *(state for state in Status if GROUP[state] in params.group)}
    if params.status and params.group:
        statuses = {state for state in params.status if GROUP[state] in params.group}
    plain: list[tuple[object, ColumnElement[bool]]] = [
        (params.status or params.group, Case.status.in_(statuses)),
        (params.country, Case.country.in_(params.country)),
        (params.risk, Case.risk.in_(params.risk)),
        (params.priority, Case.priority.in_(params.priority)),
        (params.visibility, Case.visibility.in_(params.visibility)),
        (params.region, Case.region_id.in_(_ids(Entity, params.region))),
        (params.lead, Case.lead_entity_id.in_(_ids(Entity, params.lead))),
        (params.violation, Case.id.in_(select(Violation.case_id).where(Violation.code.in_(params.violation)))),
        # The status view shows neither parties nor the assignee, so a filter must not reveal them.
        (params.assignee, and_(work_view_filter(caller), Case.assignee_id.in_(_ids(Account, params.assignee)))),
        (params.brand, and_(work_view_filter(caller), Case.id.in_(_of_brand(params.brand)))),
        (params.facility, and_(work_view_filter(caller), Case.id.in_(_of_facility(params.facility)))),
    ]
    conditions = [condition for value, condition in plain if value]
    if params.danger is not None:
        conditions.append(Case.danger.is_(params.danger))
    if params.received_from is not None:
        conditions.append(Case.received_on >= params.received_from)
    if params.received_to is not None:
        conditions.append(Case.received_on <= params.received_to)
    if params.updated_since is not None:
        conditions.append(Case.updated_at >= params.updated_since)
    return conditions


def _ids(table: type[Entity] | type[Account], named: list[str]) -> Select[UUID]:
    numbers = [row_id for name in named if (row_id := as_uuid(name))]
    return select(table.id).where(or_(table.name.in_(named), table.id.in_(numbers)))


def _of_brand(brands: list[UUID]) -> Select[UUID]:
    return select(Party.case_id).where(Party.organisation_id.in_(brands), Party.target.in_(BUYERS))


def _of_facility(facilities: list[UUID]) -> Select[UUID]:
    return select(Party.case_id).where(Party.facility_id.in_(facilities))
