"""Comparison for duplicates: limited, by blocking keys, and never while others wait for it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import combinations, product
from random import Random
from threading import Barrier, BrokenBarrierError
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, event, func, select

from appeals.api.routes import cases
from appeals.cases.case import Case
from appeals.cli.maintenance import rebuild_missing
from appeals.read_models import name_similarity
from appeals.read_models.name_similarity import BlockingKey, are_alike, blocking_keys, keys_of_case, names_of_party
from appeals.reports import case_comparison
from appeals.reports import duplicates as duplicates_report
from appeals.reports.duplicates import Comparison, Duplicate
from tests.support.cast import Body, Person, World, day, intake, organisation
from tests.support.crisis import ONCE, TWICE, UNIONS
from tests.support.duplicates import TWICE_TOLD, UNSEEN, duplicates
from tests.support.size import examples

FIRST = ("Golden", "Blue", "Star", "Delta", "Padma", "Meghna", "Royal", "Lucky", "Aurora", "Titas", "Falcon", "Nova")
SECOND = ("Stitch", "Loom", "Thread", "Needle", "Leaf", "Harbour", "Lace", "Sewing", "Ocean", "Dream", "Craft", "Point")


def employer(name: str, **told: Any) -> Body:
    """A workplace as a party."""
    return {"role": "employer", "facility": {"name": name, "country": "BD", **told}}


def appeal(name: str, by: str = "Union A", **changed: Any) -> Body:
    """An appeal for a workplace, by a union."""
    told = {"requesting_organisation": organisation(by), "records": {"parties": [employer(name)]}}
    return {**told, **changed}


def told_to(person: Person, body: Body) -> dict[str, list[str]]:
    """The duplicates that somebody is told of when they log an appeal."""
    answer = person.post("/v1/cases", intake(**body))
    assert answer.status_code == 201, answer.text
    return {found["reference"]: found["reasons"] for found in answer.json()["possible_duplicates"]}


# Keys


def misspelt(chance: Random, name: str) -> str:
    """A name with one or two letters wrong, missing or too many."""
    events = list(name)
    for _ in range(chance.randint(1, 2)):
        at, event = chance.randrange(len(events)), chance.choice("abcdefghijklmnoprstuvyz")
        events[at : at + chance.randint(0, 1)] = [event] * chance.randint(0, 1)
    return "".join(events)


def share_a_key(one: str, other: str) -> bool:
    return not set(blocking_keys(one)).isdisjoint(blocking_keys(other))


def test_names_that_are_alike_share_a_key() -> None:
    pairs = [pair for pair in (*TWICE, *UNSEEN, *TWICE_TOLD) if are_alike(*pair)]
    assert len(pairs) > 30
    assert [pair for pair in pairs if not share_a_key(*pair)] == []


@pytest.mark.soak
def test_names_that_are_misspelt_and_still_alike_nearly_always_share_a_key() -> None:
    chance = Random(0)  # noqa: S311 - no secret
    names = [f"{one} {other} Garments Ltd" for one, other in product(FIRST, SECOND)] + ONCE + UNIONS
    pairs = [(name, misspelt(chance, name)) for name in names for _ in range(examples(4, share=0.1))]
    alike = [pair for pair in pairs if are_alike(*pair)]
    assert len(alike) > len(names)
    assert sum(share_a_key(*pair) for pair in alike) > 0.97 * len(alike)


def test_few_names_that_are_not_alike_share_a_key() -> None:
    names = [f"{one} {other}" for one, other in zip(FIRST, SECOND, strict=True)]
    assert sum(share_a_key(*pair) for pair in combinations(names, 2)) < 5


def test_a_name_without_consonants_is_found_by_itself(world: World) -> None:
    first = world.case(**appeal("33"))
    assert told_to(world.coordinator, appeal("33", "Union B")) == {first: ["same employer", *BESIDE]}
    assert told_to(world.coordinator, appeal("34", "Union B")) == {}


BESIDE = ["same violations", "same days"]


def test_one_workplace_by_its_os_id_is_found_whatever_it_is_called(world: World) -> None:
    number = "IN2019067X1K87G"
    first = world.case(**appeal("", records={"parties": [employer("Old Name Mills", os_id=number)]}))
    again = appeal("", "Union B", records={"parties": [employer("Quite Another", os_id=number)]})
    assert told_to(world.coordinator, again) == {first: ["same employer", *BESIDE]}


def test_a_party_that_is_added_later_is_found(world: World) -> None:
    first = world.case(records={}, requesting_organisation=organisation("Union A"))
    assert world.coordinator.add(first, "parties", employer("Golden Loom Ltd")).status_code == 201
    told = told_to(world.coordinator, appeal("গোল্ডেন লুম লিমিটেড", "Federation B"))
    assert told == {first: ["employer of a like name", *BESIDE]}


@pytest.mark.parametrize("names_one", [True, False])
def test_a_case_that_names_no_workplace_meets_those_that_do(world: World, names_one: bool) -> None:
    both = [appeal("Golden Loom Ltd"), appeal("", records={})]
    first = world.case(**both[names_one])
    assert told_to(world.coordinator, both[not names_one]) == {first: ["same requester", *BESIDE]}


@pytest.mark.behind_the_back
def test_cases_of_an_older_release_get_their_keys_with_the_migration(world: World) -> None:
    first = world.case()
    with world.unprotected() as session:
        session.execute(delete(BlockingKey))
    assert duplicates(world) == {}
    rebuild_missing(world.database)
    assert first in duplicates(world)
    with world.database.reading() as session:
        for case in session.scalars(select(Case)):
            kept = session.scalars(select(BlockingKey.key).where(BlockingKey.case_id == case.id))
            parties = [names_of_party(party.role, party.named) for party in case.parties]
            assert set(kept) == set(keys_of_case(case.country, parties))


# Bounded


def hundred(turn: int) -> Body:
    """An appeal for a hundred workplaces whose names have words in common and are not alike."""
    parties = [employer(f"Bright {one}{other} {turn}") for one, other in list(product(FIRST, SECOND))[:100]]
    return {"requesting_organisation": organisation("Union A"), "records": {"parties": parties}}


def test_an_appeal_for_a_hundred_workplaces_is_compared_by_so_many_names_at_most(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[str, ...]] = []

    def never_alike(*pair: str) -> bool:
        compared.append(pair)
        return False

    monkeypatch.setattr(case_comparison, "are_alike", never_alike)
    monkeypatch.setattr(duplicates_report, "COMPARED", 4)
    for turn in range(6):
        compared.clear()
        world.case(**hundred(turn))
    assert 0 < len(compared) <= duplicates_report.COMPARED * case_comparison.COMPARED_NAMES
    with world.database.reading() as session:
        of_each = session.scalars(select(func.count(BlockingKey.key)).group_by(BlockingKey.case_id)).all()
    assert set(of_each) == {name_similarity.MOST_KEYS}


def test_of_many_alike_the_nearest_days_are_compared(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates_report, "NEAREST", 2)
    by_age = {ago: world.case(**appeal("Golden Loom", received_on=day(ago))) for ago in (40, 10, 29, 35, 31, 20)}
    told = told_to(world.coordinator, appeal("Golden Loom", received_on=day(30)))
    assert set(told) == {by_age[ago] for ago in (35, 31, 29, 20)}


def test_those_that_share_most_keys_are_compared(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates_report, "COMPARED", 1)
    first = world.case(**appeal("Golden Loom Ltd"))
    for name in ("Golden Vision", "Golden Craft", "Golden Harbour"):
        world.case(**appeal(name))
    assert list(told_to(world.coordinator, appeal("গোল্ডেন লুম", "Union B"))) == [first]


def test_cases_that_are_hidden_take_no_place(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates_report, "NEAREST", 2)
    monkeypatch.setattr(duplicates_report, "COMPARED", 2)
    seen = [world.case("europe coordinator", **appeal("Golden Loom", received_on=day(20))) for _ in range(2)]
    for _ in range(3):
        world.case(**appeal("Golden Loom"))
    assert set(told_to(world.as_("europe coordinator"), appeal("Golden Loom"))) == set(seen)


# Others do not wait


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Functions that are called when a request was compared, one with each, before it is written."""
    calls: list[Any] = []

    def then(*given: Any) -> Comparison:
        made = duplicates_report.compare(*given)
        if calls:
            calls.pop(0)()
        return made

    monkeypatch.setattr(cases, "compare", then)
    yield calls
    assert calls == []


def test_another_writes_while_a_request_is_compared(world: World, meanwhile: list[Any]) -> None:
    other = world.case()
    change = {"priority": "high"}
    answers: list[int] = []
    meanwhile.append(
        lambda: answers.append(world.coordinator.patch(f"/v1/cases/{other}", change, If_Match="*").status_code)
    )
    assert other in duplicates(world)
    assert answers == [200]


@pytest.mark.parametrize("twins", [2, 4])
def test_of_twins_that_are_sent_at_once_the_later_are_told_of_the_earlier(
    world: World, meanwhile: list[Any], monkeypatch: pytest.MonkeyPatch, twins: int
) -> None:
    all_compared, all_told = Barrier(twins), Barrier(twins)
    bodies = [appeal("Golden Loom Ltd", f"Union {number}") for number in range(twins)]
    for body in bodies:  # who they name is in the directory: to list it would keep them waiting for each other
        world.case(**body, country="IN")

    def then_wait(*given: Any) -> list[Duplicate]:
        told = duplicates_report.possible_duplicates(*given)
        with suppress(BrokenBarrierError):  # others wait for this one
            all_told.wait(0.3)
        return told

    monkeypatch.setattr(cases, "possible_duplicates", then_wait)
    meanwhile += [lambda: all_compared.wait(30)] * twins
    with ThreadPoolExecutor(twins) as senders:
        told = list(senders.map(lambda body: told_to(world.coordinator, body), bodies))
    assert sorted(map(len, told)) == list(range(twins))


def test_what_was_committed_since_is_told_with_its_reasons(world: World, meanwhile: list[Any]) -> None:
    added: list[str] = []
    meanwhile.append(lambda: added.append(world.case(**appeal("Golden Loom Ltd"))))
    meanwhile.append(lambda: None)
    told = told_to(world.coordinator, appeal("গোল্ডেন লুম লিমিটেড", "Union B"))
    assert told == {added[0]: ["employer of a like name", *BESIDE]}


def test_what_was_committed_since_and_is_not_alike_is_not_told(world: World, meanwhile: list[Any]) -> None:
    meanwhile.append(lambda: world.case(**appeal("Royal Needle")))
    meanwhile.append(lambda: None)
    assert told_to(world.coordinator, appeal("Golden Loom Ltd")) == {}


def test_what_changed_since_is_compared_as_it_stands(world: World, meanwhile: list[Any]) -> None:
    first = world.case(**appeal("Golden Loom Ltd", violations=[{"code": "lockout"}]))
    meanwhile.append(lambda: world.coordinator.add(first, "violations", {"code": "antiunion_dismissal"}))
    assert told_to(world.coordinator, appeal("Golden Loom Ltd")) == {
        first: ["same employer", "same requester", *BESIDE]
    }


def test_what_was_hidden_since_is_not_told(world: World, meanwhile: list[Any]) -> None:
    first = world.case("asia coordinator", entity="South Asia", **appeal("Golden Loom Ltd"))
    sealed = {"visibility": "sealed"}
    meanwhile.append(lambda: world.as_("asia coordinator").patch(f"/v1/cases/{first}", sealed, If_Match="*"))
    assert told_to(world.coordinator, appeal("Golden Loom Ltd")) == {}


@pytest.mark.parametrize("who", ["reader", "auditor"])
def test_who_may_not_log_an_appeal_has_none_compared(world: World, monkeypatch: pytest.MonkeyPatch, who: str) -> None:
    monkeypatch.setattr(cases, "compare", None)
    assert world.as_(who).post("/v1/cases", intake()).status_code == 403
    assert world.coordinator.post("/v1/cases", {}).status_code == 422


def test_an_id_that_the_sender_may_not_know_is_refused_as_ever(world: World) -> None:
    answer = world.coordinator.post("/v1/cases", intake(requesting_organisation=str(UUID(int=1))))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/requesting_organisation")


def test_to_write_a_case_takes_the_database_no_more_steps_among_many(world: World) -> None:
    """SQLite looks through whole tables for rows that wait for one they refer to, if these are written first."""
    if not world.database.embedded:
        pytest.skip("a server checks references when the transaction ends")
    few, many = steps_to_log(world), 0
    for _ in range(40):
        many = steps_to_log(world)
    assert many < 1.5 * few


def steps_to_log(world: World) -> int:
    """How many steps of its machine SQLite takes for the inserts of an intake."""
    taken: list[int] = []

    def count(connection: Any, statement: str, *, end: bool) -> None:
        if statement.startswith("INSERT"):
            driver = connection.connection.driver_connection
            driver.set_progress_handler(None if end else lambda: taken.append(1), 10)

    def before(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        count(connection, statement, end=False)

    def after(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        count(connection, statement, end=True)

    engine = world.database.engine
    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    world.case(**appeal("Golden Stitch"))
    event.remove(engine, "before_cursor_execute", before)
    event.remove(engine, "after_cursor_execute", after)
    return 10 * len(taken)
