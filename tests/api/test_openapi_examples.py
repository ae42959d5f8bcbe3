"""The examples of the OpenAPI document are calls that were made.

`WRITE_EXAMPLES=1 .venv/bin/pytest tests/api/test_openapi_examples.py -m "not postgresql"` takes them anew.
Ids, times, keys and references are replaced by fixed ones, and of a list of objects the first one is kept.
"""

import json
import os
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from jsonschema_rs import validator_for

from appeals.settings import ROOT
from tests.conftest import Template
from tests.support.cast import WAY, Body, Person, today
from tests.support.standing import DOORS, RECORDS, stand

EXAMPLES_FILE = ROOT / "appeals" / "api" / "openapi_examples.json"
FIXED_DAY = date(2026, 3, 2)
PRIVATE = {"contacts", "safe_contact_rule", "narrative"}
"""Members that a made-up request fills, and that an example only hints at."""
FIXED = {
    "key": "ua_AbCd1234…", "secret": "whsec_…", "token": "k7Qm2VxT9bLr4ZsW",
    "next": "AbCd1234", "half": "AbCd-1234-EfGh-5678-JkLm",
}  # fmt: skip
STATES = (
    "closed",
    "public_campaign",
    "remediation",
    "monitoring",
    "suspended",
    "declined",
    "referred",
    "info_requested",
)
UUID_TEXT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
REFERENCE_TEXT = re.compile(r"UA-[A-Z]{3}-\d{4}-[0-9A-Z]{5}")
TIME_TEXT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|\+00:00)")
DAY_TEXT = re.compile(r"\b\d{4}-\d\d-\d\d\b")


class Normaliser:
    """Replaces what differs from run to run; the same value has the same replacement."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}
        self.references: dict[str, str] = {}

    def value(self, value: Any, member: str = "") -> Any:
        """A value with everything in it replaced."""
        if isinstance(value, dict):
            if isinstance(value.get("conditions"), str):  # taken as a list of one, which the schema does not say
                value = {**value, "conditions": [value["conditions"]]}
            hidden = PRIVATE | {"name"} if "pseudonym" in value else PRIVATE
            return {
                name: "…" if name in hidden and isinstance(part, str) else self.value(part, name)
                for name, part in value.items()
            }
        if isinstance(value, list):
            kept = value[:1] if value and isinstance(value[0], dict) else value
            return [self.value(part, member) for part in kept]
        if not isinstance(value, str):
            return value
        if member in FIXED and not UUID_TEXT.fullmatch(value):
            return FIXED[member]
        return self._text(value)

    def _text(self, text: str) -> str:
        text = UUID_TEXT.sub(self._id, text)
        text = REFERENCE_TEXT.sub(self._reference, text)
        if TIME_TEXT.fullmatch(text):
            return f"{FIXED_DAY}T08:15:00Z"
        return DAY_TEXT.sub(_shifted, text)

    def _id(self, match: re.Match[str]) -> str:
        return self.ids.setdefault(match[0], f"00000000-0000-4000-8000-{len(self.ids) + 1:012d}")

    def _reference(self, match: re.Match[str]) -> str:
        last = "7QK3M" if not self.references else f"7QK3{'NPRSTVWXYZ'[len(self.references) % 10]}"
        return self.references.setdefault(match[0], f"{match[0][:-10]}2026-{last}")


def _shifted(match: re.Match[str]) -> str:
    """The same distance from the fixed day as from today."""
    try:
        day = date.fromisoformat(match[0])
        return str(day if day.year > 2100 else FIXED_DAY + (day - today()))
    except (ValueError, OverflowError):
        return match[0]


def played(template: Template, monkeypatch: pytest.MonkeyPatch) -> dict[str, Body]:
    """The first successful call of each operation, as it was made."""
    calls: dict[str, Body] = {}
    patterns = [(re.compile(re.sub(r"\{[a-z]+\}", "[^/]+", r.path)), r.method, r.name) for r in DOORS]
    normaliser, usual = Normaliser(), Person.call

    def call(self: Person, method: str, path: str, body: Any = None, **headers: str) -> Any:
        response = usual(self, method, path, body, **headers)
        plain = path.partition("?")[0]
        name = next((n for p, m, n in patterns if m == method and p.fullmatch(plain)), None)
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        if name and name not in calls and response.status_code < 300 and is_json:
            request = {} if body is None or isinstance(body, bytes) else {"request": normaliser.value(body)}
            calls[name] = {**request, "answer": normaliser.value(response.json())}
        return response

    monkeypatch.setattr(Person, "call", call)
    with stand(template) as standing:
        world = standing.world
        for state in STATES:
            reference = world.case()
            for noun in WAY[state]:
                world.take(reference, noun)
        for route in DOORS:
            if route.method == "GET" and not route.is_sse_stream:
                standing.reader(route).get(standing.path(route))
    return calls


def test_every_example_is_a_call_that_can_be_made(template: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = played(template, monkeypatch)
    if "WRITE_EXAMPLES" in os.environ:
        EXAMPLES_FILE.write_text(json.dumps(calls, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    kept = json.loads(EXAMPLES_FILE.read_text())
    assert set(kept) == set(calls)
    assert {name: set(call) for name, call in kept.items()} == {name: set(call) for name, call in calls.items()}


def examples() -> Iterator[tuple[str, Body, Any]]:
    """Every example of the kept document, with its operation and its schema."""
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    for operation in (operation for item in document["paths"].values() for operation in item.values()):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (body.get("content", {}).get("application/json", {}) for body in bodies):
            if "example" in content:
                schema = {**content["schema"], "components": document["components"]}
                yield operation["operationId"], schema, content["example"]


def test_every_example_fits_its_schema() -> None:
    wrong = [
        f"{name}: {error.message}"
        for name, schema, example in examples()
        for error in validator_for(schema, validate_formats=True).iter_errors(example)
    ]
    assert wrong == []
    assert len(list(examples())) > 100


def test_no_example_holds_what_names_a_person() -> None:
    text = EXAMPLES_FILE.read_text()
    assert RECORDS["people"]["name"] not in text
    assert RECORDS["people"]["contacts"] not in text
