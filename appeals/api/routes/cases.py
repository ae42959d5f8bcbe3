"""Routes of the case itself: intake, the list, one case, its history."""

from collections.abc import Sequence
from typing import Annotated, cast
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field, RootModel

from appeals.access import past
from appeals.access.visibility import cached_statement, is_on_team, view_of
from appeals.api.authorization import AuthorizationContext
from appeals.api.dependencies import Read, writing
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
from appeals.api.prepared_read import Parameters, PreparedRead, ReadParams, ReadResult, or_not_modified, tag_of
from appeals.api.problems import UnmetOutput
from appeals.api.routing import new_router
from appeals.api.snapshot import Authorized, Snapshot
from appeals.api.transaction import WriteRequest
from appeals.cases.case import Case
from appeals.cases.case_reading import load_case
from appeals.cases.sharing import NOT_AGREED
from appeals.database.raw_reads import FetchedRow
from appeals.database.statement_cache import statement_cache
from appeals.errors import FieldError, Forbidden, Invalid, NotFound
from appeals.fields import Instant, Model
from appeals.json_types import Json
from appeals.lifecycle import intake
from appeals.lifecycle.case_inputs import Intake
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
from appeals.vocabulary import Logged, View

router = new_router("cases")


class _Beside(Model):
    """What the answer to an intake contains besides the new case."""

    possible_duplicates: list[Duplicate]
    visibility_refused: Annotated[
        UnmetOutput | None,
        Field(description="Why the case is less visible than requested; it is `regional`."),
    ]


class IntakeOutput(_Beside, WorkView):
    """The new case, and others that may be the same appeal. They do not prevent the intake."""


class AsOf(Model):
    """The moment to read."""

    as_of: Annotated[
        Instant | None, Field(description="The state on record at that moment, without anything recorded later.")
    ] = None


class ViewQuery(AsOf):
    """The view to read; if omitted, the fullest that you may have."""

    view: View | None = None


class CaseView(RootModel[WorkView | StatusView]):
    """A case in one of its views; `view` tells in which."""


def compare_before(authorization: AuthorizationContext, body: Json) -> Comparison:
    return compare(authorization.session, authorization.caller, Intake.model_validate(body))


@router.get("/v1/cases/{ref}", response_model=CaseView)
def get_case(ref: CaseReference, query: Annotated[ViewQuery, Query()], read: Read) -> Response:
    """A case as you may see it.

    The answer is the whole case for those who work on it, and a smaller view for those who follow it. Send its
    ETag as If-None-Match to read only what is new, and as If-Match to take a step.
    """
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


def case_read(tx: Snapshot, query: ViewQuery) -> PreparedRead:
    """Return the prepared read of any case in the same view, from its snapshot."""

    def parameters(params: ReadParams) -> Parameters:
        return {"reference": params.reference, "known": params.tags[0] if params.tags else ""}

    def render(rows: Sequence[FetchedRow], params: ReadParams) -> ReadResult | None:
        if not rows:  # the statement has the conditions of who sees the case in it, and asks them once more
            raise NotFound
        is_work, tag, content, survivor, *_ = rows[0]
        if tag is None:
            return None
        logged, links = Logged.VIEW if is_work else None, links_in(rows, params.reference)
        if content is None:
            # The caller has a version without the names of other cases, and may be allowed to see those by now.
            return None if survivor or links else ReadResult(None, tag, logged=logged)
        if survivor or links:
            content = insert_links(insert_survivor(content, survivor), links)
            tag = views.tag_of(int(tag[1:].partition("-")[0]), content)
        return or_not_modified(ReadResult(content, tag, logged=logged), params)

    return PreparedRead(
        cached_statement(statement_cache(tx.session), tx.caller, snapshot_statement, query.view), parameters, render
    )


def _allowed_view(tx: Snapshot, query: ViewQuery) -> View:
    """Return the requested view, or the fullest that the caller may have. Raises: Forbidden."""
    most = view_of(tx.caller, tx.case)
    view = query.view or most
    if view is View.WORK and most is not View.WORK:
        raise Forbidden
    return view or View.STATUS


def as_it_was(tx: Snapshot, query: AsOf, view: View) -> Case:
    """Return the case at the requested moment, or as it is, to be shown in a view.

    Raises: Invalid, for a future moment; NotFound, for one at which the caller could not have seen it.
    """
    if query.as_of and query.as_of > tx.now:
        raise Invalid([FieldError("?as_of", "is in the future")])
    then = past.as_it_was(tx.session, tx.caller, tx.case, query.as_of, view)
    if then is None:
        raise NotFound
    return then


@router.get("/v1/cases", response_model=Page[CaseOutput], responses=AS_TABLE)
def list_cases(query: Annotated[CaseQuery, Query()], read: Read) -> Response:
    """The cases you may see.

    Filters narrow the list; several filters must all fit. The answer is a page, and `next` is the cursor of the page
    after it.
    """
    with read.snapshot() as tx:
        listed, media_type = case_list_read(tx, query), negotiate_format(tx.request)
        if media_type == "application/json":
            return tx.send(tx.read(listed, query.cursor or ""))
        rows = tx.rows(listed, ReadParams(cursor=query.cursor or ""))
        lines, after = page_of(rows, query.limit)
        return page_as_table(
            tx, CaseOutput, [CaseOutput.model_validate_json(line) for line in lines], after, media_type
        )


def case_list_read(tx: Snapshot, query: CaseQuery) -> PreparedRead:
    """Return the prepared read of the same list with any cursor. A search by words is not repeatable."""
    pages, place = paging(tx), decode_cursor(tx, query)
    is_repeatable = query.q is None

    def parameters(params: ReadParams) -> Parameters:
        return next_cursor(query, pages.decode_cursor(params.cursor)) if place and is_repeatable else {}

    def render(rows: Sequence[FetchedRow], params: ReadParams) -> ReadResult:
        content, headers = pages.page(*page_of([row for row in rows if row[-2] is not None], query.limit))
        return or_not_modified(ReadResult(content, tag_of(content), headers), params)

    statement = list_statement(tx.session, tx.caller, query, place)
    return PreparedRead(statement, parameters, render, is_repeatable=is_repeatable)


@router.post("/v1/cases", status_code=201, response_model=IntakeOutput, responses=with_headers(201, "Location", "ETag"))
def create_case(
    body: Intake,
    write: Annotated[WriteRequest, writing(prepare=compare_before)],
) -> Response:
    """Log an urgent appeal.

    Send what happened, where, who asks for help and which violations are alleged. The case begins in `received`, and
    the answer names its reference and cases that may be about the same dispute.
    """
    with write.transaction() as tx:
        case = intake.create_case(tx.write, tx.caller, body, tx.now)
        duplicates = possible_duplicates(tx.write, tx.caller, case, cast(Comparison, tx.prepared))
        refused = None if case.visibility == body.visibility else UnmetOutput.model_validate(NOT_AGREED)
        beside = _Beside(possible_duplicates=duplicates, visibility_refused=refused).model_dump_json().encode()
        shown = tx.show(case)
        content = shown.view[:-1] + b"," + beside[1:]
        return tx.respond(content, Location=f"/v1/cases/{case.reference}", ETag=shown.tag)


def log_publication(tx: Authorized, published_before: set[UUID]) -> None:
    """Log a view of the case, and a publication if other publications are up than before."""
    tx.log(Logged.VIEW)
    if tx.case.publications_up != published_before:
        tx.log(Logged.PUBLICATION)


def log_work(tx: Snapshot) -> None:
    """Log a view with the work view. The status view is not logged."""
    if is_on_team(tx.caller, tx.case):
        tx.log(Logged.VIEW)


@router.get("/v1/cases/{ref}/history", response_model=Page[HistoryOutput], responses=AS_TABLE)
def get_history(ref: CaseReference, query: Annotated[PageQuery, Query()], read: Read) -> Response:
    """The status history, oldest first.

    Every entry tells a step, the states before and after it, and when it happened. What only the team may read is
    null to others.
    """
    with read.snapshot() as tx:
        log_work(tx)
        after = decode_cursor(tx, query)
        rest = tx.case.history[after[0] if after else 0 :]
        shown = rest[: query.limit]
        following = [shown[-1].sequence] if len(rest) > len(shown) else None
        since = past.readable_since(tx.session, tx.caller, tx.case)
        entries = [history_view.of_entry(tx.session, tx.caller, tx.case, entry, since) for entry in shown]
        return page(tx, HistoryOutput, entries, following)
