"""Requests of those who are not on the team of a sealed case, and their answers."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, get_args
from urllib.parse import urlencode

from httpx2 import Response

from appeals.api.routing import Route
from appeals.read_models.case_list import Sort
from appeals.vocabulary import Priority, RiskLevel, Status, StatusGroup, ViolationCode
from tests.support.cast import STEP_INPUTS, Body, Person, day, organisation, step_input
from tests.support.fate import drawn_by
from tests.support.places import OVER, PLACES, VISIBILITIES
from tests.support.standing import ABSENT, DOORS, NOBODY, RECORDS, is_table
from tests.support.two_worlds import COUNTRIES, Hidden, appeal

ONE_CASE = [operation for operation in DOORS if "{ref}" in operation.path]


# What outsiders ask


@dataclass
class Outsider:
    """Somebody who is not on the team of the sealed case, all they ask, and every answer they get."""

    role: str
    place: str
    person: Person
    chance: Random
    heard: list[str]
    seen: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """Ask, and keep the whole answer but for what names the request, and for places in the feed.

        These are encrypted, each with a nonce of its own, and all as long: only what is read from them can tell.
        """
        answer = self.person.call(method, path, body, **headers)
        sent = sorted((name, value) for name, value in answer.headers.items() if name != "x-request-id")
        heard = f"{self.role} {self.place}: {method} {path} {headers}\n{answer.status_code} {sent}\n{answer.text}"
        self.heard.append(PLACE_IN_FEED.sub("a place", heard))
        assert answer.status_code < 500, self.heard[-1]
        return answer

    def read(self, path: str, **headers: str) -> Response:
        """Read, and then again if it has changed."""
        answer = self.ask("GET", path, **headers)
        if answer.status_code == 200 and "etag" in answer.headers and self.chance.random() < 0.3:
            again = self.ask("GET", path, **headers, If_None_Match=answer.headers["etag"])
            assert again.status_code == 304
        return answer

    def walk(self, path: str, **headers: str) -> None:
        """Read a list to its end, or far enough."""
        for _ in range(6):
            answer = self.read(path, **headers)
            if answer.status_code != 200 or "link" not in answer.headers:
                return
            path = answer.headers["link"].partition(">")[0].lstrip("<")

    @property
    def is_told(self) -> bool:
        """Whether they, who coordinate the lead, may break the glass; or read, as its auditor, who looked at what."""
        return self.place in OVER


def lists(out: Outsider, hidden: Hidden) -> None:
    """The list of cases by all filters and sorts, whole and in small pages, in every format."""
    answer = out.read("/v1/cases?limit=200")
    if answer.status_code == 200:
        out.seen = [case["reference"] for case in answer.json()["items"]]
    for sort in get_args(Sort):
        limit = out.chance.choice([1, 2, 50])
        out.walk(f"/v1/cases?sort={sort}&limit={limit}", Accept=out.chance.choice(FORMATS))
    questions = filters(hidden)
    for count in (1, 1, 2, 3):
        out.walk("/v1/cases?" + urlencode(out.chance.sample(questions, count)), Accept=out.chance.choice(FORMATS))
    for name in ("brand", "factory"):
        out.read(f"/v1/cases?{'facility' if name == 'factory' else name}={hidden.known[name]}")


PLACE_IN_FEED = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{91}(?![A-Za-z0-9_-])")
FORMATS = ["application/json", "text/csv", "application/x-ndjson"]


def filters(hidden: Hidden) -> list[tuple[str, str]]:
    """Every filter, with values that fit the sealed case and others."""
    places = list(PLACES.values())
    return [
        *(("status", state) for state in Status),
        *(("group", group) for group in StatusGroup),
        *(("country", code) for code in COUNTRIES),
        *(("region", place) for place in places),
        *(("lead", place) for place in places),
        *(("assignee", name) for name in ("keeper", "helper", "coordinator")),
        *(("violation", code) for code in ViolationCode if code in ("antiunion_dismissal", "threat")),
        *(("risk", level) for level in RiskLevel),
        *(("priority", level) for level in Priority),
        *(("visibility", shown) for shown in VISIBILITIES),
        *(("danger", danger) for danger in ("true", "false")),
        ("brand", hidden.known["brand"]),
        ("facility", hidden.known["factory"]),
        ("received_from", day(40)),
        ("received_to", day(40)),
        *(("q", words) for words in ("quiet", "Bright Stitch", "sample brand", "dismissal", "bangladesh")),
    ]


def cases(out: Outsider, _: Hidden) -> None:
    """The cases they do see, by some of the operations."""
    for reference in out.chance.sample(out.seen, min(3, len(out.seen))):
        for path in (
            "",
            "/history",
            "/steps",
            "/timeline",
            "/counts",
            "/links",
            f"/{out.chance.choice(list(RECORDS))}",
            "?view=status",
        ):
            out.read(f"/v1/cases/{reference}{path}")


def over_many(out: Outsider, hidden: Hidden) -> None:
    """What is told over many cases: what needs somebody, and the record of whom the sealed case names."""
    out.walk("/v1/attention?limit=5")
    for whose, name in (("brands", "brand"), ("facilities", "factory"), ("owners", "brand"), ("brands", "union")):
        out.read(f"/v1/{whose}/{hidden.known[name]}/record")


def knock(out: Outsider, hidden: Hidden) -> None:
    """The sealed case itself, by some of its operations."""
    out.ask("GET", f"/v1/cases/{hidden.reference}")
    for operation in out.chance.sample(ONE_CASE, 10):
        if not (operation.name == "break_glass" and out.is_told):
            at_the_door(out, operation, hidden.reference, hidden.ids)


def at_the_door(out: Outsider, operation: Route, reference: str, ids: dict[str, str]) -> Response:
    """Call at an operation of a case, with a body that would do."""
    noun = (operation.path.split("/") + [""] * 5)[4]
    path = operation.path.format(ref=reference, id=ids.get(noun, NOBODY))
    body = None if not operation.writes else bodies().get(noun, {})
    headers = {"If_Match": "*"} if operation.access.needs_if_match else {}
    if operation.writes and out.chance.random() < 0.3:
        headers["Idempotency_Key"] = f"{operation.name}-{out.chance.randint(0, 9)}"
    return out.ask(operation.method, path, body, **headers)


def bodies() -> dict[str, Body]:
    """A full input for what stands below a case."""
    glass = {"reason": "An arrest; nobody of the team answers."}
    opening = {"fields": ["narrative"], "reason": "To call back."}
    steps = {noun: step_input(noun) for noun in STEP_INPUTS}
    return {**RECORDS, **steps, "break-glass": glass, "openings": opening}


def directories(out: Outsider, hidden: Hidden) -> None:
    """Organisations and facilities; those that the sealed case names are listed, and named by their ids."""
    listed = {"may_be_named": True, "name_local": "As others call it"}
    name = hidden.names[out.chance.choice(["brand", "union"])]
    kind, country = ("company", "SE") if name == hidden.names["brand"] else ("union_factory", "BD")
    out.ask("POST", "/v1/facilities", {"name": "A mill", "country": "BD", "owner": hidden.known["brand"]})
    for noun in ("organisations", "facilities"):
        out.walk(f"/v1/{noun}?limit={out.chance.choice([1, 50])}", Accept=out.chance.choice(FORMATS))
    if out.chance.random() < 0.5:
        out.ask("POST", "/v1/organisations", organisation(name, kind, country) | listed)
    if out.chance.random() < 0.5:
        owned = {"owner": organisation(f"{hidden.names['factory']} Holding", "company", "HK")}
        out.ask("POST", "/v1/facilities", {"name": hidden.names["factory"].upper(), "country": "BD", **owned})
    for noun in ("organisations", "facilities"):
        out.walk(f"/v1/{noun}?limit=50")


def doubles(out: Outsider, hidden: Hidden) -> None:
    """Log what may be the same appeal: in full, by the ids of what is named, and once more with the same key."""
    double = appeal(drawn_by(1), **hidden.names, received_on=day(30), country=out.chance.choice(COUNTRIES))
    if out.role == "partner":  # who assesses no risks
        del double["records"]["risk_assessments"]
    double["visibility"] = out.chance.choice(VISIBILITIES)
    once = {"Idempotency_Key": f"double-{out.role}-{out.place}"}
    answer = out.ask("POST", "/v1/cases", double, **once)
    out.ask("POST", "/v1/cases", double, **once)
    out.ask("POST", "/v1/cases", {**double, "danger": not double["danger"]}, **once)
    by_id = {"role": "employer", "facility": hidden.known["factory"]}
    out.ask("POST", "/v1/cases", {**double, "records": {"parties": [by_id]}})
    out.ask("POST", "/v1/cases", {**double, "requesting_organisation": hidden.known["union"]})
    if answer.status_code == 201:
        own_case(out, hidden, answer.json()["reference"])


def own_case(out: Outsider, hidden: Hidden, reference: str) -> None:
    """On a case of their own: name the sealed one as survivor, its people, its records and what it names."""
    one, case = {"If_Match": "*"}, f"/v1/cases/{reference}"
    out.ask("POST", f"{case}/merger", {"survivor": hidden.reference, "same_dispute": "One strike."}, **one)
    out.ask("POST", f"{case}/merger", {"survivor": ABSENT, "same_dispute": "One strike."}, **one)
    out.ask("PATCH", case, {"assignee": out.chance.choice(["keeper", "helper", "coordinator"])}, **one)
    out.ask("POST", f"{case}/team", {"account": "keeper"})
    out.ask("POST", f"{case}/links", {"kind": "same_event", "other": hidden.reference})
    out.ask("POST", f"{case}/parties", {"role": "brand", "organisation": hidden.known["brand"]})
    out.ask("POST", f"{case}/outcomes", {"code": "reinstated", "demand": hidden.ids["demands"], "extent": "full"})
    out.ask("GET", f"{case}/demands/{hidden.ids['demands']}")
    out.ask("POST", f"{case}/screening", {"lead_entity": PLACES["own"], "assignee": "keeper"}, **one)
    out.ask("POST", f"{case}/handover", {"receiving_entity": PLACES["own"], "reason": "Theirs."}, **one)
    for path in ("", "/steps", "/history", "/parties", "/team"):
        out.read(f"{case}{path}")


def everything_else(out: Outsider, hidden: Hidden) -> None:
    """Some of all else that can be read: alerts, accounts, keys, the network, code lists, and what is published."""
    keeper = hidden.ids["keeper"]
    others = [operation for operation in DOORS if not (operation.writes or operation in ONE_CASE)]
    for operation in out.chance.sample(others, 9):
        if operation.name == "list_access_log" and out.is_told:
            continue
        path = operation.path.format(id=keeper, name="status", token="0" * 22)
        out.walk(f"{path}?limit=200" if is_table(operation) else path)
    out.read(f"/public/statistics?by={out.chance.choice(['country', 'year', 'heading', 'country,year,heading'])}")


def feed(out: Outsider, hidden: Hidden) -> None:
    """What changed, from the beginning in pages, and how the stream begins."""
    place, limit = "", out.chance.choice([1, 2, 100])
    for _ in range(6):
        answer = out.read(f"/v1/changes?limit={limit}{place}")
        place = f"&since={answer.json()['next']}" if answer.status_code == 200 else ""
    out.read(f"/v1/changes/stream?{place.lstrip('&')}")


QUESTIONS: list[Callable[[Outsider, Hidden], None]] = [
    lists,
    feed,
    cases,
    knock,
    over_many,
    directories,
    doubles,
    everything_else,
]
