"""The OpenAPI document is true: it declares every refusal and exact models, and generated requests find no fault."""

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any, NoReturn
from uuid import uuid4
from zlib import crc32

import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, HookContext, engine
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.engine import events
from schemathesis.generation.meta import CoveragePhaseData
from schemathesis.hooks import unregister
from schemathesis.specs.openapi.formats import unregister_string_format
from starlette.testclient import TestClient

from appeals.accounts.account import account_named, grant
from appeals.accounts.authentication import CallerCache
from appeals.accounts.entity import entity_named
from appeals.api import transaction
from appeals.api.rate_limit import RateLimiter
from appeals.api.routing import Route
from appeals.app import create_app
from appeals.database.failures import Busy, Full
from appeals.database.raw_reads import ReadUnavailable
from appeals.errors import NotFound, RateExceeded, StillRunning
from appeals.fields import CONTROLS
from appeals.read_models.change_feed import FeedCursor
from appeals.vocabulary import Role
from tests.conftest import Template
from tests.support.cast import Body, today
from tests.support.size import EXAMPLES, examples
from tests.support.standing import ABSENT, DOORS, NOBODY, Standing, is_table, stand, standing
from tests.support.valid_bodies import valid

__all__ = ["standing"]
log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def document(standing: Standing) -> Body:
    """The document as it is served."""
    served: Body = standing.world.nobody.get("/openapi.json").json()
    return served


def test_the_document_is_built_once(standing: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a second, and nobody needs a key to ask for it."""
    app, built = create_app(standing.world.settings, standing.world.database), list[bool]()
    usual = app.openapi

    def openapi() -> Body:
        built.append(True)
        return usual()

    monkeypatch.setattr(app, "openapi", openapi)
    with TestClient(app) as client, ThreadPoolExecutor(4) as callers:
        texts = set(callers.map(lambda _: client.get("/openapi.json").text, range(8)))
    assert built == [True]
    assert texts == {standing.world.nobody.get("/openapi.json").text}


def operation(document: Body, operation: Route) -> Body:
    """What the document says of an operation."""
    found: Body = document["paths"][operation.path][operation.method.lower()]
    return found


# What is declared


def test_the_document_is_openapi_3_1_and_names_every_operation_once(document: Body) -> None:
    operations = [found for methods in document["paths"].values() for found in methods.values()]
    assert document["openapi"].startswith("3.1.")
    assert len({found["operationId"] for found in operations}) == len(operations) == len(DOORS) + 3
    assert all(found["summary"] and found["tags"] for found in operations)


def test_every_door_asks_for_a_key(document: Body) -> None:
    for route in DOORS:
        params: list[Body] = [] if route.policy.public else [{"HTTPBearer": []}]
        assert operation(document, route).get("security", []) == params
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_every_refusal_a_door_gives_is_declared_and_no_other(
    standing: Standing, document: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    survivor = standing.world.case()
    for route in (route for route in DOORS if not route.is_sse_stream):  # a stream does not end
        declared = {int(status) for status in operation(document, route)["responses"]} - {route.status_code or 200}
        body = {"survivor": survivor} if route.path.endswith("/merger") else valid(route)
        assert refusals(standing, route, body, monkeypatch) == declared, (route.method, route.path)


def refusals(standing: Standing, operation: Route, body: Any, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The statuses an operation answers to requests that each deserve one refusal."""
    world, path = standing.world, standing.path(operation)
    coordinator = world.as_(fit_for(operation))
    absent = standing.path(operation, ABSENT).replace("/vocabularies/status", "/vocabularies/absent")
    absent = absent.replace(standing.ids["token"], "absent")
    known = "accounts|memberships|keys|brands|facilities|owners"
    absent = re.sub(rf"^/v1/({known})/[^/]+(?=/)", rf"/v1/\1/{NOBODY}", absent)
    outsider = (
        "europe coordinator" if operation.path.startswith(("/v1/accounts/", "/v1/memberships/")) else "asia reader"
    )

    def given(**headers: str) -> int:
        return coordinator.call(operation.method, path, body, **headers).status_code

    found = {
        world.nobody.call(operation.method, path, body).status_code,
        world.as_(outsider).call(operation.method, path, body).status_code,
        standing.narrow["write" if operation.policy.scope == "read" else "read"]
        .call(operation.method, path, body)
        .status_code,
        world.as_("auditor").call(operation.method, absent, body).status_code,
        coordinator.call(operation.method, f"{path}?unknown=1", body).status_code if not operation.writes else 422,
        coordinator.call(operation.method, absent, body).status_code if absent != path else 422,
    }
    if operation.writes:
        found |= {
            given(Content_Type="text/plain"),
            given(Content_Length="9999999"),
            given(Idempotency_Key="ü".encode().hex() * 40),
        }
    else:
        found.add(given(If_None_Match="*"))
    if operation.access.needs_if_match:
        found |= {given(), given(If_Match='"0-0"')}
    if 410 in operation.refusals:
        with monkeypatch.context() as patched:
            patched.setattr(FeedCursor, "grants_hash", b"other!!!")
            elsewhere = coordinator.get("/v1/changes").json()["next"]
        found.add(coordinator.get(f"{path}?since={elsewhere}").status_code)
    if (
        "Location" in operation.responses[operation.status_code or 200]["headers"]
    ):  # of what was made, and the caller may not see any more
        with monkeypatch.context() as patched:
            patched.setattr(transaction, "require_work_view", failing(NotFound()))
            found |= {given(Idempotency_Key=f"again-{operation.name}") for _ in range(2)}
    with monkeypatch.context() as patched:
        patched.setattr(transaction, "claim", failing(StillRunning()))
        found |= {given(Idempotency_Key="k")} if operation.writes else set()
        patched.setattr(RateLimiter, "acquire", failing(RateExceeded(1)))
        found.add(given())
        for failure in (Busy(), Full()):
            patched.setattr(RateLimiter, "acquire", failing(failure))
            patched.setattr(CallerCache, "authenticate", failing(failure))
            found.add(given())
    return found - {200, 201}


def failing(error: Exception) -> Any:
    """A function that raises this."""

    def fail(*_: object) -> None:
        raise error

    return fail


def fit_for(operation: Route) -> str:
    """Somebody who may call an operation."""
    if operation.path.endswith("/approvals"):
        return "reviewer"
    if operation.path.endswith("/information"):
        return "caseworker"
    if operation.path == "/v1/access-log":
        return "auditor"
    if operation.name in ("create_first_key", "confirm_membership"):
        return "coordinator"
    return "admin" if operation.path.startswith(("/v1/accounts", "/v1/entities", "/v1/memberships")) else "coordinator"


def test_every_list_declares_its_formats_and_its_next_page(document: Body) -> None:
    for route in DOORS:
        done = operation(document, route)["responses"][str(route.status_code or 200)]
        formats = {
            "text/event-stream" if route.is_sse_stream else "application/json",
            *(("text/csv", "application/x-ndjson") if is_table(route) else ()),
        }
        assert set(done["content"]) == formats, route.path
        assert ("Link" in done["headers"]) == (is_table(route) or route.name == "list_changes")
        assert "X-Request-Id" in done["headers"]


# Forms


def schemas(document: Body, *, answers: bool) -> dict[str, Body]:
    """The schemas reached from the bodies of requests, or of answers, by name."""
    found: dict[str, Body] = {}

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in document["components"]["schemas"] and name not in found:
                found[name] = document["components"]["schemas"][name]
                walk(found[name])
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    for route in DOORS:
        said = operation(document, route)
        walk(said["responses"][str(route.status_code or 200)]["content"] if answers else said.get("requestBody", {}))
    return found


def test_every_form_of_input_refuses_unknown_members(document: Body) -> None:
    objects = {name: form for name, form in schemas(document, answers=False).items() if form.get("type") == "object"}
    assert len(objects) > 40
    assert [name for name, form in objects.items() if form.get("additionalProperties") is not False] == []


def test_every_member_of_an_answer_is_always_there(document: Body) -> None:
    for name, form in schemas(document, answers=True).items():
        assert set(form.get("required", [])) == set(form.get("properties", {})), name


def test_texts_and_lists_of_input_are_bounded(document: Body) -> None:
    unbounded = [
        (name, member)
        for name, form in schemas(document, answers=False).items()
        for member, said in form.get("properties", {}).items()
        for part in [said, *said.get("anyOf", [])]
        if (part.get("type") == "string" and not {"maxLength", "pattern", "format", "const", "enum"} & set(part))
        or (part.get("type") == "array" and "maxItems" not in part)
    ]
    assert unbounded == []


def test_a_case_is_not_said_to_take_null(standing: Standing, document: Body) -> None:
    for member, said in document["components"]["schemas"]["CaseChange"]["properties"].items():
        answer = standing.world.coordinator.patch(f"/v1/cases/{standing.reference}", {member: None}, If_Match="*")
        assert answer.status_code == 422
        assert "null" not in json.dumps(said)


def test_if_match_is_declared_required_where_it_is(document: Body) -> None:
    for route in DOORS:
        told = {
            parameter["name"]: parameter["required"] for parameter in operation(document, route).get("parameters", [])
        }
        assert told.get("If-Match", False) is route.access.needs_if_match, route.path
        keeps = route.writes and not route.policy.public  # an answer is kept with an account
        assert told.get("Idempotency-Key", True) is not keeps


def test_each_step_leads_to_the_form_of_its_input(standing: Standing, document: Body) -> None:
    for item in standing.world.coordinator.get(f"/v1/cases/{standing.reference}/steps").json()["items"]:
        page, pointer = item["input_schema"].split("#")
        assert page == "/openapi.json"
        part = document
        for name in pointer.strip("/").split("/"):
            part = part[name]
        noun = item["href"].rsplit("/", 1)[1]
        body = document["paths"][f"/v1/cases/{{ref}}/{noun}"]["post"]["requestBody"]
        assert body["content"]["application/json"]["schema"]["$ref"] == f"#{pointer}"


# Machine-made requests

INVENTED = examples(1, share=0.1)
"""Invented for each operation, on each database. In a soak all systematic requests are made besides: minutes."""
THOROUGH = EXAMPLES > 0
OF_THE_NETWORK = {
    "accounts/{id}/keys": "keys", "accounts/{id}/memberships": "memberships", "accounts/{id}/disabling": "disabling",
    "memberships/{id}/ending": "ending", "memberships/{id}/confirmation": "confirmation",
    "accounts/{id}/enrolment": "enrolment", "keys/{key}/rotation": "rotation", "keys/{key}/revocation": "revocation",
}  # fmt: skip
"""Paths, and of what the id in them is."""
EXPECTED = {
    # What is right in form may still be refused: 409 by a state, a guard or a rule; 422 for what a schema cannot say:
    # days to come, references to nothing, one of two members. 304 is the answer to If-None-Match: *.
    "positive_data_acceptance": {"expected-statuses": ["2xx", "304", "409", "422"]},
    # The contract says 428, not 400, where If-Match is missing; and 401 comes first.
    "missing_required_header": {"expected-statuses": ["401", "422", "428"]},
}


def configured(standing: Standing) -> SchemathesisConfig:
    """Every check is on; paths lead to a case that is there, and to its records."""
    key = standing.world.cast.keys["coordinator"]
    of_records: list[Body] = [
        {"include-path-regex": rf"^/v1/cases/\{{ref\}}/{noun}/", "parameters": {"path.id": number}}
        for noun, number in standing.ids.items()
    ]
    of_records += [
        {
            "include-path-regex": f"^/v1/{re.escape(path)}$",
            "parameters": {f"path.{path.partition('{')[2].partition('}')[0]}": standing.ids[noun]},
        }
        for path, noun in OF_THE_NETWORK.items()
    ]
    of_records += [
        {
            "include-path-regex": rf"^/v1/{whose}/",
            "parameters": {"path.id": standing.ids[whose], "path.delivery": standing.ids["deliveries"]},
        }
        for whose in ("brands", "facilities", "owners", "webhooks")
    ]
    # Somebody may withdraw a consent meanwhile, and what rests on it is gone at once.
    gone = {"positive_data_acceptance": {"expected-statuses": ["2xx", "304", "404", "422"]}}
    of_records.append({"include-path-regex": r"^/public/cases/\{token\}", "checks": gone})
    # As of a moment before it was on record, there was no case.
    of_records.append({"include-path-regex": r"^/v1/cases/\{ref\}(/timeline|/counts)?$", "checks": gone})
    return SchemathesisConfig.from_dict(
        {
            "checks": EXPECTED,
            "headers": {"Authorization": f"Bearer {key}"},
            "parameters": {"path.ref": standing.reference, "path.name": "status", "path.token": standing.ids["token"]},
            "generation": {"max-examples": INVENTED, "deterministic": not THOROUGH, "database": "none"},
            "operations": of_records,
        }
    )


def shortened(_: HookContext, raw_schema: Body) -> None:
    """Leave out what would only be said again: a request for each country, the same records with every step."""
    forms = raw_schema["components"]["schemas"]
    forms["Country"]["enum"] = ["BD", "DE", "SE"]
    for name, form in forms.items():
        if "records" in form.get("properties", {}) and name != "Engagement":
            del form["properties"]["records"]


def one_of_each_sort(*, half: bool) -> Callable[[HookContext, Case[Any]], bool]:
    """A filter: of the systematic requests to an operation one of each sort, every other sort on each database."""
    sorts: dict[object, int] = {}

    def passes(_: HookContext, case: Case[Any]) -> bool:
        data = case.meta.phase.data if case.meta else None
        if not isinstance(data, CoveragePhaseData):
            return True
        sort = (case.operation.label, data.scenario, data.parameter_location)
        is_new = sort not in sorts
        return is_new and sorts.setdefault(sort, len(sorts)) % 2 == half

    return passes


def fitting(_: HookContext, case: Case[Any], __: Body) -> None:
    """Give what no form can say, so that more requests come as far as the rules.

    A key and a label that were not used before, the version that holds now, no made-up cursor, text without controls.
    """
    if case.meta is None:
        return
    wrong = {place for place, part in case.meta.components.items() if part.mode is not GenerationMode.POSITIVE}
    if ParameterLocation.HEADER not in wrong:
        given = {"Idempotency-Key": str(uuid4()), "If-Match": "*"}
        case.headers.update({name: value for name, value in given.items() if name in case.headers})
    if ParameterLocation.QUERY not in wrong and case.query:
        case.query.pop("cursor", None)
    if ParameterLocation.BODY not in wrong:
        case.body = cleaned(case.body)
    if isinstance(case.body, dict) and LABEL.fullmatch(str(case.body.get("label", ""))):
        case.body = {**case.body, "label": uuid4().hex}


def cleaned(value: Any, name: str = "") -> Any:
    """A part of a body with the controls taken out of its texts, and an OS ID whose check character is right."""
    if isinstance(value, dict):
        return {member: cleaned(item, member) for member, item in value.items()}
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    if isinstance(value, str):
        return "IN2019067X1K87G" if name == "os_id" else CONTROL.sub("x", value)
    return value


LABEL = re.compile("[a-z0-9][a-z0-9-]{0,39}")
CONTROL = re.compile(rf"[{CONTROLS}\ud800-\udfff]")


@pytest.fixture
def almighty(template: Template, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standing]:
    """A world of its own, where the coordinator may call every operation and anything may be done to the case."""
    with stand(template) as made:
        with made.world.database.writing() as session:
            account, office = account_named(session, "coordinator"), entity_named(session, "International Office")
            assert account
            assert office
            for role in (Role.ADMIN, Role.AUDITOR, Role.REVIEWER, Role.CASEWORKER):
                grant(session, account, role, office, datetime.now(UTC))
        if not made.world.database.embedded:
            monkeypatch.setattr(made.world.app.state.context.fast_reads.reader, "fetch", unavailable)
        yield made


async def unavailable(*_: object, **__: object) -> NoReturn:
    """The machine makes each request in a loop of its own, where connections of another loop are of no use."""
    raise ReadUnavailable


@pytest.fixture
def hooks(almighty: Standing) -> Iterator[None]:
    """What helps the machine along; it is told to the whole process, and taken back."""
    told: dict[str, Callable[..., Any]] = {"before_load_schema": shortened, "before_call": fitting}
    if not THOROUGH:
        told["filter_case"] = one_of_each_sort(half=almighty.world.database.embedded)
    for name, hook in told.items():
        schemathesis.hook(name)(hook)
    schemathesis.openapi.format("date", st.dates(date(1900, 1, 1), today()).map(str))
    yield
    unregister_string_format("date")
    for hook in told.values():
        unregister(hook)


def is_asked_of(almighty: Standing, label: str) -> bool:
    """Half of the operations by their names for one database, the others for the other."""
    return (crc32(label.encode()) % 2 == 0) is almighty.world.database.embedded


@pytest.mark.soak
@pytest.mark.usefixtures("hooks")
def test_machine_made_requests_find_no_fault(almighty: Standing) -> None:
    whole = schemathesis.openapi.from_asgi("/openapi.json", almighty.world.app, config=configured(almighty))
    schema = whole.exclude(path="/v1/changes/stream")  # which does not end
    if not THOROUGH:  # then each database is asked half of them
        schema = schema.exclude(lambda ctx: not is_asked_of(almighty, ctx.operation.label))
    params: Counter[str] = Counter()
    answered: Counter[int] = Counter()
    operations: set[str] = set()
    errors: list[str] = []
    for event in engine.from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            errors.append(repr(event))
        if isinstance(event, events.ScenarioFinished):
            made = event.recorder.interactions.values()
            params[event.phase.value] += len(made)
            answered.update(interaction.response.status_code for interaction in made if interaction.response)
            operations |= {node.value.operation.label for node in event.recorder.cases.values()}
            checks = [check for found in event.recorder.checks.values() for check in found]
            errors += [str(check.failure_info) for check in checks if check.failure_info is not None]
    log.info("%s operations, requests %s, answers %s", len(operations), dict(params), json.dumps(answered))
    assert errors == []
    there = [f"{operation.method} {operation.path}" for operation in DOORS if not operation.is_sse_stream]
    there += ["GET /healthz", "GET /readyz", "GET /version"]
    assert operations >= {label for label in there if THOROUGH or is_asked_of(almighty, label)}
    assert operations <= set(there)
    assert answered[201] > 0 < answered[200]
    assert min(answered) >= 200
