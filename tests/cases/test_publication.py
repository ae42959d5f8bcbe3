"""Publication: what outsiders get is what two people approved, while the consents it rests on are in force."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import insert, select

from appeals.api.context import AppContext
from appeals.cases.case import Case
from appeals.cases.publication import Publication, readable
from appeals.database.declarative import new_id
from appeals.vocabulary import AccountKind, Role
from tests.support.cast import CONSENTS, PARTIES, Body, World, consent, day, intake, organisation, step_input, today

SIGNED_UP = [given for given in CONSENTS if not given["scope"].startswith("publish")]
SIDES = ("workers", "local_partner", "person")
PEOPLE: list[Body] = [{"label": "seven", "pseudonym": "Worker Seven"}]
ABSENT = "A" * 22


def codes(answer: Response) -> set[str]:
    assert answer.status_code == 409, answer.text
    return {item["code"] for item in answer.json()["unmet"]}


def a_case(world: World, *, told: Body | None = None, **records: Any) -> str:
    """An accepted case; records of these kinds take the place of those it would have."""
    changed = {**(told or {}), **({"records": {**intake()["records"], **records}} if records else {})}
    return world.case_in("accepted", **changed)


def to_publish(level: str, side: str, **changed: Any) -> Body:
    """The consent of a side to publish at a level; a person's own names the person."""
    return consent(f"publish_{level}", side, **({"of": "#seven"} if side == "person" else {}), **changed)


def agreed_by_all(level: str = "person") -> dict[str, Any]:
    """Records of a case of one person, that both sides and this person agree to publish."""
    return {"people": PEOPLE, "consents": [*SIGNED_UP, *(to_publish(level, side) for side in SIDES)]}


def approve(world: World, reference: str, level: str = "person") -> Body:
    """The reviewer's signature; as the service tells of it."""
    answer = world.reviewer.add(reference, "approvals", {"level": level})
    assert answer.status_code == 201, answer.text
    signed: Body = answer.json()
    return signed


def publish(world: World, reference: str, level: str = "anonymised", who: str = "coordinator") -> Response:
    """The answer to publishing what was approved, with no campaign."""
    body = {"publication_level": level}
    return world.as_(who).post(f"/v1/cases/{reference}/publications", body, If_Match="*")


def published(world: World, reference: str, level: str = "anonymised") -> Body:
    """Approve and publish a case at a level; the publication."""
    approve(world, reference)
    answer = publish(world, reference, level)
    assert answer.status_code == 201, answer.text
    made: Body = answer.json()
    return made


def take_down(world: World, reference: str, made: Body, **headers: str) -> Response:
    path = f"/v1/cases/{reference}/publications/{made['id']}/takedown"
    return world.caseworker.post(path, {"reason": "The workers are in danger."}, **headers)


def say_no(world: World, reference: str, scope: str, side: str, on: str | None = None) -> None:
    """Take back what a side agreed to, by the record of what it agreed to."""
    given = next(
        word for word in world.records(reference, "consents") if (word["scope"], word["subject"]) == (scope, side)
    )
    body = {"state": "withdrawn", **({"withdrawn_on": on} if on else {})}
    answer = world.caseworker.patch(f"/v1/cases/{reference}/consents/{given['id']}", body)
    assert (answer.status_code, answer.json()["state"]) == (200, "withdrawn"), answer.text


def say_yes(world: World, reference: str, scope: str, side: str, **changed: Any) -> None:
    answer = world.caseworker.add(reference, "consents", consent(scope, side, **changed))
    assert answer.status_code == 201, answer.text


def public(world: World) -> dict[str, Body]:
    """What outsiders find in the list, by token; each the same as on its own page."""
    items = world.nobody.get("/public/cases?limit=200").json()["items"]
    found = {item["token"]: item["shows"] for item in items}
    for token, shows in found.items():
        page = world.nobody.get(f"/public/cases/{token}")
        assert (page.status_code, page.json()) == (200, {"token": token, "shows": shows})
    return found


# What is shown

THE_MILL = {"name": "Bright Stitch Ltd", "country": "BD"}
ANONYMISED = {
    "level": "anonymised",
    "country": "BD",
    "violations": ["antiunion_dismissal"],
    "headings": ["freedom_of_association"],
}
NAMED = {
    **ANONYMISED,
    "level": "named",
    "group": "active",
    "outcomes": [],
    "texts": [{"language": "en", "title": "Eleven dismissed", "summary": "For founding a union."}],
    "workplaces": [THE_MILL],
    "companies": [{"name": "Sample Brand", "country": "SE"}],
    "requesters": [],
    "demands": [{"kind": "reinstate", "disposition": "active"}],
    "actions": [],
}
OF_A_PERSON = {**NAMED, "level": "person", "people": [{"pseudonym": "Worker Seven", "role": None}]}
TOLD: Body = {"title": "Eleven dismissed", "public_summary": "For founding a union."}


@pytest.mark.parametrize("shown", [ANONYMISED, NAMED, OF_A_PERSON], ids=lambda shown: shown["level"])
def test_each_level_shows_this_and_nothing_else(world: World, shown: Body) -> None:
    made = published(world, a_case(world, told=TOLD, **agreed_by_all()), shown["level"])
    assert public(world) == {made["token"]: shown}


def test_only_a_person_who_agreed_is_shown(world: World) -> None:
    records = agreed_by_all()
    records["people"] = [*PEOPLE, {"label": "eight", "pseudonym": "Worker Eight"}]
    records["consents"].append(consent("publish_named", "person", of="#eight"))
    made = published(world, a_case(world, told=TOLD, **records), "person")
    assert public(world) == {made["token"]: OF_A_PERSON}


@pytest.mark.parametrize("grade", ["alleged", "possible", "likely", "confirmed", "unlikely", "refuted"])
def test_a_violation_is_shown_when_it_is_at_least_possible(world: World, grade: str) -> None:
    reference = a_case(world)
    threat = {"label": "threat", "code": "threat"}
    assert world.caseworker.add(reference, "violations", threat).status_code == 201
    if grade != "alleged":
        world.take(reference, "verification", grades=[{"violation": "#threat", "grade": grade}])
    made = published(world, reference)
    besides = ["threat"] if grade in ("possible", "likely", "confirmed") else []
    assert public(world) == {made["token"]: {**ANONYMISED, "violations": [*ANONYMISED["violations"], *besides]}}


@pytest.mark.parametrize("grade", ["unlikely", "refuted"])
def test_nothing_is_published_while_no_violation_is_at_least_possible(world: World, grade: str) -> None:
    reference = a_case(world)
    world.take(reference, "verification", grades=[{"violation": "#dismissal", "grade": grade}])
    approve(world, reference)
    assert codes(publish(world, reference)) == {"violation.unverified"}


def test_a_campaign_shows_demands_and_public_actions_besides(world: World) -> None:
    reference = world.case_in("engagement", **TOLD)
    for kind, channel in (("petition", "public"), ("factory_letter", "quiet")):
        body = {"kind": kind, "target": "#factory", "done_on": day(1), "note": "Sent by post."}
        assert world.caseworker.add(reference, "actions", body).json()["channel"] == channel
    planned = {"kind": "street_action", "status": "planned"}
    assert world.caseworker.add(reference, "actions", planned).status_code == 201
    world.take(reference, "escalation")
    (shown,) = public(world).values()
    assert shown == {**NAMED, "actions": [{"kind": "petition", "done_on": day(1)}]}


def test_a_page_shows_the_outcomes_and_the_group_of_the_day_it_was_signed(world: World) -> None:
    reference = a_case(world, told=TOLD)
    came = {"code": "reinstated", "extent": "partial", "happened_on": day(1)}
    assert world.caseworker.add(reference, "outcomes", came).status_code == 201
    made = published(world, reference, "named")
    as_signed = {**NAMED, "outcomes": [{"code": "reinstated", "extent": "partial"}]}
    assert public(world) == {made["token"]: as_signed}
    world.dispose(reference)
    world.take(reference, "closure", reason="demands_met")
    assert public(world) == {made["token"]: as_signed}


LINKS = {
    "claimed": False,
    "evidenced": True,
    "confirmed_by_company": True,
    "disclosed_list": True,
    "disputed": False,
    "disproved": False,
    None: False,
}


@pytest.mark.parametrize("role", ["brand", "retailer", "agent", "licensor"])
def test_only_companies_whose_link_would_stand_are_named(world: World, role: str) -> None:
    def company(name: str, strength: str | None, **more: str) -> Body:
        link = {"link_strength": strength} if strength else {}
        return {"role": role, "organisation": organisation(name, "company", "SE"), **link, **more}

    parties = [company(f"Buyer {strength}", strength) for strength in LINKS]
    parties.append(company("Buyer who disputes", "disputed", link_evidence="Labels on the line."))
    made = published(world, a_case(world, parties=[*PARTIES, *parties]), "named")
    shown = {found["name"] for found in public(world)[made["token"]]["companies"]}
    strong = {f"Buyer {strength}" for strength, shows in LINKS.items() if shows}
    assert shown == strong | {"Buyer who disputes", "Sample Brand"}


def test_nobody_else_on_record_is_named(world: World) -> None:
    others = [
        {"role": role, "organisation": organisation(f"Some {role}", "ngo")}
        for role in ("local_partner", "auditor", "government_body", "security_force", "investor", "yellow_union")
    ]
    made = published(world, a_case(world, parties=[*PARTIES, *others], told=TOLD), "named")
    assert public(world)[made["token"]] == NAMED


@pytest.mark.parametrize("cleared", [True, False])
def test_a_requester_is_named_only_when_cleared(world: World, cleared: bool) -> None:
    asking = {**organisation("Bright Stitch Workers Union"), "may_be_named": cleared}
    made = published(world, a_case(world, told={"requesting_organisation": asking}), "named")
    expected = ["Bright Stitch Workers Union"] if cleared else []
    assert public(world)[made["token"]]["requesters"] == expected


@pytest.mark.parametrize("role", ["requester", "local_partner", "workers_union", "brand", "government_body"])
def test_a_place_that_is_no_workplace_of_the_employers_is_not_named(world: World, role: str) -> None:
    office = {"role": role, "facility": {"name": "A house by the river", "country": "BD"}}
    made = published(world, a_case(world, parties=[*PARTIES, office]), "named")
    shown = public(world)[made["token"]]
    assert (shown["workplaces"], "river" in json.dumps(shown)) == ([THE_MILL], False)


def test_an_outsider_learns_no_reference_id_account_time_or_narrative(world: World) -> None:
    narrative = "Eleven officers were dismissed in a week that nobody forgets."
    reference = world.case_in("public_campaign", narrative=narrative, help_asked="Write to the buyers of the mill.")
    answers = [world.nobody.get(path) for path in ("/public/cases", f"/public/cases/{next(iter(public(world)))}")]
    for answer in answers:
        told = answer.text + "".join(value for name, value in answer.headers.items() if name != "x-request-id")
        for kept in (reference, narrative, "Write to the buyers", "coordinator", "reviewer", "South Asia", day(30)):
            assert kept not in told
        assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-|UA-[A-Z]{3}|_id\b|_at\b|recorded", told)


# What is published is what was approved


def test_what_changes_after_the_approval_needs_a_new_approval_to_be_shown(world: World) -> None:
    reference = a_case(world, told=TOLD)
    first = approve(world, reference)
    changed = {"title": "Another title", "translations": {"bn": {"title": "শিরোনাম"}}}
    assert world.coordinator.patch(f"/v1/cases/{reference}", changed, If_Match="*").status_code == 200
    late = {"role": "retailer", "organisation": organisation("Late Shops", "company"), "link_strength": "evidenced"}
    assert world.caseworker.add(reference, "parties", late).status_code == 201
    params = {"kind": "release", "text": "Release all.", "addressees": ["#factory"]}
    assert world.caseworker.add(reference, "demands", params).status_code == 201

    made = publish(world, reference, "named").json()
    assert public(world) == {made["token"]: NAMED}
    assert first["shows"]["named"] == made["shows"] == NAMED

    assert codes(publish(world, reference, "named")) == {"signature.missing"}
    assert public(world) == {made["token"]: NAMED}
    again = published(world, reference, "named")
    ((token, shown),) = public(world).items()
    assert (token, again["id"] == made["id"]) == (again["token"], False)
    assert [text["title"] for text in shown["texts"]] == ["Another title", "শিরোনাম"]
    assert ["Late Shops" in str(shown), [params["kind"] for params in shown["demands"]]] == [
        True,
        ["reinstate", "release"],
    ]


def test_an_approval_is_of_a_level_and_all_below_it(world: World) -> None:
    reference = a_case(world)
    shows = approve(world, reference, "named")["shows"]
    assert {level: shown["level"] for level, shown in shows.items()} == {"anonymised": "anonymised", "named": "named"}
    assert codes(world.reviewer.add(reference, "approvals", {"level": "none"})) == {"approval.level.none"}


WORKERS, PARTNER, OWN, UNSIGNED = (
    "consent.publish.workers.missing",
    "consent.publish.partner.missing",
    "consent.publish.person.missing",
    "signature.missing",
)
REFUSED: list[tuple[str, str | None, Body, set[str]]] = [
    ("named", "anonymised", {"workers": "named", "local_partner": "named"}, {UNSIGNED}),
    ("person", "named", {"workers": "person", "local_partner": "person", "person": "person"}, {UNSIGNED}),
    ("anonymised", None, {"workers": "named", "local_partner": "named"}, {UNSIGNED}),
    ("named", "person", {"workers": "anonymised", "local_partner": "named"}, {WORKERS}),
    ("named", "person", {"workers": "named", "local_partner": "anonymised"}, {PARTNER}),
    ("named", "person", {"workers": "named", "requester": "anonymised"}, {PARTNER}),
    ("named", "person", {"person": "person", "requester": "person"}, {WORKERS}),
    ("named", "person", {"person": "person"}, {WORKERS, PARTNER}),
    ("person", "person", {"workers": "person", "local_partner": "person"}, {OWN}),
    ("person", "person", {"workers": "person", "local_partner": "person", "person": "named"}, {OWN}),
    ("person", "person", {"workers_union": "named", "local_partner": "person", "person": "person"}, {WORKERS}),
    ("anonymised", None, {}, {WORKERS, PARTNER, UNSIGNED}),
]


@pytest.mark.parametrize(("level", "approved", "agreed", "unmet"), REFUSED)
def test_nothing_wider_than_was_approved_and_agreed_to_is_published(
    world: World, level: str, approved: str | None, agreed: Body, unmet: set[str]
) -> None:
    given = [to_publish(widest, side) for side, widest in agreed.items()]
    reference = a_case(world, people=PEOPLE, consents=[*SIGNED_UP, *given])
    if approved:
        approve(world, reference, approved)
    assert codes(publish(world, reference, level)) == unmet
    assert public(world) == {}


@pytest.mark.parametrize("partner", [True, False])
def test_the_requester_speaks_for_the_partners_side_where_no_party_is_a_local_partner(
    world: World, partner: bool
) -> None:
    office = {"role": "local_partner", "organisation": organisation("Legal Aid Fund", "ngo")}
    sides = [to_publish("named", side) for side in ("workers", "requester")]
    reference = a_case(world, parties=[*PARTIES, office] if partner else PARTIES, consents=[*SIGNED_UP, *sides])
    approve(world, reference)
    answer = publish(world, reference, "named")
    assert answer.status_code == (409 if partner else 201), answer.text
    assert not partner or codes(answer) == {PARTNER}


LIMITED: list[Body] = [
    {"recipients": ["Evening Post"]},
    {"expires_on": day(1)},
    {"state": "requested", "given_on": None, "method": None},
    {"state": "refused", "given_on": None, "method": None},
    {"state": "given_with_conditions", "conditions": ["No photographs."]},
]


@pytest.mark.parametrize("limited", LIMITED)
@pytest.mark.parametrize("side", SIDES)
def test_a_consent_to_some_or_not_in_force_publishes_nothing(world: World, side: str, limited: Body) -> None:
    given = [to_publish("person", other, **(limited if other == side else {})) for other in SIDES]
    reference = a_case(world, people=PEOPLE, consents=[*SIGNED_UP, *given])
    approve(world, reference)
    expected = {dict(zip(SIDES, (WORKERS, PARTNER, OWN), strict=True))[side]}
    if limited.get("state") == "refused" and side != "person":
        expected |= {UNSIGNED}  # a signature on a no is void; a person who refused is not among those it shows
    assert codes(publish(world, reference, "person")) == expected


@pytest.mark.parametrize("side", SIDES)
def test_a_consent_of_tomorrow_was_given_elsewhere_today(world: World, side: str) -> None:
    given = [to_publish("person", other, **({"given_on": day(-1)} if other == side else {})) for other in SIDES]
    made = published(world, a_case(world, people=PEOPLE, consents=[*SIGNED_UP, *given]), "person")
    assert public(world).keys() == {made["token"]}


def test_a_condition_of_a_person_is_met_when_who_approves_says_so_of_each(world: World) -> None:
    side = "person"
    condition = {"state": "given_with_conditions", "conditions": ["No photographs.", "After the verdict."]}
    given = [to_publish("person", other, **(condition if other == side else {})) for other in SIDES]
    reference = a_case(world, people=PEOPLE, consents=[*SIGNED_UP, *given])
    (word,) = [word for word in world.records(reference, "consents") if word["conditions"]]
    met = [{"consent": word["id"], "condition": told, "how": "The editor saw to it."} for told in word["conditions"]]
    for told in ([], met[:1], met):
        signed = world.reviewer.add(reference, "approvals", {"level": "person", "conditions_met": told})
        assert signed.status_code == 201, signed.text
        answer = publish(world, reference, "person")
        assert answer.status_code == (201 if told == met else 409), answer.text
    assert len(public(world)) == 1


def test_publishing_asks_which_version_was_read(world: World) -> None:
    reference = a_case(world)
    approve(world, reference)
    path, body = f"/v1/cases/{reference}/publications", {"publication_level": "named"}
    tag = world.coordinator.get(f"/v1/cases/{reference}").headers["ETag"]
    assert world.coordinator.post(path, body).status_code == 428
    world.coordinator.patch(f"/v1/cases/{reference}", {"title": "Changed meanwhile"}, If_Match="*")
    assert world.coordinator.post(path, body, If_Match=tag).status_code == 412
    made = world.coordinator.post(path, body, If_Match="*")
    assert made.status_code == 201
    assert public(world).keys() == {made.json()["token"]}
    assert made.headers["ETag"] == world.coordinator.get(f"/v1/cases/{reference}").headers["ETag"]


def test_two_different_people_sign(world: World) -> None:
    both = world.newcomer("both", Role.COORDINATOR, Role.REVIEWER)
    reference = world.case_in("accepted")
    assert both.add(reference, "approvals", {"level": "named"}).status_code == 201
    path, body = f"/v1/cases/{reference}/publications", {"publication_level": "named"}
    assert codes(both.post(path, body, If_Match="*")) == {"signature.same_person"}
    assert world.coordinator.post(path, body, If_Match="*").status_code == 201


@pytest.mark.parametrize("noun", ["publications", "escalation"])
def test_a_machine_signs_on_neither_side(world: World, noun: str) -> None:
    machine = world.newcomer("bridge", Role.COORDINATOR, Role.REVIEWER, kind=AccountKind.MACHINE)
    reference = world.case_in("engagement")
    assert codes(machine.add(reference, "approvals", {"level": "named"})) == {"approval.by_machine"}
    approve(world, reference)
    body = {"publication_level": "named"} if noun == "publications" else step_input(noun)
    assert codes(machine.post(f"/v1/cases/{reference}/{noun}", body, If_Match="*")) == {"signature.same_person"}
    assert public(world) == {}


@pytest.mark.parametrize("who", ["caseworker", "reviewer", "partner", "asia reader", "admin"])
def test_only_who_coordinates_the_case_publishes(world: World, who: str) -> None:
    reference = a_case(world)
    approve(world, reference)
    assert publish(world, reference, who=who).status_code in (403, 404)
    assert public(world) == {}


# Taking down


def test_a_takedown_ends_it_at_once_and_pauses_the_campaign(world: World) -> None:
    reference = world.case_in("public_campaign")
    (made,) = world.records(reference, "publications")
    down = take_down(world, reference, made, Idempotency_Key="down")
    assert (down.status_code, public(world)) == (201, {})
    shown = world.show(reference)
    assert (shown["status"], shown["publication"]) == ("suspended", "none")
    assert world.history(reference)[-1]["reason"] == "safety"
    assert take_down(world, reference, made, Idempotency_Key="down").content == down.content
    assert codes(take_down(world, reference, made)) == {"publication.taken_down"}
    assert (public(world), world.show(reference)) == ({}, shown)
    assert world.records(reference, "publications") == [down.json()]


def test_taking_an_old_publication_down_leaves_the_one_that_replaced_it(world: World) -> None:
    reference = a_case(world)
    old = published(world, reference)
    new = published(world, reference, "named")
    assert codes(take_down(world, reference, old)) == {"publication.taken_down"}
    assert public(world) == {new["token"]: new["shows"]}


def test_a_publication_is_taken_down_only_by_its_own_case(world: World) -> None:
    reference, other = a_case(world), world.case()
    made = published(world, reference)
    assert take_down(world, other, made).status_code == 404
    assert public(world).keys() == {made["token"]}


NOT_WANTED = {"publication.called_off", "consent.take_up.workers.missing", WORKERS, UNSIGNED}
ENDINGS: dict[str, tuple[Body, set[str]]] = {
    "withdrawal": ({}, NOT_WANTED),
    "withdrawal by the requester": ({"withdrawn_by": "requester"}, {"publication.called_off"}),
    "merger": ({}, {"publication.called_off"}),
    "referral": ({}, {"publication.not_accepted"}),
    "closure": ({"reason": "unsafe_to_continue"}, {"publication.called_off"}),
}


@pytest.mark.parametrize("way", ENDINGS)
def test_what_is_called_off_comes_down_and_is_not_published_again(world: World, way: str) -> None:
    reference, noun, (said, unmet) = a_case(world), way.split(maxsplit=1)[0], ENDINGS[way]
    published(world, reference)
    approve(world, reference)
    world.take(reference, noun, **({"survivor": world.case()} if noun == "merger" else said))
    assert public(world) == {}
    assert codes(publish(world, reference)) == unmet
    assert public(world) == {}


def test_a_case_that_was_called_off_and_reopened_may_be_published_again_on_new_consents(world: World) -> None:
    reference = a_case(world)
    before = published(world, reference)
    world.take(reference, "withdrawal", withdrawn_on=day(1))
    world.take(reference, "reopening")
    approve(world, reference)
    assert codes(publish(world, reference)) == {WORKERS}
    say_yes(world, reference, "publish_named", "workers", given_on=day())
    made = published(world, reference)
    assert public(world).keys() == {made["token"]} != {before["token"]}


@pytest.mark.parametrize(
    ("noun", "said"),
    [
        ("suspension", {"reason": "negotiation_pause"}),
        ("suspension", {"reason": "awaiting_proceeding"}),
        ("suspension", {"reason": "contact_lost"}),
        ("closure", {}),
        ("de-escalation", {"keep_public": "The workers ask that it can still be read."}),
    ],
)
def test_what_was_agreed_to_stays_public_through(world: World, noun: str, said: Body) -> None:
    reference = world.case_in("public_campaign")
    before = public(world)
    world.dispose(reference, "not_met")
    world.take(reference, noun, **said)
    assert public(world) == before != {}


@pytest.mark.parametrize(
    ("noun", "said"),
    [
        ("suspension", {"reason": "consent_withdrawn"}),
        ("closure", {"reason": "unsafe_to_continue"}),
        ("de-escalation", {}),
    ],
)
def test_what_nobody_stands_for_any_more_comes_down_with(world: World, noun: str, said: Body) -> None:
    reference = world.case_in("public_campaign")
    entry = world.take(reference, noun, **said)["entry"]
    assert public(world) == {}
    (made,) = world.records(reference, "publications")
    assert made["taken_down_at"] == entry["recorded_at"]
    assert world.history(reference)[-1] == entry


# Consents that end


@pytest.mark.parametrize("side", SIDES)
def test_each_side_alone_can_end_it(world: World, side: str) -> None:
    reference = a_case(world, **agreed_by_all())
    published(world, reference, "person")
    say_no(world, reference, "publish_person", side)
    assert public(world) == {}


def in_days(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Let every operation think that so many days have passed."""
    monkeypatch.setattr(AppContext, "now", lambda _: datetime.now(UTC) + timedelta(days=days))


def test_what_two_voices_of_a_side_agreed_to_stays_up_when_the_word_of_one_runs_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = [to_publish("named", side) for side in ("workers_union", "local_partner")]
    reference = a_case(world, consents=[*SIGNED_UP, *sides, to_publish("named", "workers", expires_on=day(-2))])
    made = published(world, reference, "named")
    in_days(monkeypatch, 3)
    assert public(world) == {made["token"]: made["shows"]}


@pytest.mark.parametrize("side", [0, 1])
def test_a_consent_that_runs_out_ends_it_though_nobody_wrote(
    world: World, monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    lasting = {published(world, a_case(world), "named")["token"] for _ in range(4)}
    sides = [to_publish("named", who) for who in ("workers", "local_partner")]
    sides[side]["expires_on"] = day(-2)
    running_out = a_case(world, consents=[*SIGNED_UP, *sides])
    made = published(world, running_out, "named")
    total = [{"cases": 5}]
    for days, tokens, figures in ((0, lasting | {made["token"]}, total), (2, None, total), (3, lasting, [])):
        in_days(monkeypatch, days)
        assert public(world).keys() == (lasting | {made["token"]} if tokens is None else tokens)
        assert world.nobody.get("/public/statistics").json()["items"] == figures
    gone, absent = (world.nobody.get(f"/public/cases/{token}") for token in (made["token"], ABSENT))
    assert (gone.status_code, gone.content) == (404, absent.content)


def test_a_campaign_whose_consent_ran_out_is_not_resumed_on_the_old_publication(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = [to_publish("named", who, expires_on=day(-2)) for who in ("workers", "local_partner")]
    reference = world.case_in("public_campaign", records={**intake()["records"], "consents": [*SIGNED_UP, *sides]})
    world.take(reference, "suspension", reason="negotiation_pause")
    in_days(monkeypatch, 3)
    for who in ("workers", "local_partner"):
        say_yes(world, reference, "publish_named", who, given_on=day())
    assert codes(world.coordinator.step(reference, "resumption", step_input("resumption"))) == {UNSIGNED}
    approve(world, reference)
    world.take(reference, "resumption")
    assert world.show(reference)["status"] == "public_campaign"
    assert len(public(world)) == 1


def test_a_campaign_is_resumed_on_the_page_that_stayed_up_and_on_what_was_signed_for_it(world: World) -> None:
    condition = {"state": "given_with_conditions", "conditions": ["No photographs."]}
    records = agreed_by_all()
    records["consents"] = [*SIGNED_UP, *(to_publish("person", side, **condition) for side in SIDES)]
    reference = world.case_in("engagement", records={**intake()["records"], **records})
    words = [word["id"] for word in world.records(reference, "consents") if word["conditions"]]
    met = [{"consent": word, "condition": "No photographs.", "how": "The editor saw to it."} for word in words]
    signed = world.reviewer.add(reference, "approvals", {"level": "person", "conditions_met": met})
    assert signed.status_code == 201, signed.text
    said = {**step_input("escalation"), "publication_level": "person"}
    assert world.coordinator.step(reference, "escalation", said).status_code == 201
    before = public(world)
    world.take(reference, "suspension", reason="negotiation_pause")
    world.take(reference, "resumption")
    assert public(world) == before != {}
    assert world.show(reference)["status"] == "public_campaign"


# The rule, and the same as SQL


@pytest.fixture
def random_rows(world: World) -> World:
    """Publications that are down or up, until every day around today, or for good."""
    reference = world.case()
    with world.database.writing() as session:
        case = session.scalars(select(Case).where(Case.reference == reference)).one()
        common = {"case_id": case.id, "recorded_at": case.recorded_at, "recorded_by": case.recorded_by}
        common |= {"level": "named", "shows": {}, "shown_records": {}, "conditions_met": [], "voices_left": []}
        ends = [None, date.max, *(today() + timedelta(days=ahead) for ahead in range(-4, 5))]
        made = [
            {
                **common, "id": new_id(), "token": str(number), "approved_by": case.recorded_by,
                "up_until": until, "taken_down_at": down,
            }
            for number, (until, down) in enumerate(product(ends, [None, case.recorded_at]))
        ]  # fmt: skip
        session.execute(insert(Publication), made)
    return world


@pytest.mark.behind_the_back
def test_readable_is_the_same_rule_in_sql(random_rows: World) -> None:
    for ahead in range(-4, 6):
        on = today() + timedelta(days=ahead)
        with random_rows.database.reading() as session:
            shown = set(session.scalars(select(Publication.id).where(readable(on))))
            all_made = list(session.scalars(select(Publication)))
            assert shown == {row.id for row in all_made if row.is_readable(on)}
            assert len(shown) == 5 - ahead + 1


# The public operations


def test_tokens_are_random_and_tell_nothing(world: World) -> None:
    tokens = [published(world, a_case(world))["token"] for _ in range(8)]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", token) for token in tokens)
    assert len({token[:4] for token in tokens}) == 8
    listed = [item["token"] for item in world.nobody.get("/public/cases").json()["items"]]
    assert listed == sorted(tokens)


def all_but_request_id(answer: Response) -> tuple[int, bytes, dict[str, str]]:
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, answer.content, headers


def test_what_was_taken_down_answers_as_what_never_was(world: World) -> None:
    reference = a_case(world)
    made = published(world, reference)
    path = f"/public/cases/{made['token']}"
    tag = world.nobody.get(path).headers["ETag"]
    assert world.nobody.get(path, If_None_Match=tag).status_code == 304
    take_down(world, reference, made)
    absent = all_but_request_id(world.nobody.get(f"/public/cases/{ABSENT}"))
    assert absent[0] == 404
    for headers in ({}, {"If_None_Match": tag}, {"If_None_Match": "*"}, {"Accept": "text/csv"}):
        assert all_but_request_id(world.nobody.get(path, **headers)) == absent
    assert all_but_request_id(world.nobody.get("/public/cases/x")) == absent


def test_no_key_is_needed_and_a_bad_one_does_not_matter(world: World) -> None:
    made = published(world, a_case(world))
    for path in ("/public/cases", f"/public/cases/{made['token']}", "/public/statistics"):
        plain = world.nobody.get(path)
        assert plain.status_code == 200
        assert plain.headers["Cache-Control"] == "public, no-cache"
        assert (plain.headers["Vary"], "Set-Cookie" in plain.headers) == ("Accept", False)
        for key in ("Bearer nonsense", "Basic eDp5", "Bearer", f"Bearer {world.cast.keys['admin']}"):
            answer = world.nobody.get(path, Authorization=key)
            assert all_but_request_id(answer) == all_but_request_id(plain)
        assert world.nobody.get(path, If_None_Match=plain.headers["ETag"]).status_code == 304


def test_the_public_list_comes_in_pages_and_as_a_table(world: World) -> None:
    tokens = sorted(published(world, a_case(world))["token"] for _ in range(5))
    found: list[str] = []
    path: str | None = "/public/cases?limit=2"
    while path:
        answer = world.nobody.get(path)
        found += [item["token"] for item in answer.json()["items"]]
        linked = re.match("<(.*)>", answer.headers.get("Link", ""))
        path = linked[1] if linked else None
    assert found == tokens
    lines = world.nobody.get("/public/cases", Accept="application/x-ndjson").text.splitlines()
    assert [json.loads(line) for line in lines] == world.nobody.get("/public/cases").json()["items"]
    head, *rows = world.nobody.get("/public/cases", Accept="text/csv").text.splitlines()
    assert (head, [row.split('"')[1].lstrip("'") for row in rows]) == ('"token","shows"', tokens)


HOSTILE = [
    "/public/cases?limit=0", "/public/cases?limit=201", "/public/cases?limit=x", "/public/cases?limit=1&limit=2",
    "/public/cases?cursor=abc", "/public/cases?cursor=%00", "/public/cases?country=BD", "/public/cases?limit=%ff",
    "/public/statistics?by=status", "/public/statistics?by=country,country", "/public/statistics?by=country,",
    "/public/statistics?by=" + "a" * 50, "/public/statistics?by=id", "/public/statistics?country=BD",
    "/public/statistics?by=%27%3B--",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_parameters_are_refused(world: World, path: str) -> None:
    answer = world.nobody.get(path)
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_cursor_of_the_public_list_is_good_for_no_other(world: World) -> None:
    for _ in range(2):
        published(world, a_case(world))
    cursor = world.nobody.get("/public/cases?limit=1").json()["next"]
    assert world.coordinator.get(f"/v1/cases?cursor={cursor}").status_code == 422
    flipped = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    assert world.nobody.get(f"/public/cases?limit=1&cursor={flipped}").status_code == 422


def test_a_public_page_takes_no_parameters(world: World) -> None:
    made = published(world, a_case(world))
    assert world.nobody.get(f"/public/cases/{made['token']}?view=work").status_code == 422


@pytest.mark.parametrize(
    "token", ["%00", ABSENT + "%00", ABSENT + "%0A", "..%2f..", "UA-BGD-2026-00000", "%ff", "a" * 3000, "'--"]
)
def test_a_hostile_token_names_nothing(world: World, token: str) -> None:
    assert world.nobody.get(f"/public/cases/{token}").status_code == 404
