"""Publication: outsiders get what two people approved, as long as its consents are in force."""

import json
import re

import pytest

from appeals.vocabulary import AccountKind, Role
from tests.support.cast import PARTIES, Body, World, consent, day, organisation, step_input
from tests.support.pages import (
    OWN,
    PARTNER,
    PEOPLE,
    SIDES,
    SIGNED_UP,
    UNSIGNED,
    WORKERS,
    a_case,
    agreed_by_all,
    approve,
    public,
    publish,
    published,
    to_publish,
)
from tests.support.refusals import codes

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
    publication = published(world, a_case(world, case_fields=TOLD, **agreed_by_all()), shown["level"])
    assert public(world) == {publication["token"]: shown}


def test_only_a_person_who_agreed_is_shown(world: World) -> None:
    records = agreed_by_all()
    records["people"] = [*PEOPLE, {"label": "eight", "pseudonym": "Worker Eight"}]
    records["consents"].append(consent("publish_named", "person", of="#eight"))
    publication = published(world, a_case(world, case_fields=TOLD, **records), "person")
    assert public(world) == {publication["token"]: OF_A_PERSON}


@pytest.mark.parametrize("grade", ["alleged", "possible", "likely", "confirmed", "unlikely", "refuted"])
def test_a_violation_is_shown_when_it_is_at_least_possible(world: World, grade: str) -> None:
    reference = a_case(world)
    threat = {"label": "threat", "code": "threat"}
    assert world.caseworker.add(reference, "violations", threat).status_code == 201
    if grade != "alleged":
        world.take(reference, "verification", grades=[{"violation": "#threat", "grade": grade}])
    publication = published(world, reference)
    besides = ["threat"] if grade in ("possible", "likely", "confirmed") else []
    assert public(world) == {publication["token"]: {**ANONYMISED, "violations": [*ANONYMISED["violations"], *besides]}}


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
    reference = a_case(world, case_fields=TOLD)
    came = {"code": "reinstated", "extent": "partial", "happened_on": day(1)}
    assert world.caseworker.add(reference, "outcomes", came).status_code == 201
    publication = published(world, reference, "named")
    as_signed = {**NAMED, "outcomes": [{"code": "reinstated", "extent": "partial"}]}
    assert public(world) == {publication["token"]: as_signed}
    world.dispose(reference)
    world.take(reference, "closure", reason="demands_met")
    assert public(world) == {publication["token"]: as_signed}


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
    publication = published(world, a_case(world, parties=[*PARTIES, *parties]), "named")
    shown = {other["name"] for other in public(world)[publication["token"]]["companies"]}
    strong = {f"Buyer {strength}" for strength, shows in LINKS.items() if shows}
    assert shown == strong | {"Buyer who disputes", "Sample Brand"}


def test_nobody_else_on_record_is_named(world: World) -> None:
    others = [
        {"role": role, "organisation": organisation(f"Some {role}", "ngo")}
        for role in ("local_partner", "auditor", "government_body", "security_force", "investor", "yellow_union")
    ]
    publication = published(world, a_case(world, parties=[*PARTIES, *others], case_fields=TOLD), "named")
    assert public(world)[publication["token"]] == NAMED


@pytest.mark.parametrize("cleared", [True, False])
def test_a_requester_is_named_only_when_cleared(world: World, cleared: bool) -> None:
    asking = {**organisation("Bright Stitch Workers Union"), "may_be_named": cleared}
    publication = published(world, a_case(world, case_fields={"requesting_organisation": asking}), "named")
    expected = ["Bright Stitch Workers Union"] if cleared else []
    assert public(world)[publication["token"]]["requesters"] == expected


@pytest.mark.parametrize("role", ["requester", "local_partner", "workers_union", "brand", "government_body"])
def test_a_place_that_is_no_workplace_of_the_employers_is_not_named(world: World, role: str) -> None:
    office = {"role": role, "facility": {"name": "A house by the river", "country": "BD"}}
    publication = published(world, a_case(world, parties=[*PARTIES, office]), "named")
    shown = public(world)[publication["token"]]
    assert (shown["workplaces"], "river" in json.dumps(shown)) == ([THE_MILL], False)


def test_an_outsider_learns_no_reference_id_account_time_or_narrative(world: World) -> None:
    narrative = "Eleven officers were dismissed in a week that nobody forgets."
    reference = world.case_in("public_campaign", narrative=narrative, help_asked="Write to the buyers of the mill.")
    answers = [world.nobody.get(path) for path in ("/public/cases", f"/public/cases/{next(iter(public(world)))}")]
    for answer in answers:
        text = answer.text + "".join(value for name, value in answer.headers.items() if name != "x-request-id")
        for kept in (reference, narrative, "Write to the buyers", "coordinator", "reviewer", "South Asia", day(30)):
            assert kept not in text
        assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-|UA-[A-Z]{3}|_id\b|_at\b|recorded", text)


# What is published is what was approved


def test_what_changes_after_the_approval_needs_a_new_approval_to_be_shown(world: World) -> None:
    reference = a_case(world, case_fields=TOLD)
    first = approve(world, reference)
    changed = {"title": "Another title", "translations": {"bn": {"title": "শিরোনাম"}}}
    assert world.coordinator.patch(f"/v1/cases/{reference}", changed, If_Match="*").status_code == 200
    late = {"role": "retailer", "organisation": organisation("Late Shops", "company"), "link_strength": "evidenced"}
    assert world.caseworker.add(reference, "parties", late).status_code == 201
    params = {"kind": "release", "text": "Release all.", "addressees": ["#factory"]}
    assert world.caseworker.add(reference, "demands", params).status_code == 201

    publication = publish(world, reference, "named").json()
    assert public(world) == {publication["token"]: NAMED}
    assert first["shows"]["named"] == publication["shows"] == NAMED

    assert codes(publish(world, reference, "named")) == {"signature.missing"}
    assert public(world) == {publication["token"]: NAMED}
    again = published(world, reference, "named")
    ((token, shown),) = public(world).items()
    assert (token, again["id"] == publication["id"]) == (again["token"], False)
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
    consents = [to_publish(widest, side) for side, widest in agreed.items()]
    reference = a_case(world, people=PEOPLE, consents=[*SIGNED_UP, *consents])
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
    consents = [to_publish("person", other, **(limited if other == side else {})) for other in SIDES]
    reference = a_case(world, people=PEOPLE, consents=[*SIGNED_UP, *consents])
    approve(world, reference)
    expected = {dict(zip(SIDES, (WORKERS, PARTNER, OWN), strict=True))[side]}
    if limited.get("state") == "refused" and side != "person":
        expected |= {UNSIGNED}  # a signature on a no is void; a person who refused is not among those it shows
    assert codes(publish(world, reference, "person")) == expected


@pytest.mark.parametrize("side", SIDES)
def test_a_consent_of_tomorrow_was_given_elsewhere_today(world: World, side: str) -> None:
    consents = [to_publish("person", other, **({"given_on": day(-1)} if other == side else {})) for other in SIDES]
    publication = published(world, a_case(world, people=PEOPLE, consents=[*SIGNED_UP, *consents]), "person")
    assert public(world).keys() == {publication["token"]}


def test_a_condition_of_a_person_is_met_when_who_approves_says_so_of_each(world: World) -> None:
    side = "person"
    condition = {"state": "given_with_conditions", "conditions": ["No photographs.", "After the verdict."]}
    consents = [to_publish("person", other, **(condition if other == side else {})) for other in SIDES]
    reference = a_case(world, people=PEOPLE, consents=[*SIGNED_UP, *consents])
    (word,) = [word for word in world.records(reference, "consents") if word["conditions"]]
    met = [
        {"consent": word["id"], "condition": conditions_met, "how": "The editor saw to it."}
        for conditions_met in word["conditions"]
    ]
    for conditions_met in ([], met[:1], met):
        signed = world.reviewer.add(reference, "approvals", {"level": "person", "conditions_met": conditions_met})
        assert signed.status_code == 201, signed.text
        answer = publish(world, reference, "person")
        assert answer.status_code == (201 if conditions_met == met else 409), answer.text
    assert len(public(world)) == 1


def test_publishing_asks_which_version_was_read(world: World) -> None:
    reference = a_case(world)
    approve(world, reference)
    path, body = f"/v1/cases/{reference}/publications", {"publication_level": "named"}
    tag = world.coordinator.get(f"/v1/cases/{reference}").headers["ETag"]
    assert world.coordinator.post(path, body).status_code == 428
    world.coordinator.patch(f"/v1/cases/{reference}", {"title": "Changed meanwhile"}, If_Match="*")
    assert world.coordinator.post(path, body, If_Match=tag).status_code == 412
    publication = world.coordinator.post(path, body, If_Match="*")
    assert publication.status_code == 201
    assert public(world).keys() == {publication.json()["token"]}
    assert publication.headers["ETag"] == world.coordinator.get(f"/v1/cases/{reference}").headers["ETag"]


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
