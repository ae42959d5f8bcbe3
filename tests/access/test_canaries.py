"""Canaries: every text that clients may send is planted once, and then searched for where it must not be.

The texts are found in the input models themselves, so that a field added tomorrow is planted tomorrow. What a lesser
view may hold, and what is sealed, is typed by hand below; a text that an input marks as sealed has to be in `SEALED`.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
from httpx2 import Response
from pydantic import BaseModel
from sqlalchemy import select

from appeals.access.access_log import AccessEntry, AccessSubject
from appeals.api.idempotency import IdempotentResponse
from appeals.database.declarative import Base
from appeals.fields import Sealed, annotated_fields
from appeals.lifecycle.steps import STEPS
from tests.conftest import Template
from tests.support.canaries import CANARY, DOORS, NAMES_SOMETHING, TOLD, Aviary, Lived, free_texts, listening, lived
from tests.support.cast import Body, World, step_input
from tests.support.live import served
from tests.support.standing import NOBODY

__all__ = ["lived"]


# What each finds: where it was planted, by the operation or step and the member. The judge.

LISTED = {
    "add_organisation": {"/name", "/name_local"},
    "add_facility": {"/name", "/name_local", "/province", "/product", "/owner/name", "/owner/name_local"},
    "add_entity": {"/name"},
}
"""What somebody listed openly, and the tree of the network: for everybody with a key."""
FOLLOWED = {**LISTED, "amend_case": {"/title", "/public_summary"}, "unpublished": {"/title", "/public_summary"}}
"""Of the cases that the whole network follows: title and public summary."""
ACCOUNTS = {"add_account": {"/name"}}
PUBLISHED = {
    "amend_case": {"/title", "/public_summary", "/translations/bn/title", "/translations/bn/summary"},
    "create_case": {
        "/records/parties/0/facility/name",  # the employer's workplace
        "/records/parties/1/organisation/name",  # the brand, whose link is evidenced
        "/requesting_organisation/name",  # cleared: may_be_named
    },
}
FINDS: dict[str, tuple[dict[str, set[str]], ...]] = {
    "nobody": (PUBLISHED,),
    "europe reader": (FOLLOWED, PUBLISHED),
    "europe caseworker": (FOLLOWED, PUBLISHED),
    "europe coordinator": (FOLLOWED, PUBLISHED, ACCOUNTS),
    "other partner": (FOLLOWED, PUBLISHED),
    "dashboard": (LISTED, PUBLISHED),
    "auditor": (LISTED, PUBLISHED),
    "admin": (LISTED, PUBLISHED, ACCOUNTS),
}
SEALED = {(where, "/narrative") for where in ("create_case", "unpublished", "hidden", "sealed")}
SEALED |= {("acknowledgement", "/safe_contact_rule")}
SEALED |= {
    (where, f"/{name}")
    for where in ("add_people", "change_people")
    for name in ("name", "contacts", "safe_contact_rule")
}
SEALED |= {(where, "/number") for where in ("add_proceedings", "change_proceedings")}
ON_THE_CASE = {"create_case", "amend_case"}
KEPT_ELSEWHERE = {("create_case", place) for place in ("/title", "/public_summary")}  # replaced meanwhile
KEPT_ELSEWHERE |= {("create_case", f"/records/parties/0/facility/owner/{name}") for name in ("name", "name_local")}


def test_a_canary_sits_in_every_text_of_every_input(lived: Lived) -> None:
    texts = {text for operation in DOORS if operation.body_model for text in free_texts(operation.body_model)}
    assert lived.life.aviary.declared == texts - NAMES_SOMETHING
    assert texts >= NAMES_SOMETHING


def test_what_an_input_marks_as_sealed_is_looked_for_as_such() -> None:
    models = {operation.name: operation.body_model for operation in DOORS if operation.body_model}
    marked = {(name, f"/{member}") for name, model in models.items() for member in annotated_fields(model, Sealed)}
    assert {place for place in SEALED if place[0] in models} == marked


@pytest.mark.parametrize("who", FINDS)
def test_a_lesser_view_finds_just_these(lived: Lived, who: str) -> None:
    world = lived.life.world
    answers = list(lived.life.walk(world.nobody if who == "nobody" else world.as_(who)))
    assert not [answer.url for answer in answers if answer.status_code >= 500]
    expected = {(where, at) for known in FINDS[who] for where, places in known.items() for at in places}
    assert lived.life.aviary.found(*answers) == expected


def test_the_team_finds_all_but_what_is_sealed(lived: Lived) -> None:
    life = lived.life
    answers = [*life.walk(life.world.coordinator), *life.walk(life.world.reviewer)]
    of_the_case = {place for place in life.aviary.planted.values() if place[0] in ON_THE_CASE}
    places = life.aviary.found(*answers)
    assert places & SEALED == set()
    assert of_the_case - places == SEALED & of_the_case | KEPT_ELSEWHERE


def test_what_is_sealed_is_found_in_the_opening_alone(lived: Lived) -> None:
    opened = lived.life.aviary.places(json.dumps(lived.life.opened))
    assert opened == {
        ("create_case", "/narrative"), ("acknowledgement", "/safe_contact_rule"), ("change_proceedings", "/number"),
        ("change_people", "/name"), ("change_people", "/contacts"), ("change_people", "/safe_contact_rule"),
        ("add_people", "/safe_contact_rule"),  # older rules are told beside the newest
    }  # fmt: skip


def test_no_log_line_holds_what_was_sent(lived: Lived) -> None:
    assert {"appeals", "sqlalchemy"} & lived.ear.loggers == {"sqlalchemy"}
    assert lived.life.aviary.places(*lived.ear.heard) == set()


def test_the_access_log_holds_nothing_that_was_sent(lived: Lived) -> None:
    with lived.life.world.database.reading() as session:
        rows = [[str(vars(row)) for row in session.scalars(select(table))] for table in (AccessEntry, AccessSubject)]
    assert all(rows)
    assert lived.life.aviary.places(*rows[0], *rows[1]) == set()


def test_a_kept_answer_holds_nothing_sealed(lived: Lived) -> None:
    with lived.life.world.database.reading() as session:
        kept = list(session.scalars(select(IdempotentResponse)))
    assert len(kept) == lived.life.sent
    assert lived.life.aviary.places(*(answer.body.decode() for answer in kept)) & SEALED == set()
    assert lived.life.aviary.places(*(f"{answer.headers} {answer.logged} {answer.key}" for answer in kept)) == set()


KEPT_SEALED = {
    "case": {"/narrative"},
    "person": {"/name", "/contacts"},
    "proceeding": {"/number"},
    "safe_contact_rule": {"/safe_contact_rule"},
}


def test_what_is_sealed_is_kept_in_its_own_place_alone(lived: Lived) -> None:
    with lived.life.world.database.reading() as session:
        rows = {table.name: str(session.execute(select(table)).all()) for table in Base.metadata.sorted_tables}
    sealed_by_table = {name: lived.life.aviary.places(text) & SEALED for name, text in rows.items()}
    assert {name: {at for _, at in places} for name, places in sealed_by_table.items() if places} == KEPT_SEALED


# Refusals

WRONG: list[Callable[[Body], Any]] = [
    lambda body: {**body, "canary0000x": "canary0000x"},
    lambda body: dict.fromkeys(body, "canary0000x"),
    lambda body: {name: ["canary0000x"] for name in body},
    lambda body: {name: {"canary0000x": "canary0000x"} for name in body},
    lambda _: ["canary0000x"],
    lambda _: b'{"canary0000x": canary0000x}',
    lambda body: body,
]
"""What may be wrong with a body; the last is nothing, and the case is in another state or not theirs."""


def wrong_requests(world: World, reference: str) -> Iterator[Response]:
    """Canaries in bodies, paths, parameters and headers, sent to every operation by somebody and by nobody who may."""
    params = {"ref": reference, "id": NOBODY, "delivery": NOBODY, "key": "canary00"}
    params |= {"name": "canary0000x", "token": "canary0000x"}
    bodies = {**{step.noun: step_input(step.noun) for step in STEPS}, **TOLD}
    heads = {"If_Match": '"canary0000x"', "Idempotency_Key": "canary0000x"}
    for operation, who in product(DOORS, ("coordinator", "europe caseworker", "admin")):
        person, path = world.as_(who), operation.path.format(**params)
        yield person.call(operation.method, f"{path}?canary0000x=canary0000x", {} if operation.writes else None)
        yield person.call(
            operation.method,
            operation.path.format(**{**params, "ref": "canary0000x"}),
            {} if operation.writes else None,
        )
        base = bodies.get(operation.path.rsplit("/", 1)[-1], {})
        for wrong in WRONG if operation.body_model else ():
            body = Aviary().body("wrong", operation.body_model or BaseModel, base)
            yield person.call(operation.method, path, wrong(body), **(heads if wrong is WRONG[0] else {}))
        for name in operation.query_model.model_fields if operation.query_model else ():
            yield person.get(f"{path}?{name}=canary0000x")
    yield from (world.nobody.call(method, "/canary0000x?canary0000x=1") for method in ("GET", "POST"))
    yield world.nobody.get("/v1/me", Authorization="Bearer canary0000x")


def test_no_refusal_tells_what_was_sent(world: World) -> None:
    reference = world.case_in("engagement")
    with listening() as ear:
        answers = list(wrong_requests(world, reference))
    refused = [answer for answer in answers if answer.status_code >= 400]
    assert Counter(answer.status_code for answer in refused).keys() == {401, 403, 404, 409, 415, 422, 428} - {415}
    telling = [(answer.request.method, answer.url.path, answer.text) for answer in refused if tells(answer)]
    assert telling == []
    assert [line for line in ear.heard if CANARY.search(line)] == []


def tells(answer: Response) -> bool:
    return bool(CANARY.search(f"{answer.text} {dict(answer.headers)}"))


def test_the_running_service_prints_nothing_that_was_sent(
    template: Template, capfd: pytest.CaptureFixture[str]
) -> None:
    url = template.copy()
    with served(url, template.cast) as live:
        reference = live.world.case(narrative="canary0000x", title="canary0001x")
        live.world.coordinator.get(f"/v1/cases/{reference}?view=canary0000x")
        live.world.coordinator.get("/v1/cases?assignee=canary0000x")
        live.world.coordinator.get("/v1/cases/canary0000x")
        live.world.coordinator.post("/v1/cases", {"narrative": "canary0000x"})
        live.world.coordinator.post("/v1/cases", b'{"narrative": canary0000x}')
        live.process.terminate()
        printed = live.process.stdout.read() if live.process.stdout else ""
    template.drop(url)
    assert not CANARY.search(printed + capfd.readouterr().err)
