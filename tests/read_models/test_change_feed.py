"""The change feed: every change that the caller may see, in the order of commits, none missed, none twice."""

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import func, insert, not_, select, update

from appeals.accounts.account import grants_of
from appeals.accounts.caller import Caller
from appeals.cases.case import Case
from appeals.cases.change_log import Change
from appeals.database.engine import Database
from appeals.database.xid_order import below_xmin, current_xid
from appeals.lifecycle.due_dates import process_due
from appeals.read_models import change_feed
from appeals.vocabulary import Role
from tests.support.cast import World, settle
from tests.support.feed import read_changes
from tests.support.live import live
from tests.support.size import examples

__all__ = ["live"]
EVENTS = examples(240, share=10)
WRITERS, READERS = 8, 10


def test_a_reader_hears_of_each_write_once_with_the_case_as_it_stands(world: World) -> None:
    first, second = world.case(), world.case()
    items, place = read_changes(world.coordinator)
    assert [(item["kind"], item["reference"]) for item in items] == [("changed", first), ("changed", second)]
    line = next(item for item in world.coordinator.get("/v1/cases").json()["items"] if item["reference"] == first)
    assert items[0]["case"] == line
    world.take(first, "screening")
    items, place = read_changes(world.coordinator, place)
    assert [(item["reference"], item["version"], item["case"]["status"]) for item in items] == [(first, 2, "screening")]
    assert read_changes(world.coordinator, place)[0] == []


def test_pages_and_whole_tell_the_same(world: World) -> None:
    for _ in range(7):
        world.case()
    assert read_changes(world.coordinator, limit=2)[0] == read_changes(world.coordinator, limit=200)[0]


def test_what_is_hidden_is_told_to_nobody_and_what_is_taken_out_of_sight_is_removed(world: World) -> None:
    reader, hidden = world.as_("reader"), world.case(visibility="sealed")
    reference = world.case()
    items, place = read_changes(reader)
    assert [item["reference"] for item in items] == [reference]
    world.coordinator.patch(f"/v1/cases/{hidden}", {"title": "Still hidden"}, If_Match="*")
    assert read_changes(reader, place)[0] == []
    world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": "sealed"}, If_Match="*")
    world.coordinator.patch(f"/v1/cases/{reference}", {"title": "Unheard of"}, If_Match="*")
    items, place = read_changes(reader, place)
    assert [{**item, "at": ""} for item in items] == [
        {"kind": "removed", "at": "", "reference": reference, "version": None, "case": None}
    ]
    world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": "network"}, If_Match="*")
    items, _ = read_changes(reader, place)
    assert [(item["kind"], item["case"]["title"]) for item in items] == [("changed", "Unheard of")]


def test_a_reader_from_the_beginning_hears_nothing_of_what_is_hidden_now(world: World) -> None:
    """Also when their roles of today would have shown it to them then: they may not have held them."""
    reference = world.case()
    _, before = read_changes(world.as_("reader"))
    world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": "sealed"}, If_Match="*")
    newcomer = world.newcomer("somebody", Role.READER, entity="International Office")
    for person in (world.as_("reader"), newcomer, world.as_("europe reader")):
        assert read_changes(person)[0] == []
        assert read_changes(person)[0] == []  # the quick way
    assert [item["kind"] for item in read_changes(world.as_("reader"), before)[0]] == ["removed"]


def test_who_began_before_a_case_was_hidden_is_told_in_whatever_pages_they_read(world: World) -> None:
    references, reader = [world.case() for _ in range(4)], world.as_("reader")
    settle(reader)
    first = reader.get("/v1/changes?limit=2").json()
    world.coordinator.patch(f"/v1/cases/{references[0]}", {"visibility": "sealed"}, If_Match="*")
    kinds = [(item["kind"], item["reference"]) for item in read_changes(reader, first["next"], limit=2)[0]]
    assert kinds == [("changed", references[2]), ("changed", references[3]), ("removed", references[0])]


def test_a_poll_that_finds_nothing_names_the_place_it_has_read_up_to(world: World) -> None:
    world.case(visibility="sealed")
    person = world.as_("europe reader")
    _, place = read_changes(person)
    for _ in range(3):
        world.case(visibility="sealed")
    settle(person)
    tag = person.get(f"/v1/changes?since={place}").headers["etag"]
    for _ in range(3):
        answer = person.get(f"/v1/changes?since={place}", If_None_Match=tag)
        assert answer.status_code == 304
        named = answer.headers["link"].removeprefix("<").removesuffix('>; rel="next"')
        assert named != f"/v1/changes?since={place}"
        assert person.get(named).json()["items"] == []


@pytest.mark.parametrize(
    "query",
    ["since=", "since={place}&since={place}", "wait=31", "wait=abc", "wait=1&wait=1", "since={place}&unknown=1"],
)
def test_what_the_door_refuses_is_refused_the_second_time_too(world: World, query: str) -> None:
    world.case()
    _, place = read_changes(world.coordinator)
    for _ in range(2):
        assert world.coordinator.get(f"/v1/changes?since={place}").status_code == 200
        assert world.coordinator.get(f"/v1/changes?{query.format(place=place)}").status_code == 422
    assert world.coordinator.get(f"/v1/cases?since={place}").status_code == 422
    assert world.coordinator.get("/v1/cases?wait=5").status_code == 422


def test_a_place_is_taken_however_its_parameter_is_spelt(world: World) -> None:
    world.case()
    _, place = read_changes(world.coordinator)
    for _ in range(3):
        assert world.coordinator.get(f"/v1/changes?%73ince={place}").json()["items"] == []


def test_who_leaves_the_team_or_broke_the_glass_for_a_day_hears_that_it_is_gone(world: World) -> None:
    reference = world.case(visibility="sealed")
    other = world.newcomer("another coordinator", Role.COORDINATOR)
    assert read_changes(other)[0] == []
    _, place = read_changes(other)
    assert other.post(f"/v1/cases/{reference}/break-glass", {"reason": "Nobody can be reached"}).status_code == 201
    items, place = read_changes(other, place)
    assert [item["kind"] for item in items] == ["changed"]
    with world.database.reading() as session:
        until = max(member.until for member in session.scalars(select(Case)).one().team if member.until)
    process_due(world.database, until)
    items, _ = read_changes(other, place)
    assert [(item["kind"], item["reference"]) for item in items] == [("removed", reference)]


@pytest.mark.parametrize("altered", ["", "x", "A" * 60, "ä"])
def test_a_place_that_was_never_given_is_refused(world: World, altered: str) -> None:
    _, place = read_changes(world.coordinator)
    assert world.coordinator.get(f"/v1/changes?since={place[:-2]}{altered or 'AA'}").status_code == 422
    assert world.caseworker.get(f"/v1/changes?since={place}").status_code == 422


def test_places_tell_nothing_of_what_others_did(world: World) -> None:
    """They are as long after a thousand hidden changes as before, and hold no number that could be read."""
    reader = world.as_("reader")
    _, before = read_changes(reader)
    world.case(visibility="sealed")
    _, after = read_changes(reader)
    assert len(before) == len(after)
    assert before[:16] != after[:16]


def test_whose_roles_changed_begins_anew(world: World) -> None:
    person = world.newcomer("somebody", Role.READER, entity="Europe")
    _, place = read_changes(person)
    world.give(person.account, "reader", "South Asia")
    for _ in range(2):
        answer = person.get(f"/v1/changes?since={place}")
        assert (answer.status_code, answer.json()["code"]) == (410, "feed.begin_anew")
    assert read_changes(person)[0] == []


def test_a_poll_that_finds_nothing_new_is_a_304(world: World) -> None:
    world.case()
    _, place = read_changes(world.coordinator)
    for _ in range(3):
        empty = world.coordinator.get(f"/v1/changes?since={place}")
        again = world.coordinator.get(f"/v1/changes?since={place}", If_None_Match=empty.headers["etag"])
        assert (again.status_code, again.content) == (304, b"")
    world.case()
    settle(world.coordinator)
    assert len(world.coordinator.get(f"/v1/changes?since={place}", If_None_Match=empty.headers["etag"]).json()["items"])


def test_nobody_hears_that_a_case_they_do_not_see_was_linked_to_one_they_see(world: World) -> None:
    seen, hidden = world.case(visibility="network"), world.case(visibility="sealed")
    follower, keeper = world.as_("europe reader"), world.coordinator
    _, place = read_changes(follower)
    _, kept = read_changes(keeper)
    assert keeper.add(hidden, "links", {"kind": "same_event", "other": seen}).status_code == 201
    items = keeper.get(f"/v1/changes?since={kept}&wait=10").json()["items"]
    assert [item["reference"] for item in items] == [hidden]
    assert read_changes(follower, place)[0] == []


# Many writers that commit out of order, many readers that pause and begin again


class Log:
    """What one reader heard: the changes in the order it was told of them."""

    def __init__(self) -> None:
        self.heard: list[int] = []


def write(database: Database, turns: threading.Semaphore, case_id: UUID, events: int, seed: int) -> None:
    """Write changes, each in a transaction that stays open for up to 10 ms."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for number in range(events):
        with turns, database.writing() as session:
            values = {"case_id": case_id, "at": datetime.now(UTC), "version": number + 1}
            session.execute(insert(Change).values(transaction_id=current_xid(), **values))
            time.sleep(chance.random() / 100)
            if chance.random() < 0.05:
                session.rollback()


def read(database: Database, caller: Caller, log: Log, done: threading.Event, seed: int) -> None:
    """Read on from where one was, with pauses, until all is written and settled: others use the same server."""
    chance = random.Random(seed)  # noqa: S311
    place, page = change_feed.BEGINNING, change_feed.changes_for(caller, change_feed.FROM_START, 50)
    while True:
        last = done.is_set()
        with database.reading() as session:
            rows = session.execute(
                page, change_feed.parameters(change_feed.ReadRange(place, change_feed.BEGINNING))
            ).all()
            now = session.execute(select(*change_feed.head_position())).one()
            running = session.scalar(select(func.count(Change.id)).where(not_(below_xmin(Change.transaction_id))))
        log.heard += [row[1] for row in rows[:50]]
        place = change_feed.next_position(rows, 50, (now[0], now[1]))
        if last and not rows and not running:
            return
        time.sleep(chance.random() / 5)


def race(world: World, reader: Callable[..., None] = read) -> tuple[list[int], list[list[int]]]:
    """Let writers and readers go; the changes that were committed, in the feed's order, and what each reader heard."""
    world.case()
    with world.database.reading() as session:
        case_id = session.scalars(select(Case.id)).one()
        held = grants_of(session, UUID(world.coordinator.account))
        caller = Caller(
            account_id=UUID(world.coordinator.account), name="coordinator", grants=held, now=datetime.now(UTC)
        )
    turns = threading.Semaphore(world.database.writes_at_once)  # those who write queue, as they do at the operations
    logs, done = [Log() for _ in range(READERS)], threading.Event()
    readers = [
        threading.Thread(target=reader, args=(world.database, caller, log, done, seed)) for seed, log in enumerate(logs)
    ]
    writers = [
        threading.Thread(target=write, args=(world.database, turns, case_id, EVENTS // WRITERS, seed))
        for seed in range(WRITERS)
    ]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    with world.database.reading() as session:
        written = list(session.scalars(select(Change.id).order_by(Change.transaction_id, Change.id)))
    return written, [log.heard for log in logs]


@pytest.mark.soak
def test_no_change_is_missed_and_none_told_twice_in_one_order_for_all(world: World) -> None:
    written, heard = race(world)
    assert len(written) > EVENTS * 0.8
    assert all(log == written for log in heard)


def test_by_their_numbers_alone_changes_would_be_missed(world: World) -> None:
    """The control: where several transactions write at once, who reads on from the highest number misses some."""

    def by_number(database: Database, _: Caller, log: Log, done: threading.Event, seed: int) -> None:
        while True:
            last = done.is_set()
            with database.reading() as session:
                newer = select(Change.id).where(Change.id > (log.heard or [0])[-1]).order_by(Change.id)
                found = list(session.scalars(newer))
            log.heard += found
            if last and not found:
                return
            time.sleep(seed / 100)

    written, heard = race(world, by_number)
    missing = any(set(log) != set(written) for log in heard)
    assert missing is not world.database.embedded


def test_who_had_no_role_for_a_while_begins_anew_and_hears_of_nothing_between(world: World) -> None:
    reader, admin = world.as_("europe reader"), world.as_("admin")
    _, place = read_changes(reader)
    (held,) = reader.get("/v1/me").json()["memberships"]
    assert admin.post(f"/v1/memberships/{held['id']}/ending", {}).status_code == 201
    reference = world.case(visibility="network")
    world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": "sealed"}, If_Match="*")
    world.give(reader.account, held["role"], held["entity_name"])
    settle(reader)
    answer = reader.get(f"/v1/changes?since={place}")
    assert (answer.status_code, answer.json()["code"]) == (410, "feed.begin_anew")
    assert read_changes(reader)[0] == []


# A database restored from a copy


def test_after_a_copy_was_restored_everybody_begins_anew(world: World) -> None:
    first = world.case()
    _, place = read_changes(world.coordinator)
    with world.database.writing() as session:
        change_feed.reset_feed(session)
    for _ in range(2):
        answer = world.coordinator.get(f"/v1/changes?since={place}")
        assert (answer.status_code, answer.json()["code"]) == (410, "feed.begin_anew")
    second = world.case()
    assert [item["reference"] for item in read_changes(world.coordinator)[0]] == [first, second]


def test_changes_that_were_numbered_on_another_server_are_noticed(world: World) -> None:
    world.case()
    with world.unprotected() as session:
        assert not change_feed.count_foreign_changes(session)
        session.execute(update(Change).values(transaction_id=2**40))
        assert change_feed.count_foreign_changes(session)
    if not world.database.embedded:
        assert world.coordinator.get("/v1/changes").json()["items"] == []
    with world.database.writing() as session:
        change_feed.reset_feed(session)
        assert not change_feed.count_foreign_changes(session)
    assert len(read_changes(world.coordinator)[0]) == 1
