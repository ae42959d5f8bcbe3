"""The HTTP contract (api.md): problems, the order of refusals, hidden cases."""

import logging
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from sqlalchemy import false

from appeals.accounts.caller import Caller
from appeals.api.routes import cases
from appeals.database.failures import Busy
from appeals.database.types import AnySelect
from appeals.read_models import case_list
from appeals.vocabulary import View
from tests.support.answers import a_problem, alike, assert_strict, stale_tag
from tests.support.cast import CONSENTS, PARTIES, STEP_INPUTS, Body, Person, World, intake, step_input
from tests.support.standing import ABSENT, DOORS, NOBODY, RECORDS, Standing, standing

__all__ = ["standing"]
OF_A_CASE = [operation for operation in DOORS if "{ref}" in operation.path]
CANARY = "Canary Winger"


# Every error is a problem


def test_an_unknown_path_is_a_problem(standing: Standing) -> None:
    a_problem(standing.world.coordinator.get("/v1/nothing"), 404, "not_found")
    a_problem(standing.world.nobody.get("/"), 404, "not_found")


def test_a_path_with_a_slash_too_many_is_no_other_path(standing: Standing) -> None:
    a_problem(standing.world.coordinator.get("/v1/cases/"), 404, "not_found")


def test_nobody_gets_past_a_door_without_a_key(standing: Standing) -> None:
    for operation in (operation for operation in DOORS if not operation.policy.public):
        for key in (None, standing.world.cast.keys["coordinator"][:-1] + "_"):
            answer = Person(standing.world.client, key).call(operation.method, standing.path(operation))
            a_problem(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_counts_only_as_a_bearer_credential(standing: Standing) -> None:
    key = standing.world.cast.keys["coordinator"]
    nobody = standing.world.nobody
    assert nobody.get("/v1/me", Authorization=f"bearer {key}").status_code == 200
    for header in (
        key,
        f"Basic {key}",
        f"Token {key}",
        "Bearer",
        "Bearer ",
        f"Bearer {key} {key}",
        f"Bearer {key}\x7f",
    ):
        a_problem(nobody.get("/v1/me", Authorization=header), 401, "unauthenticated")
    a_problem(nobody.get(f"/v1/me?access_token={key}"), 401, "unauthenticated")


def test_a_method_that_a_path_does_not_know_is_told_which_it_knows(standing: Standing) -> None:
    known: dict[str, set[str]] = {}
    for operation in DOORS:
        known.setdefault(standing.path(operation), set()).add(operation.method)
    for path, methods in known.items():
        for method in {"GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "TRACE"} - methods:
            answer = standing.world.coordinator.call(method, path)
            a_problem(answer, 405, "method_not_allowed")
            assert answer.headers["allow"] == ", ".join(sorted(methods)), path


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/version", "/docs", "/openapi.json", "/docs/static/none.js"])
def test_the_open_paths_know_get_only(standing: Standing, path: str) -> None:
    answer = standing.world.nobody.call("POST", path)
    a_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"


def test_a_body_that_is_not_said_to_be_json_is_a_problem(standing: Standing) -> None:
    a_problem(standing.world.coordinator.post("/v1/cases", intake(), Content_Type="text/plain"), 415, "body.not_json")


def test_a_body_over_the_limit_is_a_problem(standing: Standing) -> None:
    a_problem(standing.world.coordinator.post("/v1/cases", b" " * 1_048_577), 413, "body.too_large")


def test_input_that_does_not_fit_says_where_by_json_pointers(standing: Standing) -> None:
    body = intake(country="XX", records={"parties": [{"role": "brand"}, {"role": 3, "organisation": {}}]})
    problem = a_problem(standing.world.coordinator.post("/v1/cases", body), 422, "invalid")
    assert {error["pointer"] for error in problem["errors"]} == {
        "/country",
        "/records/parties/0",
        "/records/parties/1/role",
        "/records/parties/1/organisation/name",
        "/records/parties/1/organisation/kind",
    }


def test_a_parameter_that_does_not_fit_is_named(standing: Standing) -> None:
    problem = a_problem(standing.world.coordinator.get("/v1/cases?limit=0&country=XX&country=BD"), 422, "invalid")
    assert {error["pointer"] for error in problem["errors"]} == {"?limit", "?country"}


def test_a_parameter_that_would_be_ignored_is_refused(standing: Standing) -> None:
    for path in (f"/v1/cases/{standing.reference}?form=whole", "/v1/cases?colour=red", "/v1/cases?limit=1&limit=2"):
        a_problem(standing.world.coordinator.get(path), 422, "invalid")


def test_a_refused_step_tells_the_state_the_open_steps_and_every_unmet_guard(standing: Standing) -> None:
    closure = {**step_input("closure"), "reason": "demands_met"}
    problem = a_problem(standing.world.coordinator.step(standing.reference, "closure", closure), 409, "step.refused")
    assert problem["state"] == "engagement"
    assert {"escalation", "closure", "withdrawal"} < set(problem["open_steps"])
    assert {item["code"] for item in problem["unmet"]} == {
        "demand.undisposed", "commitment.open", "close_reason.disagrees",
    }  # fmt: skip
    assert all(item["says"] for item in problem["unmet"])


def test_a_failure_is_a_problem_that_tells_nothing_but_the_request_id(
    standing: Standing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(cases, "list_statement", fail)
    with caplog.at_level(logging.DEBUG):
        answer = standing.world.coordinator.get("/v1/cases?limit=7")
    a_problem(answer, 500, "internal")
    assert answer.headers["x-request-id"] in answer.text
    assert answer.headers["x-request-id"] in caplog.text
    assert CANARY not in answer.text + caplog.text
    assert_strict(answer)


def test_a_database_that_gives_no_way_is_a_problem_to_try_again(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Busy

    monkeypatch.setattr(cases, "list_statement", fail)
    answer = standing.world.coordinator.get("/v1/cases?limit=7")
    a_problem(answer, 503, "busy")
    assert answer.headers["retry-after"] == "2"


# No error repeats what was sent


def mutants(body: Any, turn: Iterator[int]) -> Iterator[Any]:
    """The body with a canary in the place of each value in turn, and as the name of a new member at each depth."""
    if isinstance(body, dict):
        for name, value in body.items():
            for changed in mutants(value, turn):
                yield {**body, name: changed}
        yield {**body, CANARY: [1, "\0", {CANARY: ["\u202e", "\0"]}][next(turn) % 3]}
    if isinstance(body, list):
        for index, value in enumerate(body):
            for changed in mutants(value, turn):
                yield [*body[:index], changed, *body[index + 1 :]]
    yield [f"{CANARY}\0", CANARY, [{CANARY: CANARY}]][next(turn) % 3]


@pytest.mark.parametrize("noun", ["cases", *STEP_INPUTS, *RECORDS, "organisations", "facilities"])
def test_no_error_holds_a_value_or_an_unknown_name_that_was_sent(standing: Standing, noun: str) -> None:
    tops: Body = {
        "cases": intake(records={"parties": PARTIES[:2], "consents": CONSENTS[4:5]}),
        "organisations": {"name": "A", "kind": "ngo", "country": "BD"},
        "facilities": {"name": "A", "country": "BD", "os_id": "IN2019067X1K87G", "owner": NOBODY},
    }
    path = f"/v1/{noun}" if noun in tops else f"/v1/cases/{standing.reference}/{noun}"
    who = standing.world.as_({"approvals": "reviewer", "information": "caseworker"}.get(noun, "coordinator"))
    refused = 0
    for body in mutants((tops | RECORDS)[noun] if noun in tops | RECORDS else step_input(noun), count()):
        answer = who.post(path, body)
        assert answer.status_code in {201, 422, 428}, answer.text  # steps are sent without If-Match
        if answer.status_code == 422:
            refused += 1
            assert CANARY not in answer.text + str(answer.headers)
    assert refused > 1


@pytest.mark.parametrize(
    "path",
    [
        "/v1/cases?status={}",
        "/v1/cases?{}=1",
        "/v1/cases?cursor={}",
        "/v1/cases?received_from={}",
        "/v1/cases?updated_since={}",
        "/v1/cases?danger={}",
        "/v1/cases?brand={}",
        "/v1/cases/{}",
        "/v1/{}",
    ],
)
def test_no_error_holds_what_stood_in_the_url(standing: Standing, path: str) -> None:
    answer = standing.world.coordinator.get(path.format("CanaryWinger"))
    assert answer.status_code in {404, 422}
    assert "Canary" not in answer.text + str(answer.headers)


# The order of refusals


def test_a_step_is_refused_in_the_order_of_the_contract(world: World) -> None:
    """A request that deserves every refusal, mended one by one."""
    reference = world.case(visibility="network")
    path, wrong, right = f"/v1/cases/{reference}/screening", {"lead_entity": 1}, step_input("screening")
    outsider, reader, coordinator = world.as_("dashboard"), world.as_("europe reader"), world.coordinator
    stale, not_open = {"If_Match": stale_tag(world, reference)}, f"/v1/cases/{reference}/de-escalation"
    assert [
        world.nobody.post(f"/v1/cases/{ABSENT}/screening", wrong).status_code,
        outsider.post(path, wrong).status_code,
        reader.post(path, wrong).status_code,
        coordinator.post(path, wrong).status_code,
        coordinator.post(not_open, step_input("de-escalation")).status_code,
        coordinator.post(not_open, step_input("de-escalation"), **stale).status_code,
        coordinator.post(not_open, step_input("de-escalation"), If_Match="*").status_code,
        coordinator.post(path, right, If_Match="*").status_code,
    ] == [401, 404, 403, 422, 428, 412, 409, 201]


@pytest.mark.parametrize("stale", [False, True])
def test_what_a_step_names_is_looked_up_before_the_precondition(world: World, stale: bool) -> None:
    """422 comes before 428 and 412 also where only the database can tell."""
    reference = world.case_in("accepted")
    body = {**step_input("closure"), "outcomes": [{"demand": "#nothing", "disposition": "met"}]}
    tag = {"If_Match": stale_tag(world, reference)} if stale else {}
    problem = a_problem(world.coordinator.post(f"/v1/cases/{reference}/closure", body, **tag), 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == ["/outcomes/0/demand"]


def test_the_precondition_comes_before_a_record_that_cannot_change(world: World) -> None:
    """428 and 412 come before 409 also where the input of a step is refused for a record's own lifecycle."""
    reference = world.case_in("accepted")
    world.dispose(reference, "met")
    body = {**step_input("closure"), "outcomes": [{"demand": "#reinstate", "disposition": "not_met"}]}
    path = f"/v1/cases/{reference}/closure"
    a_problem(world.coordinator.post(path, body), 428, "if_match.required")
    a_problem(world.coordinator.post(path, body, If_Match=stale_tag(world, reference)), 412, "if_match.stale")
    problem = a_problem(world.coordinator.post(path, body, If_Match="*"), 409, "step.refused")
    assert "demands.disposition" in {item["code"] for item in problem["unmet"]}


def test_amending_is_refused_in_the_order_of_the_contract(world: World) -> None:
    reference = world.case(visibility="network")
    path = f"/v1/cases/{reference}"
    assert [
        world.nobody.patch(path, {"risk": 1}).status_code,
        world.as_("auditor").patch(path, {"risk": 1}).status_code,
        world.as_("europe caseworker").patch(path, {"risk": 1}).status_code,
        world.coordinator.patch(path, {"risk": 1}).status_code,
        world.coordinator.patch(path, {"assignee": "nobody of this name"}).status_code,
        world.coordinator.patch(path, {"assignee": "dashboard"}).status_code,
        world.coordinator.patch(path, {"assignee": "dashboard"}, If_Match=stale_tag(world, reference)).status_code,
        world.coordinator.patch(path, {"assignee": "dashboard"}, If_Match="*").status_code,
        world.coordinator.patch(path, {"assignee": "caseworker"}, If_Match="*").status_code,
    ] == [401, 404, 403, 422, 422, 428, 412, 409, 200]


@pytest.mark.parametrize(
    ("body", "headers", "last"),
    [
        (b"[1", {}, 422),
        (b"{}", {"Content_Type": "text/plain"}, 415),
        (b" " * 1_048_577, {}, 413),
        (b'{"kind":"other"}', {}, 422),
        (b"{}", {"Idempotency_Key": "k" * 65}, 422),
    ],
)
def test_no_fault_of_the_body_is_told_to_who_may_not_pass(
    standing: Standing, body: bytes, headers: dict[str, str], last: int
) -> None:
    world, path = standing.world, f"/v1/cases/{standing.reference}/demands"
    people = (world.nobody, world.as_("europe caseworker"), world.as_("asia reader"), world.coordinator)
    assert [who.post(path, body, **headers).status_code for who in people] == [401, 404, 403, last]


def test_no_fault_of_the_query_is_told_to_who_may_not_pass(standing: Standing) -> None:
    world, path = standing.world, f"/v1/cases/{standing.reference}/demands?limit=0"
    people = (world.nobody, world.as_("europe caseworker"), world.as_("asia reader"), world.coordinator)
    assert [who.get(path).status_code for who in people] == [401, 404, 403, 422]
    assert world.nobody.get("/v1/vocabularies/none?limit=0").status_code == 401
    assert world.coordinator.get("/v1/vocabularies/none?limit=0").status_code == 404


def test_a_record_that_is_not_there_comes_before_the_role_to_change_it(standing: Standing) -> None:
    path = f"/v1/cases/{standing.reference}/demands"
    reviewer = standing.world.reviewer
    assert reviewer.patch(f"{path}/{NOBODY}", {}).status_code == 404
    assert reviewer.patch(f"{path}/{standing.ids['demands']}", {}).status_code == 403


# What one may not see is not there


def test_hidden_absent_and_misspelt_get_the_same_answer_byte_for_byte(standing: Standing) -> None:
    who = standing.world.as_("europe coordinator")
    for operation in OF_A_CASE:
        body: Any = {} if operation.writes else None
        answers = [
            who.call(operation.method, standing.path(operation, reference), body, If_Match="*", If_None_Match="*")
            for reference in (standing.reference, ABSENT, "UA-BGD-2026-0000U%0A", "%00%FF")
        ]
        assert alike(answers[0])[0] == 404
        assert all(alike(answer) == alike(answers[0]) for answer in answers), operation.path


def test_a_case_that_the_stored_view_is_refused_of_is_not_there(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement of the view asks again who sees the case: what it does not give is absent, not a failure."""

    def of_nobody(caller: Caller, view: View | None) -> AnySelect:
        return case_list.snapshot_statement(caller, view).where(false())

    monkeypatch.setattr(cases, "snapshot_statement", of_nobody)
    coordinator = standing.world.coordinator
    refused = coordinator.get(f"/v1/cases/{standing.reference}")
    assert alike(refused)[0] == 404
    assert alike(refused) == alike(coordinator.get(f"/v1/cases/{ABSENT}"))


def test_a_record_of_another_case_is_not_there(standing: Standing) -> None:
    coordinator = standing.world.coordinator
    other = standing.world.case()
    for noun, number in standing.ids.items():
        elsewhere = coordinator.get(f"/v1/cases/{other}/{noun}/{number}")
        absent = coordinator.get(f"/v1/cases/{other}/{noun}/{NOBODY}")
        misspelt = coordinator.get(f"/v1/cases/{other}/{noun}/#label")
        assert alike(elsewhere) == alike(absent) == alike(misspelt)
        assert elsewhere.status_code == 404
