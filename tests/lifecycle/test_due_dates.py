"""Due dates: silence and the end of consents are recorded once, whichever process comes first."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from appeals.cases.action import Action
from appeals.cases.due_date import DueDate
from appeals.cases.response import Response
from appeals.database.engine import Database
from appeals.lifecycle import due_dates
from appeals.lifecycle.due_dates import SYSTEM_ACCOUNT, process_due
from appeals.vocabulary import DueKind
from tests.conftest import Template
from tests.support.cast import Body, World, action, consent, day
from tests.support.clock import later
from tests.support.live import served
from tests.support.size import examples

DUE_DATES = examples(40)
TO_COME = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()


def actions(world: World, reference: str) -> list[Body]:
    return world.records(reference, "actions")


def engaged(world: World, **event: Any) -> tuple[str, str]:
    """A case with one letter more, and that letter's id."""
    reference = world.case_in("engagement")
    made = world.coordinator.add(reference, "actions", action(**event))
    assert made.status_code == 201, made.text
    return reference, made.json()["id"]


def answers_to(world: World, reference: str, number: str) -> Body:
    return next(made for made in actions(world, reference) if made["id"] == number)


# Silence


def test_an_answer_that_does_not_come_by_its_day_becomes_silence_once(world: World) -> None:
    reference, event = engaged(world)
    before = answers_to(world, reference, event)
    assert (before["answer"], before["responses"]) == ("awaiting", [])
    assert process_due(world.database, later()) == 2  # the first action of the engagement is one too
    assert process_due(world.database, later()) == 0
    after = answers_to(world, reference, event)
    assert after["answer"] == "no_response"
    assert [(told["grade"], told["received_on"]) for told in after["responses"]] == [("no_response", day(9))]
    assert after["responses"][0]["recorded_by"] == str(SYSTEM_ACCOUNT)


def test_the_last_day_is_still_in_time(world: World) -> None:
    reference, event = engaged(world, answer_due_on=day(0))
    process_due(world.database, later())
    assert answers_to(world, reference, event)["answer"] == "awaiting"
    process_due(world.database, later(1))
    assert answers_to(world, reference, event)["answer"] == "no_response"


def test_what_was_answered_stays_answered(world: World) -> None:
    reference, event = engaged(world, answer_due_on=TO_COME)
    path = f"/v1/cases/{reference}/actions/{event}/responses"
    assert world.coordinator.post(path, {"received_on": day(1), "grade": "partial"}).status_code == 201
    process_due(world.database, later(9))
    told = answers_to(world, reference, event)
    assert (told["answer"], [answer["grade"] for answer in told["responses"]]) == ("received", ["partial"])


@pytest.mark.parametrize("whose", ["#factory", "#union"])
def test_what_others_say_of_a_letter_answers_nothing(world: World, whose: str) -> None:
    """An answer is expected from a target; what others say keeps nobody's silence off the record."""
    reference, event = engaged(world, answer_due_on=TO_COME)
    path = f"/v1/cases/{reference}/actions/{event}/responses"
    said = {"party": whose, "received_on": day(1), "grade": "denies_violation"}
    assert world.coordinator.post(path, said).status_code == 201
    assert answers_to(world, reference, event)["answer"] == "awaiting"
    process_due(world.database, later(9))
    told = answers_to(world, reference, event)
    assert told["answer"] == "no_response"
    assert {answer["grade"] for answer in told["responses"]} == {"denies_violation", "no_response"}


def test_more_is_promised_for_a_day_after_the_answer(world: World) -> None:
    reference, event = engaged(world, answer_due_on=TO_COME)
    said = {"received_on": day(1), "grade": "holding_reply", "follow_up_on": day(2)}
    answer = world.coordinator.post(f"/v1/cases/{reference}/actions/{event}/responses", said)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/follow_up_on"]


def test_a_late_answer_stands_beside_the_silence_and_one_that_was_told_late_ends_it(world: World) -> None:
    reference, event = engaged(world)
    process_due(world.database, later())
    path = f"/v1/cases/{reference}/actions/{event}/responses"
    late = {"received_on": day(2), "grade": "substantive_commits", "rejoinder": "At last."}
    assert world.coordinator.post(path, late).status_code == 201
    told = answers_to(world, reference, event)
    assert (told["answer"], len(told["responses"])) == ("no_response", 2)
    assert world.coordinator.post(path, {**late, "received_on": day(12)}).status_code == 201
    told = answers_to(world, reference, event)
    assert (told["answer"], len(told["responses"])) == ("received", 3)


def test_a_late_answer_that_is_told_before_anybody_noted_the_silence_is_late_all_the_same(world: World) -> None:
    reference, event = engaged(world)
    path = f"/v1/cases/{reference}/actions/{event}/responses"
    for _ in range(2):
        assert world.coordinator.post(path, {"received_on": day(9), "grade": "partial"}).status_code == 201
    assert process_due(world.database, later()) == 2
    told = answers_to(world, reference, event)
    noted = [(answer["grade"], answer["received_on"]) for answer in told["responses"]]
    assert (told["answer"], noted) == ("no_response", [("no_response", day(9)), *[("partial", day(9))] * 2])


def test_an_answer_whose_day_is_an_estimate_may_have_come_in_time(world: World) -> None:
    reference, event = engaged(world)
    path = f"/v1/cases/{reference}/actions/{event}/responses"
    said = {"received_on": day(1), "received_precision": "estimate", "grade": "partial"}
    assert world.coordinator.post(path, said).status_code == 201
    told = answers_to(world, reference, event)
    assert (told["answer"], len(told["responses"])) == ("received", 1)


def test_nobody_says_a_second_time_that_no_answer_came(world: World) -> None:
    reference, event = engaged(world)
    process_due(world.database, later())
    path = f"/v1/cases/{reference}/actions/{event}/responses"
    again = world.coordinator.post(path, {"received_on": day(2), "grade": "no_response"})
    assert (again.status_code, [item["code"] for item in again.json()["unmet"]]) == (409, ["answer.silence_told"])


def test_silence_that_somebody_told_is_not_told_again(world: World) -> None:
    reference, event = engaged(world)
    path = f"/v1/cases/{reference}/actions/{event}/responses"
    assert world.coordinator.post(path, {"received_on": day(2), "grade": "no_response"}).status_code == 201
    process_due(world.database, later())
    assert len(answers_to(world, reference, event)["responses"]) == 1


def test_a_due_date_that_is_moved_acts_on_its_new_day(world: World) -> None:
    reference, event = engaged(world)
    path = f"/v1/cases/{reference}/actions/{event}"
    assert world.coordinator.patch(path, {"answer_due_on": TO_COME}).status_code == 200
    process_due(world.database, later())
    assert answers_to(world, reference, event)["answer"] == "awaiting"
    process_due(world.database, later(4))
    assert answers_to(world, reference, event)["answer"] == "no_response"


def test_what_is_only_planned_waits_for_no_answer(world: World) -> None:
    reference, event = engaged(world, status="planned", done_on=None, planned_on=day(20))
    process_due(world.database, later())
    assert answers_to(world, reference, event)["responses"] == []
    done = {"status": "done", "done_on": day(15)}
    assert world.coordinator.patch(f"/v1/cases/{reference}/actions/{event}", done).status_code == 200
    process_due(world.database, later())
    assert answers_to(world, reference, event)["answer"] == "no_response"


def test_silence_alone_blocks_neither_escalation_nor_closing(world: World) -> None:
    reference, _ = engaged(world)
    process_due(world.database, later())
    world.take(reference, "escalation")
    world.take(reference, "closure", outcomes=[{"demand": "#reinstate", "disposition": "not_met"}])


# Consents that run out


def test_a_consent_that_runs_out_takes_down_what_rests_on_it_and_pauses_the_campaign(world: World) -> None:
    reference = world.case("coordinator")
    known = [c for c in world.records(reference, "consents") if c["scope"] == "publish_named"]
    for found in known:
        changed = world.coordinator.patch(f"/v1/cases/{reference}/consents/{found['id']}", {"expires_on": TO_COME})
        assert changed.status_code == 200, changed.text
    for noun in ("screening", "verification", "acceptance", "engagement", "escalation"):
        world.take(reference, noun)
    token = world.records(reference, "publications")[-1]["token"]
    assert world.nobody.get(f"/public/cases/{token}").status_code == 200
    process_due(world.database, later(2))
    assert world.show(reference)["status"] == "public_campaign"
    process_due(world.database, later(4))
    shown = world.show(reference)
    assert (shown["status"], shown["publication"]) == ("suspended", "none")
    assert world.nobody.get(f"/public/cases/{token}").status_code == 404
    entry = world.history(reference)[-1]
    assert (entry["step"], entry["account_id"], entry["input"]["review_on"][:2]) == (
        "suspension",
        str(SYSTEM_ACCOUNT),
        "20",
    )
    assert process_due(world.database, later(4)) == 0


def test_a_consent_that_runs_out_changes_nothing_where_nothing_rests_on_it(world: World) -> None:
    reference = world.case()
    assert (
        world.coordinator.add(reference, "consents", consent("media_interview", expires_on=TO_COME)).status_code == 201
    )
    before = world.show(reference)
    assert process_due(world.database, later(9)) == 1
    assert world.show(reference) == before


# Exactly once


def letters(world: World, count: int) -> None:
    """So many letters in all that nobody answered, a dozen or so to a case: the first was written to engage."""
    references = [world.case_in("engagement") for _ in range(max(4, count // 12))]
    for turn in range(count - len(references)):
        case = references[turn % len(references)]
        assert world.coordinator.add(case, "actions", action(answer_due_on=day(5))).status_code == 201


def effects(database: Database) -> tuple[int | None, int | None, int | None]:
    """How many answers are due, how many silences are on record, and on how many letters."""
    silent = select(Response).where(Response.grade == "no_response").subquery()
    with database.reading() as session:
        due = session.scalar(select(func.count()).select_from(Action).where(Action.answer_due_on.is_not(None)))
        told = session.scalar(select(func.count()).select_from(silent))
        return due, told, session.scalar(select(func.count(silent.c.action.distinct())))


@pytest.mark.soak
def test_four_clocks_at_once_put_each_silence_on_record_once(world: World) -> None:
    letters(world, DUE_DATES)
    with ThreadPoolExecutor(4) as clocks:
        closed = sum(clocks.map(lambda _: process_due(world.database, later()), range(4)))
    closed += process_due(world.database, later())
    due, told, letters_told = effects(world.database)
    assert closed == due == told == letters_told == DUE_DATES


def test_without_closing_the_due_date_under_the_lock_it_would_act_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: what keeps it from acting twice is the row that is closed in the same transaction."""
    engaged(world)
    followed: list[Any] = []
    monkeypatch.setitem(due_dates.ON_DUE, DueKind.ANSWER, lambda _, due: followed.append(due.id))
    process_due(world.database, later())
    with world.unprotected() as session:
        for due in session.scalars(select(DueDate)):
            due.acted_at = None
    process_due(world.database, later())
    assert len(followed) == 4


def test_what_failed_or_was_killed_is_done_the_next_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, event = engaged(world)
    ordinary = due_dates.ON_DUE[DueKind.ANSWER]

    def fails(writing: Any, due: Any) -> None:
        ordinary(writing, due)
        raise RuntimeError

    monkeypatch.setitem(due_dates.ON_DUE, DueKind.ANSWER, fails)
    assert process_due(world.database, later()) == 0
    assert answers_to(world, reference, event)["responses"] == []
    monkeypatch.undo()
    assert process_due(world.database, later()) == 2
    assert len(answers_to(world, reference, event)["responses"]) == 1


# In the running service


@pytest.fixture
def busy_url(template: Template, world: World, database_url: str) -> str:
    """A database with letters that nobody answered, which the world has let go."""
    letters(world, DUE_DATES)
    world.leave()
    return database_url


def wait_for(database: Database, wanted: int) -> tuple[int | None, int | None, int | None]:
    """What there is when as much is told as is wanted, or nothing more is for a minute."""
    found, until = effects(database), time.monotonic() + 60
    while time.monotonic() < until and found[1] != wanted:
        time.sleep(0.1)
        before, found = found, effects(database)
        until = until if found == before else time.monotonic() + 60
    return found


@pytest.mark.soak
def test_the_service_acts_without_being_called_and_survives_kills(
    template: Template, busy_url: str, dialect: str
) -> None:
    database = Database(busy_url)
    workers = "4" if dialect == "postgresql" else "1"
    for pause in (0.0, 0.15, 0.4):
        with served(busy_url, template.cast, clock_every_s="0.05", workers=workers) as live:
            time.sleep(pause)
            live.kill()
        _, told, on_letters = effects(database)
        assert told == on_letters
    with served(busy_url, template.cast, clock_every_s="0.05", workers=workers):
        assert wait_for(database, DUE_DATES) == (DUE_DATES, DUE_DATES, DUE_DATES)
    database.engine.dispose()


def test_what_was_just_logged_is_left_for_the_next_look(world: World) -> None:
    world.case()  # so that the other is brought there now
    reference, event = engaged(world)
    assert process_due(world.database, later(), timedelta(minutes=1)) == 0
    assert answers_to(world, reference, event)["answer"] == "awaiting"
    assert process_due(world.database, later() + timedelta(minutes=2), timedelta(minutes=1)) == 2


def test_what_the_clock_does_comes_after_what_others_did_meanwhile(world: World) -> None:
    reference, _ = engaged(world)
    began = later()
    retitled = world.coordinator.patch(f"/v1/cases/{reference}", {"title": "New"}, If_Match="*")
    assert process_due(world.database, began) == 2
    shown = world.show(reference)
    assert shown["updated_at"] >= retitled.json()["updated_at"]
    told = world.coordinator.get(f"/v1/cases/{reference}?as_of={shown['updated_at'].replace('+', '%2B')}")
    assert told.json() == shown


def test_the_clock_holds_no_key_and_is_listed_nowhere(world: World) -> None:
    engaged(world)
    process_due(world.database, later())
    accounts = world.as_("admin").get("/v1/accounts?limit=200").json()["items"]
    assert str(SYSTEM_ACCOUNT) not in {account["id"] for account in accounts}
    assert world.as_("admin").post(f"/v1/accounts/{SYSTEM_ACCOUNT}/keys", {}).status_code == 403
