"""Problems: the HTTP answer to each refusal, as `application/problem+json` (RFC 9457)."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import Field
from starlette.exceptions import HTTPException

from appeals import errors
from appeals.api.request_body import parsed_body, pointer
from appeals.database.failures import Busy, Full, Unavailable, Unreachable
from appeals.fields import SAYS_OF_PATTERN, Model
from appeals.json_types import Json, JsonObject

MEDIA_TYPE = "application/problem+json"

STATUS: dict[type[Exception], int] = {
    errors.Unauthenticated: 401,
    errors.KeyEnded: 401,
    errors.NotFound: 404,
    errors.Forbidden: 403,
    errors.KeyForAnother: 403,
    errors.CursorExpired: 410,
    errors.Invalid: 422,
    errors.KeyReused: 422,
    errors.PreconditionRequired: 428,
    errors.PreconditionFailed: 412,
    errors.StepRefused: 409,
    errors.ChangeRefused: 409,
    errors.StillRunning: 409,
    errors.SecretNotKept: 409,
    errors.RateExceeded: 429,
    errors.TooLarge: 413,
    errors.NotJson: 415,
}
HEADERS: dict[type[Exception], dict[str, str]] = {
    errors.Unauthenticated: {"WWW-Authenticate": "Bearer"},
    errors.KeyEnded: {"WWW-Authenticate": "Bearer"},
    errors.StillRunning: {"Retry-After": "1"},
}


class FieldErrorOutput(Model):
    """The location of a fault: a JSON pointer into the body, `?name` for a query parameter, or the name of a header."""

    pointer: str
    says: str


class UnmetOutput(Model):
    """A guard that does not hold. `override` means that a coordinator may override it with a reason."""

    code: str
    says: str
    override: bool
    unless_reason: list[str]


class Problem(Model):
    """A refusal or failure (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(description="The code of the refusal, which never changes.")]
    errors: list[FieldErrorOutput] = []
    state: Annotated[str | None, Field(description="The state of the case (409).")] = None
    open_steps: Annotated[list[str], Field(description="The steps open to you now (409).")] = []
    unmet: Annotated[list[UnmetOutput], Field(description="All guards that do not hold (409).")] = []
    resume_to: Annotated[str | None, Field(description="The state that is offered to a resumption (409).")] = None


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None, **facts: Json) -> Response:
    """Return a problem as an answer, with only the facts that are given."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **facts,
    }
    return Response(json.dumps(body), status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE)


def from_refusal(_: Request, refusal: Exception) -> Response:
    """Return the answer to a refusal."""
    if not isinstance(refusal, errors.Refusal):
        raise refusal
    facts: JsonObject = {}
    if isinstance(refusal, errors.Invalid):
        facts["errors"] = [asdict(error) for error in refusal.faults]
    if isinstance(refusal, errors.StepRefused | errors.ChangeRefused):
        facts["state"] = refusal.state
        facts["open_steps"] = list(refusal.open_steps)
        facts["unmet"] = [asdict(item) for item in refusal.unmet]
    if isinstance(refusal, errors.StepRefused) and refusal.resume_to:
        facts["resume_to"] = refusal.resume_to
    kind, headers = type(refusal), HEADERS.get(type(refusal))
    if isinstance(refusal, errors.RateExceeded):
        headers = {"Retry-After": str(refusal.retry_after_s)}
    return problem(STATUS[kind], refusal.code, refusal.detail, headers, **facts)


def from_validation_error(request: Request, fault: Exception) -> Response:
    """Return the answer to input that does not fit its model, with the first `MOST_ERRORS` faults."""
    if not isinstance(fault, RequestValidationError):
        raise fault
    body = parsed_body(request)
    placed = [(_place(error, body), error) for error in fault.errors()[:MOST_ERRORS]]
    meant = {at for place, error in placed if error["type"] not in ANOTHER_FORM for at in _with_all_above(place)}
    faults: dict[str, list[str]] = {}
    for place, error in placed:
        # If the input has faults in one of several forms, it does not help that it is not another of them.
        if not (place in meant and error["type"] in ANOTHER_FORM):
            faults.setdefault(place, []).append(_says(error))
    items = [{"pointer": place, "says": ", or: ".join(dict.fromkeys(says))} for place, says in faults.items()]
    return problem(422, errors.Invalid.code, errors.Invalid.detail, errors=items)


MOST_ERRORS = 200


def _with_all_above(place: str) -> Iterator[str]:
    """Yield a pointer and those of everything that contains it."""
    while place:
        yield place
        place = place.rpartition("/")[0]
    yield place


ANOTHER_FORM = {
    "dict_type": "should be an object",
    "model_attributes_type": "should be an object",
    "model_type": "should be an object",
    "uuid_type": "should be an id",
    "uuid_parsing": "should be an id",
    "literal_error": None,
    "string_type": None,
}
"""Pydantic's errors for a value of another form, with a clearer sentence if there is one."""


def _place(values: Mapping[str, Json], body: Json) -> str:
    where, *path = values["loc"]
    if where == "query":
        return "?" + (str(path[0]) if path and values["type"] != "extra_forbidden" else "")
    if where != "body":
        return str(path[0]) if path else str(where)
    if (
        values["type"] == "extra_forbidden"
    ):  # an unknown name comes from the caller and may be anything, so it is not repeated
        return _pointer(path[:-1], body, missing=False)
    return _pointer(path, body, missing=values["type"] == "missing")


def _pointer(path: Sequence[str | int], body: Json, *, missing: bool) -> str:
    """Return a JSON pointer to what the body contains, without the tags of unions and the names of unknown members."""
    at: Json = body
    steps: list[str | int] = []
    for index, part in enumerate(path):
        last = index == len(path) - 1
        if _holds(at, part):
            at = at[part]
        elif not (last and missing):
            continue
        steps.append(part)
    return pointer(steps)


def _holds(value: Json, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _says(values: Mapping[str, Json]) -> str:
    if values["type"] == "extra_forbidden":
        return "has an unknown member"
    pattern = values.get("ctx", {}).get("pattern")
    plain = ANOTHER_FORM.get(values["type"]) or SAYS_OF_PATTERN.get(pattern)
    if plain:
        return plain
    if values["type"] == "missing" and values["loc"] == ("body",):
        return "a body is missing"
    message = str(values["msg"]).removeprefix("Value error, ")
    # A parser's message may quote the text after its first clause.
    return message.partition(",")[0] if values["type"].endswith("_parsing") else message


AGAIN = "Try the same request again"
UNAVAILABLE: dict[type[Exception], tuple[int, str, str, int]] = {
    Busy: (503, "busy", f"The service is busy; nothing was changed. {AGAIN}.", 2),
    Unreachable: (
        503,
        "database.unreachable",
        f"The database is unreachable or cannot be written to. {AGAIN} with the same Idempotency-Key.",
        5,
    ),
    Full: (507, "database.full", f"The database has no disk space left; nothing was changed. {AGAIN} later.", 30),
}
"""The answers if the database fails: status, code, sentence, and the seconds of Retry-After."""


def from_unavailable(_: object, failure: Exception) -> Response:
    """Return the answer if the database cannot be used now."""
    kind = next(kind for kind in type(failure).__mro__ if kind in UNAVAILABLE)
    status, code, detail, retry_after_s = UNAVAILABLE[kind]
    return problem(status, code, detail, {"Retry-After": str(retry_after_s)})


def from_http_exception(_: Request, raised: Exception) -> Response:
    """Return the answer to a refusal of the framework: unknown paths and methods."""
    if not isinstance(raised, HTTPException):
        raise raised
    if raised.status_code == HTTPStatus.NOT_FOUND:
        return from_refusal(_, errors.NotFound())
    code = HTTPStatus(raised.status_code).name.lower()
    return problem(raised.status_code, code, str(raised.detail), dict(raised.headers or {}))


Handler = Callable[[Request, Exception], Response]
HANDLERS: dict[type[Exception], Handler] = {
    errors.Refusal: from_refusal,
    RequestValidationError: from_validation_error,
    HTTPException: from_http_exception,
    Unavailable: from_unavailable,
}


def answer_to(request: Request, refusal: Exception) -> Response:
    """Return the answer to a refusal that was raised before routing."""
    handler = next(HANDLERS[kind] for kind in type(refusal).__mro__ if kind in HANDLERS)
    return handler(request, refusal)
