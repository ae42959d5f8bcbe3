"""Operations of the records under a case: for each kind a list, one record, adding, and changing where it may."""

from typing import Any

from appeals.api.authorization import AuthorizationContext
from appeals.api.pagination import Page, page_of_records
from appeals.api.routes.cases import log_publication
from appeals.api.routing import Operation, RequestContext, Result, SubjectFinder, json_response
from appeals.cases.case import Case
from appeals.cases.response import ResponseBody, ResponseInput
from appeals.cases.team import TeamMemberOutput
from appeals.errors import ChangeRefused, Forbidden, NotFound
from appeals.fields import Model, as_uuid
from appeals.lifecycle import record_kinds, record_references, record_writing, team_rules
from appeals.lifecycle import transition as steps
from appeals.lifecycle.record_kind import Kind
from appeals.lifecycle.write_context import WriteContext
from appeals.read_models.case_list import PageQuery


class Confirmation(Model):
    """Nothing has to be said."""


def add(kind: Kind) -> Any:
    def work(call: RequestContext) -> Result:
        return _added(call, kind, call.subject, call.body)

    return work


def add_response(call: RequestContext) -> Result:
    case, action = call.subject
    data = ResponseInput(action=str(action.id), **call.body.model_dump(exclude_unset=True))
    return _added(call, record_kinds.KIND_OF_NOUN["responses"], case, data)


def _added(call: RequestContext, kind: Kind, case: Case, said: Any) -> Result:
    writing = WriteContext(call.tx, case, call.caller, call.now)
    if not record_writing.may_write(writing, kind, said):
        raise Forbidden
    record = steps.add(writing, kind, said)
    where = f"/v1/cases/{case.reference}/{kind.noun}/{record.id}"
    return json_response(kind.output.model_validate(record), 201, Location=where)


def confirm_member(call: RequestContext) -> Result:
    case, member = call.subject
    writing = WriteContext(call.tx, case, call.caller, call.now)
    if not record_writing.may_write(writing, record_kinds.KIND_OF_NOUN["team"], call.body):
        raise Forbidden
    refused = team_rules.confirm_member(writing, member)
    if refused:
        raise ChangeRefused(case.status, refused, steps.open_nouns(call.caller, case))
    return json_response(TeamMemberOutput.model_validate(member), 201)


def show_all(kind: Kind) -> Any:
    def work(call: RequestContext) -> Result:
        return page_of_records(call, kind.output, record_references.readable(call.caller, call.subject, kind))

    return work


def show_one(kind: Kind) -> Any:
    def work(call: RequestContext) -> Result:
        return json_response(kind.output.model_validate(call.subject[1]))

    return work


def change(kind: Kind) -> Any:
    def work(call: RequestContext) -> Result:
        case, record = call.subject
        up = case.publications_up
        writing = WriteContext(call.tx, case, call.caller, call.now)
        if not record_writing.may_change(writing, kind, record, call.body):
            raise Forbidden
        written = steps.change(writing, kind, record, call.body)
        log_publication(call, case, up)
        return json_response(kind.output.model_validate(written))

    return work


def one(kind: Kind) -> SubjectFinder:
    """The case and its record in the path. Raises: NotFound."""

    def find(authorization: AuthorizationContext, case: Case | None) -> tuple[Case | None, Any]:
        row_id = as_uuid(authorization.params["id"])
        known = record_references.readable(authorization.caller, case, kind) if case and row_id else []
        record = next((record for record in known if record.id == row_id), None)
        if record is None:
            raise NotFound
        return case, record

    return find


def operations() -> list[Operation]:
    """The operations of every kind of record."""
    operations = [operation for kind in record_kinds.KINDS for operation in _operations_of(kind)]
    answers = record_kinds.KIND_OF_NOUN["responses"]
    operations.append(
        Operation(
            "POST",
            "/v1/cases/{ref}/actions/{id}/responses",
            "add_response",
            "Record an answer to an action, or its rejoinder.",
            add_response,
            answers.output,
            201,
            ResponseBody,
            subject=one(record_kinds.KIND_OF_NOUN["actions"]),
            headers=("Location",),
            tag="records",
        )
    )
    operations.append(
        Operation(
            "POST",
            "/v1/cases/{ref}/team/{id}/confirmation",
            "confirm_member",
            "Name whom another coordinator proposed, where nobody of the team is in service any more.",
            confirm_member,
            TeamMemberOutput,
            201,
            Confirmation,
            subject=one(record_kinds.KIND_OF_NOUN["team"]),
            tag="records",
        )
    )
    return operations


def _operations_of(kind: Kind) -> list[Operation]:
    many, single = f"/v1/cases/{{ref}}/{kind.noun}", f"/v1/cases/{{ref}}/{kind.noun}/{{id}}"
    name = kind.attribute
    operations = [
        Operation(
            "GET", many, f"list_{name}", f"The {kind.noun} of a case, oldest first.", show_all(kind),
            Page[kind.output], query_model=PageQuery, as_table=True, tag="records",  # type: ignore[name-defined]
        ),
        Operation(
            "GET", single, f"get_{name}", f"One of the {kind.noun} of a case.", show_one(kind), kind.output,
            subject=one(kind), tag="records",
        ),
        Operation(
            "POST", many, f"add_{name}", f"Record one of the {kind.noun} of a case.", add(kind), kind.output, 201,
            kind.input, headers=("Location",), tag="records",
        ),
    ]  # fmt: skip
    if kind.change:
        operations.append(
            Operation(
                "PATCH", single, f"change_{name}", f"Change one of the {kind.noun} of a case.", change(kind),
                kind.output, 200, kind.change, subject=one(kind), tag="records",
            )
        )  # fmt: skip
    return operations
