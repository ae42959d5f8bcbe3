"""Sealed content: fields that are opened with a reason, cases that only their team sees, and break-glass access."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response
from sqlalchemy import select

from appeals import transaction
from appeals.access.access_log import AccessEntry, AccessLogUnavailable
from appeals.api.context import AppContext
from appeals.api.idempotency import IdempotentResponse
from appeals.cases.team import TeamMember
from appeals.vocabulary import Role
from tests.support.cast import CONSENTS, PARTIES, Body, World
from tests.support.refusals import codes
from tests.support.standing import ABSENT

NARRATIVE = "What happened at the gate on Monday."
RULE = "Only by messenger, after the shift."
OPENED: Body = {"fields": ["narrative"], "reason": "The lawyer asks for the day."}
SHOWN: Body = {"fields": {"narrative": NARRATIVE}, "safe_contact_rules": []}
GLASS: Body = {"reason": "Police are at the office and nobody of the team answers."}


def asian_case(world: World, visibility: str = "restricted") -> str:
    """Logged by the partner, led by South Asia, assigned to its coordinator: these two are its team."""
    records = {"parties": PARTIES, "consents": CONSENTS}
    reference = world.case("partner", records=records, narrative=NARRATIVE)
    world.take(reference, "screening", assignee="asia coordinator")
    told = world.as_("asia coordinator").patch(f"/v1/cases/{reference}", {"visibility": visibility}, If_Match="*")
    assert told.status_code == 200, told.text
    return reference


def logged(world: World, kind: str) -> list[tuple[str | None, int, list[str]]]:
    """The rows of a kind on the access log: by whom, with which answer, about what; oldest first."""
    with world.database.reading() as session:
        rows = session.scalars(select(AccessEntry).where(AccessEntry.kind == kind).order_by(AccessEntry.id))
        names = {account: name for name, account in world.cast.accounts.items()}
        return [(names.get(str(row.account_id)), row.status, row.subjects) for row in rows]


def members(world: World, reference: str, who: str) -> dict[str, Body]:
    """The team as somebody sees it: by name, those who are on it."""
    names = {account: name for name, account in world.cast.accounts.items()}
    items = world.as_(who).get(f"/v1/cases/{reference}/team").json()["items"]
    return {names[item["account"]]: item for item in items if item["status"] == "on"}


def leave(world: World, reference: str, who: str, by: str = "asia coordinator") -> Response:
    path = f"/v1/cases/{reference}/team/{members(world, reference, by)[who]['id']}"
    return world.as_(by).patch(path, {"status": "left"})


def in_hours(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    """Let every operation think that so many hours have passed."""
    monkeypatch.setattr(AppContext, "now", lambda _: datetime.now(UTC) + timedelta(hours=hours))


# Sealed fields

OPENERS = {
    "partner": 201,
    "asia caseworker": 201,
    "asia coordinator": 201,
    "caseworker": 201,
    "coordinator": 201,
    "reviewer": 403,
    "asia reader": 403,
    "reader": 403,
    "other partner": 404,
    "europe coordinator": 404,
    "europe caseworker": 404,
    "dashboard": 404,
    "auditor": 404,
    "admin": 404,
}


def test_sealed_fields_are_opened_by_those_who_work_on_the_case(world: World) -> None:
    reference = asian_case(world)
    met = {who: world.as_(who).add(reference, "openings", OPENED) for who in OPENERS}
    assert {who: answer.status_code for who, answer in met.items()} == OPENERS
    for answer in met.values():
        assert (NARRATIVE in answer.text) is (answer.status_code == 201)
    opened = [who for who, status in OPENERS.items() if status == 201]
    assert logged(world, "opening") == [(who, 201, [reference]) for who in opened]
    listed = world.reviewer.get(f"/v1/cases/{reference}/openings").json()["items"]
    assert [entry["recorded_by"] for entry in listed] == [world.cast.accounts[who] for who in opened]


def test_those_who_follow_a_case_open_nothing(world: World) -> None:
    reference = asian_case(world, "network")
    for who in ("europe coordinator", "europe caseworker", "other partner", "europe reader"):
        assert world.as_(who).add(reference, "openings", OPENED).status_code == 403
        assert world.as_(who).get(f"/v1/cases/{reference}/openings").status_code == 403
    assert logged(world, "opening") == []


def test_only_the_fields_asked_for_are_shown(world: World) -> None:
    reference = asian_case(world)
    params = {**OPENED, "fields": ["narrative", "safe_contact_rule"]}
    assert world.coordinator.add(reference, "openings", OPENED).json() == SHOWN
    both = {"narrative": NARRATIVE, "safe_contact_rule": None}
    assert world.coordinator.add(reference, "openings", params).json() == {**SHOWN, "fields": both}
    world.take(reference, "acknowledgement", safe_contact_rule=RULE)
    both["safe_contact_rule"] = RULE
    assert world.coordinator.add(reference, "openings", params).json()["fields"] == both
    assert world.coordinator.add(reference, "openings", OPENED).json() == SHOWN


def rules(world: World, reference: str, *fields: str) -> list[tuple[str, str | None, str, str]]:
    """The versions of safe-contact rules that an opening shows: the rule, of whom, since when, by whom."""
    params = {**OPENED, "fields": list(fields or ["safe_contact_rule"])}
    shown = world.coordinator.add(reference, "openings", params).json()["safe_contact_rules"]
    return [(item["rule"], item["person"], item["recorded_at"], item["recorded_by"]) for item in shown]


def test_a_second_acknowledgement_leaves_the_first_rule_on_record_with_since_when(world: World) -> None:
    reference, never = asian_case(world), "Never call; the line is listened to."
    assert rules(world, reference) == []
    entries = [world.take(reference, "acknowledgement", safe_contact_rule=rule)["entry"] for rule in (never, RULE)]
    by = world.coordinator.account
    assert rules(world, reference) == [
        (rule, None, entry["recorded_at"], by) for rule, entry in zip((RULE, never), entries[::-1], strict=True)
    ]
    answer = world.coordinator.add(reference, "openings", {**OPENED, "fields": ["safe_contact_rule"]})
    assert answer.json()["fields"] == {"safe_contact_rule": RULE}
    for path in ("", "/history", "/timeline"):
        assert never not in world.coordinator.get(f"/v1/cases/{reference}{path}").text


def test_each_rule_for_a_person_stays_on_record(world: World) -> None:
    reference, seven = asian_case(world), {"pseudonym": "Worker Seven", "safe_contact_rule": RULE}
    made, other = (world.coordinator.add(reference, "people", seven).json()["id"] for _ in range(2))
    path = f"/v1/cases/{reference}/people/{made}"
    assert world.caseworker.patch(path, {"safe_contact_rule": "Not at home."}).status_code == 200
    assert world.caseworker.patch(path, {"contacts": "Through the union."}).status_code == 200
    versions = [(rule, person) for rule, person, _, _ in rules(world, reference, "people")]
    assert versions == [("Not at home.", made), (RULE, other), (RULE, made)]
    people = world.coordinator.add(reference, "openings", {**OPENED, "fields": ["people"]}).json()["fields"]["people"]
    assert [people[number]["safe_contact_rule"] for number in (made, other)] == ["Not at home.", RULE]
    assert rules(world, reference) == []


@pytest.mark.parametrize(
    "body",
    [
        {"fields": ["narrative"]},
        {"reason": "Curious."},
        {"fields": [], "reason": "Curious."},
        {"fields": ["narrative"], "reason": " "},
        {"fields": ["requester"], "reason": "Curious."},
        {"fields": ["narrative"], "reason": "Curious.", "more": True},
    ],
)
def test_nothing_is_opened_without_a_reason_and_a_field_that_is_sealed(world: World, body: Body) -> None:
    reference = asian_case(world)
    answer = world.coordinator.add(reference, "openings", body)
    assert (answer.status_code, NARRATIVE in answer.text) == (422, False)
    assert (world.records(reference, "openings"), logged(world, "opening")) == ([], [])


def test_an_opening_is_listed_with_its_reason_and_without_what_it_showed(world: World) -> None:
    reference = asian_case(world)
    world.caseworker.add(reference, "openings", OPENED)
    answer = world.coordinator.get(f"/v1/cases/{reference}/openings")
    (entry,) = answer.json()["items"]
    assert entry.keys() == {"id", "label", "recorded_at", "recorded_by", "fields", "reason"}
    told = (entry["recorded_by"], entry["fields"], entry["reason"])
    assert told == (world.caseworker.account, OPENED["fields"], OPENED["reason"])
    assert NARRATIVE not in answer.text


def test_what_cannot_be_logged_is_not_opened(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = asian_case(world)

    def refuse(*_: Any) -> None:
        raise AccessLogUnavailable

    monkeypatch.setattr(transaction, "write_events", refuse)
    answer = world.coordinator.add(reference, "openings", OPENED)
    assert (answer.status_code, NARRATIVE in answer.text) == (503, False)
    monkeypatch.undo()
    assert (world.records(reference, "openings"), logged(world, "opening")) == ([], [])


def test_a_repeated_opening_is_one_more_and_the_kept_answer_holds_no_secret(world: World) -> None:
    reference = asian_case(world)
    answers = [world.coordinator.add(reference, "openings", OPENED, Idempotency_Key="once") for _ in range(2)]
    assert [answer.json() for answer in answers] == 2 * [SHOWN]
    assert [len(world.records(reference, "openings")), len(logged(world, "opening"))] == [2, 2]
    with world.database.reading() as session:
        (kept,) = session.scalars(select(IdempotentResponse).where(IdempotentResponse.key == "once"))
        assert (kept.body, kept.headers, kept.status) == (b"", {}, 201)
    other = {**OPENED, "fields": ["safe_contact_rule"]}
    assert world.coordinator.add(reference, "openings", other, Idempotency_Key="once").status_code == 422


def test_a_key_that_was_made_for_less_opens_nothing(world: World) -> None:
    reference = asian_case(world)
    narrow = world.coordinator.post("/v1/keys", {"scopes": ["read", "write"]}).json()["key"]
    bearer = f"Bearer {narrow}"
    assert world.nobody.add(reference, "openings", OPENED, Authorization=bearer).status_code == 403
    assert world.nobody.get(f"/v1/cases/{reference}", Authorization=bearer).status_code == 200
    assert world.nobody.add(reference, "break-glass", GLASS, Authorization=bearer).status_code == 403


# Breaking the glass

BREAKERS = {
    "coordinator": 201,
    "asia coordinator": 409,  # on the team already
    "europe coordinator": 404,
    "partner": 403,
    "caseworker": 403,
    "asia caseworker": 403,
    "reviewer": 403,
    "reader": 403,
    "dashboard": 403,
    "auditor": 403,
    "admin": 403,
}


def test_the_glass_is_broken_only_by_who_coordinates_the_lead(world: World) -> None:
    reference = asian_case(world, "sealed")
    met = {who: world.as_(who).add(reference, "break-glass", GLASS).status_code for who in BREAKERS}
    assert met == BREAKERS
    assert [who for who, status, _ in logged(world, "break_glass") if status == 201] == ["coordinator"]
    assert logged(world, "break_glass")[0] == ("coordinator", 201, [reference])


def test_who_may_not_break_it_learns_nothing_of_it(world: World) -> None:
    hidden, europe = asian_case(world, "sealed"), world.as_("europe coordinator")
    met, absent = (europe.add(reference, "break-glass", GLASS) for reference in (hidden, ABSENT))
    assert (met.status_code, met.content) == (404, absent.content)


def test_broken_glass_gives_the_work_view_for_a_day_and_no_longer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = asian_case(world, "sealed")
    path = f"/v1/cases/{reference}"
    assert world.coordinator.get(path).status_code == 404
    broken = world.coordinator.add(reference, "break-glass", GLASS).json()
    day = datetime.fromisoformat(broken["until"]) - datetime.fromisoformat(broken["recorded_at"])
    assert (day, broken["broke_glass_because"]) == (timedelta(hours=24), GLASS["reason"])
    assert world.coordinator.get(path).json()["view"] == "work"
    assert world.coordinator.add(reference, "openings", OPENED).status_code == 201
    in_hours(monkeypatch, 23.9)
    assert world.coordinator.get(path).status_code == 200
    in_hours(monkeypatch, 24)
    assert world.coordinator.get(path).status_code == 404
    assert world.coordinator.get("/v1/cases").json()["items"] == []
    assert world.coordinator.add(reference, "openings", OPENED).status_code == 404
    assert world.coordinator.add(reference, "break-glass", GLASS).status_code == 201


def test_needless_breaking_is_refused(world: World) -> None:
    open_case, sealed = asian_case(world), asian_case(world, "sealed")
    assert codes(world.coordinator.add(open_case, "break-glass", GLASS)) == {"glass.needless"}
    assert world.coordinator.add(sealed, "break-glass", GLASS).status_code == 201
    assert codes(world.coordinator.add(sealed, "break-glass", GLASS)) == {"glass.needless"}
    assert world.coordinator.add(sealed, "break-glass", {}).status_code == 422


def test_the_team_of_that_moment_is_told_of_it_for_good_and_nobody_else(world: World) -> None:
    reference = asian_case(world, "sealed")
    broken = world.coordinator.add(reference, "break-glass", GLASS).json()
    alert = {
        "id": None,
        "kind": "glass_broken",
        "recorded_at": broken["recorded_at"],
        "text": f"coordinator used break-glass access to {reference}.",
        "account": world.coordinator.account,
        "by": world.coordinator.account,
        "reference": reference,
        "role": None,
        "entity": None,
        "reason": GLASS["reason"],
        "until": broken["until"],
    }
    assert glass_alerts(world) == {"asia coordinator": [alert], "partner": [alert]}
    leave(world, reference, "partner")
    assert world.as_("asia coordinator").add(reference, "team", {"account": "caseworker"}).status_code == 201
    assert glass_alerts(world) == {"asia coordinator": [alert], "partner": [alert]}


def glass_alerts(world: World) -> dict[str, list[dict[str, Any]]]:
    """Who is alerted to broken glass, and what they are told, without its id."""
    told = {who: world.as_(who).get("/v1/alerts?kind=glass_broken").json()["items"] for who in world.cast.keys}
    return {who: [{**item, "id": None} for item in items] for who, items in told.items() if items}


# The team of a sealed case


def test_a_sealed_case_keeps_somebody_on_its_team(world: World) -> None:
    reference = asian_case(world, "sealed")
    assert leave(world, reference, "partner").status_code == 200
    assert codes(leave(world, reference, "asia coordinator")) == {"team.last"}
    assert members(world, reference, "asia coordinator").keys() == {"asia coordinator"}


def test_who_broke_the_glass_for_a_day_is_not_the_somebody_who_stays(world: World) -> None:
    reference = asian_case(world, "sealed")
    assert world.coordinator.add(reference, "break-glass", GLASS).status_code == 201
    assert leave(world, reference, "partner").status_code == 200
    assert codes(leave(world, reference, "asia coordinator")) == {"team.last"}


def test_a_team_that_is_not_sealed_in_may_be_left_by_all(world: World) -> None:
    reference = asian_case(world)
    assert leave(world, reference, "partner").status_code == 200
    assert leave(world, reference, "asia coordinator").status_code == 200


def test_leaving_ends_the_sight_of_a_sealed_case_at_once(world: World) -> None:
    reference = asian_case(world, "sealed")
    partner, path = world.as_("partner"), f"/v1/cases/{reference}"
    assert partner.get(path).status_code == 200
    left = leave(world, reference, "partner").json()
    assert (left["status"], left["left_at"] is not None) == ("left", True)
    for gone in (path, f"{path}/consents", f"{path}/team", f"{path}/history", f"{path}/steps"):
        assert partner.get(gone).status_code == 404
    assert partner.get("/v1/cases").json()["items"] == []
    assert partner.add(reference, "openings", OPENED).status_code == 404


def test_somebody_from_elsewhere_joins_and_works_as_what_they_are(world: World) -> None:
    reference = asian_case(world, "sealed")
    lead, path = world.as_("asia coordinator"), f"/v1/cases/{reference}"
    for who in ("europe caseworker", "europe coordinator"):
        assert world.as_(who).get(path).status_code == 404
        assert lead.add(reference, "team", {"account": who}).status_code == 201
        assert world.as_(who).get(path).json()["view"] == "work"
        assert world.as_(who).add(reference, "openings", OPENED).status_code == 201
        assert world.as_(who).patch(path, {"title": f"By {who}"}, If_Match="*").status_code == 200
    for body in ({"visibility": "network"}, {"assignee": "europe coordinator"}):
        assert world.as_("europe coordinator").patch(path, body, If_Match="*").status_code == 403
    assert world.as_("europe coordinator").add(reference, "team", {"account": "reviewer"}).status_code == 403
    assert world.as_("europe reader").get(path).status_code == 404


def test_who_works_on_no_cases_does_not_join_and_nobody_joins_twice(world: World) -> None:
    reference = asian_case(world, "sealed")
    lead = world.as_("asia coordinator")
    for who in ("reader", "admin", "auditor", "dashboard"):
        assert codes(lead.add(reference, "team", {"account": who})) == {"team.without_role"}
    assert codes(lead.add(reference, "team", {"account": "partner"})) == {"team.already_on"}
    assert lead.add(reference, "team", {"account": "nobody at all"}).status_code == 422
    assert lead.add(reference, "team", {"account": "reviewer"}).status_code == 201


def test_who_lost_their_role_is_on_a_team_in_vain(world: World) -> None:
    reference = asian_case(world, "sealed")
    helper = world.newcomer("helper", Role.CASEWORKER, entity="Europe")
    world.as_("asia coordinator").add(reference, "team", {"account": "helper"})
    assert helper.get(f"/v1/cases/{reference}").status_code == 200
    (held,) = helper.get("/v1/me").json()["memberships"]
    assert world.as_("admin").post(f"/v1/memberships/{held['id']}/ending", {}).status_code == 201
    assert helper.get(f"/v1/cases/{reference}").status_code == 404


def test_who_seals_a_case_stays_on_it(world: World) -> None:
    reference = asian_case(world)
    path = f"/v1/cases/{reference}"
    assert world.coordinator.get(path).status_code == 200
    assert world.coordinator.patch(path, {"visibility": "sealed"}, If_Match="*").status_code == 200
    assert members(world, reference, "coordinator").keys() == {"partner", "asia coordinator", "coordinator"}
    assert world.caseworker.get(path).status_code == 404


def test_who_seals_a_case_by_merging_a_sealed_one_into_it_stays_on_it(world: World) -> None:
    merged, survivor = asian_case(world, "sealed"), asian_case(world)
    for who in ("partner", "asia coordinator"):
        assert leave(world, survivor, who).status_code == 200
    lead = world.as_("asia coordinator")
    taken = lead.step(merged, "merger", {"survivor": survivor})
    assert taken.status_code == 201, taken.text
    assert lead.get(f"/v1/cases/{survivor}").json()["visibility"] == "sealed"
    assert members(world, survivor, "asia coordinator").keys() == {"asia coordinator"}


def test_who_broke_the_glass_and_is_given_the_case_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = asian_case(world, "sealed")
    world.coordinator.add(reference, "break-glass", GLASS)
    path = f"/v1/cases/{reference}"
    given = world.as_("asia coordinator").patch(path, {"assignee": "coordinator"}, If_Match="*")
    assert given.status_code == 200, given.text
    in_hours(monkeypatch, 25)
    assert world.coordinator.get(path).status_code == 200


def test_a_sealed_case_is_handed_only_to_a_coordinator_who_was_named_first(world: World) -> None:
    reference = asian_case(world, "sealed")
    lead, europe, path = world.as_("asia coordinator"), world.as_("europe coordinator"), f"/v1/cases/{reference}"
    offer = {"receiving_entity": "Europe", "reason": "The owner sits there."}
    assert lead.step(reference, "handover", offer).status_code == 201
    assert europe.get(path).status_code == 404
    assert europe.step(reference, "handover-acceptance", {}).status_code == 404
    assert lead.add(reference, "team", {"account": "europe coordinator"}).status_code == 201
    taken = europe.step(reference, "handover-acceptance", {})
    assert taken.status_code == 201, taken.text
    assert members(world, reference, "europe coordinator").keys() == {"partner", "europe coordinator"}
    assert [lead.get(path).status_code, world.as_("partner").get(path).status_code] == [404, 200]
    with world.database.reading() as session:
        left = select(TeamMember).where(TeamMember.account == UUID(lead.account))
        assert [(member.status, member.left_at is not None) for member in session.scalars(left)] == [("left", True)]
