"""The life of a case in which every text that clients may send is planted once as a canary."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, get_args
from urllib.parse import quote

import pytest
from httpx2 import Response
from pydantic import AfterValidator, BaseModel

from appeals import fields
from appeals.api.routing import Route
from appeals.app import api_routes
from appeals.lifecycle.case_inputs import Intake
from appeals.lifecycle.steps import STEP_OF_NOUN
from appeals.vocabulary import Role
from tests.conftest import PEPPER, Template
from tests.support.cast import Body, Person, World, consent, day, intake, organisation, step_input
from tests.support.standing import RECORDS, is_table

DOORS = api_routes()
BY_NAME = {operation.name: operation for operation in DOORS}
CANARY = re.compile(r"canary[0-9]{4}x")


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

    def body(self, where: str, form: type[BaseModel], values: Body) -> Body:
        """A body with a canary of its own in every text of the form, and what was given in all else."""
        return self._filled(where, "", form, deepcopy(values))

    def _filled(self, where: str, at: str, form: type[BaseModel], values: Body) -> Body:
        for name, info in form.model_fields.items():
            inner, place, free = (
                list(models_in(info.annotation)),
                f"{at}/{name}",
                is_free(info.annotation, info.metadata),
            )
            if inner and name in values:
                values[name] = self._inside(where, place, inner[0], values[name])
            elif free and not inner and (form.__name__, name) not in NAMES_SOMETHING:
                self.declared.add((form.__name__, name))
                canary = self._hatch(where, place)
                values[name] = [canary] if isinstance(values.get(name), list) or name == "recipients" else canary
        return values

    def _inside(self, where: str, at: str, form: type[BaseModel], values: Any) -> Any:
        if isinstance(values, list):
            return [self._inside(where, f"{at}/{index}", form, item) for index, item in enumerate(values)]
        if isinstance(values, dict) and not set(values) <= set(form.model_fields):
            return {key: self._inside(where, f"{at}/{key}", form, item) for key, item in values.items()}
        return self._filled(where, at, form, values) if isinstance(values, dict) else values

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

    def send(self, who: Person, path: str, where: str, values: Body, method: str = "POST") -> Body:
        """Send a body full of canaries by the operation of this name; what was answered."""
        form = BY_NAME[where].body_model
        assert form
        return self._sent(who, method, path, self.aviary.body(where, form, values))

    def _sent(self, who: Person, method: str, path: str, body: Body) -> Body:
        self.sent += 1
        answer = who.call(method, path, body, If_Match="*", Idempotency_Key=f"life-{self.sent}")
        assert answer.status_code in (200, 201), (path, answer.text)
        data: Body = answer.json()
        return data

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
        fields = {**step_input(noun), **changed}
        body = self.aviary.body(noun, STEP_OF_NOUN[noun].input, fields)
        if "consents" in fields.get("records", {}):
            body["records"]["consents"] = fields["records"]["consents"]  # theirs have no conditions
        if noun == "reopening":
            body["records"] = fields["records"]  # theirs is limited to nobody, and without conditions
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
        for noun, data in self.told.items():
            body = {**data, **(self._agreed(no) if noun == "approvals" else {})}
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
        page = self.send(world.coordinator, f"{one}/publications", "publish", {"publication_level": "anonymised"})
        self.send(world.coordinator, f"{one}/publications/{page['id']}/takedown", "take_down", {})
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
        body = {"kind": "person", "role": "reader", "entity": "Europe"}
        self.ids["keys"] = self.send(admin, "/v1/accounts", "add_account", body)["id"]

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
