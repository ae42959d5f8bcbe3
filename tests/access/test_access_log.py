"""The access log: no answer is sent before its row is written; it holds no content, only grows, and is read by
auditors.
"""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update

from appeals.access import access_log
from appeals.access.access_log import AccessEntry, write_events
from appeals.accounts.api_key import Key
from appeals.api.context import AppContext
from appeals.api.idempotency import IdempotentResponse
from appeals.vocabulary import Logged, Role
from tests.support.cast import Body, Person, World, action, intake, kept_as_written, organisation
from tests.support.logged_operations import CANARY, KEY, OTHER, _asked, broken, key_id, logged, mended, rows, told
from tests.support.standing import ABSENT, NOBODY

__all__ = ["logged"]


# What is a row


def test_a_view_is_a_row_of_who_and_which_case_and_when(logged: World) -> None:
    reference, before = logged.case(), datetime.now(UTC)
    assert logged.caseworker.get(f"/v1/cases/{reference}").status_code == 200
    (row,) = rows(logged)
    assert before <= row.pop("at") <= datetime.now(UTC)
    assert str(row.pop("account_id")) == logged.caseworker.account
    assert row == {
        "key_id": key_id(logged.caseworker),
        "kind": "view",
        "operation": "get_case",
        "status": 200,
        "subjects": [reference],
    }


def test_what_a_door_does_not_log_is_no_row(logged: World) -> None:
    reference = logged.case()
    logged.caseworker.get("/v1/cases")
    logged.caseworker.get(f"/v1/cases/{reference}?view=status")
    assert rows(logged) == []


def test_who_has_it_already_is_sent_nothing_and_logged_for_nothing(logged: World) -> None:
    path = f"/v1/cases/{logged.case()}"
    tag = logged.coordinator.get(path).headers["ETag"]
    assert logged.coordinator.get(path, If_None_Match=tag).status_code == 304
    assert len(rows(logged)) == 1


@pytest.mark.parametrize("accept", ["text/csv", "application/x-ndjson"])
@pytest.mark.parametrize("path", ["/v1/cases", "/v1/cases/{ref}/history"])
def test_a_list_as_a_table_or_as_lines_is_an_export(logged: World, path: str, accept: str) -> None:
    path = path.format(ref=logged.case())
    assert logged.coordinator.get(path, Accept=accept).status_code == 200
    assert [(kind, status, len(about)) for kind, _, status, about in told(logged)] == [("export", 200, 1)]


def test_a_write_takes_its_row_along(logged: World) -> None:
    reference = logged.case()
    assert logged.coordinator.add(reference, "roles", {}).status_code == 201
    assert told(logged) == [("role", "sample_roles", 201, [reference])]


def test_work_may_say_itself_what_it_is_about(logged: World) -> None:
    reference = logged.case()
    logged.coordinator.add(reference, "both", {})
    assert told(logged) == [("opening", "sample_both", 201, [OTHER]), ("view", "sample_both", 201, [reference])]


def test_an_answer_that_is_replayed_is_a_row_again(logged: World) -> None:
    reference = logged.case()
    for noun in ("roles", "both"):
        for _ in range(2):
            assert logged.coordinator.add(reference, noun, {}, Idempotency_Key=f"{noun}-{KEY}"[:64]).status_code == 201
    once = [("opening", "sample_both", 201, [OTHER]), ("view", "sample_both", 201, [reference])]
    assert told(logged) == [("role", "sample_roles", 201, [reference])] * 2 + once * 2


# Denials


def test_denials_are_rows_with_what_was_asked_for(logged: World) -> None:
    reference = logged.case(visibility="sealed")
    reader, noted = logged.as_("asia reader"), logged.as_("auditor")
    record_id = logged.records(reference, "parties")[0]["id"]
    logged.as_("partner").get(f"/v1/cases/{reference}/parties/{record_id}")
    reader.get(f"/v1/cases/{ABSENT}")
    reader.post(f"/v1/cases/{reference}/actions", action())
    reader.post(f"/v1/cases/{reference}/actions", {"unknown": True})
    reader.get("/v1/cases/somebody-by-name")
    noted.get("/v1/cases")
    logged.coordinator.get("/v1/nothing")
    logged.coordinator.add(reference, "refusals", {})
    assert told(logged) == [
        ("denial", "get_parties", 404, sorted([reference, record_id])),
        ("denial", "get_case", 404, [ABSENT]),
        ("denial", "add_actions", 404, [reference]),
        ("denial", "add_actions", 404, [reference]),
        ("denial", "get_case", 404, []),
        ("denial", "list_cases", 403, []),
        ("denial", "sample_nothing", 403, []),
        ("denial", "sample_refusals", 403, [reference]),
    ]
    assert {str(row["account_id"]) for row in rows(logged)[1:5]} == {reader.account}


def test_a_dead_key_is_a_row_of_nobody_and_no_key_is_none(logged: World) -> None:
    reference, before = logged.case(), rows(logged)
    dead = logged.newcomer("once here", Role.READER)
    with logged.database.writing() as session:
        session.execute(update(Key).where(Key.id == key_id(dead)).values(revoked_at=datetime.now(UTC)))
    assert dead.get(f"/v1/cases/{reference}").status_code == 401
    for useless in (None, "ua_short", f"{dead.key}x", "a name"):
        assert Person(logged.client, useless).get(f"/v1/cases/{reference}").status_code == 401
    (row,) = rows(logged)[len(before) :]
    assert (row["account_id"], row["key_id"], row["status"]) == (None, key_id(dead), 401)
    assert row["subjects"] == [reference]


# Use of keys


def test_the_first_use_of_a_key_on_a_day_is_a_row(logged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[tuple[str, date]] = []
    recorder = logged.app.state.context.access_log
    monkeypatch.setattr(recorder, "_note_use", lambda _, used, day: noted.append((used, day)))
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for now in (None, None, tomorrow, tomorrow):
        if now:
            monkeypatch.setattr(AppContext, "now", lambda _, now=now: now)
        assert logged.coordinator.get("/v1/me").status_code == 200
        assert logged.caseworker.post("/v1/cases", intake()).status_code == 201
    used = [(row["key_id"], row["operation"], row["at"].date()) for row in rows(logged, Logged.KEY)]
    days = (tomorrow.date() - timedelta(days=1), tomorrow.date())
    pairs = [(logged.coordinator, "get_me"), (logged.caseworker, "create_case")]
    assert used == [(key_id(person), operation, day) for day in days for person, operation in pairs]
    assert noted == [(key_id(person), day) for day in days for person, _ in pairs]


def test_a_key_whose_first_use_could_not_be_written_does_nothing(logged: World) -> None:
    broken(logged)
    assert logged.coordinator.post("/v1/cases", intake()).status_code == 503
    assert logged.coordinator.get("/v1/me").status_code == 503
    mended(logged)
    assert logged.coordinator.get("/v1/cases").json()["items"] == []
    assert len(rows(logged, Logged.KEY)) == 1


# What the log keeps


def test_rows_hold_nothing_that_was_sent(logged: World) -> None:
    reference = logged.case(title=f"Dismissals at {CANARY}", narrative=f"{CANARY} told us.")
    logged.coordinator.get(f"/v1/cases/{reference}")
    logged.coordinator.get(f"/v1/cases/{CANARY}")
    logged.coordinator.get(f"/v1/cases/{reference}%0A")
    logged.coordinator.get(f"/v1/cases/{reference}/parties/{CANARY}?x={CANARY}")
    logged.coordinator.get("/v1/cases?q=Canary", Accept="text/csv")
    logged.coordinator.get("/v1/organisations", Accept="text/csv", X_Forwarded_For="192.0.2.7", User_Agent=CANARY)
    logged.coordinator.post("/v1/organisations", organisation(CANARY), Idempotency_Key=f"{CANARY}".replace(" ", ""))
    logged.as_("reader").post("/v1/organisations", organisation(CANARY))
    Person(logged.client, f"ua_12345678_{'Canary' * 8}x").get(f"/v1/cases/{CANARY}")
    kept = rows(logged, *Logged)
    assert {"view", "export", "denial", "key"} == {row["kind"] for row in kept}
    assert "canary" not in json.dumps(kept, default=str).lower()
    assert "testclient" not in json.dumps(kept, default=str)
    assert "192.0.2.7" not in json.dumps(kept, default=str)


def test_rows_can_be_neither_changed_nor_deleted(logged: World) -> None:
    logged.coordinator.get(f"/v1/cases/{ABSENT}")
    before = rows(logged, *Logged)
    tries: list[Any] = [
        update(AccessEntry).values(kind="view"),
        delete(AccessEntry),
        update(access_log.AccessSubject).values(subject=OTHER),
        delete(access_log.AccessSubject),
    ]
    if not logged.database.embedded:
        tries += [text("TRUNCATE access_log CASCADE"), text("TRUNCATE access_subject")]
    for attempt in tries:
        with kept_as_written(logged.database) as session:
            session.execute(attempt)
    assert rows(logged, *Logged) == before


def test_nothing_to_log_asks_nothing_of_the_database(logged: World) -> None:
    with logged.database.writing() as session:
        write_events(session.connection(), [])
    assert rows(logged, *Logged) == []


# Answers that hold a secret


def kept(world: World) -> list[IdempotentResponse]:
    """The answers that are kept."""
    with world.database.reading() as session:
        return list(session.scalars(select(IdempotentResponse)))


def test_an_opening_sent_again_is_done_again_and_logged_again(logged: World) -> None:
    reference = logged.case()
    first = logged.coordinator.add(reference, "samples", {}, Idempotency_Key=KEY)
    again = logged.coordinator.add(reference, "samples", {}, Idempotency_Key=KEY)
    assert first.status_code == again.status_code == 201
    assert first.json() != again.json()
    assert "Idempotency-Replayed" not in again.headers
    assert told(logged) == [("opening", "sample_samples", 201, [reference])] * 2
    (answer,) = kept(logged)
    assert (answer.status, answer.body, answer.headers) == (201, b"", {})


def test_a_secret_that_was_shown_once_is_not_made_again(logged: World) -> None:
    reference = logged.case()
    first = logged.coordinator.add(reference, "keys", {}, Idempotency_Key=KEY)
    number = next(_asked)
    again = logged.coordinator.add(reference, "keys", {}, Idempotency_Key=KEY)
    assert (first.status_code, again.status_code) == (201, 409)
    assert again.json()["code"] == "idempotency.secret_not_kept"
    assert next(_asked) == number + 1
    assert kept(logged)[0].body == b""


@pytest.mark.parametrize("noun", ["samples", "keys"])
def test_the_key_of_a_secret_answer_belongs_to_its_request(logged: World, noun: str) -> None:
    one, two = logged.case(), logged.case()
    logged.coordinator.add(one, noun, {}, Idempotency_Key=KEY)
    other = logged.coordinator.add(two, noun, {}, Idempotency_Key=KEY)
    assert other.json()["code"] == "idempotency.key_reused"


# Reading it


def read(person: Person, query: str = "", **headers: str) -> list[Body]:
    """The entries a person reads."""
    answer = person.get(f"/v1/access-log{query}", **headers)
    assert answer.status_code == 200, answer.text
    items: list[Body] = answer.json()["items"]
    return items


def test_auditors_read_it_newest_first_and_by_what_they_ask(logged: World) -> None:
    one, two = logged.case(), logged.case()
    auditor = logged.as_("auditor")
    logged.coordinator.get(f"/v1/cases/{one}")
    logged.caseworker.get(f"/v1/cases/{two}")
    middle = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    logged.as_("reader").get(f"/v1/cases/{ABSENT}")
    (name,) = read(auditor, "?kind=denial")[0]["subjects"]  # of no case, as of a sealed one, a keyed name
    entries = read(auditor)
    assert [entry["id"] for entry in entries] == sorted((entry["id"] for entry in entries), reverse=True)

    def seen(query: str) -> list[tuple[str, list[str]]]:
        params = f"?kind=view&kind=denial&{query}"
        return [(entry["operation"], entry["subjects"]) for entry in read(auditor, params)]

    denied, second, first = ("get_case", [name]), ("get_case", [two]), ("get_case", [one])
    assert seen("") == [denied, second, first]
    assert seen(f"subject={one}") == [first]
    assert seen(f"subject={one}&subject={two}") == [second, first]
    assert (seen(f"subject={ABSENT}"), seen(f"subject={name}")) == ([], [denied])
    assert seen("account=caseworker") == [second]
    assert seen(f"account={logged.coordinator.account}") == [first]
    assert seen(f"account={NOBODY}") == []
    assert seen(f"at_from={middle}") == [denied]
    assert seen(f"at_to={middle}") == [second, first]
    assert [entry["kind"] for entry in read(auditor, "?kind=denial")] == ["denial"]
    assert logged.coordinator.get("/v1/access-log").status_code == 403


def test_it_comes_in_pages_and_as_a_table_which_is_an_export(logged: World) -> None:
    auditor, references = logged.as_("auditor"), [logged.case() for _ in range(5)]
    for reference in references:
        logged.coordinator.get(f"/v1/cases/{reference}")
    listed, path = [], "/v1/access-log?kind=view&limit=2"
    while path:
        answer = auditor.get(path)
        listed += [entry["subjects"][0] for entry in answer.json()["items"]]
        path = answer.headers["Link"].partition(">")[0][1:] if "Link" in answer.headers else ""
    assert listed == references[::-1]
    assert "get_case" in auditor.get("/v1/access-log?kind=view", Accept="text/csv").text
    assert told(logged, Logged.EXPORT) == [("export", "list_access_log", 200, [])]


def test_an_auditor_within_an_entity_reads_of_its_accounts_only(logged: World) -> None:
    inside = logged.newcomer("asia auditor", Role.AUDITOR, entity="South Asia")
    both = logged.newcomer("two auditor", Role.AUDITOR, entity="Garment Workers Centre")
    for name in ("asia reader", "partner", "other partner", "europe reader", "coordinator"):
        logged.as_(name).get(f"/v1/cases/{ABSENT}")
    Person(logged.client, f"ua_12345678_{'x' * 49}").get(f"/v1/cases/{ABSENT}")
    logged.coordinator.get("/v1/me")

    def accounts(person: Person) -> set[str | None]:
        return {entry["account_id"] for entry in read(person, "?kind=denial")}

    asia = {logged.as_(name).account for name in ("asia reader", "partner", "other partner")}
    assert accounts(inside) == asia
    assert accounts(both) == {logged.as_("partner").account}
    everybody = asia | {logged.as_(name).account for name in ("europe reader", "coordinator")} | {None}
    assert accounts(logged.as_("auditor")) == everybody
