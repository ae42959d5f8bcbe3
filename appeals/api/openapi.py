"""The OpenAPI document: what operations declare besides their models, and how the document is completed.

A route declares the headers and formats of its answer. Its refusals follow from its policy, method and parameters
(`refusal_responses`).
"""

import json
from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI

from appeals.api.openapi_events import event_schemas, webhook_operations
from appeals.api.problems import MEDIA_TYPE, Problem
from appeals.fields import REFERENCE_TEXT
from appeals.json_types import JsonObject

Responses = dict[int | str, JsonObject]
"""Responses by status, as FastAPI takes them."""

DESCRIPTION = """Cases of labour-rights urgent appeals: guarded steps, readable history, consent enforced.

**Key.** Send `Authorization: Bearer <key>`. `GET /v1/me` tells whose key it is. What begins with `/public` needs none.

**Reading.** A list is a page: send its `next` as `cursor`, until `next` is null. Most lists also come as a table, with
`Accept: text/csv` or `application/x-ndjson`. Send an answer's ETag as `If-None-Match`, and get 304 while nothing is
new. To keep a copy of your own current, read `GET /v1/changes`.

**Writing.** Bodies are JSON. Steps, publications and `PATCH` of a case need `If-Match` with the ETag of the case. Send
a new `Idempotency-Key` with each write: if no answer comes, send the same request with the same key again, and it is
done once. Where a body refers to a record of the case, give its id, or `#` and the `label` that you gave it.

**Refusals.** Every refusal is a `Problem`; decide by its `code`. They come in the order 401, 404, 403, 422, 428, 412,
409. After 429, 503 and 507 wait as many seconds as `Retry-After` says.

**Values.** Days are `YYYY-MM-DD` and lie between 1900 and 2200; times are RFC 3339, answered in UTC; amounts are
decimals in a string. Text is UTF-8 in NFC, without controls but line feed and tab, and holds a visible character.
Members that are not described are refused. `GET /v1/vocabularies/{name}` tells what codes mean.

**Examples.** They are calls that were made. Ids, times and secrets are replaced, one item of each list of objects is
shown, and `…` stands for what is sealed or secret.
"""
_HEADER_TEXTS = {
    "ETag": "The validator of the answer; that of a case is also the value for If-Match.",
    "Link": "The page after this one, as rel=next; absent on the last.",
    "Location": "The path of what was created.",
    "Retry-After": "Seconds to wait before the next request.",
    "WWW-Authenticate": "Bearer.",
    "X-Request-Id": "The id to quote in questions about this answer.",
}
HEADERS = {
    name: {"description": text, "required": name != "Link", "schema": {"type": "string"}}
    for name, text in _HEADER_TEXTS.items()
}
"""The headers of answers, as components of the document."""
REFUSAL_HEADERS = {304: ("ETag",), 401: ("WWW-Authenticate",), **dict.fromkeys((429, 503, 507), ("Retry-After",))}
REFUSALS = {
    304: "Nothing has changed since the ETag in If-None-Match.",
    401: "The key is missing or not valid.",
    403: "Your roles or the scopes of your key do not allow this here.",
    404: "It does not exist, or you may not see it.",
    409: "The state, a guard or a rule does not allow it; `unmet` lists which.",
    410: "Your roles or the feed have changed since that cursor; read again from the start.",
    412: "The case has changed since you read it.",
    413: "The body is too large.",
    415: "The content type of the body is not JSON.",
    422: "The input is not valid; `errors` lists where.",
    428: "Send If-Match.",
    429: "Too many requests in a short time.",
    503: "The service is busy or its database unreachable; try again.",
    507: "The database is full; nothing was changed. Try again later.",
}
TAGS = {
    "cases": "Cases: logging, reading, listing and changing them, and what is derived from their records.",
    "steps": "The steps of a case through its states. A step checks its guards and writes one history entry.",
    "records": "The records under a case, such as parties, violations, demands, consents, actions and commitments.",
    "publications": "What of a case is public: publishing it and taking it down.",
    "public": "What outsiders read without a key: published cases and counts of them.",
    "statistics": "Counts of the cases that you may see.",
    "directories": "What cases refer to: organisations, facilities, their track records and the code lists.",
    "network": "Entities, accounts, their roles and keys, and alerts about them.",
    "webhooks": "Addresses of yours that are sent an event for each change.",
    "operations": "The access log, and whether the service runs.",
}
"""The subjects by which operations are grouped, with their descriptions."""
SERVERS = [{"url": "/", "description": "The service that this document was read from."}]
SHOWN_BY_EXAMPLE = ("application/json", "text/event-stream")
TABLE_FORMATS = {"text/csv": {"schema": {"type": "string"}}, "application/x-ndjson": {"schema": {"type": "string"}}}


def header_refs(*names: str) -> JsonObject:
    """Return references to the headers of an answer, always including the request id."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, "X-Request-Id")}


def with_headers(status: int, *names: str) -> Responses:
    """Return `responses=` with the headers of a successful answer, besides those of every answer."""
    return {status: {"headers": header_refs(*names)}}


AS_TABLE: Responses = {200: {"content": TABLE_FORMATS, "headers": header_refs("ETag", "Link")}}
"""`responses=` of a list that is also returned as CSV and NDJSON."""


def refusal_responses(statuses: Sequence[int]) -> Responses:
    """Return the declared refusals: each is a problem, except 304."""
    problem = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    return {
        status: {
            "description": REFUSALS[status],
            "headers": header_refs(*REFUSAL_HEADERS.get(status, ())),
            **(problem if status != 304 else {}),
        }
        for status in statuses
    }


def complete_document(app: FastAPI) -> None:
    """Add to the application's document what FastAPI does not know: the form of problems, and required headers."""
    generate = app.openapi

    def openapi() -> JsonObject:
        if app.openapi_schema:
            return app.openapi_schema
        document = generate()
        document["servers"] = SERVERS
        document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
        document["webhooks"] = webhook_operations()
        schemas = document["components"]["schemas"]
        schemas |= event_schemas()
        form = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= form.pop("$defs", {})
        schemas["Problem"] = form | {"examples": [_calls()["refusal"]["answer"]]}
        document["components"]["headers"] = HEADERS
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        for operation in (operation for path in document["paths"].values() for operation in path.values()):
            for parameter in operation.get("parameters", []):
                parameter["required"] = parameter["required"] or parameter["name"] == "If-Match"
        _declare_streams(document)
        _describe_members(document)
        _give_examples(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _declare_streams(document: JsonObject) -> None:
    """Declare streams as text. FastAPI describes their events with `itemSchema`, which OpenAPI 3.1 does not have."""
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        for response in operation["responses"].values():
            for content in response.get("content", {}).values():
                if content.pop("itemSchema", None):
                    content["schema"] = {"type": "string"}


def _describe_members(document: JsonObject) -> None:
    """Describe properties and parameters whose model does not, since a name means the same everywhere.

    The texts are in `openapi_texts.json`. `Schema.property` has precedence over the name alone.
    """
    texts = json.loads((Path(__file__).parent / "openapi_texts.json").read_text())
    for name, schema in document["components"]["schemas"].items():
        for member, part in schema.get("properties", {}).items():
            properties = texts["properties"]
            _describe(part, properties.get(f"{name}.{member}") or properties.get(member))
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        for parameter in operation.get("parameters", []):
            _describe(parameter, texts["parameters"].get(parameter["name"]))


def _describe(part: JsonObject, text: str | None) -> None:
    """Describe a part by its own text, or that of its value, or the common one.

    For a reference to a record, the common text says which record, and its own says how to name it.
    """
    schema = part.get("schema", part)
    own = [branch["description"] for branch in (part, *schema.get("anyOf", [])) if "description" in branch]
    if text and own[:1] == [REFERENCE_TEXT]:
        part["description"] = f"{text} {REFERENCE_TEXT}"
    elif own or text:
        part["description"] = (own or [text])[0]


def _give_examples(document: JsonObject) -> None:
    """Show a call of each operation, as it was made: `openapi_examples.json` holds them."""
    calls = _calls()
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        call = calls.get(operation["operationId"], {})
        bodies = {"request": operation.get("requestBody", {})}
        bodies["answer"] = next((body for status, body in operation["responses"].items() if status < "300"), {})
        for part, body in bodies.items():
            for media_type, content in body.get("content", {}).items():
                if media_type in SHOWN_BY_EXAMPLE and part in call:
                    content["example"] = call[part]


def _calls() -> dict[str, JsonObject]:
    """The calls by operationId, each with its `answer` and, where it has a body, its `request`; and one `refusal`."""
    calls: dict[str, JsonObject] = json.loads((Path(__file__).parent / "openapi_examples.json").read_text())
    return calls
