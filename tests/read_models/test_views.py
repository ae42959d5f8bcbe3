"""The views of a case: each shows exactly the fields that are typed here, in one case and in lists."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from appeals.cases.case import Case
from appeals.read_models.case_snapshot import ANONYMOUS, CaseSnapshot, stale_snapshots
from appeals.transaction import transaction
from tests.conftest import PEPPER, Template
from tests.support.cast import CONSENTS, PARTIES, Body, World, day
from tests.support.standing import RECORDS, bodies_for

CASE = [
    "reference", "title", "public_summary", "country", "status", "group", "suspended_from", "visibility",
    "publication", "risk", "priority", "danger", "channel", "region_id", "lead_entity_id", "handover_to_id",
    "assignee_id", "received_on", "received_precision", "acknowledged_on", "first_action_on", "accepted_on",
    "review_on", "closed_on", "close_reason", "merged_into_reference", "reopen_count", "affected", "still_held",
    "charges_pending", "version", "recorded_at", "updated_at", "view",
]  # fmt: skip
FOR_THE_TEAM = {"channel", "handover_to_id", "assignee_id"}
STATUS: Body = {
    **dict.fromkeys(CASE),
    "affected": {"low": None, "high": None},
    "violations": [{"code": None, "grade": None}],
    "demands": [{"kind": None, "version": None, "disposition": None, "disposed_on": None}],
    "actions": [
        {
            **dict.fromkeys(("kind", "by", "channel", "corner", "status", "done_on", "done_precision")),
            **dict.fromkeys(("answer_due_on", "answer")),
            "responses": [{"received_on": None, "received_precision": None, "grade": None}],
        }
    ],
    "commitments": [{"kind": None, "due_on": None, "status": None}],
    "counts": [dict.fromkeys(("kind", "low", "high", "as_of", "as_of_precision", "contested"))],
    "detention": dict.fromkeys(("arrested", "held", "released", "bailed", "died", "unknown")),
    "charges": dict.fromkeys(("charged", "dropped", "acquitted", "convicted", "pending")),
}
WORK = {
    *CASE, "requester", "help_asked", "translations", "intake_entity_id", "parties", "violations", "demands",
    "people", "consents", "risk_assessments", "approvals", "publications", "actions", "commitments", "tallies",
    "outcomes", "team", "payments", "money", "proceedings", "links", "counts", "detention", "charges",
}  # fmt: skip
SAFE = re.compile(
    r"[a-z][a-z_]*"  # a code
    r"|[A-Z]{2}"  # a country
    r"|UA-[A-Z]{3}-\d{4}-[0-9A-Z]{5}"
    r"|\d{4}-\d\d-\d\d(T[\d:.]+Z)?"
    r"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # an entity
)
NARRATIVE, RULE = "What happened at the gate on Monday.", "Only by messenger, after the shift."
FOLLOWERS = ("europe reader", "europe coordinator", "europe caseworker", "other partner", "asia reader", "reader")
TEAM = ("coordinator", "caseworker", "reviewer", "asia coordinator", "asia caseworker", "partner")


@dataclass(frozen=True)
class Shown:
    """A case that the whole network follows, with one record of each kind."""

    world: World
    reference: str

    def get(self, who: str, rest: str = "", **headers: str) -> Any:
        return self.world.as_(who).get(f"/v1/cases/{self.reference}{rest}", **headers)


@pytest.fixture(scope="module")
def shown(template: Template) -> Iterator[Shown]:
    """Made once a module; a test may write to it what others do not mind."""
    url = template.copy()
    world = World(url, PEPPER, template.cast)
    told = {"narrative": NARRATIVE, "title": "Eleven dismissed", "public_summary": "For a union."}
    known = {"parties": PARTIES, "consents": CONSENTS}
    reference = world.case("partner", visibility="network", records=known, **told)
    world.caseworker.add(reference, "risk-assessments", {"level": "low", "assessed_on": day()})
    world.take(reference, "acknowledgement", safe_contact_rule=RULE)
    world.take(reference, "screening", assignee="asia coordinator")
    for noun in ("verification", "acceptance", "engagement"):
        world.take(reference, noun)
    for noun, body in bodies_for(world.coordinator, reference).items():
        who = world.reviewer if noun == "approvals" else world.coordinator
        assert who.add(reference, noun, body).status_code == 201, noun
    yield Shown(world, reference)
    world.end()
    template.drop(url)


def shape(value: Any) -> Any:
    """The names of what a JSON value holds, without the values; a list as its first member."""
    if isinstance(value, dict):
        return {name: shape(held) for name, held in value.items()}
    if isinstance(value, list):
        return [shape(held) for held in value][:1]
    return None


def strings(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, and where it stands."""
    if isinstance(value, str):
        yield at, value
    if isinstance(value, dict):
        for name, held in value.items():
            yield from strings(held, f"{at}/{name}")
    if isinstance(value, list):
        for held in value:
            yield from strings(held, at)


@pytest.mark.parametrize("who", FOLLOWERS)
def test_the_status_view_holds_just_these_fields(shown: Shown, who: str) -> None:
    answer = shown.get(who)
    body = answer.json()
    assert (body["view"], shape(body)) == ("status", STATUS)
    assert [len(body[name]) for name in ("violations", "demands", "actions", "commitments")] == [2, 2, 2, 1]
    assert {name for name in FOR_THE_TEAM if body[name] is not None} == set()


def test_the_status_view_holds_no_text_but_title_and_summary_and_no_account(shown: Shown) -> None:
    answer = shown.get("europe reader")
    unsafe = {at: text for at, text in strings(answer.json()) if not SAFE.fullmatch(text)}
    assert unsafe == {"/title": "Eleven dismissed", "/public_summary": "For a union."}
    assert [name for name, account in shown.world.cast.accounts.items() if account in answer.text] == []


@pytest.mark.parametrize("who", TEAM)
def test_the_work_view_holds_everything_but_what_is_sealed(shown: Shown, who: str) -> None:
    answer = shown.get(who)
    body = answer.json()
    assert body["view"] == "work"
    assert set(body) ^ WORK == set(), "WORK of this file and the members of WorkView differ by these"
    assert NARRATIVE not in answer.text
    assert RULE not in answer.text
    for noun in RECORDS:
        records = [entry for made in body["actions"] for entry in made["responses"]]
        held = records if noun == "responses" else body[noun.replace("-", "_")]
        assert held == shown.get(who, f"/{noun}?limit=200").json()["items"], noun


def test_the_team_may_ask_for_what_the_others_see(shown: Shown) -> None:
    followed = shown.get("europe reader")
    for who in TEAM:
        answer = shown.get(who, "?view=status")
        assert (answer.content, answer.headers["ETag"]) == (followed.content, followed.headers["ETag"])
        assert shown.get(who, "?view=work").content == shown.get(who).content
    assert shown.get("europe reader", "?view=status").content == followed.content


def test_nobody_else_gets_the_work_view_by_asking(shown: Shown) -> None:
    for who in FOLLOWERS:
        assert shown.get(who, "?view=work").status_code == 403
    assert shown.get("partner", "?view=public").status_code == 422
    assert shown.get("partner", "?view=status&view=work").status_code == 422
    assert shown.get("admin", "?view=work").status_code == 404


def test_each_view_has_its_own_etag(shown: Shown) -> None:
    work, status = shown.get("coordinator"), shown.get("coordinator", "?view=status")
    assert work.headers["ETag"] != status.headers["ETag"]
    known = {"If_None_Match": work.headers["ETag"]}
    assert shown.get("coordinator", **known).status_code == 304
    assert shown.get("coordinator", "?view=status", **known).status_code == 200
    known = {"If_None_Match": status.headers["ETag"]}
    assert shown.get("coordinator", **known).status_code == 200
    assert shown.get("europe reader", **known).status_code == 304


@pytest.mark.parametrize("view", ["", "?view=status"])
def test_the_etag_of_either_view_is_good_for_a_change(world: World, view: str) -> None:
    reference = world.case()
    path = f"/v1/cases/{reference}"
    tag = world.coordinator.get(path + view).headers["ETag"]
    assert world.coordinator.patch(path, {"title": "Another"}, If_Match=tag).status_code == 200
    assert world.coordinator.patch(path, {"title": "A third"}, If_Match=tag).status_code == 412


def test_an_opening_changes_nothing_that_followers_can_tell(world: World) -> None:
    reference = world.case(visibility="network")
    path, reader = f"/v1/cases/{reference}", world.as_("europe reader")
    before = reader.get(path)
    world.coordinator.add(reference, "openings", {"fields": ["narrative"], "reason": "The lawyer asks."})
    assert (reader.get(path).content, reader.get(path).headers["ETag"]) == (before.content, before.headers["ETag"])


# Lists

FILTERS = {
    "assignee=asia coordinator": "assignee",
    "assignee={asia_coordinator}": "assignee by id",
    "brand={Sample_Brand}": "brand",
    "brand={Sample_Shops}": "retailer",
    "facility={Bright_Stitch_Ltd}": "facility",
}


@pytest.mark.parametrize("query", FILTERS, ids=FILTERS.get)
def test_a_filter_tells_followers_nothing_of_what_their_view_hides(shown: Shown, query: str) -> None:
    ids = {who.replace(" ", "_"): account for who, account in shown.world.cast.accounts.items()}
    for directory in ("organisations", "facilities"):
        for item in shown.world.coordinator.get(f"/v1/{directory}?limit=200").json()["items"]:
            ids[item["name"].replace(" ", "_")] = item["id"]
    path = f"/v1/cases?{query.format(**ids)}"
    for who in TEAM:
        found = shown.world.as_(who).get(path).json()["items"]
        assert [case["reference"] for case in found] == [shown.reference], who
    for who in FOLLOWERS:
        assert shown.world.as_(who).get(path).json() == {"items": [], "next": None}, who


@pytest.mark.parametrize(
    "query",
    [
        "status=engagement", "group=active", "country=BD", "region=South Asia", "lead=South Asia", "violation=threat",
        "risk=low", "priority=normal", "visibility=network", "danger=false", "received_from=2020-01-01", "",
    ],
)  # fmt: skip
def test_followers_find_by_what_they_see(shown: Shown, query: str) -> None:
    found = shown.world.as_("europe reader").get(f"/v1/cases?{query}").json()["items"]
    assert [case["reference"] for case in found] == [shown.reference]


def test_a_line_of_a_list_is_the_case_without_its_records(shown: Shown) -> None:
    for who in (*FOLLOWERS, *TEAM):
        (line,) = shown.world.as_(who).get("/v1/cases").json()["items"]
        case = shown.get(who).json()
        assert line == {name: case[name] for name in CASE}
        assert {name for name in FOR_THE_TEAM if line[name] is not None} <= (FOR_THE_TEAM if who in TEAM else set())


def test_a_list_is_the_same_as_a_table_and_as_lines(shown: Shown) -> None:
    for who in ("europe reader", "coordinator"):
        person = shown.world.as_(who)
        (line,) = person.get("/v1/cases").json()["items"]
        assert json.loads(person.get("/v1/cases", Accept="application/x-ndjson").text) == line
        (row,) = csv.DictReader(io.StringIO(person.get("/v1/cases", Accept="text/csv").text))
        assert list(row) == CASE
        assert {name for name in FOR_THE_TEAM if row[name]} == {name for name in FOR_THE_TEAM if line[name]}


def test_a_merged_case_names_its_survivor_to_those_who_see_it(world: World) -> None:
    hidden, merged = world.case(), world.case(visibility="network")
    world.take(merged, "merger", survivor=hidden)
    path = f"/v1/cases/{merged}"
    assert world.coordinator.get(path).json()["merged_into_reference"] == hidden
    answers = [world.as_("europe reader").get(f"{path}{rest}") for rest in ("", "/history", "/steps")]
    assert answers[0].json()["merged_into_reference"] is None
    assert [answer for answer in answers if hidden in answer.text] == []


def test_what_is_kept_as_a_document_is_told_in_one_order(world: World) -> None:
    """Whether it was just written or read from the database."""
    reference = world.case_in("engagement")
    said = {"translations": {language: {"title": "A title", "summary": "Words."} for language in ("tr", "bn", "fil")}}
    signed = world.reviewer.add(reference, "approvals", {"level": "named"})
    told = world.coordinator.patch(f"/v1/cases/{reference}", said, If_Match="*")
    assert told.status_code == 200, told.text
    with world.database.reading() as session:
        case = session.scalars(select(Case)).one()
        assert list(stale_snapshots(session, [case])) == []
    read = world.coordinator.get(f"/v1/cases/{reference}/approvals/{signed.json()['id']}")
    assert read.text == signed.text


def test_a_view_is_rendered_once_in_a_transaction(world: World) -> None:
    """What is answered is what is kept, byte for byte."""
    reference, who = world.case(), UUID(world.coordinator.account)
    with world.database.reading() as session:
        case_id = session.scalars(select(Case.id)).one()
    with transaction(world.database) as tx:
        case = tx.lock_id(case_id)
        case.title = "Another title"
        shown = tx.show(ANONYMOUS, case)
        assert tx.show(ANONYMOUS, case) is shown
        tx.commit(datetime.now(UTC), who)
    with world.database.reading() as session:
        assert session.scalars(select(CaseSnapshot.status_view)).one() == shown.view
    assert world.show(reference)["title"] == json.loads(shown.view)["title"] == "Another title"
