"""The public operations: random tokens, no key, pages and tables, hostile parameters."""

import json
import re
from datetime import date, timedelta
from itertools import product

import pytest
from httpx2 import Response
from sqlalchemy import insert, select

from appeals.cases.case import Case
from appeals.cases.publication import Publication, readable
from appeals.database.declarative import new_id
from tests.support.cast import World, today
from tests.support.pages import ABSENT, a_case, published, take_down


@pytest.fixture
def random_rows(world: World) -> World:
    """Publications that are down or up, until every day around today, or for good."""
    reference = world.case()
    with world.database.writing() as session:
        case = session.scalars(select(Case).where(Case.reference == reference)).one()
        common = {"case_id": case.id, "recorded_at": case.recorded_at, "recorded_by": case.recorded_by}
        common |= {"level": "named", "shows": {}, "shown_records": {}, "conditions_met": [], "voices_left": []}
        ends = [None, date.max, *(today() + timedelta(days=ahead) for ahead in range(-4, 5))]
        rows = [
            {
                **common, "id": new_id(), "token": str(number), "approved_by": case.recorded_by,
                "up_until": until, "taken_down_at": down,
            }
            for number, (until, down) in enumerate(product(ends, [None, case.recorded_at]))
        ]  # fmt: skip
        session.execute(insert(Publication), rows)
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
    publication = published(world, reference)
    path = f"/public/cases/{publication['token']}"
    tag = world.nobody.get(path).headers["ETag"]
    assert world.nobody.get(path, If_None_Match=tag).status_code == 304
    take_down(world, reference, publication)
    absent = all_but_request_id(world.nobody.get(f"/public/cases/{ABSENT}"))
    assert absent[0] == 404
    for headers in ({}, {"If_None_Match": tag}, {"If_None_Match": "*"}, {"Accept": "text/csv"}):
        assert all_but_request_id(world.nobody.get(path, **headers)) == absent
    assert all_but_request_id(world.nobody.get("/public/cases/x")) == absent


def test_no_key_is_needed_and_a_bad_one_does_not_matter(world: World) -> None:
    publication = published(world, a_case(world))
    for path in ("/public/cases", f"/public/cases/{publication['token']}", "/public/statistics"):
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
    listed: list[str] = []
    path: str | None = "/public/cases?limit=2"
    while path:
        answer = world.nobody.get(path)
        listed += [item["token"] for item in answer.json()["items"]]
        linked = re.match("<(.*)>", answer.headers.get("Link", ""))
        path = linked[1] if linked else None
    assert listed == tokens
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
    publication = published(world, a_case(world))
    assert world.nobody.get(f"/public/cases/{publication['token']}?view=work").status_code == 422


@pytest.mark.parametrize(
    "token", ["%00", ABSENT + "%00", ABSENT + "%0A", "..%2f..", "UA-BGD-2026-00000", "%ff", "a" * 3000, "'--"]
)
def test_a_hostile_token_names_nothing(world: World, token: str) -> None:
    assert world.nobody.get(f"/public/cases/{token}").status_code == 404
