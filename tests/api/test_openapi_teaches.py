"""The OpenAPI document teaches: subjects, events and examples are described, and the examples are true."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from appeals.settings import ROOT
from appeals.webhooks.batch import _body
from tests.support.cast import Body
from tests.support.openapi import DOCUMENT, every_operation, faults, operations


def is_valid(schema: Body, value: Any) -> bool:
    """Whether a value fits a schema of the document."""
    return not faults(schema, value)


def test_every_subject_is_described_and_has_operations() -> None:
    described = {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    assert described == {tag for operation in every_operation() for tag in operation["tags"]}


def test_the_document_names_a_server() -> None:
    assert [server["url"] for server in DOCUMENT["servers"]] == ["/"]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("case.changed", {"reference": "UA-BGD-2026-7QK3M", "version": 4}),
        ("case.removed", {"reference": "UA-BGD-2026-7QK3M", "version": None}),
        ("feed.begin_anew", {}),
    ],
)
def test_an_event_is_as_its_webhook_declares(kind: str, data: Body) -> None:
    content = DOCUMENT["webhooks"][kind]["post"]["requestBody"]["content"]["application/json"]
    event = json.loads(_body(kind, datetime.now(UTC), data))
    assert is_valid(content["schema"], event)
    assert is_valid(content["schema"], content["example"])
    assert not is_valid(content["schema"], {**event, "more": 1})
    assert not is_valid(content["schema"], {**event, "type": "case.closed"})


def test_every_property_and_parameter_is_described() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    undescribed = [
        f"{name}.{member}"
        for name, schema in schemas.items()
        for member, part in schema.get("properties", {}).items()
        if not part.get("description")
    ]
    undescribed += [
        f"{operation['operationId']} {parameter['name']}"
        for operation in every_operation()
        for parameter in operation.get("parameters", [])
        if not parameter.get("description")
    ]
    assert undescribed == [], "describe each in its model, or by its name in api/openapi_texts.json; run make docs"


def test_no_text_of_the_common_descriptions_is_left_over() -> None:
    texts = json.loads((ROOT / "appeals" / "api" / "openapi_texts.json").read_text())
    schemas = DOCUMENT["components"]["schemas"]
    members = {member for schema in schemas.values() for member in schema.get("properties", {})}
    members |= {f"{name}.{member}" for name, schema in schemas.items() for member in schema.get("properties", {})}
    parameters = {parameter["name"] for operation in every_operation() for parameter in operation.get("parameters", [])}
    assert set(texts["properties"]) <= members
    assert set(texts["parameters"]) <= parameters


def test_every_operation_has_a_summary_and_says_more_than_it() -> None:
    silent = [
        operation["operationId"]
        for operation in every_operation()
        if not operation["summary"] or operation.get("description", "") in {"", operation["summary"]}
    ]
    assert silent == []


def test_every_operation_id_is_the_words_of_what_it_does() -> None:
    made_up = [
        operation["operationId"]
        for _, method, operation in operations()
        if not re.fullmatch(r"[a-z]+(_[a-z]+)*", operation["operationId"])
        or operation["operationId"].endswith(f"_{method}")
    ]
    assert made_up == []
