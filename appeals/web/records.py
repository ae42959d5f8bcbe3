"""Doors of the records under a case: for each kind a list, one record, adding, and changing where it may."""

from typing import Any

from appeals import records
from appeals import step as steps
from appeals.action import ResponseBody, ResponseInput
from appeals.case import Case
from appeals.errors import ChangeRefused, Forbidden, NotFound
from appeals.field import Model, as_uuid
from appeals.records import Kind, Writing
from appeals.register import PageQuery
from appeals.team import TeamMemberOutput
from appeals.web.cases import log_publication
from appeals.web.door import Answer, Call, Door, Finder, rendered
from appeals.web.gate import Visit
from appeals.web.page import Page, of_records


class Confirmation(Model):
    """Nothing has to be said."""


def add(kind: Kind) -> Any:
    def work(call: Call) -> Answer:
        return _added(call, kind, call.subject, call.body)

    return work


def add_response(call: Call) -> Answer:
    case, action = call.subject
    said = ResponseInput(action=str(action.id), **call.body.model_dump(exclude_unset=True))
    return _added(call, records.BY_NOUN["responses"], case, said)


def _added(call: Call, kind: Kind, case: Case, said: Any) -> Answer:
    writing = Writing(call.session, case, call.caller, call.now)
    if not records.may_write(writing, kind, said):
        raise Forbidden
    record = steps.add(writing, kind, said)
    where = f"/v1/cases/{case.reference}/{kind.noun}/{record.id}"
    return rendered(kind.output.model_validate(record), 201, Location=where)


def confirm_member(call: Call) -> Answer:
    case, member = call.subject
    writing = Writing(call.session, case, call.caller, call.now)
    if not records.may_write(writing, records.BY_NOUN["team"], call.body):
        raise Forbidden
    refused = records.confirm_member(writing, member)
    if refused:
        raise ChangeRefused(case.status, refused, steps.open_nouns(call.caller, case))
    call.session.flush()
    return rendered(TeamMemberOutput.model_validate(member), 201)


def show_all(kind: Kind) -> Any:
    def work(call: Call) -> Answer:
        return of_records(call, kind.output, records.readable(call.caller, call.subject, kind))

    return work


def show_one(kind: Kind) -> Any:
    def work(call: Call) -> Answer:
        return rendered(kind.output.model_validate(call.subject[1]))

    return work


def change(kind: Kind) -> Any:
    def work(call: Call) -> Answer:
        case, record = call.subject
        up = case.publications_up
        writing = Writing(call.session, case, call.caller, call.now)
        if not records.may_change(writing, kind, record, call.body):
            raise Forbidden
        written = steps.change(writing, kind, record, call.body)
        log_publication(call, case, up)
        return rendered(kind.output.model_validate(written))

    return work


def one(kind: Kind) -> Finder:
    """The case and its record in the path. Raises: NotFound."""

    def find(visit: Visit, case: Case | None) -> tuple[Case | None, Any]:
        number = as_uuid(visit.params["id"])
        known = records.readable(visit.caller, case, kind) if case and number else []
        record = next((record for record in known if record.id == number), None)
        if record is None:
            raise NotFound
        return case, record

    return find


def doors() -> list[Door]:
    """The doors of every kind of record."""
    found = [door for kind in records.KINDS for door in _doors_of(kind)]
    answers = records.BY_NOUN["responses"]
    found.append(
        Door(
            "POST",
            "/v1/cases/{ref}/actions/{id}/responses",
            "answer_action",
            "Record an answer to an action, or its rejoinder.",
            add_response,
            answers.output,
            201,
            ResponseBody,
            finds=one(records.BY_NOUN["actions"]),
            headers=("Location",),
            tag="records",
        )
    )
    found.append(
        Door(
            "POST",
            "/v1/cases/{ref}/team/{id}/confirmation",
            "confirm_member",
            "Name whom another coordinator proposed, where nobody of the team is in service any more.",
            confirm_member,
            TeamMemberOutput,
            201,
            Confirmation,
            finds=one(records.BY_NOUN["team"]),
            tag="records",
        )
    )
    return found


def _doors_of(kind: Kind) -> list[Door]:
    many, single = f"/v1/cases/{{ref}}/{kind.noun}", f"/v1/cases/{{ref}}/{kind.noun}/{{id}}"
    name = kind.attribute
    found = [
        Door(
            "GET", many, f"list_{name}", f"The {kind.noun} of a case, oldest first.", show_all(kind),
            Page[kind.output], query=PageQuery, as_table=True, tag="records",  # type: ignore[name-defined]
        ),
        Door(
            "GET", single, f"show_{name}", f"One of the {kind.noun} of a case.", show_one(kind), kind.output,
            finds=one(kind), tag="records",
        ),
        Door(
            "POST", many, f"add_{name}", f"Record one of the {kind.noun} of a case.", add(kind), kind.output, 201,
            kind.input, headers=("Location",), tag="records",
        ),
    ]  # fmt: skip
    if kind.change:
        found.append(
            Door(
                "PATCH", single, f"change_{name}", f"Change one of the {kind.noun} of a case.", change(kind),
                kind.output, 200, kind.change, finds=one(kind), tag="records",
            )
        )  # fmt: skip
    return found
