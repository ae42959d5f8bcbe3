"""The directory: OS IDs, one row for one name, and no row reveals a hidden case."""

from typing import Any
from uuid import uuid4

import pytest

from appeals.cases.directory import CROCKFORD, os_id
from appeals.vocabulary import Role
from tests.support.cast import Body, World, intake, organisation
from tests.support.standing import NOBODY

VALID = ["IN2019067X1K87G", "BD2023331A1B2CR", "TR2023331H4K9MS"]
UNION: Body = {"name": "Hidden Workers Union", "kind": "union_factory", "country": "BD"}
SECRET: Body = {**UNION, "name": "HIDDEN Workers Únion", "name_local": "লুকানো", "may_be_named": True}
MILL: Body = {"name": "Hidden Mill", "country": "BD"}
SECRET_MILL: Body = {
    **MILL, "name": "HIDDEN mill", "name_local": "মিল", "province": "Dhaka", "product": "Denim", "status": "closed",
    "owner_country": "HK", "owner": {"name": "Owner Holding", "kind": "company", "country": "HK"},
}  # fmt: skip


# OS IDs


@pytest.mark.parametrize("valid", VALID)
def test_an_os_id_is_known_by_its_check_character(valid: str) -> None:
    assert os_id(valid) == valid
    for wrong in set(CROCKFORD) - {valid[-1]}:
        with pytest.raises(ValueError, match="check character"):
            os_id(valid[:-1] + wrong)


@pytest.mark.parametrize(
    "told", ["IN-2019-067-X1K87-G", " IN 2019 067 X1K87G ", "IN2019067X1K87G\n", "IN\u00a02019067X1K87G"]
)
def test_spaces_and_hyphens_do_not_count_in_an_os_id(told: str) -> None:
    assert os_id(told) == "IN2019067X1K87G"


@pytest.mark.parametrize(
    "told",
    [
        "",
        "IN2019067X1K87",
        "IN2019067X1K87GG",
        "in2019067X1K87G",
        "IN2019067x1k87g",
        "XX2019067X1K87G",
        "IN2019000X1K87G",
        "IN2019367X1K87G",
        "IN2O19067X1K87G",
        "IN2019067I1K87G",
        "IN2019067X1L87G",
        "IN٢٠١٩067X1K87G",
        "IN2019067X1K87E",
        "IN_2019067X1K87G",
    ],
)
def test_what_cannot_be_an_os_id_is_refused(told: str) -> None:
    with pytest.raises(ValueError, match=r"must be 15 characters|has a wrong check character"):
        os_id(told)


def test_a_mistyped_os_id_is_refused_where_it_stands(world: World) -> None:
    answer = world.coordinator.post("/v1/facilities", {"name": "A", "country": "IN", "os_id": "IN2019067X1K87E"})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/os_id"]


# One row for one name


def listed(world: World, noun: str, who: str = "coordinator") -> list[Body]:
    """The rows of a directory that somebody is shown."""
    items: list[Body] = world.as_(who).get(f"/v1/{noun}?limit=200").json()["items"]
    return items


def named(world: World, noun: str, who: str = "coordinator") -> set[str]:
    """Their names."""
    return {item["name"] for item in listed(world, noun, who)}


def post(world: World, noun: str, body: Body, who: str = "coordinator") -> Body:
    """List something openly."""
    answer = world.as_(who).post(f"/v1/{noun}", body)
    assert answer.status_code == 201, answer.text
    row: Body = answer.json()
    return row


def test_organisations_of_one_name_kind_and_country_are_one(world: World) -> None:
    first = post(world, "organisations", organisation("Café Union"))
    assert post(world, "organisations", organisation("CAFE  union")) == first
    for other in (
        organisation("Café Union", "ngo"),
        organisation("Café Union", country="IN"),
        organisation("Cafe Unions"),
    ):
        assert post(world, "organisations", other)["id"] != first["id"]
    bengali, other = organisation("শ্রমিক ইউনিয়ন"), organisation("শ্রমিক ইউনিয়ান")
    assert post(world, "organisations", bengali)["id"] != post(world, "organisations", other)["id"]
    assert (
        post(world, "organisations", organisation("!?"))["id"] != post(world, "organisations", organisation("?!"))["id"]
    )


def test_a_facility_is_one_by_its_os_id_or_else_by_name_and_country(world: World) -> None:
    with_id = post(world, "facilities", {"name": "Mill", "country": "IN", "os_id": "IN-2019-067-X1K87-G"})
    assert with_id["os_id"] == "IN2019067X1K87G"
    again = post(world, "facilities", {"name": "Another Name", "country": "IN", "os_id": "IN2019067X1K87G"})
    assert again == with_id
    without = post(world, "facilities", {"name": "Mill", "country": "IN"})
    assert without["id"] != with_id["id"]
    assert post(world, "facilities", {"name": "MILL", "country": "IN"}) == without
    assert post(world, "facilities", {"name": "Mill", "country": "BD"})["id"] != without["id"]


def test_a_facility_keeps_what_it_was_listed_with(world: World) -> None:
    made = post(world, "facilities", SECRET_MILL)
    owner = next(row for row in listed(world, "organisations") if row["name"] == "Owner Holding")
    expected = {**SECRET_MILL, "owner_id": owner["id"], "os_id": None, "id": made["id"]}
    del expected["owner"]
    assert made == expected
    assert made in listed(world, "facilities", "dashboard")


def test_a_party_may_name_a_row_by_its_id(world: World) -> None:
    brand = post(world, "organisations", organisation("Open Brand", "company", "SE"))
    reference = world.case()
    party = world.coordinator.add(reference, "parties", {"role": "brand", "organisation": brand["id"]})
    assert (party.status_code, party.json()["organisation_id"]) == (201, brand["id"])
    assert party.json()["name"] == brand["name"]
    for noun in ("organisation", "facility"):
        absent = world.coordinator.add(reference, "parties", {"role": "brand", noun: NOBODY})
        assert [error["pointer"] for error in absent.json()["errors"]] == [f"/{noun}"]
    absent = world.coordinator.post("/v1/facilities", {**MILL, "owner": NOBODY})
    assert [error["pointer"] for error in absent.json()["errors"]] == ["/owner"]


# What a hidden case names


def hidden_case(world: World, visibility: str = "sealed") -> None:
    """A case that only the coordinators of the office see, naming a union and a mill with every detail."""
    parties = [
        {"role": "workers_union", "organisation": SECRET},
        {"role": "employer", "facility": SECRET_MILL},
    ]
    world.case(visibility=visibility, requesting_organisation=SECRET, records={"parties": parties})


def own_case(world: World, who: str = "europe caseworker", **changed: Any) -> str:
    """A case of somebody else that names the same union and mill in their own words."""
    parties = [{"role": "workers_union", "organisation": UNION}, {"role": "employer", "facility": MILL}]
    return world.case(who, requesting_organisation=UNION, records={"parties": parties}, **changed)


def test_what_only_a_hidden_case_names_is_in_nobodys_directory(world: World) -> None:
    hidden_case(world)
    for who in ("europe coordinator", "asia reader", "partner", "admin", "dashboard"):
        assert listed(world, "organisations", who) == []
        assert listed(world, "facilities", who) == []
    assert named(world, "organisations") == {SECRET["name"]}
    assert named(world, "facilities") == {SECRET_MILL["name"]}


def test_the_parties_of_a_case_are_shown_to_those_who_work_on_it_only(world: World) -> None:
    hidden_case(world, "network")
    assert listed(world, "organisations", "europe caseworker") == []
    assert listed(world, "organisations", "reader") == []
    assert named(world, "organisations", "caseworker") == {SECRET["name"]}


@pytest.mark.parametrize("noun", ["organisations", "facilities"])
def test_listing_what_a_hidden_case_names_gives_back_what_was_sent_and_no_more(world: World, noun: str) -> None:
    sent = {"organisations": UNION, "facilities": MILL}[noun]
    untouched = post(world, noun, {**sent, "name": "Never Named Before"}, "europe caseworker")
    hidden_case(world)
    made = post(world, noun, sent, "europe caseworker")
    assert {**made, "id": "", "name": ""} == {**untouched, "id": "", "name": ""}
    assert made["name"] == sent["name"]
    assert [row for row in listed(world, noun, "europe caseworker") if row["id"] == made["id"]] == [made]


def test_each_team_is_shown_a_row_in_the_words_of_its_own_case(world: World) -> None:
    hidden_case(world)
    own_case(world)
    union, mill = (
        listed(world, "organisations", "europe caseworker")[0],
        listed(world, "facilities", "europe caseworker")[0],
    )
    assert {name: union[name] for name in SECRET} == {**UNION, "name_local": None, "may_be_named": False}
    details = ("name", "name_local", "province", "owner_id", "owner_country", "product", "status")
    assert [mill[name] for name in details] == ["Hidden Mill", None, None, None, None, None, "unknown"]
    ours = {row["id"]: row for row in listed(world, "organisations")}
    assert {name: ours[union["id"]][name] for name in SECRET} == SECRET


def test_what_is_listed_openly_is_one_row_for_everybody(world: World) -> None:
    hidden_case(world)
    made = post(world, "organisations", UNION, "europe caseworker")
    assert listed(world, "organisations") == [made]
    again = own_case(world, "coordinator")
    assert listed(world, "organisations") == [made]
    party = world.records(again, "parties")[0]
    assert party["organisation_id"] == made["id"]


def test_an_id_tells_no_time(world: World) -> None:
    """An id in the order of time would tell that a row is older than its listing: somebody named it before."""
    for noun, body in (("organisations", UNION), ("facilities", MILL)):
        assert post(world, noun, body)["id"][14] == "4"


def test_the_answer_that_makes_a_party_tells_nothing_of_the_row(world: World) -> None:
    hidden_case(world)
    reference = own_case(world)
    party = world.as_("europe caseworker").add(reference, "parties", {"role": "agent", "organisation": UNION})
    assert party.status_code == 201
    assert party.json()["name"] == UNION["name"]
    assert SECRET["name"] not in party.text


def test_hidden_namings_make_no_duplicate(world: World) -> None:
    hidden_case(world)
    answer = world.as_("europe caseworker").post("/v1/cases", intake(requesting_organisation=UNION))
    assert answer.json()["possible_duplicates"] == []


def test_an_id_of_what_one_may_not_know_is_the_id_of_nothing(world: World) -> None:
    hidden = {**organisation("Hidden Group", "company"), "name_local": "hidden local name"}
    sealed = world.case(visibility="sealed", records={"parties": [{"role": "brand", "organisation": hidden}]})
    number = next(p["organisation_id"] for p in world.records(sealed, "parties") if p["role"] == "brand")
    partner = world.as_("partner")
    own = world.case("partner", records={})
    says = set()
    for guess in (number, str(uuid4())):
        place = {"name": "Ninth Stitch", "country": "BD", "owner": guess}
        tries = [
            partner.add(own, "parties", {"role": "brand", "organisation": guess}),
            partner.add(own, "parties", {"role": "employer", "facility": place}),
            partner.post("/v1/facilities", place),
            partner.post("/v1/cases", intake(requesting_organisation=guess, records={})),
        ]
        says.add(tuple((answer.status_code, answer.text) for answer in tries))
        assert {answer.status_code for answer in tries} == {422}
    assert len(says) == 1
    assert "hidden" not in partner.get("/v1/organisations?limit=200").text
    again = world.coordinator.add(sealed, "parties", {"role": "retailer", "organisation": number})
    assert again.status_code == 201


def test_only_an_admin_over_the_parent_adds_an_entity_and_there_is_one_root(world: World) -> None:
    admin = world.newcomer("europe admin", Role.ADMIN, entity="Europe")
    body = {"name": "New Member", "kind": "member", "parent": "South Asia"}
    assert admin.post("/v1/entities", body).status_code == 403
    assert admin.post("/v1/entities", {**body, "parent": "Europe Production"}).status_code == 201
    root = {"name": "Root", "kind": "international_office", "parent": "Europe"}
    assert admin.post("/v1/entities", root).status_code == 422
