"""The events that are sent to webhooks, as the OpenAPI document declares them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from appeals.json_types import JsonObject

SIGNATURE_HEADERS = {
    "webhook-id": "The id of the event. The same event always has the same id, however often it is sent.",
    "webhook-timestamp": "When it was sent, in seconds since 1970.",
    "webhook-signature": "The signatures of Standard Webhooks 1.0: `v1,` and the base64 of an HMAC-SHA256.",
}
"""The headers of every event, with what each means."""


class _EventPart(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CaseChanged(_EventPart):
    """Which case changed, and nothing of its content."""

    reference: Annotated[str, Field(description="The reference of the case.")]
    version: Annotated[int, Field(description="The version of the case after the change; of two keep the higher.")]


class CaseRemoved(_EventPart):
    """Which case may not be seen any more."""

    reference: Annotated[str, Field(description="The reference of the case.")]
    version: Annotated[None, Field(description="Null: nothing can be read.")]


class NoData(_EventPart):
    """Nothing."""


class _Event(_EventPart):
    timestamp: Annotated[datetime, Field(description="When it happened.")]


class CaseChangedEvent(_Event):
    """A case that you may see has changed. Read it with your key."""

    type: Annotated[Literal["case.changed"], Field(description="The kind of event.")]
    data: Annotated[CaseChanged, Field(description="Which case it is.")]


class CaseRemovedEvent(_Event):
    """You may not see a case any more."""

    type: Annotated[Literal["case.removed"], Field(description="The kind of event.")]
    data: Annotated[CaseRemoved, Field(description="Which case it is.")]


class FeedResetEvent(_Event):
    """Your roles have changed. Read the cases that you may see again."""

    type: Annotated[Literal["feed.begin_anew"], Field(description="The kind of event.")]
    data: Annotated[NoData, Field(description="Empty.")]


_AT = "2026-03-02T08:15:00Z"
_REFERENCE = "UA-BGD-2026-7QK3M"
_EVENTS: dict[str, tuple[type[BaseModel], JsonObject]] = {
    "case.changed": (CaseChangedEvent, {"reference": _REFERENCE, "version": 4}),
    "case.removed": (CaseRemovedEvent, {"reference": _REFERENCE, "version": None}),
    "feed.begin_anew": (FeedResetEvent, {}),
}


def event_schemas() -> JsonObject:
    """The schemas of the events, by name."""
    schemas: JsonObject = {}
    for model, _ in _EVENTS.values():
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs")
        schemas[model.__name__] = schema
    return schemas


def webhook_operations() -> JsonObject:
    """Return the `webhooks` of the document, by the type of the event."""
    return {kind: {"post": _operation(kind, model, data)} for kind, (model, data) in _EVENTS.items()}


def _operation(kind: str, model: type[BaseModel], data: JsonObject) -> JsonObject:
    summary, *_ = (model.__doc__ or "").split(". ")
    return {
        "operationId": kind.replace(".", "_"),
        "tags": ["webhooks"],
        "summary": summary.rstrip(".") + ".",
        "description": f"{model.__doc__} An event that is not answered with 2xx within ten seconds is sent again.",
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
            for name, text in SIGNATURE_HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": f"#/components/schemas/{model.__name__}"},
                    "example": {"type": kind, "timestamp": _AT, "data": data},
                }
            },
        },
        "responses": {
            "2XX": {"description": "Received."},
            "410": {"description": "The service stops sending to this address."},
        },
    }
