"""What auditors read: keyed names in place of sealed cases and of cases that do not exist.

Who knows the reference, or asks for it, finds out nothing by the log.
"""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from appeals.vocabulary import Role
from tests.support.cast import Body, Person, World
from tests.support.standing import ABSENT

KEYED = re.compile(r"keyed-[A-Za-z0-9_-]+")
GLASS = {"reason": "A hearing tomorrow, and nobody can be reached."}


def read(auditor: Person, query: str = "") -> list[Body]:
    """The entries an auditor reads, but for the use of keys and intakes, which name nothing; oldest first."""
    answer = auditor.get(f"/v1/access-log?limit=200&{query}")
    assert answer.status_code == 200, answer.text
    return [
        entry
        for entry in answer.json()["items"][::-1]
        if entry["kind"] != "key" and entry["operation"] != "create_case"
    ]


def names(entries: Iterable[Body]) -> set[str]:
    """All that entries are about."""
    return {subject for entry in entries for subject in entry["subjects"]}


def by(entries: Iterable[Body], who: Person) -> list[Body]:
    """The entries of an account."""
    return [entry for entry in entries if entry["account_id"] == who.account]


def sealed_case(world: World) -> str:
    return world.case("asia coordinator", visibility="sealed")


def auditor_of(world: World, entity: str) -> Person:
    return world.newcomer(f"auditor of {entity}", Role.AUDITOR, entity=entity)


def test_of_a_sealed_case_neither_the_reference_nor_an_id_is_read(world: World) -> None:
    team, auditor, reference = world.as_("asia coordinator"), world.as_("auditor"), sealed_case(world)
    path = f"/v1/cases/{reference}"
    party = team.get(f"{path}/parties").json()["items"][0]["id"]
    team.get(f"{path}/parties/{party}")
    team.get("/v1/cases", Accept="text/csv")
    team.post(f"{path}/openings", {"fields": ["narrative"], "reason": "To call them back."})
    world.coordinator.post(f"{path}/break-glass", GLASS)
    world.coordinator.patch(f"{path}/parties/{party}", {})
    world.as_("europe reader").get(f"{path}/parties/{party}")
    world.as_("europe reader").get(path)
    for accept in ("application/json", "text/csv", "application/x-ndjson"):
        text = auditor.get("/v1/access-log?limit=200", Accept=accept).text
        assert "get_parties" in text
        assert reference not in text
        assert party not in text
    kinds = {entry["kind"] for entry in read(auditor)}
    assert kinds >= {"view", "export", "opening", "break_glass", "denial"}


def test_accesses_to_one_sealed_case_are_told_together_and_found_by_its_name(world: World) -> None:
    auditor, one, other = world.as_("auditor"), sealed_case(world), sealed_case(world)
    team, glass = world.as_("asia coordinator"), world.coordinator
    team.get(f"/v1/cases/{one}")
    glass.post(f"/v1/cases/{one}/break-glass", GLASS)
    glass.get(f"/v1/cases/{one}")
    team.get(f"/v1/cases/{other}")
    operations: dict[str, list[str]] = {}
    for entry in read(auditor):
        (name,) = entry["subjects"]
        assert KEYED.fullmatch(name)
        operations.setdefault(name, []).append(entry["operation"])
    assert sorted(map(len, operations.values())) == [1, 3]
    for name, told in operations.items():
        assert [entry["operation"] for entry in read(auditor, f"subject={name}")] == told
    assert read(auditor, f"subject={one}") == []
    both = read(auditor, "&".join(f"subject={name}" for name in operations))
    assert len(both) == 4


def test_what_one_asks_for_and_is_denied_tells_no_name_of_it(world: World) -> None:
    """Neither an auditor's own denied request, nor that of another for them."""
    reference, auditor = sealed_case(world), world.as_("auditor")
    world.as_("asia coordinator").get(f"/v1/cases/{reference}")
    friends = [auditor, world.as_("europe reader"), world.as_("other partner")]
    for who in friends:
        for _ in range(2):
            assert who.get(f"/v1/cases/{reference}").status_code in (403, 404)
    entries = read(auditor)
    known = names(by(entries, world.as_("asia coordinator")))
    own = [names(by(entries, who)) for who in friends]
    assert all(len(found) == 1 for found in [known, *own])
    assert len(set.union(known, *own)) == 4
    for who, found in zip(friends, own, strict=True):
        assert {entry["account_id"] for entry in read(auditor, f"subject={found.copy().pop()}")} == {who.account}
    assert {entry["kind"] for entry in read(auditor, f"subject={known.pop()}")} == {"view"}


def test_a_sealed_case_and_one_that_never_was_look_alike(world: World) -> None:
    auditor, reference = world.as_("auditor"), sealed_case(world)
    seen = len(read(auditor))
    for who, named in ((world.as_("europe reader"), (reference, ABSENT)), (world.as_("partner"), (ABSENT, reference))):
        for params in named:
            assert who.get(f"/v1/cases/{params}").status_code == 404
    entries = read(auditor)[seen:]
    assert len(names(entries)) == 4
    assert {len(name) for name in names(entries)} == {len(entries[0]["subjects"][0])}
    assert all(KEYED.fullmatch(name) for name in names(entries))
    assert read(auditor, f"subject={ABSENT}") == read(auditor, f"subject={reference}") == []


def test_a_denial_tells_a_reference_only_where_the_auditor_reads_of_it_anyway(world: World) -> None:
    """Else they could look up, by what they or others are denied, whether a reference is one."""
    auditor, reader = auditor_of(world, "Europe"), world.as_("europe reader")
    hidden, asian = world.case("asia coordinator"), auditor_of(world, "South Asia")
    own, unread = world.case("europe coordinator"), world.case("europe coordinator")
    stranger = world.newcomer("stranger", Role.PARTNER, entity="Europe Production")
    for of in (hidden, own):
        world.as_("asia coordinator" if of is hidden else "europe coordinator").get(f"/v1/cases/{of}")
    for params in (hidden, ABSENT):
        assert reader.get(f"/v1/cases/{params}").status_code == 404
        assert auditor.get(f"/v1/cases/{params}").status_code == 404
        assert read(auditor, f"subject={params}") == []
    for params in (own, unread):
        assert stranger.get(f"/v1/cases/{params}").status_code == 404
    denials = [entry for entry in read(auditor) if entry["kind"] == "denial"]
    assert [len(found) for found in (names(by(denials, reader)), names(by(denials, auditor)))] == [2, 2]
    assert all(KEYED.fullmatch(name) for name in names(by(denials, reader)) | names(by(denials, auditor)))
    (first,), (second,) = (entry["subjects"] for entry in by(denials, stranger))
    assert first == own
    assert KEYED.fullmatch(second)
    assert world.as_("other partner").get(f"/v1/cases/{hidden}").status_code == 404
    assert hidden in names(read(asian, "kind=denial"))
    assert hidden in names(read(world.as_("auditor"), "kind=denial"))


def test_what_is_not_sealed_is_read_as_it_is(world: World) -> None:
    auditor = world.as_("auditor")
    references = {world.case(visibility=visibility) for visibility in ("restricted", "regional", "network")}
    party = world.records(min(references), "parties")[0]["id"]
    world.coordinator.get(f"/v1/cases/{min(references)}/parties/{party}")
    for reference in references:
        world.coordinator.get(f"/v1/cases/{reference}")
    assert names(read(auditor)) == references | {party}
    for reference in references:
        assert names(read(auditor, f"subject={reference}")) >= {reference}
    assert names(read(auditor, f"subject={party}")) == {min(references), party}


def test_rows_of_a_case_follow_what_it_is_now(world: World) -> None:
    auditor, reference = world.as_("auditor"), world.case("asia coordinator")
    team, path = world.as_("asia coordinator"), f"/v1/cases/{reference}"
    party = team.get(f"{path}/parties").json()["items"][0]["id"]
    team.get(f"{path}/parties/{party}")
    world.as_("europe reader").get(path)
    before = read(auditor)
    assert reference in names(before)
    assert team.patch(path, {"visibility": "sealed"}, If_Match="*").status_code == 200
    sealed = read(auditor)
    assert not {reference, party} & names(sealed)
    assert [entry["id"] for entry in sealed[: len(before)]] == [entry["id"] for entry in before]
    (name,) = names(entry for entry in sealed if entry["operation"] == "list_parties")
    found = read(auditor, f"subject={name}")
    assert [entry["operation"] for entry in found] == ["list_parties", "get_parties", "amend_case"]
    for hidden in (reference, party):
        assert read(auditor, f"subject={hidden}") == []
    assert team.patch(path, {"visibility": "restricted"}, If_Match="*").status_code == 200
    assert read(auditor)[: len(before)] == before


def test_each_auditor_reads_names_of_their_own(world: World) -> None:
    reference, root, asian = sealed_case(world), world.as_("auditor"), auditor_of(world, "South Asia")
    world.as_("asia coordinator").get(f"/v1/cases/{reference}")
    own, others = names(read(root)), names(read(asian))
    assert (len(own), len(others), own & others) == (1, 1, set())
    assert read(root, f"subject={others.pop()}") == []
    assert read(root, "subject=keyed-AAAA&subject=keyed-%C3%A4") == []


def test_an_export_tells_of_each_case_by_what_it_is(world: World) -> None:
    team = world.as_("asia coordinator")
    shown, sealed = world.case("asia coordinator"), sealed_case(world)
    assert {sealed, shown} <= set(re.findall(r"UA-\w+-\d+-\w+", team.get("/v1/cases", Accept="text/csv").text))
    (export,) = read(world.as_("auditor"), "kind=export")
    assert shown in export["subjects"]
    assert [bool(KEYED.fullmatch(name)) for name in export["subjects"] if name != shown] == [True]
    assert [entry["id"] for entry in read(world.as_("auditor"), f"kind=export&subject={shown}")] == [export["id"]]


def test_with_a_key_that_is_dead_a_denial_tells_no_name_either(world: World) -> None:
    reference, auditor = sealed_case(world), world.as_("auditor")
    unknown = Person(world.client, f"ua_12345678_{'x' * 49}")
    for params in (reference, ABSENT):
        assert unknown.get(f"/v1/cases/{params}").status_code == 401
    entries = [entry for entry in read(auditor) if entry["account_id"] is None]
    assert len(names(entries)) == 2
    for name in names(entries):
        assert KEYED.fullmatch(name)
        assert names(read(auditor, f"subject={name}")) == {name}
    assert not names(entries) & names(entry for entry in read(auditor) if entry["account_id"])


# Whose rows


def test_a_role_that_is_only_proposed_lays_no_account_open_to_an_auditor(world: World) -> None:
    auditor, reader = auditor_of(world, "South Asia"), world.as_("europe reader")
    reader.get(f"/v1/cases/{ABSENT}")
    admin = world.as_("admin")
    path, role = f"/v1/accounts/{reader.account}/memberships", {"role": "reader", "entity": "South Asia"}
    proposed = admin.post(path, role)
    assert (proposed.status_code, proposed.json()["state"]) == (201, "proposed")
    assert by(read(auditor), reader) == []
    confirmation = f"/v1/memberships/{proposed.json()['id']}/confirmation"
    assert world.coordinator.post(confirmation, {}).status_code == 201
    assert len(by(read(auditor), reader)) == 1


def test_a_proposal_that_ended_lays_nothing_open_and_a_role_that_was_held_does(world: World) -> None:
    auditor, admin = auditor_of(world, "South Asia"), world.as_("admin")
    path, role = "/v1/accounts/{}/memberships", {"role": "reader", "entity": "South Asia"}
    people = [world.newcomer(name, Role.READER, entity="Europe") for name in ("asked", "once there")]
    for who in people:
        who.get(f"/v1/cases/{ABSENT}")
        proposed = admin.post(path.format(who.account), role).json()["id"]
        if who is people[1]:
            assert world.coordinator.post(f"/v1/memberships/{proposed}/confirmation", {}).status_code == 201
        assert admin.post(f"/v1/memberships/{proposed}/ending", {}).status_code == 201
    assert [len(by(read(auditor), who)) for who in people] == [0, 1]


@pytest.mark.parametrize("limit", [1, 3])
def test_pages_tell_what_the_whole_tells(world: World, limit: int) -> None:
    auditor = world.as_("auditor")
    for reference in (sealed_case(world), world.case(), sealed_case(world)):
        world.as_("asia coordinator").get(f"/v1/cases/{reference}")
    until = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    whole, path = auditor.get(f"/v1/access-log?limit=200&at_to={until}").json()["items"], ""
    pages: list[Body] = []
    path = f"/v1/access-log?limit={limit}&at_to={until}"
    while path:
        answer = auditor.get(path)
        pages += answer.json()["items"]
        path = answer.headers["Link"].partition(">")[0][1:] if "Link" in answer.headers else ""
    assert json.dumps(pages) == json.dumps(whole)
