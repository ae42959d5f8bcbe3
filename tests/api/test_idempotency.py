"""Idempotency keys: the same request with the same key gives the first answer again, and is done once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response
from sqlalchemy import Connection, func, select, update
from sqlalchemy.orm import Session

from appeals.accounts.account import Account, Membership, grant
from appeals.accounts.api_key import Key
from appeals.accounts.entity import entity_named
from appeals.api.idempotency import IdempotentResponse, claim
from appeals.cases.case import Case
from appeals.database.engine import Database
from appeals.database.failures import Deadlock
from appeals.vocabulary import Role
from tests.support.cast import CONSENTS, PARTIES, Person, World, action, consent, intake, step_input

KEY = "c0ffee00-0000-4000-8000-000000000001"


def cases_in(world: World) -> int:
    """How many cases there are."""
    with world.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Case)) or 0


def same(first: Response, again: Response) -> bool:
    """Whether the second answer is the first one, byte for byte, and says that it is replayed."""
    told = [
        (r.status_code, r.content, *map(r.headers.get, ("ETag", "Location", "Content-Type"))) for r in (first, again)
    ]
    replayed = [answer.headers.get("Idempotency-Replayed") for answer in (first, again)]
    return told[0] == told[1] and replayed == [None, "true"]


def told(answer: Response) -> tuple[int, str]:
    """The status and code of a refusal."""
    return answer.status_code, answer.json()["code"]


# The first answer again


def test_an_intake_sent_again_gives_the_same_case(world: World) -> None:
    first = world.coordinator.post("/v1/cases", intake(), Idempotency_Key=KEY)
    again = world.coordinator.post("/v1/cases", intake(), Idempotency_Key=KEY)
    assert first.status_code == 201
    assert same(first, again)
    assert cases_in(world) == 1


def test_without_a_key_the_same_intake_is_another_case(world: World) -> None:
    world.case()
    world.case()
    assert cases_in(world) == 2


def test_another_key_is_another_case(world: World) -> None:
    for key in ("one", "two"):
        world.coordinator.post("/v1/cases", intake(), Idempotency_Key=key)
    assert cases_in(world) == 2


def test_a_step_sent_again_with_its_stale_tag_gives_its_first_answer(world: World) -> None:
    reference = world.case()
    tag = world.coordinator.get(f"/v1/cases/{reference}").headers["ETag"]
    sending = {"If_Match": tag, "Idempotency_Key": KEY}
    first = world.coordinator.step(reference, "screening", step_input("screening"), **sending)
    again = world.coordinator.step(reference, "screening", step_input("screening"), **sending)
    assert first.status_code == 201
    assert same(first, again)
    assert len(world.history(reference)) == 2


def test_a_step_sent_again_after_the_case_moved_on_gives_its_first_answer(world: World) -> None:
    reference = world.case()
    first = world.coordinator.step(reference, "screening", step_input("screening"), Idempotency_Key=KEY)
    world.take(reference, "verification")
    world.take(reference, "withdrawal")
    again = world.coordinator.step(reference, "screening", step_input("screening"), Idempotency_Key=KEY)
    assert same(first, again)
    assert again.json()["case"]["status"] == "screening"
    assert world.show(reference)["status"] == "closed"


def test_a_step_sent_again_needs_no_tag(world: World) -> None:
    reference = world.case()
    path, body = f"/v1/cases/{reference}/screening", step_input("screening")
    first = world.coordinator.post(path, body, If_Match="*", Idempotency_Key=KEY)
    assert same(first, world.coordinator.post(path, body, Idempotency_Key=KEY))


def test_a_record_sent_again_is_one_record(world: World) -> None:
    reference = world.case()
    first = world.coordinator.add(reference, "actions", action(), Idempotency_Key=KEY)
    again = world.coordinator.add(reference, "actions", action(), Idempotency_Key=KEY)
    assert first.status_code == 201
    assert same(first, again)
    assert len(world.records(reference, "actions")) == 1


def test_a_change_sent_again_gives_its_first_answer(world: World) -> None:
    reference = world.case()
    path = f"/v1/cases/{reference}"
    first = world.coordinator.patch(path, {"priority": "high"}, If_Match="*", Idempotency_Key=KEY)
    world.coordinator.patch(path, {"priority": "low"}, If_Match="*")
    again = world.coordinator.patch(path, {"priority": "high"}, If_Match="*", Idempotency_Key=KEY)
    assert first.status_code == 200
    assert same(first, again)
    assert world.show(reference)["priority"] == "low"


# A key belongs to one request of one account


def test_a_key_with_another_body_is_refused(world: World) -> None:
    world.coordinator.post("/v1/cases", intake(), Idempotency_Key=KEY)
    other = world.coordinator.post("/v1/cases", intake(danger=True), Idempotency_Key=KEY)
    assert told(other) == (422, "idempotency.key_reused")
    assert cases_in(world) == 1


def test_a_key_with_the_same_body_on_another_path_is_refused(world: World) -> None:
    one, two = world.case(), world.case()
    world.coordinator.add(one, "actions", action(), Idempotency_Key=KEY)
    assert told(world.coordinator.add(two, "actions", action(), Idempotency_Key=KEY)) == (422, "idempotency.key_reused")
    assert world.records(two, "actions") == []


def test_a_key_with_another_method_is_refused(world: World) -> None:
    reference = world.case()
    made = world.coordinator.add(reference, "consents", consent("retain"), Idempotency_Key=KEY).json()
    path = f"/v1/cases/{reference}/consents/{made['id']}"
    changed = world.coordinator.patch(path, {"state": "withdrawn"}, Idempotency_Key=KEY)
    assert told(changed) == (422, "idempotency.key_reused")


def test_a_reused_key_tells_nothing_of_a_case_one_may_not_see(world: World) -> None:
    reference = world.case()
    europe = world.as_("europe coordinator")
    europe.post("/v1/cases", intake(), Idempotency_Key=KEY)
    assert told(europe.add(reference, "actions", action(), Idempotency_Key=KEY)) == (404, "not_found")


def test_two_accounts_may_use_the_same_key(world: World) -> None:
    answers = [
        world.as_(name).post("/v1/cases", intake(), Idempotency_Key=KEY) for name in ("coordinator", "caseworker")
    ]
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, None]
    assert len({answer.json()["reference"] for answer in answers}) == 2


@pytest.mark.parametrize("key", ["k" * 65, "two words", "", "bell\x07", "line\nbreak"])
def test_a_key_that_is_too_long_or_not_plain_is_refused(world: World, key: str) -> None:
    sent = {"Idempotency_Key": key}
    assert told(world.coordinator.post("/v1/cases", intake(), **sent)) == (422, "invalid")
    assert cases_in(world) == 0


def test_a_key_of_sixty_four_characters_is_taken(world: World) -> None:
    assert world.coordinator.post("/v1/cases", intake(), Idempotency_Key="k" * 64).status_code == 201


# Refusals are not kept


def test_a_refused_step_may_be_tried_again_with_its_key_once_the_guard_is_met(world: World) -> None:
    reference = world.case_in("screening")
    body = step_input("acceptance")
    refused = world.coordinator.step(reference, "acceptance", body, Idempotency_Key=KEY)
    assert told(refused) == (409, "step.refused")
    world.take(reference, "verification")
    taken = world.coordinator.step(reference, "acceptance", body, Idempotency_Key=KEY)
    assert (taken.status_code, taken.headers.get("Idempotency-Replayed")) == (201, None)


def test_a_malformed_request_leaves_its_key_free(world: World) -> None:
    wrong = world.coordinator.post("/v1/cases", intake(country="XX"), Idempotency_Key=KEY)
    assert told(wrong) == (422, "invalid")
    right = world.coordinator.post("/v1/cases", intake(), Idempotency_Key=KEY)
    assert right.status_code == 201


def test_a_forbidden_request_leaves_its_key_free(world: World) -> None:
    reader, reference = world.as_("reader"), world.case()
    assert told(reader.add(reference, "actions", action(), Idempotency_Key=KEY)) == (403, "forbidden")
    with world.database.reading() as session:
        assert session.scalars(select(IdempotentResponse)).all() == []


# A replay is an answer like any other: only to those who may have it


def test_a_replay_needs_a_live_key(world: World) -> None:
    world.coordinator.post("/v1/cases", intake(), Idempotency_Key=KEY)
    key_id = world.cast.keys["coordinator"].split("_")[1]
    with world.database.writing() as session:
        session.get_one(Key, key_id).revoked_at = datetime.now(UTC)
    assert told(world.coordinator.post("/v1/cases", intake(), Idempotency_Key=KEY)) == (401, "unauthenticated")


def test_who_lost_every_role_gets_no_replay(world: World) -> None:
    reference = world.case()
    caseworker = world.as_("caseworker")
    assert caseworker.add(reference, "actions", action(), Idempotency_Key=KEY).status_code == 201
    lose_roles(world, caseworker)
    assert told(caseworker.add(reference, "actions", action(), Idempotency_Key=KEY)) == (404, "not_found")


def test_who_may_no_longer_write_gets_no_replay(world: World) -> None:
    reference = world.case()
    caseworker = world.as_("caseworker")
    assert caseworker.add(reference, "actions", action(), Idempotency_Key=KEY).status_code == 201
    lose_roles(world, caseworker, Role.READER)
    assert told(caseworker.add(reference, "actions", action(), Idempotency_Key=KEY)) == (403, "forbidden")


def test_who_may_no_longer_log_cases_gets_no_replay(world: World) -> None:
    caseworker = world.as_("caseworker")
    assert caseworker.post("/v1/cases", intake(), Idempotency_Key=KEY).status_code == 201
    lose_roles(world, caseworker, Role.READER)
    assert told(caseworker.post("/v1/cases", intake(), Idempotency_Key=KEY)) == (403, "forbidden")


BY_PARTNER = intake(records={"parties": PARTIES, "consents": CONSENTS})


def logged_by_partner(world: World) -> tuple[Response, str]:
    """An intake by a partner with the key, led by South Asia since; the answer, and the reference."""
    first = world.as_("partner").post("/v1/cases", BY_PARTNER, Idempotency_Key=KEY)
    assert first.status_code == 201, first.text
    reference: str = first.json()["reference"]
    world.take(reference, "screening", assignee="asia coordinator")
    return first, reference


def leave(world: World, reference: str, who: str) -> None:
    """Have somebody leave the team."""
    lead = world.as_("asia coordinator")
    items = lead.get(f"/v1/cases/{reference}/team").json()["items"]
    (member,) = (item for item in items if item["account"] == world.cast.accounts[who])
    assert lead.patch(f"/v1/cases/{reference}/team/{member['id']}", {"status": "left"}).status_code == 200


def show_to(world: World, reference: str, visibility: str) -> None:
    changed = world.as_("asia coordinator").patch(f"/v1/cases/{reference}", {"visibility": visibility}, If_Match="*")
    assert changed.status_code == 200, changed.text


def test_who_lost_sight_of_a_case_gets_its_intake_answered_like_one_that_is_not_there(world: World) -> None:
    first, reference = logged_by_partner(world)
    partner = world.as_("partner")
    assert same(first, partner.post("/v1/cases", BY_PARTNER, Idempotency_Key=KEY))
    show_to(world, reference, "sealed")
    leave(world, reference, "partner")
    again = partner.post("/v1/cases", BY_PARTNER, Idempotency_Key=KEY)
    absent = partner.get("/v1/cases/UA-BGD-2026-00000")
    assert (again.status_code, again.content) == (404, absent.content)
    assert not {"etag", "location", "idempotency-replayed"} & set(again.headers)
    assert cases_in(world) == 1


def test_who_only_follows_a_case_by_now_does_not_get_the_work_view_of_its_intake(world: World) -> None:
    worker = world.newcomer("worker", Role.CASEWORKER, entity="Tannery Workers Centre")
    first = worker.post("/v1/cases", intake(), Idempotency_Key=KEY)
    reference = first.json()["reference"]
    world.take(reference, "screening", lead_entity="South Asia", assignee="asia coordinator")
    show_to(world, reference, "regional")
    items = world.coordinator.get(f"/v1/cases/{reference}/team").json()["items"]
    (member,) = (item for item in items if item["account"] == worker.account)
    world.coordinator.patch(f"/v1/cases/{reference}/team/{member['id']}", {"status": "left"})
    assert worker.get(f"/v1/cases/{reference}").json()["view"] == "status"
    assert told(worker.post("/v1/cases", intake(), Idempotency_Key=KEY)) == (403, "forbidden")


def test_a_hand_over_that_was_accepted_once_and_is_offered_again_is_not_replayed(world: World) -> None:
    _, reference = logged_by_partner(world)
    europe, offer = world.as_("europe coordinator"), step_input("handover")
    assert world.as_("asia coordinator").step(reference, "handover", offer).status_code == 201
    assert europe.step(reference, "handover-acceptance", {}, Idempotency_Key=KEY).status_code == 201
    back = {"receiving_entity": "South Asia", "reason": "They know the workers."}
    assert europe.step(reference, "handover", back).status_code == 201
    taken = world.as_("asia coordinator").step(reference, "handover-acceptance", {"assignee": "asia coordinator"})
    assert taken.status_code == 201, taken.text
    assert world.as_("asia coordinator").step(reference, "handover", offer).status_code == 201
    assert europe.get(f"/v1/cases/{reference}").json()["view"] == "status"
    assert told(europe.step(reference, "handover-acceptance", {}, Idempotency_Key=KEY)) == (403, "forbidden")


def test_a_replayed_intake_names_no_duplicate_that_was_sealed_since(world: World) -> None:
    twin = world.case()
    first = world.coordinator.post("/v1/cases", intake(), Idempotency_Key=KEY)
    assert [found["reference"] for found in first.json()["possible_duplicates"]] == [twin]
    assert same(first, world.coordinator.post("/v1/cases", intake(), Idempotency_Key=KEY))
    seal_for(world, twin, "caseworker")
    again = world.coordinator.post("/v1/cases", intake(), Idempotency_Key=KEY)
    assert again.status_code == 201
    assert again.json() == {**first.json(), "possible_duplicates": []}


def test_a_replayed_link_to_a_case_that_was_sealed_since_is_absent(world: World) -> None:
    reference, other = world.case(), world.case()
    said = {"kind": "same_event", "other": other}
    assert world.coordinator.add(reference, "links", said, Idempotency_Key=KEY).status_code == 201
    seal_for(world, other, "caseworker")
    assert told(world.coordinator.add(reference, "links", said, Idempotency_Key=KEY)) == (404, "not_found")


def test_a_replayed_merger_names_no_survivor_that_was_sealed_since(world: World) -> None:
    reference, survivor = world.case(), world.case()
    said = {**step_input("merger"), "survivor": survivor}
    first = world.coordinator.step(reference, "merger", said, Idempotency_Key=KEY)
    assert first.status_code == 201, first.text
    assert survivor in first.text
    seal_for(world, survivor, "caseworker")
    again = world.coordinator.step(reference, "merger", said, Idempotency_Key=KEY)
    assert (again.status_code, survivor in again.text) == (201, False)
    assert (again.json()["entry"]["sequence"], again.json()["case"]["reference"]) == (2, reference)


def seal_for(world: World, reference: str, who: str) -> None:
    """Seal a case for somebody alone: the coordinator of the root, who has seen it, sees it no more."""
    path = f"/v1/cases/{reference}"
    assert world.coordinator.add(reference, "team", {"account": who}).status_code == 201
    assert world.coordinator.patch(path, {"visibility": "sealed"}, If_Match="*").status_code == 200
    items = world.coordinator.get(f"{path}/team").json()["items"]
    for item in items:
        if item["account"] == world.coordinator.account:
            assert world.coordinator.patch(f"{path}/team/{item['id']}", {"status": "left"}).status_code == 200
    assert world.coordinator.get(path).status_code == 404


def lose_roles(world: World, person: Person, left: Role | None = None) -> None:
    """Take every role from an account, and leave it one at the root if one is named."""
    number = UUID(person.account)
    with world.database.writing() as session:
        session.execute(update(Membership).where(Membership.account_id == number).values(ended_at=datetime.now(UTC)))
        root = entity_named(session, "International Office")
        assert root is not None
        if left is not None:
            grant(session, session.get_one(Account, number), left, root, datetime.now(UTC))


# While the first request is still running


@contextmanager
def running(world: World, database_url: str, reference: str | None = None) -> Iterator[None]:
    """Another process in the midst of a coordinator's request with the key; the service waits a fifth of a second.

    It holds the key and its case, and comes to nothing. Afterwards the service is as patient as before.
    """
    database, account, usual = Database(database_url), UUID(world.coordinator.account), dict(vars(world.database))
    world.leave()
    world.database.__init__(database_url, lock_timeout_s=0.2)  # type: ignore[misc]
    with database.engine.execution_options(writing=True).connect() as connection, Session(connection) as session:
        claim(session, account, KEY, b"the same request", datetime.now(UTC))
        session.scalars(select(Case).where(Case.reference == reference).with_for_update()).all()
        try:
            yield
        finally:
            session.rollback()
            world.leave()
            vars(world.database).update(usual)
    database.engine.dispose()


TO_WAIT = {"postgresql": (409, "idempotency.still_running", "1"), "sqlite": (503, "busy", "2")}
"""PostgreSQL waits for the key alone; SQLite has one writer, and cannot tell for what it writes."""


def told_to_wait(answer: Response) -> tuple[int, str, str | None]:
    """What a refusal says, and after how many seconds to try again."""
    return *told(answer), answer.headers.get("Retry-After")


def test_while_an_intake_is_running_its_key_waits(world: World, database_url: str, dialect: str) -> None:
    coordinator = world.coordinator
    with running(world, database_url):
        assert told_to_wait(coordinator.post("/v1/cases", intake(), Idempotency_Key=KEY)) == TO_WAIT[dialect]
    assert coordinator.post("/v1/cases", intake(), Idempotency_Key=KEY).status_code == 201
    assert cases_in(world) == 1


def test_while_a_step_is_running_its_key_waits(world: World, database_url: str, dialect: str) -> None:
    coordinator, reference = world.coordinator, world.case()
    body = step_input("suspension")
    with running(world, database_url, reference):
        assert told_to_wait(coordinator.step(reference, "suspension", body, Idempotency_Key=KEY)) == TO_WAIT[dialect]
    assert coordinator.step(reference, "suspension", body, Idempotency_Key=KEY).status_code == 201
    assert len(world.history(reference)) == 2


def test_another_key_waits_for_the_case_and_is_told_busy(world: World, database_url: str) -> None:
    coordinator, reference = world.coordinator, world.case()
    with running(world, database_url, reference):
        refused = coordinator.step(reference, "suspension", step_input("suspension"), Idempotency_Key="another")
    assert told_to_wait(refused) == (503, "busy", "2")
    assert len(world.history(reference)) == 1


# A write rolled back only because it and another waited for each other


def entangle(world: World, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let the next writes, so many, be rolled back as the losers of a deadlock."""
    world.coordinator.get("/v1/me")  # the first use of a key on a day is a write too
    writing, left = world.database.transaction, [Deadlock()] * times

    def entangled_at_first(**given: Any) -> AbstractContextManager[Connection]:
        if left:
            raise left.pop()
        return writing(**given)

    monkeypatch.setattr(world.database, "transaction", entangled_at_first)


def test_a_write_that_lost_in_a_deadlock_is_done_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    entangle(world, monkeypatch, 2)
    assert world.coordinator.post("/v1/cases", intake(), Idempotency_Key=KEY).status_code == 201
    assert cases_in(world) == 1


def test_a_write_that_always_loses_is_told_busy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    entangle(world, monkeypatch, 3)
    assert told_to_wait(world.coordinator.post("/v1/cases", intake())) == (503, "busy", "2")
    assert cases_in(world) == 0


def test_of_two_transactions_that_wait_for_each_other_one_is_rolled_back(world: World, dialect: str) -> None:
    if dialect == "sqlite":
        pytest.skip("SQLite has one writer: nobody waits for it while it waits")
    here, there = world.case(), world.case()
    both_begun = Barrier(2)

    def lock(first: str, second: str) -> bool:
        with world.database.writing() as session:
            session.scalars(select(Case).where(Case.reference == first).with_for_update()).all()
            both_begun.wait(30)
            session.scalars(select(Case).where(Case.reference == second).with_for_update()).all()
        return True

    with ThreadPoolExecutor(2) as threads:
        running_now = [threads.submit(lock, here, there), threads.submit(lock, there, here)]
        errors = [type(result.exception()) for result in running_now]
    assert sorted(errors, key=str) == sorted([type(None), Deadlock], key=str)
