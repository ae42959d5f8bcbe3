"""The rules of responses to actions, and their record kind."""

from appeals.cases import (
    action,
)
from appeals.cases.response import Response, ResponseChange, ResponseInput, ResponseOutput
from appeals.errors import FieldError, Invalid, Unmet
from appeals.fields import (
    earliest,
    latest,
)
from appeals.lifecycle.record_kind import Kind
from appeals.lifecycle.record_references import referred
from appeals.lifecycle.record_writing import write
from appeals.lifecycle.write_context import WriteContext
from appeals.vocabulary import (
    ActionStatus,
    ResponseGrade,
)


def response_columns(writing: WriteContext, data: ResponseInput, at: str) -> dict[str, object]:
    answered: action.Action = referred(writing.case, "actions", data.action, f"{at}/action")
    received = latest(data.received_on, data.received_precision)
    if answered.done_on and received < earliest(answered.done_on, answered.done_precision):
        raise Invalid([FieldError(f"{at}/received_on", "is before the action that it answers")])
    if data.grade is ResponseGrade.NO_RESPONSE and answered.answer_due_on and received <= answered.answer_due_on:
        raise Invalid([FieldError(f"{at}/grade", "can be recorded only once the answer is overdue")])
    _note_silence(writing, answered, data)
    if data.party is not None:
        return {}
    return {"party": answered.target}


def _note_silence(writing: WriteContext, answered: action.Action, data: ResponseInput) -> None:
    """Record the silence before a late answer, if nothing has recorded it yet (section 3 of the domain
    specification).
    """
    has_answer = answered.answers or data.grade is ResponseGrade.NO_RESPONSE
    if not has_answer and not answered.is_in_time(data) and answered.status == ActionStatus.DONE:
        write(writing, RESPONSES, action.silence_of(answered))


def refuse_second_silence(writing: WriteContext, response: Response) -> list[Unmet]:
    """Return a refusal if the silence after an action is recorded twice."""
    answered = next(params for params in writing.case.actions if params.id == response.action)
    if not response.is_silence or answered.silence is response:
        return []
    return [Unmet("answer.silence_told", "The missing answer is on record already.")]


RESPONSES = Kind(
    "responses",
    Response,
    ResponseInput,
    ResponseOutput,
    ResponseChange,
    derive=response_columns,
    check=refuse_second_silence,
)
