"""Request bodies: reading takes time in proportion to the size, and no answer repeats their content."""

import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from httpx2 import Response

from appeals.api import request_body as body_reading
from appeals.api.request_body import ANONYMOUS_LIMIT, LARGE, MAX_NAME_LENGTH, MAX_UNKNOWN_NAMES, MAX_VALUES, parse
from appeals.errors import Invalid
from benchmarks.hostile_shapes import MARKS, ORDERED, listed, members, shapes
from tests.support.cast import Body, Person, intake, step_input
from tests.support.standing import RECORDS, Standing, standing

__all__ = ["standing"]
SIZE = 400_000
TIMES = 10
FLOOR_S = 0.02
"""What is too short to be measured: on top of this, time counts."""


SHAPES = shapes(SIZE)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """The garbage collector would look through all that other tests have left."""
    gc.disable()
    yield
    gc.enable()


def seconds(system_account: Callable[[], float], work: Callable[[], object], enough: float = 0.0) -> float:
    """Processor time of some work: the least of three times, or of the first that was quick enough."""
    least = float("inf")
    for _ in range(3):
        began = system_account()
        with suppress(Invalid, ValueError, RecursionError):
            work()
        least = min(least, system_account() - began)
        if least <= enough:
            break
    return least


def test_there_are_fifty_shapes_and_most_are_large() -> None:
    assert len(SHAPES) >= 50
    assert sum(len(shape.encode()) > SIZE // 2 for shape in SHAPES.values()) >= 30


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.long  # being traced slows what is ours, and not `json.loads`
@pytest.mark.usefixtures("no_collector")
def test_a_body_is_parsed_in_a_few_times_the_time_of_plain_json(shape: str) -> None:
    raw = SHAPES[shape].encode()
    bound = TIMES * seconds(time.thread_time, lambda: json.loads(raw)) + FLOOR_S
    assert seconds(time.thread_time, lambda: parse(raw), bound) <= bound


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.long  # being traced slows what is ours, and not `json.loads`
@pytest.mark.usefixtures("no_collector")
def test_a_hostile_body_is_refused_in_a_few_times_the_time_of_plain_json(standing: Standing, shape: str) -> None:
    """All that is done for it, until the answer is there; for somebody with a key, and for somebody without one."""
    raw = SHAPES[shape].encode()
    bound = TIMES * seconds(time.process_time, lambda: json.loads(raw)) + 5 * FLOOR_S
    for person, expected in (standing.world.coordinator, 422), (standing.world.nobody, 401):
        answers: list[Response] = []
        took = seconds(time.process_time, lambda: answers.append(person.post("/v1/cases", raw)), bound)  # noqa: B023
        assert {answer.status_code for answer in answers} == {expected}
        assert took <= bound


@pytest.mark.long  # being traced slows what is ours, and not `json.loads`
@pytest.mark.usefixtures("no_collector")
def test_faults_of_the_form_are_told_in_time_and_not_without_end(standing: Standing) -> None:
    """Names that are known, but not there: of each the form says that it is one too many."""
    names = sorted(body_reading._our_names() - {"role"})[:150]
    raw = json.dumps(intake(records={"parties": [{"role": "brand", **dict.fromkeys(names, 1)}] * 100})).encode()
    bound = TIMES * seconds(time.process_time, lambda: json.loads(raw)) + 10 * FLOOR_S
    answers: list[Response] = []
    took = seconds(time.process_time, lambda: answers.append(standing.world.coordinator.post("/v1/cases", raw)), bound)
    assert 0 < len(answers[0].json()["errors"]) <= 200
    assert took <= bound


# The bounds


def faults(raw: str) -> list[tuple[str, str]]:
    """What is wrong with a body."""
    with pytest.raises(Invalid) as refused:
        parse(raw.encode())
    return [(error.pointer, error.says) for error in refused.value.faults]


def test_a_body_holds_no_more_values_than_forms_have_room_for() -> None:
    assert len(parse(listed("1", MAX_VALUES - 1).encode())) == MAX_VALUES - 1
    for raw in (listed("1", MAX_VALUES), listed("[]", MAX_VALUES), "[" + listed("{}", MAX_VALUES) + "]"):
        assert faults(raw) == [("", "contains more than 20,000 values")]


def test_brackets_in_a_text_are_no_values() -> None:
    assert parse(json.dumps({"note": "[…] " * (MAX_VALUES - 2)}).encode())


def test_a_name_has_a_hundred_characters_at_most() -> None:
    assert parse(f'{{"{"ক" * MAX_NAME_LENGTH}": 1}}'.encode())
    says = "has a member whose name is longer than 100 characters"
    assert faults(f'{{"records": {{"{"ক" * (MAX_NAME_LENGTH + 1)}": []}}}}') == [("/records", says)]


def test_names_that_no_form_has_are_refused_where_they_are_many() -> None:
    assert len(parse(members("u%d", MAX_UNKNOWN_NAMES).encode())) == MAX_UNKNOWN_NAMES
    for raw in (members("u%d", MAX_UNKNOWN_NAMES + 1), listed('{"a":1}', MAX_UNKNOWN_NAMES + 1)):
        assert faults(raw) == [("", "has unknown members")]


def test_marks_are_counted_as_any_language_writes_them() -> None:
    says = "contains more than 30 combining marks in a row"
    for marks in (MARKS, ORDERED[::-1], "\u05b7\u05b0"):
        within, beyond = "a" + marks * 15 + "b", marks * 16
        assert parse(json.dumps({"note": within}).encode())
        assert faults(json.dumps({"note": "plain"} | {"title": f"{within}{beyond}"})) == [("/title", says)]
    assert parse(json.dumps({"note": "\u0301" * 100}).encode())  # in order, they cost nothing


def test_a_fault_is_told_where_it_stands_and_only_the_first_ones_are() -> None:
    says = "contains a character that is not allowed"
    raw = json.dumps({"violations": [{"code": "threat"}, {"code": "a\0b"}], "records": {"parties": ["\0"]}})
    assert faults(raw) == [("/violations/1/code", says), ("/records/parties/0", says)]
    assert faults(json.dumps("\0")) == [("", says)]
    assert faults(json.dumps({"violations": ["\0"] * 500})) == [(f"/violations/{n}", says) for n in range(20)]


def test_a_large_body_is_parsed_beside_the_event_loop(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[bool] = []

    async def in_a_thread(work: Callable[..., Any], *given: Any) -> Any:
        threads.append(True)
        return work(*given)

    monkeypatch.setattr(body_reading, "run_in_threadpool", in_a_thread)
    for size, expected in ((LARGE - 10, []), (LARGE + 10, [True])):
        body = json.dumps(intake(records={})).encode().ljust(size)
        assert standing.world.coordinator.post("/v1/cases", body).status_code == 201
        assert threads == expected


def test_where_no_key_is_asked_for_a_body_is_small() -> None:
    assert ANONYMOUS_LIMIT <= LARGE


# What is not repeated

CANARY = "Worker Seven"


def planted(value: Any) -> Iterator[Any]:
    """A body with the canary in it: as every text, as a member of every object, under every name."""
    if isinstance(value, dict):
        yield {**value, CANARY: 1}
        yield {**value, CANARY: {"name": [CANARY]}}
        for name, inner in value.items():
            for changed in planted(inner):
                yield {**value, name: changed}
            yield {**value, name: {CANARY: {CANARY: inner}}}
            yield {**value, name: [{CANARY: "\0"}]}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            for changed in planted(item):
                yield [*value[:index], changed, *value[index + 1 :]]
    else:
        yield CANARY
        yield f"{CANARY}\0"
        yield {CANARY: "\0"}


def bodies(standing: Standing) -> Iterator[tuple[str, str, Body]]:
    """Where what may be sent, with the method."""
    one = f"/v1/cases/{standing.reference}"
    yield "POST", "/v1/cases", intake(records={"parties": [], "consents": []})
    yield "PATCH", one, {"title": "A title", "translations": {"bn": {"title": "A title", "summary": "A summary"}}}
    for noun, body in RECORDS.items():
        yield "POST", f"{one}/{noun}", body
    for noun in ("escalation", "suspension", "closure", "handover"):
        yield "POST", f"{one}/{noun}", step_input(noun)
    yield "POST", "/v1/webhooks", {"url": "https://desk.example.org/hook", "note": "Desk"}
    yield "POST", "/v1/accounts", {"name": "desk", "kind": "person", "role": "reader", "entity": "Europe"}


def test_an_error_repeats_nothing_that_was_sent(standing: Standing) -> None:
    refused = 0
    for method, path, body in bodies(standing):
        people = [standing.world.coordinator, standing.world.as_("admin")]
        person = people[path == "/v1/accounts"]
        for changed in planted(body):
            answer = person.call(method, path, changed, If_Match="*")
            if answer.status_code >= 400:
                refused += 1
                assert CANARY not in answer.text, (path, changed)
                assert CANARY not in json.dumps(dict(answer.headers))
    assert refused > 300


@pytest.mark.parametrize(
    ("translations", "pointer"),
    [
        ({CANARY: {"title": "A title"}}, "/translations"),
        ({"bn": {CANARY: "A title"}}, "/translations"),
        ({"bn": {"title": ""}}, "/translations"),
        ({"bn": {"title": "\0"}}, "/translations"),
    ],
)
def test_a_pointer_ends_at_the_last_name_that_is_ours(standing: Standing, translations: Body, pointer: str) -> None:
    answer = standing.world.coordinator.patch(
        f"/v1/cases/{standing.reference}", {"translations": translations}, If_Match="*"
    )
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {pointer}


def test_the_caller_is_told_before_the_body_is_looked_at(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_reading, "read", None)
    stranger = Person(standing.world.client, "ua_00000000_" + "x" * 49)
    for person in (standing.world.nobody, stranger):
        for method, path, body in bodies(standing):
            assert person.call(method, path, body, If_Match="*").status_code == 401
