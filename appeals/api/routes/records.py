"""Routes of the records of a case: for each kind a list, one record, adding one, and changing one if that is
allowed.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import Query, Response

from appeals.api.authorization import AuthorizationContext
from appeals.api.dependencies import Read, Write, reading, writing
from appeals.api.openapi import AS_TABLE, with_headers
from appeals.api.pagination import Page, page_of_records
from appeals.api.parameters import CaseReference, RecordId
from appeals.api.routes.cases import log_publication
from appeals.api.routing import new_router
from appeals.api.transaction import ReadRequest, SubjectFinder, WriteRequest, WriteTransaction
from appeals.cases.case import Case
from appeals.cases.record import Record, RecordInput
from appeals.cases.response import ResponseBody, ResponseInput
from appeals.cases.team import TeamMember, TeamMemberOutput
from appeals.errors import ChangeRefused, Forbidden, NotFound
from appeals.fields import Model, as_uuid
from appeals.lifecycle import record_references, record_writing, team_rules
from appeals.lifecycle import transition as steps
from appeals.lifecycle.record_kind import Kind
from appeals.lifecycle.record_kinds import KIND_OF_NOUN, KINDS
from appeals.read_models.case_list import PageQuery

router = new_router("records")

LISTED = (
    "The answer is a page of those that you may read, also as CSV and NDJSON; `next` is the cursor of the page after."
)
READ = "The answer is the record as it now stands."
ADDED = "Send the record. The answer is the record with its id, and the change is in the feed of changes."
CHANGED = "Only the members that you send change. The answer is the record as it now stands."
"""Descriptions of the operations of every kind."""


class Confirmation(Model):
    """An empty object: `{}`."""


def record_of(kind: Kind) -> SubjectFinder[Record]:
    """Return a finder of the record in the path. Raises: NotFound."""

    def find(authorization: AuthorizationContext, case: Case | None) -> Record:
        row_id = as_uuid(authorization.params["id"])
        readable = record_references.readable(authorization.caller, case, kind) if case and row_id else []
        record: Record | None = next((record for record in readable if record.id == row_id), None)
        if record is None:
            raise NotFound
        return record

    return find


def list_route(kind: Kind) -> Callable[..., Response]:
    def list_records(ref: CaseReference, query: Annotated[PageQuery, Query()], read: Read) -> Response:
        with read.snapshot() as tx:
            return page_of_records(tx, query, kind.output, record_references.readable(tx.caller, tx.case, kind))

    return list_records


def get_route(kind: Kind) -> Callable[..., Response]:
    def get_record(
        ref: CaseReference, id: RecordId, read: Annotated[ReadRequest[Record], reading(record_of(kind))]
    ) -> Response:
        with read.snapshot() as tx:
            return tx.respond(kind.output.model_validate(tx.subject))

    return get_record


def add_route(kind: Kind) -> Callable[..., Response]:
    def add_record(ref: CaseReference, body: kind.input, write: Write) -> Response:  # type: ignore[name-defined]
        with write.transaction() as tx:
            return _add(tx, kind, body)

    return add_record


def _add(tx: WriteTransaction, kind: Kind, body: RecordInput) -> Response:
    if not record_writing.may_write(tx.write_context, kind, body):
        raise Forbidden
    record = steps.add(tx.write_context, kind, body)
    location = f"/v1/cases/{tx.case.reference}/{kind.noun}/{record.id}"
    return tx.respond(kind.output.model_validate(record), Location=location)


def change_route(kind: Kind) -> Callable[..., Response]:
    def change_record(
        ref: CaseReference,
        id: RecordId,
        body: kind.change,  # type: ignore[name-defined]
        write: Annotated[WriteRequest[Record], writing(record_of(kind))],
    ) -> Response:
        with write.transaction() as tx:
            published_before = tx.case.publications_up
            if not record_writing.may_change(tx.write_context, kind, tx.subject, body):
                raise Forbidden
            record = steps.change(tx.write_context, kind, tx.subject, body)
            log_publication(tx, published_before)
            return tx.respond(kind.output.model_validate(record))

    return change_record


def _add_routes_of(kind: Kind) -> None:
    many, single = f"/v1/cases/{{ref}}/{kind.noun}", f"/v1/cases/{{ref}}/{kind.noun}/{{id}}"
    name, output = kind.attribute, kind.output
    router.add_api_route(
        many, list_route(kind), methods=["GET"], name=f"list_{name}", response_model=Page[output],  # type: ignore[valid-type]
        summary=f"The {kind.noun} of a case, oldest first.", description=LISTED, responses=AS_TABLE,
    )  # fmt: skip
    router.add_api_route(
        single, get_route(kind), methods=["GET"], name=f"get_{name}", response_model=output,
        summary=f"One of the {kind.noun} of a case.", description=READ,
    )  # fmt: skip
    router.add_api_route(
        many, add_route(kind), methods=["POST"], name=f"add_{name}", response_model=output, status_code=201,
        summary=f"Record one of the {kind.noun} of a case.", description=ADDED,
        responses=with_headers(201, "Location"),
    )  # fmt: skip
    if kind.change:
        router.add_api_route(
            single, change_route(kind), methods=["PATCH"], name=f"change_{name}", response_model=output,
            summary=f"Change one of the {kind.noun} of a case.", description=CHANGED,
        )  # fmt: skip


for _kind in KINDS:
    _add_routes_of(_kind)


@router.post(
    "/v1/cases/{ref}/actions/{id}/responses",
    status_code=201,
    response_model=KIND_OF_NOUN["responses"].output,
    responses=with_headers(201, "Location"),
)
def add_response(
    ref: CaseReference,
    id: RecordId,
    body: ResponseBody,
    write: Annotated[WriteRequest[Record], writing(record_of(KIND_OF_NOUN["actions"]))],
) -> Response:
    """Record an answer to an action, or its rejoinder.

    Send the grade and the day of the answer. The record is one of the `responses` of the case.
    """
    with write.transaction() as tx:
        data = ResponseInput(action=str(tx.subject.id), **body.model_dump(exclude_unset=True))
        return _add(tx, KIND_OF_NOUN["responses"], data)


@router.post("/v1/cases/{ref}/team/{id}/confirmation", status_code=201, response_model=TeamMemberOutput)
def confirm_member(
    ref: CaseReference,
    id: RecordId,
    body: Confirmation,
    write: Annotated[WriteRequest[TeamMember], writing(record_of(KIND_OF_NOUN["team"]))],
) -> Response:
    """Confirm a member whom another coordinator proposed, if nobody of the team is active any more.

    The body is empty. The account is on the team from then on.
    """
    with write.transaction() as tx:
        if not record_writing.may_write(tx.write_context, KIND_OF_NOUN["team"], body):
            raise Forbidden
        unmet = team_rules.confirm_member(tx.write_context, tx.subject)
        if unmet:
            raise ChangeRefused(tx.case.status, unmet, steps.open_nouns(tx.caller, tx.case))
        return tx.respond(TeamMemberOutput.model_validate(tx.subject))
