"""Canaries: every text that anybody may send is planted once, and then looked for wherever it must not be.

The texts are found in the input models themselves, so that a field added tomorrow is planted tomorrow. What a lesser
view may hold is typed by hand below.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import Any, get_args
from urllib.parse import quote

import pytest
from httpx2 import Response
from pydantic import AfterValidator, BaseModel
from sqlalchemy import select

from appeals import fields
from appeals.access.access_log import AccessEntry, AccessSubject
from appeals.api.idempotency import IdempotentResponse
from appeals.api.routing import Route
from appeals.app import api_routes
from appeals.database.declarative import Base
from appeals.lifecycle.case_inputs import Intake
from appeals.lifecycle.steps import STEP_OF_NOUN, STEPS
from appeals.vocabulary import Role
from tests.conftest import PEPPER, Template
from tests.support.cast import Body, Person, World, consent, day, intake, organisation, step_input
from tests.support.live import served
from tests.support.standing import NOBODY, RECORDS, is_table

DOORS = api_routes()
BY_NAME = {operation.name: operation for operation in DOORS}
CANARY = re.compile(r"canary[0-9]{4}x")

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

# Text that names what exists already, and so cannot be made up
NAMES_SOMETHING = {
    ("Intake", "entity"), ("CaseChange", "assignee"), ("Screening", "lead_entity"), ("Screening", "assignee"),
    ("Handover", "receiving_entity"), ("HandoverAcceptance", "assignee"), ("TeamMemberInput", "account"),
    ("EntityInput", "parent"), ("AccountInput", "entity"), ("MembershipInput", "entity"), ("ConditionMet", "condition"),
}  # fmt: skip


# Finding every text in the input models


def is_free(annotation: Any, metadata: list[Any]) -> bool:
    """True for a name or prose: text that may be anything."""
    checks = [mark.func for mark in metadata if isinstance(mark, AfterValidator)]
    if fields._named in checks or fields._prose in checks:
        return True
    if hasattr(annotation, "__metadata__"):
        return is_free(get_args(annotation)[0], list(annotation.__metadata__))
    return any(is_free(part, []) for part in get_args(annotation) if part is not annotation)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The forms inside an annotation, however deep in unions and lists."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def free_texts(form: type[BaseModel], seen: frozenset[type] = frozenset()) -> Iterator[tuple[str, str]]:
    """Every text of a form and of the forms in it: where it is declared, by form and member."""
    if form in seen:
        return
    for name, info in form.model_fields.items():
        inner = list(models_in(info.annotation))
        if not inner and is_free(info.annotation, info.metadata):
            yield form.__name__, name
        for one in inner:
            yield from free_texts(one, seen | {form})


@dataclass
class Aviary:
    """The canaries, and where each was planted."""

    planted: dict[str, tuple[str, str]] = field(default_factory=dict)
    declared: set[tuple[str, str]] = field(default_factory=set)

    def body(self, where: str, form: type[BaseModel], given: Body) -> Body:
        """A body with a canary of its own in every text of the form, and what was given in all else."""
        return self._filled(where, "", form, deepcopy(given))

    def _filled(self, where: str, at: str, form: type[BaseModel], given: Body) -> Body:
        for name, info in form.model_fields.items():
            inner, place, free = (
                list(models_in(info.annotation)),
                f"{at}/{name}",
                is_free(info.annotation, info.metadata),
            )
            if inner and name in given:
                given[name] = self._inside(where, place, inner[0], given[name])
            elif free and not inner and (form.__name__, name) not in NAMES_SOMETHING:
                self.declared.add((form.__name__, name))
                canary = self._hatch(where, place)
                given[name] = [canary] if isinstance(given.get(name), list) or name == "recipients" else canary
        return given

    def _inside(self, where: str, at: str, form: type[BaseModel], given: Any) -> Any:
        if isinstance(given, list):
            return [self._inside(where, f"{at}/{index}", form, item) for index, item in enumerate(given)]
        if isinstance(given, dict) and not set(given) <= set(form.model_fields):
            return {key: self._inside(where, f"{at}/{key}", form, item) for key, item in given.items()}
        return self._filled(where, at, form, given) if isinstance(given, dict) else given

    def _hatch(self, where: str, at: str) -> str:
        canary = f"canary{len(self.planted):04}x"
        self.planted[canary] = where, at
        return f"{canary} in the mine"  # long enough for a reason

    def found(self, *answers: Response) -> set[tuple[str, str]]:
        """Where the canaries were planted that stand in the answers, heads and bodies."""
        return self.places(*(f"{answer.text} {dict(answer.headers)}" for answer in answers))

    def places(self, *texts: str) -> set[tuple[str, str]]:
        return {self.planted[canary] for text in texts for canary in CANARY.findall(text) if canary in self.planted}


# A life with a canary in every text

OWNER = organisation("x", "company")
MILL = {"name": "x", "country": "BD", "owner": OWNER}
PARTIES: list[Body] = [
    {"label": "factory", "role": "employer", "facility": MILL},
    {
        "label": "brand", "role": "brand", "organisation": organisation("x", "company", "SE"),
        "link_strength": "evidenced",
    },
    {"label": "ministry", "role": "government_body", "organisation": organisation("x", "authority")},
    {"label": "union", "role": "workers_union", "organisation": organisation("x")},
    {"label": "weak", "role": "retailer", "organisation": organisation("x", "company", "DE")},
]  # fmt: skip
CONSENTS = [
    *(consent(scope) for scope in ("take_up", "contact_brand", "contact_factory", "contact_government")),
    *(consent("publish_named", side) for side in ("workers", "local_partner")),
]
TOLD: dict[str, Body] = {
    **RECORDS,
    "parties": {"role": "retailer", "organisation": organisation("x", "company", "DE")},
    "consents": {"subject": "workers", "scope": "media_interview", "state": "requested"},
}
CHANGES: dict[str, Body] = {
    "parties": {},
    "demands": {"disposition": "partly_met"},
    "people": {},
    "consents": {"state": "given_with_conditions", "given_on": day(3), "method": "written"},
    "actions": {"by": organisation("x", "ngo")},
    "responses": {},
    "commitments": {"status": "in_progress"},
    "proceedings": {"stage": "admissibility"},
    "team": {"status": "left"},
}


class Life:
    """Cases that lived through every operation with a canary in every text."""

    def __init__(self, world: World) -> None:
        self.world, self.aviary, self.sent = world, Aviary(), 0
        self.ids: dict[str, str] = {}
        self.named: dict[str, str] = {}
        self.reference = self._intake("create_case", "network")
        hidden = self._intake("hidden", "restricted")
        self.told = {**TOLD, "links": {**TOLD["links"], "other": hidden}}
        self._work()
        self._go_public()
        self._end()
        self._run_the_network()

    def send(self, who: Person, path: str, where: str, given: Body, method: str = "POST") -> Body:
        """Send a body full of canaries by the operation of this name; what was answered."""
        form = BY_NAME[where].body_model
        assert form
        return self._sent(who, method, path, self.aviary.body(where, form, given))

    def _sent(self, who: Person, method: str, path: str, body: Body) -> Body:
        self.sent += 1
        answer = who.call(method, path, body, If_Match="*", Idempotency_Key=f"life-{self.sent}")
        assert answer.status_code in (200, 201), (path, answer.text)
        told: Body = answer.json()
        return told

    def _intake(self, where: str, visibility: str) -> str:
        asking = {**organisation("x"), "may_be_named": True}
        base = intake(visibility=visibility, requesting_organisation=asking)
        base["records"] = {"parties": PARTIES, "risk_assessments": [{"level": "elevated", "assessed_on": day(5)}]}
        body = self.aviary.body(where, Intake, base)
        body["records"]["consents"] = CONSENTS  # theirs are limited to nobody
        reference: str = self._sent(self.world.coordinator, "POST", "/v1/cases", body)["reference"]
        return reference

    def step(self, noun: str, reference: str | None = None, **changed: Any) -> None:
        """Take a step with a canary in every text of its input."""
        who = self.world.caseworker if noun == "information" else self.world.coordinator
        said = {**step_input(noun), **changed}
        body = self.aviary.body(noun, STEP_OF_NOUN[noun].input, said)
        if "consents" in said.get("records", {}):
            body["records"]["consents"] = said["records"]["consents"]  # theirs have no conditions
        if noun == "reopening":
            body["records"] = said["records"]  # theirs is limited to nobody, and without conditions
        reference = reference or self.reference
        if noun == "referral":
            agreed = consent("share_external", recipients=[body["receiving_body"]])
            assert who.add(reference, "consents", agreed).status_code == 201
        self._sent(who, "POST", f"/v1/cases/{reference}/{noun}", body)

    def _work(self) -> None:
        world, one = self.world, f"/v1/cases/{self.reference}"
        self.send(world.coordinator, one, "amend_case", {"translations": {"bn": {"title": "x"}}}, "PATCH")
        for noun in ("acknowledgement", "screening", "information-request", "information", "verification"):
            self.step(noun)
        self.step("acceptance")
        self.step("engagement", overrides=[{"guard": "quiet_action.missing", "reason": "x"}])
        asking = {"role": "requester", "organisation": {"name": "Second Requester", "kind": "ngo", "country": "BD"}}
        second = world.coordinator.add(self.reference, "parties", asking).json()["id"]
        refusal = {"subject": "requester", "of": second, "scope": "research_use", "state": "refused"}
        no = world.coordinator.add(self.reference, "consents", refusal).json()["id"]
        for noun, told in self.told.items():
            body = {**told, **(self._agreed(no) if noun == "approvals" else {})}
            who = world.reviewer if noun == "approvals" else world.coordinator
            self.ids[noun] = self.send(who, f"{one}/{noun}", f"add_{noun.replace('-', '_')}", body)["id"]
        answer = {"received_on": day(2), "grade": "partial"}
        self.send(world.coordinator, f"{one}/actions/{self.ids['actions']}/responses", "add_response", answer)
        for noun, body in CHANGES.items():
            self.send(world.coordinator, f"{one}/{noun}/{self.ids[noun]}", f"change_{noun}", body, "PATCH")

        for party in world.records(self.reference, "parties"):
            whose = "facilities" if party["facility_id"] else "brands" if party["role"] == "brand" else "owners"
            self.named[whose] = party["facility_id"] or party["organisation_id"]

    def _agreed(self, no: str) -> Body:
        """What an approval says of the consents that it rests on."""
        word = next(w for w in self.world.records(self.reference, "consents") if w["id"] == self.ids["consents"])
        (condition,) = word["conditions"]
        met = {"consent": word["id"], "condition": condition, "how": "x"}
        return {"conditions_met": [met], "voices_left": [{"consent": no, "why": "x"}]}

    def _go_public(self) -> None:
        world, one = self.world, f"/v1/cases/{self.reference}"
        made = self.send(world.coordinator, f"{one}/publications", "publish", {"publication_level": "anonymised"})
        self.send(world.coordinator, f"{one}/publications/{made['id']}/takedown", "take_down", {})
        self.send(world.reviewer, f"{one}/approvals", "add_approvals", {"level": "named"})
        self.step("escalation")
        self.token = world.records(self.reference, "publications")[-1]["token"]
        params = {"fields": ["narrative", "safe_contact_rule", "proceeding_numbers", "people"]}
        self.step("de-escalation")
        self.opened = self.send(world.coordinator, f"{one}/openings", "open_sealed", params)

    def _end(self) -> None:
        """What comes after a campaign, on other cases."""
        promised, watched, closed, merged, declined, referred, withdrawn = (
            self._intake("unpublished", "network") for _ in range(7)
        )
        for reference in (promised, watched, closed):
            for noun in ("screening", "verification", "acceptance"):
                self.step(noun, reference)
        for reference in (promised, watched):
            self.step("engagement", reference)
        self.step("agreement", promised)
        self.step("breach", promised)
        self.world.dispose(watched)
        self.step("monitoring", watched)
        self.step("closure", closed, outcomes=[{"demand": "#reinstate", "disposition": "not_met"}])
        self.step("reopening", closed)
        self.step("suspension", merged)
        self.step("resumption", merged)
        self.step("merger", merged, survivor=closed)
        self.step("handover", closed)
        self.step("decline", declined)
        self.step("screening", referred)
        self.step("referral", referred)
        self.step("withdrawal", withdrawn)
        sealed = self._intake("sealed", "sealed")
        breaker = self.world.newcomer("another coordinator", Role.COORDINATOR)
        self.send(breaker, f"/v1/cases/{sealed}/break-glass", "break_glass", {})

    def _run_the_network(self) -> None:
        coordinator, admin = self.world.coordinator, self.world.as_("admin")
        self.send(coordinator, "/v1/organisations", "add_organisation", organisation("x", "ngo"))
        self.send(coordinator, "/v1/facilities", "add_facility", MILL)
        self.send(admin, "/v1/entities", "add_entity", {"kind": "member", "parent": "Europe"})
        said = {"kind": "person", "role": "reader", "entity": "Europe"}
        self.ids["keys"] = self.send(admin, "/v1/accounts", "add_account", said)["id"]

    def walk(self, who: Person) -> Iterator[Response]:
        """Every answer that somebody gets who knocks at every operation that is read, in every format."""
        for operation in DOORS:
            if operation.writes:
                continue
            formats = ("application/json", "text/csv", "application/x-ndjson") if is_table(operation) else ("*/*",)
            for kind in formats:
                yield who.get(self._path(operation), Accept=kind)
        now = quote(datetime.now(UTC).isoformat())
        for path in ("?view=status", "?view=work", f"?as_of={now}", f"/timeline?as_of={now}", "/history?limit=1"):
            yield who.get(f"/v1/cases/{self.reference}{path}")
        for path in ("/openapi.json", "/docs", "/healthz", "/readyz", "/version", "/metrics"):
            yield who.get(path)

    def _path(self, operation: Route) -> str:
        noun = operation.path.split("/")[4] if operation.path.count("/") > 3 else ""
        number = self.ids.get(noun) or self.named.get(operation.path.split("/")[2], "")
        path = operation.path.format(ref=self.reference, id=number, key=number, name="status", token=self.token)
        return f"{path}?limit=200" if operation.query_model and "limit" in operation.query_model.model_fields else path


class Ear(logging.Handler):
    """Hears every log line of the process, but not those of the test's own client."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []
        self.loggers: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        name = record.name.partition(".")[0]
        if name not in ("httpx2", "httpcore", "httpcore2"):
            self.loggers.add(name)
            self.heard.append(f"{record.getMessage()} {record.exc_info} {record.args}")


@contextmanager
def listening() -> Iterator[Ear]:
    """An ear at the root, open for all; SQLAlchemy tells its statements, as it would to somebody who asks it to."""
    root, statements, ear = logging.getLogger(), logging.getLogger("sqlalchemy"), Ear()
    before = root.level, statements.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    statements.setLevel(logging.INFO)
    yield ear
    root.removeHandler(ear)
    root.setLevel(before[0])
    statements.setLevel(before[1])


@dataclass(frozen=True)
class Lived:
    """A life, and all that was logged meanwhile."""

    life: Life
    ear: Ear


@pytest.fixture(scope="module")
def lived(template: Template) -> Iterator[Lived]:
    """Lived once a module."""
    url = template.copy()
    with listening() as ear:
        world = World(url, PEPPER, template.cast)
        life = Life(world)
    yield Lived(life, ear)
    world.end()
    template.drop(url)


def test_a_canary_sits_in_every_text_of_every_input(lived: Lived) -> None:
    texts = {text for operation in DOORS if operation.body_model for text in free_texts(operation.body_model)}
    assert lived.life.aviary.declared == texts - NAMES_SOMETHING
    assert texts >= NAMES_SOMETHING


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
    found = life.aviary.found(*answers)
    assert found & SEALED == set()
    assert of_the_case - found == SEALED & of_the_case | KEPT_ELSEWHERE


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
    found = {name: lived.life.aviary.places(text) & SEALED for name, text in rows.items()}
    assert {name: {at for _, at in places} for name, places in found.items() if places} == KEPT_SEALED


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
    given = {**{step.noun: step_input(step.noun) for step in STEPS}, **TOLD}
    heads = {"If_Match": '"canary0000x"', "Idempotency_Key": "canary0000x"}
    for operation, who in product(DOORS, ("coordinator", "europe caseworker", "admin")):
        person, path = world.as_(who), operation.path.format(**params)
        yield person.call(operation.method, f"{path}?canary0000x=canary0000x", {} if operation.writes else None)
        yield person.call(
            operation.method,
            operation.path.format(**{**params, "ref": "canary0000x"}),
            {} if operation.writes else None,
        )
        base = given.get(operation.path.rsplit("/", 1)[-1], {})
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
    told = [(answer.request.method, answer.url.path, answer.text) for answer in refused if tells(answer)]
    assert told == []
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
