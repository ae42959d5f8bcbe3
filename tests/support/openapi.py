"""The OpenAPI document as it is kept; `tests/test_docs.py` sees that it is what the code says."""

import json
from collections.abc import Iterator
from typing import Any

from jsonschema_rs import Registry, ValidationError, validator_for

from appeals.settings import ROOT
from tests.support.cast import Body

DOCUMENT: Body = json.loads((ROOT / "docs" / "openapi.json").read_text())
_NAME = "urn:openapi"
_REGISTRY = Registry([(_NAME, {**DOCUMENT, "$id": _NAME})])
METHODS = {"get", "post", "patch", "put", "delete"}


def operations() -> Iterator[tuple[str, str, Body]]:
    """Every operation of the paths: its path, its method, and what the document says of it."""
    for path, item in DOCUMENT["paths"].items():
        yield from ((path, method, operation) for method, operation in item.items() if method in METHODS)


def every_operation() -> Iterator[Body]:
    """Every operation of the paths, and those that a receiver of events answers."""
    yield from (operation for _, _, operation in operations())
    for item in DOCUMENT["webhooks"].values():
        yield from (operation for method, operation in item.items() if method in METHODS)


def faults(schema: Body, value: Any) -> list[ValidationError]:
    """How a value does not fit a schema of the document: one that is named in it, or one without references."""
    named = {"$ref": f"{_NAME}{schema['$ref']}"} if "$ref" in schema else schema
    return list(validator_for(named, validate_formats=True, registry=_REGISTRY).iter_errors(value))
