"""Concurrency over real HTTP: rivals at one case, one key sent many times, crowds, and a service that is killed.

The more rounds a soak asks for, the larger the crowds, up to 300 callers.
"""

import json
import logging
import socket
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Any

import httpx2
import pytest
from httpx2 import Response
from sqlalchemy import text

from appeals.database.engine import Database
from tests.conftest import Template
from tests.support.cast import Body, World, action, intake, organisation, step_input
from tests.support.live import Crowd, Live, Remote, live, served
from tests.support.size import examples

__all__ = ["live"]

ROUNDS = examples(8)
RIVALS = 16
SAME_KEY = 8
CROWD = min(300, 8 * ROUNDS)
log = logging.getLogger(__name__)
Ask = Callable[[Remote], Response]


# Rivals at one case


def screened(world: World) -> str:
    """A case in screening of which every step out of it may be taken."""
    reference = world.case_in("screening")
    world.take(reference, "verification")
    return reference


def engaged(world: World) -> str:
    """A case in engagement that a reviewer agreed to publish."""
    reference = world.case_in("engagement")
    signed = world.reviewer.add(reference, "approvals", {"level": "named"})
    assert signed.status_code == 201, signed.text
    return reference


def standing(state: str) -> Callable[[World], str]:
    """A case in this state."""
    return lambda world: world.case_in(state)


MATCHES: dict[str, tuple[Callable[[World], str], tuple[str, ...]]] = {
    "screening": (
        screened,
        ("acceptance", "decline", "referral", "suspension", "withdrawal", "information-request"),
    ),
    "received": (standing("received"), ("screening", "decline", "suspension", "withdrawal")),
    "accepted": (standing("accepted"), ("engagement", "referral", "suspension", "closure", "handover")),
    "engagement": (engaged, ("escalation", "agreement", "suspension", "withdrawal", "closure")),
    "suspended": (standing("suspended"), ("resumption", "withdrawal", "acknowledgement")),
    "closed": (standing("closed"), ("reopening",)),
}
"""Cases, and steps any of which succeeds on them: whoever comes first wins, and all others speak of an old state."""


@pytest.mark.soak
@pytest.mark.parametrize("state", MATCHES)
def test_of_sixteen_rivals_at_one_case_exactly_one_wins(live: Live, state: str) -> None:
    rounds = ROUNDS if state == "screening" else _share(ROUNDS)
    total = raced(live, *MATCHES[state], rounds)
    log.info("%s rounds from %s on %s: %s", rounds, state, dialect_of(live), dict(total))


@pytest.mark.soak
def test_rivals_at_two_worker_processes_are_rivals_all_the_same(template: Template) -> None:
    if template.dialect == "sqlite":
        pytest.skip("SQLite has one writing process")
    url = template.copy()
    with served(url, template.cast, workers="2") as both:
        total = raced(both, *MATCHES["screening"], ROUNDS)
    template.drop(url)
    log.info("%s rounds at two workers: %s", ROUNDS, dict(total))


def _share(rounds: int) -> int:
    return -(-rounds // len(MATCHES))


def raced(live: Live, ready: Callable[[World], str], nouns: tuple[str, ...], rounds: int) -> Counter[int]:
    """Let sixteen rivals go at one case, so many times; the statuses of all answers."""
    total = Counter[int]()
    with Crowd(live, RIVALS) as crowd:
        for _ in range(rounds):
            total += race(crowd, live.world, ready(live.world), nouns)
    assert torn(live) == 0
    return total


def race(crowd: Crowd, world: World, reference: str, nouns: tuple[str, ...]) -> Counter[int]:
    """Let rivals go at one case; the statuses of their answers, when one has won and left the only new entry."""
    tag, before = tag_of(world, reference), world.history(reference)
    answers = crowd.all_at_once([stepping(reference, noun, tag) for noun in islice(cycle(nouns), RIVALS)])
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {201: 1, 412: RIVALS - 1}
    won = next(answer.json() for answer in answers if answer.status_code == 201)
    assert world.history(reference) == [*before, won["entry"]]
    assert world.show(reference) == won["case"]
    assert won["case"]["status"] == won["entry"]["to_status"]
    return statuses


@pytest.mark.soak
def test_who_speaks_of_no_version_still_finds_the_step_taken(live: Live) -> None:
    total = Counter[int]()
    with Crowd(live, RIVALS) as crowd:
        for _ in range(_share(ROUNDS)):
            reference = screened(live.world)
            answers = crowd.all_at_once([stepping(reference, "acceptance", "*")] * RIVALS)
            statuses = Counter(answer.status_code for answer in answers)
            assert statuses == {201: 1, 409: RIVALS - 1}
            total += statuses
    assert torn(live) == 0
    log.info("acceptance with If-Match: * on %s: %s", dialect_of(live), dict(total))


def test_steps_that_change_no_state_all_stand_in_the_history_in_order(live: Live) -> None:
    reference = live.world.case()
    with Crowd(live, RIVALS) as crowd:
        answers = crowd.all_at_once([stepping(reference, "acknowledgement", "*")] * RIVALS)
    assert {answer.status_code for answer in answers} == {201}
    entries = live.world.history(reference)
    assert [entry["sequence"] for entry in entries] == list(range(1, RIVALS + 2))
    assert [entry["recorded_at"] for entry in entries] == sorted(entry["recorded_at"] for entry in entries)
    assert sorted(answer.json()["case"]["version"] for answer in answers) == list(range(2, RIVALS + 2))


@pytest.mark.soak
def test_a_consent_withdrawn_during_an_escalation_leaves_nothing_published(live: Live) -> None:
    ends = Counter[str]()
    with Crowd(live, 2) as crowd:
        for _ in range(_share(ROUNDS)):
            reference = engaged(live.world)
            consents = live.world.records(reference, "consents")
            params = next(c for c in consents if (c["scope"], c["subject"]) == ("publish_named", "workers"))
            escalated, withdrawn = crowd.all_at_once(
                [stepping(reference, "escalation", "*"), withdrawing(reference, params["id"])]
            )
            assert withdrawn.status_code == 200, withdrawn.text
            assert escalated.status_code in {201, 409}
            case = live.world.show(reference)
            assert case["publication"] == "none"
            assert case["status"] == ("suspended" if escalated.status_code == 201 else "engagement")
            ends[case["status"]] += 1
    assert torn(live) == 0
    log.info("a consent withdrawn during an escalation on %s: %s", dialect_of(live), dict(ends))


def stepping(reference: str, noun: str, tag: str, **headers: str) -> Ask:
    """A call that takes a step on the case as it was at `tag`."""
    body = json.dumps(step_input(noun)).encode()
    return lambda world: world.coordinator.step(reference, noun, body, If_Match=tag, **headers)


def withdrawing(reference: str, number: str) -> Ask:
    """A call that withdraws a consent."""
    path = f"/v1/cases/{reference}/consents/{number}"
    return lambda world: world.coordinator.patch(path, {"state": "withdrawn"})


def tag_of(world: World, reference: str) -> str:
    """The ETag of a case as it stands."""
    tag: str = world.coordinator.get(f"/v1/cases/{reference}").headers["ETag"]
    return tag


# One key, sent many times


@pytest.mark.soak
def test_one_key_sent_eight_times_at_once_logs_one_case(live: Live) -> None:
    with Crowd(live, SAME_KEY) as crowd:
        for _ in range(ROUNDS):
            title = f"case {uuid.uuid4().hex}"
            body = json.dumps(intake(title=title)).encode()
            repeated(crowd, lambda key, body=body: _post("/v1/cases", body, key))  # type: ignore[misc]
            assert one(live, 'SELECT count(*) FROM "case" WHERE title = :title', title=title) == 1


@pytest.mark.soak
def test_one_key_sent_eight_times_at_once_records_one_action(live: Live) -> None:
    reference = live.world.case()
    body = json.dumps(action()).encode()
    with Crowd(live, SAME_KEY) as crowd:
        for _ in range(ROUNDS):
            repeated(crowd, lambda key: _post(f"/v1/cases/{reference}/actions", body, key))
    assert len(live.world.records(reference, "actions")) == min(ROUNDS, 200)
    assert (
        one(
            live,
            'SELECT count(*) FROM action WHERE case_id = (SELECT id FROM "case" WHERE reference = :r)',
            r=reference,
        )
        == ROUNDS
    )


@pytest.mark.soak
def test_one_key_sent_eight_times_at_once_takes_one_step(live: Live) -> None:
    with Crowd(live, SAME_KEY) as crowd:
        for _ in range(ROUNDS):
            reference = live.world.case()
            tag = tag_of(live.world, reference)
            repeated(crowd, lambda key, r=reference, t=tag: stepping(r, "suspension", t, Idempotency_Key=key))  # type: ignore[misc]
            assert [entry["step"] for entry in live.world.history(reference)] == ["intake", "suspension"]
    assert torn(live) == 0


def repeated(crowd: Crowd, asking: Callable[[str], Ask]) -> None:
    """Send one request with one key from all callers: the answers are the same to the byte, all but one replayed."""
    answers = crowd.all_at_once([asking(str(uuid.uuid4()))] * SAME_KEY)
    assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
    told = {(answer.content, answer.headers.get("ETag"), answer.headers.get("Location")) for answer in answers}
    assert len(told) == 1
    assert sum(answer.headers.get("Idempotency-Replayed") == "true" for answer in answers) == SAME_KEY - 1


def _post(path: str, body: bytes, key: str) -> Ask:
    return lambda world: world.coordinator.post(path, body, Idempotency_Key=key)


# Crowds


@pytest.mark.soak
def test_a_crowd_of_steps_on_as_many_cases_all_succeed(live: Live) -> None:
    body = json.dumps(intake()).encode()
    with Crowd(live, CROWD) as crowd:
        logged = crowd.all_at_once([lambda world: world.coordinator.post("/v1/cases", body)] * CROWD)
        assert Counter(answer.status_code for answer in logged) == {201: CROWD}
        references = [answer.json()["reference"] for answer in logged]
        taken = crowd.all_at_once([stepping(reference, "screening", "*") for reference in references])
    assert Counter(answer.status_code for answer in taken) == {201: CROWD}
    assert torn(live) == 0


@pytest.mark.soak
def test_reports_that_name_the_same_new_brands_in_any_order_are_all_taken_in(live: Live) -> None:
    with Crowd(live, SAME_KEY) as crowd:
        for _ in range(_share(ROUNDS)):
            names = [f"Brand {uuid.uuid4().hex}" for _ in range(12)]
            orders = [names[turn:] + names[:turn] for turn in range(SAME_KEY)]
            answers = crowd.all_at_once([naming(order) for order in orders])
            assert Counter(answer.status_code for answer in answers) == {201: SAME_KEY}
            known = "SELECT count(*) FROM organisation WHERE name IN (:first, :last)"
            assert one(live, known, first=names[0], last=names[-1]) == 2


def naming(brands: list[str]) -> Ask:
    """A call that logs a case with these brands as its parties, in this order."""
    parties = [{"role": "brand", "organisation": organisation(name, "company", "SE")} for name in brands]
    body = json.dumps(intake(records={"parties": parties})).encode()
    return lambda world: world.coordinator.post("/v1/cases", body)


@pytest.mark.soak
def test_of_two_cases_merged_into_each_other_one_stays_open(live: Live) -> None:
    with Crowd(live, 2) as crowd:
        for _ in range(_share(ROUNDS)):
            here, there = live.world.case(), live.world.case()
            answers = crowd.all_at_once([merging(here, there), merging(there, here)])
            assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 1}
            statuses = {live.world.show(reference)["status"] for reference in (here, there)}
            assert statuses == {"closed", "received"}


def merging(reference: str, survivor: str) -> Ask:
    """A call that merges a case into another."""
    return lambda world: world.coordinator.step(reference, "merger", {"survivor": survivor})


# A caller that goes away, and a service that is killed


@pytest.mark.soak
def test_a_caller_who_hung_up_finds_its_one_case_by_asking_again(live: Live) -> None:
    params = [(str(uuid.uuid4()), f"case {uuid.uuid4().hex}") for _ in range(_share(ROUNDS))]
    for key, title in params:
        send_and_hang_up(live, key, json.dumps(intake(title=title)).encode())
    for key, title in params:
        body = json.dumps(intake(title=title)).encode()
        assert live.world.coordinator.post("/v1/cases", body, Idempotency_Key=key).status_code == 201
        assert one(live, 'SELECT count(*) FROM "case" WHERE title = :title', title=title) == 1
    assert torn(live) == 0


def send_and_hang_up(live: Live, key: str, body: bytes) -> None:
    """Send a whole request and close the connection without reading."""
    head = (
        "POST /v1/cases HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {live.cast.keys['coordinator']}\r\n"
        f"Idempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", int(live.url.rsplit(":", 1)[1]))) as connection:
        connection.sendall(head.encode() + body)


class Diary:
    """What writers were told, and what each had asked when the line went dead."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.acknowledged: list[Body] = []
        self.unanswered: list[tuple[str, str, Body]] = []

    def write_until_the_end(self, world: Remote) -> None:
        """Log cases and suspend them until the service is gone."""
        while case := self.ask(world, "/v1/cases", intake(title=f"case {uuid.uuid4().hex}")):
            if not self.ask(world, f"/v1/cases/{case['reference']}/suspension", step_input("suspension")):
                return

    def ask(self, world: Remote, path: str, body: Body) -> Body | None:
        """Write something, and note what came of it: the case as the service says it now stands."""
        key = str(uuid.uuid4())
        try:
            answer = asked_again(world, key, path, body)
        except httpx2.TransportError:
            self.unanswered.append((key, path, body))
            return None
        case: Body = answer.get("case", answer)
        with self.changed:
            self.acknowledged.append(case)
            self.changed.notify()
        return case

    def kill_after(self, count: int, doomed: Live) -> None:
        """Kill the service when so many more writes were acknowledged, and others are under way."""
        with self.changed:
            wanted = len(self.acknowledged) + count
            assert self.changed.wait_for(lambda: len(self.acknowledged) >= wanted, timeout=60)
        doomed.kill()


def asked_again(world: Remote, key: str, path: str, body: Body) -> Body:
    """Ask for a write that must succeed; the answer."""
    answer = world.coordinator.post(path, body, If_Match="*", Idempotency_Key=key)
    assert answer.status_code == 201, answer.text
    told: Body = answer.json()
    return told


@pytest.mark.soak
def test_a_killed_service_has_kept_every_write_it_acknowledged(template: Template) -> None:
    url, diary, kills = template.copy(), Diary(), 1 + ROUNDS // 100
    for _ in range(kills):
        with served(url, template.cast) as doomed, Crowd(doomed, SAME_KEY) as crowd:
            killer = threading.Thread(target=diary.kill_after, args=(25, doomed))
            killer.start()
            crowd.all_at_once([diary.write_until_the_end] * SAME_KEY)
            killer.join()
    with served(url, template.cast) as again:
        assert torn(again) == 0
        for told in diary.acknowledged:
            kept = again.world.show(told["reference"])
            assert kept["version"] >= told["version"]
            assert kept["status"] == ("suspended" if kept["version"] == 2 else "received")
        assert len(diary.unanswered) == kills * SAME_KEY
        for key, path, body in diary.unanswered:
            asked_again(again.world, key, path, body)
        assert one(again, 'SELECT count(*) - count(DISTINCT title) FROM "case"') == 0
        assert (
            one(again, "SELECT count(*) - count(DISTINCT case_id) FROM status_history WHERE step = 'suspension'") == 0
        )
        assert torn(again) == 0
    template.drop(url)
    log.info(
        "%s kills on %s: %s writes acknowledged, %s asked again",
        kills, template.dialect, len(diary.acknowledged), len(diary.unanswered),
    )  # fmt: skip


# What the database says


@contextmanager
def opened(live: Live) -> Iterator[Database]:
    """The database behind the service."""
    database = Database(live.database_url)
    yield database
    database.engine.dispose()


def one(live: Live, query: str, **values: object) -> Any:
    """The one value that a query of the database gives."""
    with opened(live) as database, database.reading() as session:
        return session.execute(text(query), values).scalar_one()


def dialect_of(live: Live) -> str:
    """The name of the database behind the service."""
    return live.database_url.split(":", 1)[0]


def torn(live: Live) -> int:
    """How many cases have a status that is not their last entry's, or a gap in their entries, or none."""
    return int(
        one(
            live,
            """
            SELECT count(*) FROM "case" c WHERE NOT EXISTS (
                SELECT 1 FROM status_history h WHERE h.case_id = c.id AND h.to_status = c.status AND h.sequence = (
                    SELECT max(sequence) FROM status_history l WHERE l.case_id = c.id
                ) AND h.sequence = (SELECT count(*) FROM status_history n WHERE n.case_id = c.id)
            )
            """,
        )
    )
