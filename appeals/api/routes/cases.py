"""Routes of the case itself: intake, the list, one case, its change, its history."""

from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import Field, RootModel

from appeals.access import past
from appeals.access.visibility import cached_statement, is_on_team, roles_on, view_of
from appeals.accounts.account import Account
from appeals.api.authorization import AuthorizationContext
from appeals.api.dependencies import CurrentWrite, Read, writing
from appeals.api.openapi import AS_TABLE, with_headers
from appeals.api.pagination import (
    Page,
    decode_cursor,
    negotiate_format,
    page,
    page_as_table,
    paging,
)
from appeals.api.parameters import CaseReference
from appeals.api.prepared_read import PreparedRead, ReadParams, ReadResult, or_not_modified, tag_of
from appeals.api.problems import UnmetOutput
from appeals.api.routing import new_router
from appeals.api.snapshot import Authorized, Snapshot
from appeals.api.transaction import WriteRequest, WriteTransaction
from appeals.cases.case import Case
from appeals.cases.case_reading import load_case
from appeals.cases.sharing import NOT_AGREED, may_have
from appeals.database.statement_cache import statement_cache
from appeals.errors import ChangeRefused, FieldError, Forbidden, Invalid, NotFound
from appeals.fields import Instant, Model
from appeals.lifecycle import intake
from appeals.lifecycle import transition as steps
from appeals.lifecycle.attempt import Attempt
from appeals.lifecycle.case_inputs import CaseChange, Intake
from appeals.lifecycle.guards import GUARDS
from appeals.lifecycle.record_references import require_conditions
from appeals.lifecycle.steps import STEP_OF_NOUN
from appeals.lifecycle.team_rules import name_on_team
from appeals.read_models import history_view, views
from appeals.read_models.case_list import (
    CaseQuery,
    PageQuery,
    links_in,
    list_statement,
    next_cursor,
    page_of,
    snapshot_statement,
)
from appeals.read_models.case_snapshot import insert_links, insert_survivor
from appeals.read_models.history_view import HistoryOutput
from appeals.read_models.views import CaseOutput, StatusView, WorkView
from appeals.reports.duplicates import Comparison, Duplicate, compare, possible_duplicates
from appeals.vocabulary import Logged, Role, View, Visibility

COORDINATORS_ONLY = {"assignee", "visibility"}
router = new_router("cases")


class _Beside(Model):
    """What an intake is told besides the new case."""

    possible_duplicates: list[Duplicate]
    visibility_refused: Annotated[
        UnmetOutput | None,
        Field(description="Why the case is not as widely visible as was asked; it is kept `regional`."),
    ]


class IntakeOutput(_Beside, WorkView):
    """The new case, and others that may be the same appeal: told, not refused."""


class AsOf(Model):
    """At which moment."""

    as_of: Annotated[
        Instant | None, Field(description="What was on record then; what was heard of later does not leak into it.")
    ] = None


class ViewQuery(AsOf):
    """Which view; left out, the most you may have."""

    view: View | None = None


CaseView = RootModel[WorkView | StatusView]


def compare_before(authorization: AuthorizationContext, body: Intake) -> Comparison:
    return compare(authorization.session, authorization.caller, body)


@router.get("/v1/cases/{ref}", response_model=CaseView)
def get_case(ref: CaseReference, query: Annotated[ViewQuery, Query()], read: Read) -> Response:
    """A case as you may see it."""
    with read.snapshot() as tx:
        view = _allowed_view(tx, query)
        if query.as_of is None:
            return tx.send(tx.read(case_read(tx, query)))
        if view is View.WORK:
            tx.log(Logged.VIEW)
        load_case(tx.session, tx.case)
        then = as_it_was(tx, query, view)
        content = views.of_case(tx.caller, then, view).model_dump_json().encode()
        return tx.respond(content, ETag=views.tag_of(then.version, content))


def case_read(tx: Snapshot[Any], query: ViewQuery) -> PreparedRead:
    """Any case in the same view, as it is stored."""

    def parameters(params: ReadParams) -> dict[str, Any]:
        return {"reference": params.reference, "known": params.tags[0] if params.tags else ""}

    def render(rows: list[Any], params: ReadParams) -> ReadResult | None:
        is_work, tag, content, survivor, *_ = rows[0]
        if tag is None:
            return None
        logged, links = Logged.VIEW if is_work else None, links_in(rows, params.reference)
        if content is None:
            # The caller has it without the names of other cases; if they see those by now, it is not what they get now.
            return None if survivor or links else ReadResult(None, tag, logged=logged)
        if survivor or links:
            content = insert_links(insert_survivor(content, survivor), links)
            tag = views.tag_of(int(tag[1:].partition("-")[0]), content)
        return or_not_modified(content, tag, params, logged=logged)

    return PreparedRead(
        cached_statement(statement_cache(tx.session), tx.caller, snapshot_statement, query.view), parameters, render
    )


def _allowed_view(tx: Snapshot[Any], query: ViewQuery) -> View:
    """The view the caller asks for, or the most they may have. Raises: Forbidden."""
    most = view_of(tx.caller, tx.case)
    view = query.view or most
    if view is View.WORK and most is not View.WORK:
        raise Forbidden
    return view or View.STATUS


def as_it_was(tx: Snapshot[Any], query: AsOf, view: View) -> Case:
    """The case at the moment asked for, or as it is, to be shown in a view.

    Raises: Invalid, for a moment to come; NotFound, for one at which it was not there for the caller.
    """
    if query.as_of and query.as_of > tx.now:
        raise Invalid([FieldError("?as_of", "lies in the future")])
    then = past.as_it_was(tx.session, tx.caller, tx.case, query.as_of, view)
    if then is None:
        raise NotFound
    return then


@router.get("/v1/cases", response_model=Page[CaseOutput], responses=AS_TABLE)
def list_cases(query: Annotated[CaseQuery, Query()], read: Read) -> Response:
    """The cases you may see."""
    with read.snapshot() as tx:
        listed, media_type = case_list_read(tx, query), negotiate_format(tx.request)
        if media_type == "application/json":
            return tx.send(tx.read(listed, query.cursor or ""))
        rows = tx.rows(listed, ReadParams(cursor=query.cursor or ""))
        lines, after = page_of(rows, query.limit)
        return page_as_table(
            tx, CaseOutput, [CaseOutput.model_validate_json(line) for line in lines], after, media_type
        )


def case_list_read(tx: Snapshot[Any], query: CaseQuery) -> PreparedRead:
    """The same page as it is stored, or with a cursor another. Where words are searched for, this page alone."""
    pages, place = paging(tx), decode_cursor(tx, query)
    is_repeatable = query.q is None

    def parameters(params: ReadParams) -> dict[str, Any]:
        return next_cursor(query, pages.decode_cursor(params.cursor)) if place and is_repeatable else {}

    def render(rows: list[Any], params: ReadParams) -> ReadResult:
        content, headers = pages.page(*page_of([row for row in rows if row[-2] is not None], query.limit))
        return or_not_modified(content, tag_of(content), params, headers=headers)

    statement = list_statement(tx.session, tx.caller, query, place)
    return PreparedRead(statement, parameters, render, is_repeatable=is_repeatable)


@router.post("/v1/cases", status_code=201, response_model=IntakeOutput, responses=with_headers(201, "Location", "ETag"))
def create_case(
    body: Intake,
    write: Annotated[WriteRequest[Any], writing(prepare=compare_before)],
) -> Response:
    """Log an urgent appeal."""
    with write.transaction() as tx:
        case = intake.create_case(tx.write, tx.caller, body, tx.now)
        duplicates = possible_duplicates(tx.write, tx.caller, case, tx.prepared)
        refused = None if case.visibility == body.visibility else UnmetOutput.model_validate(NOT_AGREED)
        beside = _Beside(possible_duplicates=duplicates, visibility_refused=refused).model_dump_json().encode()
        shown = tx.show(case)
        content = shown.view[:-1] + b"," + beside[1:]
        return tx.respond(content, Location=f"/v1/cases/{case.reference}", ETag=shown.tag)


@router.patch("/v1/cases/{ref}", response_model=WorkView, responses=with_headers(200, "ETag"))
def amend_case(ref: CaseReference, body: CaseChange, write: CurrentWrite) -> Response:
    """Change a case, never its status."""
    with write.transaction() as tx:
        values = _understood(tx, body)  # 403 422
        tx.require_if_match()  # 428 412
        amend(tx, body, values)  # 409
        shown = tx.show()
        return tx.respond(shown.view, ETag=shown.tag)


def _understood(tx: WriteTransaction[Any], body: CaseChange) -> dict[str, Any]:
    """The columns to set, by name; `assignee_id` is an account that exists. Raises: Forbidden, Invalid."""
    values = {name: getattr(body, name) for name in body.model_fields_set}
    if values.keys() & COORDINATORS_ONLY and Role.COORDINATOR not in roles_on(tx.caller, tx.case):
        raise Forbidden
    if None in values.values():
        nulls = [name for name, value in values.items() if value is None]
        raise Invalid([FieldError(f"/{name}", "cannot be null; leave it out") for name in nulls])
    if "assignee" in values:
        values["assignee_id"] = tx.write.network.existing_account(values.pop("assignee"), "/assignee").id
    return values


def amend(tx: WriteTransaction[Any], body: CaseChange, values: dict[str, Any]) -> None:
    """Set what differs from what is on record, and let what follows from it follow. Raises: ChangeRefused, Invalid."""
    case = tx.case
    if "assignee_id" in values:
        _require_assignable(tx, tx.write.network.account(values["assignee_id"]))
    if "translations" in values:
        values["translations"] = body.model_dump(mode="json")["translations"]
    if values.pop("conditions_met", None):
        require_conditions(case, body.conditions_met, "/conditions_met")
        case.share_conditions_met = [*case.share_conditions_met, *body.model_dump(mode="json")["conditions_met"]]
    _require_shareable(tx, values.get("visibility"))
    changed = {name: value for name, value in values.items() if getattr(case, name) != value}
    for name, value in changed.items():
        setattr(case, name, value)
    _name_responsible(tx, changed)
    if changed:
        case.version += 1
        case.touch(tx.now)
    published_before = case.publications_up
    steps.follow_up(tx.write_context)
    log_publication(tx, published_before)


def _require_shareable(tx: WriteTransaction[Any], visibility: Visibility | None) -> None:
    """Raises: ChangeRefused, when the case would be seen more widely than was agreed to."""
    case = tx.case
    if visibility is None or visibility == case.visibility or may_have(case, visibility, tx.now):
        return
    raise ChangeRefused(case.status, [NOT_AGREED], steps.open_nouns(tx.caller, case))


def _name_responsible(tx: WriteTransaction[Any], changed: dict[str, Any]) -> None:
    """Name on the team who is given the case, and who seals it: they would lose sight of it themselves."""
    writing = tx.write_context
    if "assignee_id" in changed:
        name_on_team(writing, changed["assignee_id"])
    if changed.get("visibility") == Visibility.SEALED:
        name_on_team(writing, tx.caller.account_id)


def _require_assignable(tx: WriteTransaction[Any], account: Account) -> None:
    """Raises: ChangeRefused, when a step would not let this account have the case either."""
    case, screening = tx.case, STEP_OF_NOUN["screening"]
    attempt = Attempt(
        tx.write.network, case, screening, tx.caller, tx.now, tx.now.date(), lead=case.lead_entity, assignee=account
    )
    guards = [GUARDS[code] for code in ("assignee.is_party", "assignee.without_role")]
    missing = [guard.as_unmet() for guard in guards if not guard.holds(attempt)]
    if missing:
        raise ChangeRefused(case.status, missing, steps.open_nouns(tx.caller, case))


def log_publication(tx: Authorized[Any], published_before: set[Any]) -> None:
    """Log a view of the case, and a publication where others are public than before."""
    tx.log(Logged.VIEW)
    if tx.case.publications_up != published_before:
        tx.log(Logged.PUBLICATION)


def log_work(tx: Snapshot[Any]) -> None:
    """Log a view where the team reads; what those get who follow the case is not logged."""
    if is_on_team(tx.caller, tx.case):
        tx.log(Logged.VIEW)


@router.get("/v1/cases/{ref}/history", response_model=Page[HistoryOutput], responses=AS_TABLE)
def get_history(ref: CaseReference, query: Annotated[PageQuery, Query()], read: Read) -> Response:
    """The status history, oldest first."""
    with read.snapshot() as tx:
        log_work(tx)
        after = decode_cursor(tx, query)
        rest = tx.case.history[after[0] if after else 0 :]
        shown = rest[: query.limit]
        following = [shown[-1].sequence] if len(rest) > len(shown) else None
        since = past.readable_since(tx.session, tx.caller, tx.case)
        entries = [history_view.of_entry(tx.session, tx.caller, tx.case, entry, since) for entry in shown]
        return page(tx, HistoryOutput, entries, following)
