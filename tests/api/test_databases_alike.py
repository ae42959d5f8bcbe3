"""Both databases give the same answers."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import PEPPER, Template
from tests.support.cast import Person, World, day
from tests.support.standing import RECORDS


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[list[tuple[Person, str]]]:
    """The coordinator and a case on each database."""
    place = tmp_path_factory.mktemp("both")
    templates = [Template(dialect, place, f"{worker_id}_both") for dialect in ("sqlite", "postgresql")]
    worlds = [World(template.url(template.name), PEPPER, template.cast) for template in templates]
    yield [(world.coordinator, world.case_in("engagement")) for world in worlds]
    for world, template in zip(worlds, templates, strict=True):
        world.end()
        template.end()


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**31, 2**63 - 1, 2**63, -(2**63) - 1])
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["BD", "en", "#brand", "#factory", "threat", "0000-00-00", day(), day(-5), "given", "workers", "\0"]
    )
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


@st.composite
def broken(draw: st.DrawFn, body: Any) -> Any:
    """A body with something in it changed, left out, repeated or added."""
    if isinstance(body, dict) and body and draw(st.integers(0, 3)):
        name = draw(st.sampled_from(sorted(body)))
        match draw(st.integers(0, 4)):
            case 0:
                return {key: value for key, value in body.items() if key != name}
            case 1:
                return {**body, draw(st.text(max_size=6)): draw(VALUES)}
            case _:
                return {**body, name: draw(broken(body[name]))}
    if isinstance(body, list) and body and draw(st.booleans()):
        at = draw(st.integers(0, len(body) - 1))
        return [*body[:at], draw(broken(body[at])), *body[at:]]
    return draw(VALUES)


@given(noun=st.sampled_from(sorted(set(RECORDS) - {"approvals"})), data=st.data())
def test_both_databases_answer_alike_whatever_a_record_holds(
    both: list[tuple[Person, str]], noun: str, data: st.DataObject
) -> None:
    body = data.draw(broken(RECORDS[noun]))
    refused_alike(both, "POST", f"/v1/cases/{{ref}}/{noun}", json.dumps(body).encode())


@given(raw=st.binary(max_size=40) | st.text(max_size=40).map(str.encode) | VALUES.map(lambda v: json.dumps(v).encode()))
def test_both_databases_answer_alike_whatever_bytes_come(both: list[tuple[Person, str]], raw: bytes) -> None:
    refused_alike(both, "POST", "/v1/cases", raw)


FILTERS = [
    "lead",
    "region",
    "assignee",
    "brand",
    "received_from",
    "updated_since",
    "limit",
    "cursor",
    "danger",
    "status",
]


@given(name=st.sampled_from(FILTERS), value=st.text(max_size=30) | st.dates().map(str) | st.datetimes().map(str))
def test_both_databases_answer_alike_whatever_is_asked_for(
    both: list[tuple[Person, str]], name: str, value: str
) -> None:
    refused_alike(both, "GET", f"/v1/cases?{name}={quote(value)}", None)


def refused_alike(both: list[tuple[Person, str]], method: str, path: str, body: bytes | None) -> None:
    """Ask both; they must agree, word for word where they refuse, and neither may break."""
    answers = [who.call(method, path.replace("{ref}", reference), body) for who, reference in both]
    first, second = ((answer.status_code, answer.content if answer.status_code >= 400 else b"") for answer in answers)
    assert first == second
    assert first[0] < 500
