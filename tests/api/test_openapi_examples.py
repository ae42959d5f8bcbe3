"""The examples of the OpenAPI document are calls that were made.

`WRITE_EXAMPLES=1 .venv/bin/pytest tests/api/test_openapi_examples.py -m "not postgresql"` takes them anew;
then `make docs` writes them into the document. Ids, times, keys and references are replaced by fixed ones, and of a
list of objects the fullest one is kept.
"""

import json
import os
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from starlette.routing import compile_path

from appeals.api.openapi import SHOWN_BY_EXAMPLE
from appeals.settings import ROOT
from tests.conftest import Template
from tests.support.cast import Body, Person, today
from tests.support.example_calls import make_calls, refused_step, stream_of_changes
from tests.support.openapi import DOCUMENT, every_operation, faults, operations
from tests.support.standing import RECORDS, stand

EXAMPLES_FILE = ROOT / "appeals" / "api" / "openapi_examples.json"
FIXED_DAY = date(2026, 3, 2)
PRIVATE = {"contacts", "safe_contact_rule", "narrative"}
"""Members that a made-up request fills, and that an example only hints at."""
FIXED = {"key": "ua_AbCd1234…", "secret": "whsec_…", "token": "k7Qm2VxT9bLr4ZsW"}
KEY_IDS = {"id", "key_id"}
UUID_TEXT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
REFERENCE_TEXT = re.compile(r"UA-[A-Z]{3}-\d{4}-[0-9A-Z]{5}")
KEY_ID_TEXT = re.compile(r"[0-9A-Za-z]{8}")
CURSOR_TEXT = re.compile(r"[0-9A-Za-z_-]{60,}")
TIME_TEXT = re.compile(r"(\d{4}-\d\d-\d\d)T[0-9:.]+(?:Z|\+00:00)")
MONTH_TEXT = re.compile(r"\d{4}-\d\d")
DAY_TEXT = re.compile(r"\b\d{4}-\d\d-\d\d(?=T|\b)")


class Normaliser:
    """Replaces what differs from run to run; the same value has the same replacement."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}
        self.references: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.halves: dict[str, str] = {}

    def value(self, value: Any, member: str = "") -> Any:
        """A value with everything in it replaced."""
        if isinstance(value, dict):
            hidden = PRIVATE | {"name"} if "pseudonym" in value else PRIVATE
            return {
                name: "…" if name in hidden and isinstance(part, str) else self.value(part, name)
                for name, part in value.items()
            }
        if isinstance(value, list):
            are_objects = value and isinstance(value[0], dict)
            kept = [max(value, key=lambda item: len(json.dumps(item)))] if are_objects else value
            return [self.value(part, member) for part in kept]
        return self._text(value, member) if isinstance(value, str) else value

    def _text(self, value: str, member: str) -> str:
        """A text with everything in it replaced; what a member holds may tell more than how it is spelt."""
        if member in FIXED and not UUID_TEXT.fullmatch(value):
            return FIXED[member]
        if member in KEY_IDS and KEY_ID_TEXT.fullmatch(value):
            return self.keys.setdefault(value, f"AbCd{1234 + len(self.keys)}")
        if member == "halves":
            return self.halves.setdefault(value, f"3F7K-9QWE-{1111 * (len(self.halves) + 1)}-RT5Y-2MNB")
        if MONTH_TEXT.fullmatch(value):
            return DAY_TEXT.sub(_shifted, f"{value}-01")[:7]
        text = UUID_TEXT.sub(self._id, value)
        text = REFERENCE_TEXT.sub(self._reference, text)
        text = CURSOR_TEXT.sub("AbCd1234", text)
        text = TIME_TEXT.sub(r"\1T08:15:00Z", text)
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
    normaliser, usual = Normaliser(), Person.call
    ids = [(compile_path(path)[0], method.upper(), shown["operationId"]) for path, method, shown in operations()]

    def call(self: Person, method: str, path: str, body: Any = None, **headers: str) -> Any:
        response = usual(self, method, path, body, **headers)
        plain = path.partition("?")[0]
        name = next((name for pattern, known, name in ids if known == method and pattern.fullmatch(plain)), None)
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if name and name not in calls and response.status_code < 300 and kind == "application/json":
            request = {} if body is None or isinstance(body, bytes) else {"request": normaliser.value(body)}
            calls[name] = {**request, "answer": normaliser.value(response.json())}
        return response

    monkeypatch.setattr(Person, "call", call)
    with stand(template) as standing:
        make_calls(standing)
        calls["refusal"] = {"answer": normaliser.value(refused_step(standing))}
        calls["stream_changes"] = {"answer": normaliser.value(stream_of_changes(standing))}
    return calls


def test_every_example_is_a_call_that_can_be_made(template: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = played(template, monkeypatch)
    if "WRITE_EXAMPLES" in os.environ:
        EXAMPLES_FILE.write_text(json.dumps(calls, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    kept = json.loads(EXAMPLES_FILE.read_text())
    assert set(kept) == set(calls)
    assert {name: set(call) for name, call in kept.items()} == {name: set(call) for name, call in calls.items()}


def shown_contents() -> Iterator[tuple[str, Body]]:
    """Every content that an example shows, or ought to: of a request or a successful answer, with its operation."""
    for shown in every_operation():
        bodies = [shown.get("requestBody", {}), *(b for status, b in shown["responses"].items() if status < "300")]
        for body in bodies:
            contents = body.get("content", {})
            yield from ((shown["operationId"], contents[kind]) for kind in SHOWN_BY_EXAMPLE if kind in contents)


WITHOUT_EXAMPLE: dict[str, str] = {}
"""Operations whose body or answer no example shows, each with the reason."""


def test_every_operation_shows_a_call() -> None:
    assert {name for name, content in shown_contents() if "example" not in content} == set(WITHOUT_EXAMPLE)


def test_every_example_fits_its_schema() -> None:
    wrong = []
    for name, content in shown_contents():
        wrong += [f"{name}: {fault.message}" for fault in faults(content["schema"], content["example"])]
    assert wrong == [], "take the examples anew, as the top of this file says"
    assert len(list(shown_contents())) > 200


def test_the_refusal_that_is_shown_fits_its_schema() -> None:
    (refusal,) = DOCUMENT["components"]["schemas"]["Problem"]["examples"]
    assert faults({"$ref": "#/components/schemas/Problem"}, refusal) == []


def test_no_example_holds_what_names_a_person() -> None:
    text = EXAMPLES_FILE.read_text()
    assert RECORDS["people"]["name"] not in text
    assert RECORDS["people"]["contacts"] not in text
