"""Access for a limited time, by break-glass access or an offer, leaves nothing that outlives it (domain.md 8).

Every operation is tried by them, with a body that would do, and the whole database compared before and after.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from httpx2 import Response
from sqlalchemy import select

from appeals.accounts.account import Membership, account_named, end, grants_of
from appeals.api.context import AppContext
from appeals.api.routing import Route
from appeals.database.declarative import Base
from appeals.database.engine import Database
from appeals.vocabulary import Role
from tests.conftest import Template
from tests.support.cast import Body, Person, World, consent, day, intake, step_input
from tests.support.refusals import codes
from tests.support.standing import DOORS, Standing, stand
from tests.support.valid_bodies import valid

REASON: Body = {"reason": "Police are at the office and nobody answers."}
BOOKKEEPING = {
    "access_log", "access_subject", "allowance", "api_key", "idempotent_response", "case_snapshot", "revision",
    "statistic_delta",
    "change", "previous_visibility", "previous_team_member", "search_document",
}  # fmt: skip
"""What is written of whatever is read or written; none of it is shown to somebody who does not see the case."""
PROTECTING = {
    "open_sealed", "suspension", "withdrawal", "take_down", "add_consents", "change_consents", "add_risk_assessments",
}  # fmt: skip
"""Operations of those who broke the glass, typed by hand from domain.md 8."""
TOUCHED = {
    "opening", "case", "status_history", "consent", "risk_assessment", "publication", "due_date", "suppression_batch",
    "suppression_batch_case", "publication_consent",
}  # fmt: skip
"""What these operations may write."""
KEPT = (
    "title",
    "lead_entity_id",
    "region_id",
    "assignee_id",
    "intake_entity_id",
    "priority",
    "danger",
    "merged_into_id",
)
"""What nobody who is there for a day changes of a case."""


Rows = dict[str, Counter[str]]


def rows_of(database: Database) -> Rows:
    """Every row there is, by table."""
    with database.reading() as session:
        return {
            table.name: Counter(str(tuple(row)) for row in session.execute(select(table)))
            for table in Base.metadata.sorted_tables
        }


def changed(before: Rows, after: Rows) -> set[str]:
    """The tables that differ, but for bookkeeping."""
    return {name for name, rows in after.items() if rows != before[name]} - BOOKKEEPING


def in_hours(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    """Let every operation think that so many hours have passed."""
    monkeypatch.setattr(AppContext, "now", lambda _: datetime.now(UTC) + timedelta(hours=hours))


@dataclass(frozen=True)
class Day:
    """A sealed case whose glass somebody broke, a case that is offered to somebody, and a case of each of these two."""

    standing: Standing
    breaker: Person
    offered: str
    receiver: Person
    own: dict[str, str]

    @property
    def world(self) -> World:
        return self.standing.world


@pytest.fixture(scope="module")
def for_a_day(template: Template) -> Iterator[Day]:
    """Made once a module: whoever is there for a day changes nothing."""
    with stand(template) as standing:
        world = standing.world
        sealed = {"visibility": "sealed"}
        path = f"/v1/cases/{standing.reference}"
        assert world.coordinator.patch(path, sealed, If_Match="*").status_code == 200
        breaker = world.newcomer("breaker", Role.COORDINATOR, Role.REVIEWER)
        assert breaker.post(f"{path}/break-glass", REASON).status_code == 201
        offered = world.case()
        world.take(offered, "handover")
        receiver = world.as_("europe coordinator")
        own = {who: made_by(person) for who, person in (("breaker", breaker), ("receiver", receiver))}
        yield Day(standing, breaker, offered, receiver, own)


def made_by(who: Person) -> str:
    """A case of somebody's own."""
    made = who.post("/v1/cases", intake())
    assert made.status_code == 201, made.text
    reference: str = made.json()["reference"]
    return reference


def call(who: Person, day_: Day, operation: Route, reference: str) -> Response:
    """Call at an operation of a case with a body that would do."""
    headers = {"If_Match": "*"} if operation.access.needs_if_match else {}
    return who.call(operation.method, day_.standing.path(operation, reference), valid(operation), **headers)


OF_A_CASE = [route for route in DOORS if "{ref}" in route.path]
READING = [route for route in OF_A_CASE if not route.writes]
WRITING = [route for route in OF_A_CASE if route.writes]


def test_broken_glass_gives_eyes(for_a_day: Day) -> None:
    met = {
        operation.name: call(for_a_day.breaker, for_a_day, operation, for_a_day.standing.reference)
        for operation in READING
    }
    assert {name: answer.status_code for name, answer in met.items() if answer.status_code != 200} == {}


@pytest.mark.parametrize("name", sorted({route.name for route in WRITING} - PROTECTING - {"break_glass"}))
def test_broken_glass_gives_no_hands_but_to_protect(for_a_day: Day, name: str) -> None:
    (operation,) = (operation for operation in WRITING if operation.name == name)
    before = rows_of(for_a_day.world.database)
    answer = call(for_a_day.breaker, for_a_day, operation, for_a_day.standing.reference)
    assert (answer.status_code, changed(before, rows_of(for_a_day.world.database))) == (403, set())


@pytest.mark.parametrize("name", sorted({route.name for route in WRITING} - {"handover_acceptance", "break_glass"}))
def test_an_offer_gives_no_hands_but_to_accept_it(for_a_day: Day, name: str) -> None:
    (operation,) = (operation for operation in WRITING if operation.name == name)
    before = rows_of(for_a_day.world.database)
    answer = call(for_a_day.receiver, for_a_day, operation, for_a_day.offered)
    assert (answer.status_code, changed(before, rows_of(for_a_day.world.database))) == (403, set())


def test_there_is_nothing_else_to_try() -> None:
    """Each operation of a case that writes is tried above or below, or is the one that breaks the glass."""
    assert {operation.name for operation in WRITING} >= PROTECTING | {"break_glass", "handover_acceptance"}
    assert all(operation.policy.protects for operation in WRITING if operation.name in PROTECTING)
    beside = {operation.name for operation in WRITING if operation.policy.protects} - PROTECTING
    assert beside == {"add_team", "confirm_member"}  # where nobody of the team is in service, see below


@pytest.mark.parametrize("name", ["breaker", "receiver"])
def test_nothing_elsewhere_leads_to_a_case_seen_for_a_day(for_a_day: Day, name: str) -> None:
    who = getattr(for_a_day, name)
    seen = for_a_day.standing.reference if name == "breaker" else for_a_day.offered
    own = f"/v1/cases/{for_a_day.own[name]}"
    known_only_there = for_a_day.standing.ids["owners"]
    attempts: list[tuple[str, Body]] = [
        (f"{own}/links", {"kind": "same_event", "other": seen}),
        (f"{own}/merger", {**step_input("merger"), "survivor": seen}),
        (f"{own}/parties", {"role": "retailer", "organisation": known_only_there}),
        ("/v1/cases", intake(requesting_organisation=known_only_there)),
    ]
    before = rows_of(for_a_day.world.database)
    answers = [who.post(path, body, If_Match="*") for path, body in attempts]
    assert [answer.status_code for answer in answers] == [422] * len(attempts)
    assert changed(before, rows_of(for_a_day.world.database)) == set()


# What protects


@dataclass(frozen=True)
class Broken:
    """A sealed case in a public campaign, with a page up, whose glass somebody broke."""

    world: World
    reference: str
    breaker: Person

    @property
    def path(self) -> str:
        return f"/v1/cases/{self.reference}"

    def try_(self, noun: str, body: Body) -> tuple[int, set[str]]:
        """The status, and the tables that changed; what never may stays as it was."""
        before, shown = rows_of(self.world.database), self.world.show(self.reference)
        answer = self.breaker.post(f"{self.path}/{noun}", body, If_Match="*")
        after = self.world.show(self.reference)
        assert {name: after.get(name) for name in KEPT} == {name: shown.get(name) for name in KEPT}
        assert after["team"] == shown["team"]
        return answer.status_code, changed(before, rows_of(self.world.database))


@pytest.fixture
def broken(world: World) -> Broken:
    reference = world.case_in("public_campaign")
    changing = world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": "sealed"}, If_Match="*")
    assert changing.status_code == 200, changing.text
    breaker = world.newcomer("breaker", Role.COORDINATOR)
    assert breaker.post(f"/v1/cases/{reference}/break-glass", REASON).status_code == 201
    return Broken(world, reference, breaker)


@pytest.mark.parametrize("offered", ["before the glass is broken", "after"])
@pytest.mark.parametrize("body", [{}, {"assignee": "breaker"}])
def test_broken_glass_does_not_accept_what_is_offered_to_others(world: World, offered: str, body: Body) -> None:
    """A coordinator of the root is over whoever it is offered to, and over the lead only by the glass."""
    breaker, reference = world.newcomer("breaker", Role.COORDINATOR), world.case(visibility="sealed")
    path = f"/v1/cases/{reference}"
    if offered == "after":
        assert breaker.post(f"{path}/break-glass", REASON).status_code == 201
    world.take(reference, "handover")
    if offered != "after":
        assert breaker.post(f"{path}/break-glass", REASON).status_code == 201
    before = rows_of(world.database)
    given = dict.fromkeys(body, breaker.account)
    answer = breaker.post(f"{path}/handover-acceptance", given, If_Match="*")
    assert (answer.status_code, changed(before, rows_of(world.database))) == (403, set())
    steps = {step["noun"]: step for step in breaker.get(f"{path}/steps").json()["items"]}
    assert not steps.get("handover-acceptance", {"allowed": False})["allowed"]


REFUSAL = {"subject": "workers", "scope": "media_interview", "state": "refused"}
CRITICAL = {"level": "critical", "assessed_on": day(0), "threats": "A raid."}


@pytest.mark.parametrize(
    ("noun", "body", "writes"),
    [
        ("openings", {"fields": ["narrative"], "reason": "The lawyer asks for the day."}, "opening"),
        ("suspension", step_input("suspension"), "status_history"),
        ("suspension", {**step_input("suspension"), "records": {"consents": [REFUSAL]}}, "consent"),
        ("withdrawal", step_input("withdrawal"), "status_history"),
        ("publications/{id}/takedown", {"reason": "They are in danger."}, "publication"),
        ("consents", REFUSAL, "consent"),
        ("risk-assessments", CRITICAL, "risk_assessment"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_protects_is_done_and_nothing_besides(broken: Broken, noun: str, body: Body, writes: str) -> None:
    (up,) = (item for item in broken.world.records(broken.reference, "publications") if item["taken_down_at"] is None)
    status, tables = broken.try_(noun.format(id=up["id"]), body)
    assert status == 201
    assert writes in tables <= TOUCHED


@pytest.mark.parametrize(
    ("noun", "body"),
    [
        ("consents", consent("media_interview")),
        ("consents", {"subject": "workers", "scope": "media_interview", "state": "requested"}),
        ("risk-assessments", {"level": "low", "assessed_on": day(0)}),
        ("risk-assessments", {"level": "elevated", "assessed_on": day(0)}),
        ("suspension", {**step_input("suspension"), "records": {"consents": [REFUSAL, consent("retain")]}}),
        ("withdrawal", {**step_input("withdrawal"), "records": {"links": []}, "note": "x"}),
        ("withdrawal", {**step_input("withdrawal"), "records": {"tallies": [{"kind": "held", "low": 1, "high": 1}]}}),
        ("team", {"account": "caseworker"}),
    ],
)
def test_what_does_not_protect_is_refused(broken: Broken, noun: str, body: Body) -> None:
    status, tables = broken.try_(noun, body)
    assert status in (403, 422)
    assert tables == set()


def test_whoever_broke_the_glass_withdraws_a_consent_by_the_shorthand(broken: Broken) -> None:
    """The no is a record of its own; what others recorded stays as they did."""
    given = next(
        word for word in broken.world.records(broken.reference, "consents") if word["scope"] == "publish_named"
    )
    path = f"{broken.path}/consents/{given['id']}"
    before = rows_of(broken.world.database)
    answer = broken.breaker.patch(path, {"state": "withdrawn"})
    assert (answer.status_code, answer.json()["state"]) == (200, "withdrawn")
    assert {"consent", "publication"} <= changed(before, rows_of(broken.world.database)) <= TOUCHED
    assert broken.world.coordinator.get(path).json() == given
    assert broken.world.nobody.get("/public/cases").json()["items"] == []
    assert broken.breaker.patch(path, {"state": "withdrawn"}).json() == answer.json()


def test_whoever_broke_the_glass_changes_nothing_else_of_a_consent(broken: Broken) -> None:
    world, words = broken.world, broken.world.records(broken.reference, "consents")
    params = {"subject": "workers", "scope": "media_interview", "state": "requested"}
    request = world.coordinator.add(broken.reference, "consents", params).json()
    refusal = world.coordinator.add(broken.reference, "consents", REFUSAL).json()
    given = {"state": "given", "given_on": day(0), "method": "written"}
    before = rows_of(world.database)
    for word, body in (
        (request, given),
        (words[0], {"expires_on": day(-3)}),
        (words[0], {"label": "mine"}),
        (refusal, {"state": "refused", "label": "mine"}),
    ):
        assert broken.breaker.patch(f"{broken.path}/consents/{word['id']}", body).status_code == 403
    assert changed(before, rows_of(world.database)) == set()
    assert broken.breaker.patch(f"{broken.path}/consents/{request['id']}", {"state": "refused"}).status_code == 200


def test_whoever_broke_the_glass_is_told_which_steps_are_theirs(broken: Broken) -> None:
    steps = broken.breaker.get(f"{broken.path}/steps").json()["items"]
    assert {step["noun"] for step in steps if step["yours"]} == {"suspension", "withdrawal"}
    assert broken.breaker.step(broken.reference, "suspension", step_input("suspension")).status_code == 201
    again = broken.breaker.step(broken.reference, "suspension", step_input("suspension"))
    assert (again.status_code, again.json()["open_steps"]) == (409, ["withdrawal"])


def test_after_the_day_all_is_as_before(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    in_hours(monkeypatch, 25)
    assert [broken.breaker.get(path).status_code for path in (broken.path, f"{broken.path}/team")] == [404, 404]
    assert (
        broken.breaker.post(f"{broken.path}/openings", {"fields": ["narrative"], "reason": "Once more."}).status_code
        == 404
    )
    listed = broken.breaker.get("/v1/cases?limit=200").json()["items"]
    assert broken.reference not in {item["reference"] for item in listed}


def test_broken_glass_is_good_only_over_the_lead(broken: Broken) -> None:
    """Whoever coordinates the lead no more sees it no more."""
    with broken.world.database.writing() as session:
        account = account_named(session, "breaker")
        assert account is not None
        for role in grants_of(session, account.id):
            end(session, session.get_one(Membership, role.membership_id), datetime.now(UTC))
    elsewhere = broken.world.as_("admin").post(
        f"/v1/accounts/{broken.breaker.account}/memberships", {"role": "coordinator", "entity": "Europe"}
    )
    assert elsewhere.status_code == 201, elsewhere.text
    assert broken.breaker.get(broken.path).status_code == 404


@pytest.mark.parametrize(
    "reason", ["", ".", "An arrest.", "x" * 19, " " * 30, "x" + " " * 30, "Too     many    spaces"]
)
def test_a_reason_has_at_least_twenty_characters(world: World, reason: str) -> None:
    reference = world.case(visibility="sealed")
    breaker = world.newcomer("breaker", Role.COORDINATOR)
    answer = breaker.post(f"/v1/cases/{reference}/break-glass", {"reason": reason})
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, ["/reason"])
    assert breaker.post(f"/v1/cases/{reference}/break-glass", {"reason": "x" * 20}).status_code == 201


# Who hears of it


def alerts(who: Person) -> list[str]:
    """The references of the cases of which somebody was told that their glass was broken."""
    answer = who.get("/v1/alerts?kind=glass_broken")
    assert answer.status_code == 200, answer.text
    return [item["reference"] for item in answer.json()["items"]]


def test_the_team_of_that_moment_is_told_for_good(broken: Broken) -> None:
    world = broken.world
    assert alerts(world.coordinator) == [broken.reference]
    assert alerts(broken.breaker) == []
    joined = world.coordinator.add(broken.reference, "team", {"account": "asia caseworker"})
    assert joined.status_code == 201
    assert alerts(world.as_("asia caseworker")) == []
    (own,) = (item for item in world.show(broken.reference)["team"] if item["account"] == world.coordinator.account)
    left = world.coordinator.patch(f"{broken.path}/team/{own['id']}", {"status": "left"})
    assert left.status_code == 200, left.text
    assert world.coordinator.get(broken.path).status_code == 404
    assert alerts(world.coordinator) == [broken.reference]


def test_who_lost_every_role_is_still_told(broken: Broken) -> None:
    with broken.world.database.writing() as session:
        account = account_named(session, "coordinator")
        assert account is not None
        for role in grants_of(session, account.id):
            session.get_one(Membership, role.membership_id).ended_at = datetime.now(UTC)
    assert alerts(broken.world.coordinator) == [broken.reference]


def test_who_is_there_for_a_day_is_not_told_of_others(broken: Broken) -> None:
    another = broken.world.newcomer("another", Role.COORDINATOR)
    assert another.post(f"{broken.path}/break-glass", REASON).status_code == 201
    assert alerts(broken.breaker) == []
    assert alerts(broken.world.coordinator) == [broken.reference] * 2


# Where nobody who is named is in service any more


@contextmanager
def deserted(broken: Broken, how: str) -> Iterator[Person]:
    """The case without anybody in service on its team; a second coordinator of the root, who broke the glass too."""
    second = broken.world.newcomer("second", Role.COORDINATOR)
    assert second.post(f"{broken.path}/break-glass", REASON).status_code == 201
    with broken.world.database.writing() as session:
        for name in TEAM_OF_CAMPAIGN:
            account = account_named(session, name)
            assert account is not None
            if how == "disabled":
                account.active = False
            else:
                for role in grants_of(session, account.id):
                    session.get_one(Membership, role.membership_id).ended_at = datetime.now(UTC)
    yield second


TEAM_OF_CAMPAIGN = ("coordinator",)


@pytest.mark.parametrize("how", ["disabled", "without role"])
def test_a_second_coordinator_confirms_a_new_member(broken: Broken, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    new = broken.world.as_("asia caseworker")
    with deserted(broken, how) as second:
        proposed = broken.breaker.post(f"{broken.path}/team", {"account": "asia caseworker"})
        assert (proposed.status_code, proposed.json()["status"]) == (201, "proposed")
        assert new.get(broken.path).status_code == 404
        confirmation = f"{broken.path}/team/{proposed.json()['id']}/confirmation"
        assert codes(broken.breaker.post(confirmation, {})) == {"team.same_person"}
        assert new.post(confirmation, {}).status_code == 404
        confirmed = second.post(confirmation, {})
        assert (confirmed.status_code, confirmed.json()["status"], confirmed.json()["until"]) == (201, "on", None)
        assert new.get(broken.path).json()["view"] == "work"
        assert second.post(confirmation, {}).status_code == 403
        assert second.post(f"{broken.path}/team", {"account": "partner"}).status_code == 403
        in_hours(monkeypatch, 25)
        assert new.get(broken.path).status_code == 200


def test_nobody_confirms_themselves_and_none_who_works_on_no_cases(broken: Broken) -> None:
    with deserted(broken, "disabled") as second:
        proposed = broken.breaker.post(f"{broken.path}/team", {"account": "second"})
        confirmation = f"{broken.path}/team/{proposed.json()['id']}/confirmation"
        assert codes(second.post(confirmation, {})) == {"team.same_person"}
        assert codes(broken.breaker.post(f"{broken.path}/team", {"account": "reader"})) == {"team.without_role"}
        third = broken.world.newcomer("third", Role.COORDINATOR)
        assert third.post(f"{broken.path}/break-glass", REASON).status_code == 201
        assert third.post(confirmation, {}).status_code == 201


def test_a_proposal_lapses_with_the_day_of_who_made_it(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    with deserted(broken, "disabled") as second:
        proposed = broken.breaker.post(f"{broken.path}/team", {"account": "asia caseworker"}).json()
        in_hours(monkeypatch, 25)
        assert second.post(f"{broken.path}/break-glass", REASON).status_code == 201
        confirmation = f"{broken.path}/team/{proposed['id']}/confirmation"
        assert codes(second.post(confirmation, {})) == {"team.not_proposed"}
        assert broken.world.as_("asia caseworker").get(broken.path).status_code == 404


def test_a_team_that_is_in_service_decides_itself_who_joins(broken: Broken) -> None:
    proposing = broken.breaker.post(f"{broken.path}/team", {"account": "asia caseworker"})
    assert proposing.status_code == 403
    named = broken.world.coordinator.add(broken.reference, "team", {"account": "asia caseworker"}).json()
    confirmation = f"{broken.path}/team/{named['id']}/confirmation"
    assert broken.breaker.post(confirmation, {}).status_code == 403
    refused = codes(broken.world.coordinator.post(confirmation, {}))
    assert refused == {"team.in_service", "team.not_proposed", "team.same_person"}
