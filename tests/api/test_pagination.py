"""Pages by key, and the formats of lists: JSON, CSV (RFC 4180), NDJSON."""

import base64
import csv
import io
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from httpx2 import Response

from appeals.api.pagination import _accepted_format
from tests.support.cast import Body, Person, World, action, day
from tests.support.standing import DOORS, Standing, is_table, standing

__all__ = ["standing"]
# An export makes the access log longer: `tests/access/test_access_log.py` walks it.
LISTS = [
    operation
    for operation in DOORS
    if is_table(operation) and operation.tags != ["statistics"] and operation.name != "list_access_log"
]
CSV, NDJSON = "text/csv", "application/x-ndjson"


def pages(who: Person, path: str, between: Iterator[None] | None = None) -> Iterator[Body]:
    """Every page from this one on, by the links; after each, the next of `between` happens."""
    following: str | None = path
    while following:
        answer = who.get(following)
        assert answer.status_code == 200, answer.text
        page: Body = answer.json()
        yield page
        following = next_link(answer)
        assert (following is None) == (page["next"] is None)
        assert following is None or f"cursor={page['next']}" in following
        next(between or iter(()), None)


def next_link(answer: Response) -> str | None:
    """The address of the next page."""
    found = answer.links.get("next")
    return found["url"] if found else None


def walked(who: Person, path: str, between: Iterator[None] | None = None) -> list[Body]:
    """The items of every page."""
    return [item for page in pages(who, path, between) for item in page["items"]]


# Pages


def test_every_list_comes_in_pages_that_join_without_gap_or_repetition(standing: Standing) -> None:
    for operation in LISTS:
        path, reader = standing.path(operation), standing.reader(operation)
        whole = reader.get(f"{path}?limit=200").json()
        assert whole["next"] is None
        assert walked(reader, f"{path}?limit=3") == whole["items"], path


def test_a_page_holds_fifty_unless_another_number_up_to_200_is_asked_for(standing: Standing) -> None:
    path = "/v1/vocabularies/violation"
    sizes = [len(standing.world.coordinator.get(path + params).json()["items"]) for params in ("", "?limit=1")]
    assert sizes == [min(50, len(walked(standing.world.coordinator, path))), 1]
    assert [standing.world.coordinator.get(f"{path}?limit={n}").status_code for n in (0, 1, 200, 201)] == [
        422, 200, 200, 422,
    ]  # fmt: skip


def test_a_page_tells_no_total(standing: Standing) -> None:
    assert set(standing.world.coordinator.get("/v1/cases").json()) == {"items", "next"}


def test_the_last_page_is_full_when_the_items_just_fit(world: World) -> None:
    for _ in range(4):
        world.case(records={})
    assert [len(page["items"]) for page in pages(world.coordinator, "/v1/cases?limit=2")] == [2, 2]


@pytest.mark.parametrize("sort", ["received_on", "updated_at", "priority"])
def test_cases_logged_while_somebody_pages_move_nothing(world: World, sort: str) -> None:
    for number in range(5):
        world.case(records={}, received_on=day(number // 2), danger=number == 3)

    def logging() -> Iterator[None]:
        while True:
            world.case(records={}, received_on=day(0), danger=True)
            world.case(records={}, received_on=day(0))
            yield

    path = f"/v1/cases?sort={sort}"
    before = [case["reference"] for case in walked(world.coordinator, path)]
    seen = [case["reference"] for case in walked(world.coordinator, f"{path}&limit=2", logging())]
    assert len(seen) == len(set(seen))
    assert [reference for reference in seen if reference in before] == before


def test_records_added_while_somebody_pages_come_at_the_end(world: World) -> None:
    reference = world.case_in("engagement")
    for _ in range(3):
        world.coordinator.add(reference, "actions", action())

    def adding() -> Iterator[None]:
        for _ in range(2):
            world.coordinator.add(reference, "actions", action())
            yield

    seen = [item["id"] for item in walked(world.coordinator, f"/v1/cases/{reference}/actions?limit=2", adding())]
    assert seen == [item["id"] for item in world.records(reference, "actions")]
    assert len(seen) == 6


def test_history_pages_are_in_the_order_of_the_steps(world: World) -> None:
    reference = world.case_in("engagement")
    seen = walked(world.coordinator, f"/v1/cases/{reference}/history?limit=2")
    assert [entry["sequence"] for entry in seen] == [1, 2, 3, 4, 5]


# Cursors


def test_the_page_after_may_have_another_size(standing: Standing) -> None:
    path = "/v1/entities"
    first = standing.world.coordinator.get(f"{path}?limit=2").json()
    rest = standing.world.coordinator.get(f"{path}?limit=200&cursor={first['next']}").json()
    assert first["items"] + rest["items"] == walked(standing.world.coordinator, path)


def test_filters_in_another_order_are_the_same_question(world: World) -> None:
    for _ in range(2):
        world.case(records={})
    cursor = world.coordinator.get("/v1/cases?country=BD&country=IN&limit=1&sort=priority").json()["next"]
    again = world.coordinator.get(f"/v1/cases?sort=priority&country=IN&country=BD&cursor={cursor}")
    assert len(again.json()["items"]) == 1


@pytest.mark.parametrize(
    "other",
    [
        "/v1/cases?country=BD&",
        "/v1/cases?sort=updated_at&",
        "/v1/cases?status=received&status=received&",
        "/v1/cases?",
        "/v1/organisations?status=received&",
        "/v1/organisations?",
    ],
)
def test_a_cursor_of_another_question_is_refused(world: World, other: str) -> None:
    for _ in range(2):
        world.case(records={})
    cursor = world.coordinator.get("/v1/cases?status=received&limit=1").json()["next"]
    assert world.coordinator.get(f"/v1/cases?status=received&cursor={cursor}").status_code == 200
    answer = world.coordinator.get(f"{other}cursor={cursor}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] in {"?cursor", "?"}


def test_a_cursor_of_another_case_is_refused(world: World) -> None:
    one, other = world.case_in("screening"), world.case_in("screening")
    cursor = world.coordinator.get(f"/v1/cases/{one}/history?limit=1").json()["next"]
    assert world.coordinator.get(f"/v1/cases/{one}/history?cursor={cursor}").status_code == 200
    assert world.coordinator.get(f"/v1/cases/{other}/history?cursor={cursor}").status_code == 422


def test_no_cursor_survives_a_change_of_any_character(standing: Standing) -> None:
    cursor = standing.world.coordinator.get("/v1/entities?limit=1").json()["next"]
    for at, character in enumerate(cursor):
        other = "B" if character == "A" else chr(ord(character) ^ 1) if character.isalnum() else "A"
        for tampered in (cursor[:at] + other + cursor[at + 1 :], cursor[:at]):
            answer = standing.world.coordinator.get(f"/v1/entities?cursor={quote(tampered)}")
            assert answer.status_code == 422, (at, tampered)
    assert standing.world.coordinator.get(f"/v1/entities?cursor={cursor}AA").status_code == 422


def test_a_cursor_cannot_be_made_without_the_pepper(standing: Standing) -> None:
    cursor = standing.world.coordinator.get("/v1/entities?limit=1").json()["next"]
    raw = base64.urlsafe_b64decode(cursor + "==")
    forged = base64.urlsafe_b64encode(raw[:12] + json.dumps([str(0)]).encode()).decode().rstrip("=")
    answer = standing.world.coordinator.get(f"/v1/entities?cursor={forged}")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "?cursor")


# Formats


def table(answer: Response) -> list[list[str]]:
    """The rows of a CSV answer."""
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    return list(csv.reader(io.StringIO(answer.text, newline=""), strict=True))


def test_every_list_is_also_csv_and_ndjson_with_the_same_items(standing: Standing) -> None:
    for operation in LISTS:
        path, reader = standing.path(operation), standing.reader(operation)
        items = reader.get(path).json()["items"]
        lines = reader.get(path, Accept=NDJSON)
        assert lines.headers["content-type"] == NDJSON
        assert [json.loads(line) for line in lines.text.splitlines()] == items, path
        names, *rows = table(reader.get(path, Accept=CSV))
        assert len(rows) == len(items)
        for row, item in zip(rows, items, strict=True):
            assert dict(zip(names, row, strict=True)).keys() == item.keys()


def test_a_table_without_rows_still_says_its_columns(world: World) -> None:
    answer = world.coordinator.get("/v1/cases", Accept=CSV)
    assert [len(table(answer)), table(answer)[0][:2]] == [1, ["reference", "title"]]
    assert world.coordinator.get("/v1/cases", Accept=NDJSON).text == ""


def test_a_table_has_its_next_page_in_the_link(world: World) -> None:
    for _ in range(3):
        world.case(records={})
    for accepted in (CSV, NDJSON):
        first = world.coordinator.get("/v1/cases?limit=2", Accept=accepted)
        link = next_link(first)
        assert link
        second = world.coordinator.get(link, Accept=accepted)
        assert next_link(second) is None
        assert len(second.text.splitlines()) == (2 if accepted == CSV else 1)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "＠"])
def test_no_cell_is_a_formula(world: World, start: str) -> None:
    made = world.coordinator.post("/v1/organisations", {"name": f"{start}HYPERLINK(1)", "kind": "ngo"})
    assert made.status_code == 201
    answer = world.coordinator.get("/v1/organisations", Accept=CSV)
    names, row = table(answer)
    assert dict(zip(names, row, strict=True))["name"] == f"'{start}HYPERLINK(1)"
    assert world.coordinator.get("/v1/organisations").json()["items"][0]["name"] == f"{start}HYPERLINK(1)"


def test_quotes_commas_semicolons_and_lines_stay_in_their_cell(world: World) -> None:
    note = 'He said "no"; =1+1\n,then\tleft'
    reference = world.case_in("engagement")
    assert world.coordinator.add(reference, "actions", action(note=note)).status_code == 201
    answer = world.coordinator.get(f"/v1/cases/{reference}/actions", Accept=CSV)
    names, *rows = table(answer)
    assert note in [dict(zip(names, row, strict=True))["note"] for row in rows]
    assert answer.text.count("\r\n") == len(rows) + 1
    assert all(line.startswith('"') for line in answer.text.split("\r\n") if line)


def test_what_is_nested_stands_as_json_in_its_cell_and_nothing_as_nothing(world: World) -> None:
    reference = world.case(records={})
    names, row = table(world.coordinator.get("/v1/cases", Accept=CSV))
    cells = dict(zip(names, row, strict=True))
    assert cells["reference"] == reference
    assert json.loads(cells["affected"]) == {"low": 11, "high": 12}
    assert (cells["danger"], cells["closed_on"], cells["version"]) == ("false", "", "1")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/html, image/png", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV;charset=utf-8", "text/csv"),
        ("text/*", "text/csv"),
        ("text/csv, */*", "text/csv"),
        ("*/*, text/csv", "application/json"),
        ("application/json;q=0.5, text/csv;q=0.9", "text/csv"),
        ("text/csv;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("text/csv;q=0", "application/json"),
        ("text/csv;q=nan, application/x-ndjson;q=0.1", "application/x-ndjson"),
        ("text/csv;q=2", "application/json"),
        ("text/csv;q=-1", "application/json"),
        (";;,,;q=1", "application/json"),
    ],
)
def test_the_format_is_the_one_the_caller_would_rather_have(accept: str, wanted: str) -> None:
    assert _accepted_format(accept) == wanted


def test_one_record_and_a_refusal_are_json_whatever_is_accepted(standing: Standing) -> None:
    one = standing.world.coordinator.get(f"/v1/cases/{standing.reference}", Accept=CSV)
    refused = standing.world.coordinator.get("/v1/cases?limit=0", Accept=CSV)
    assert one.headers["content-type"] == "application/json"
    assert refused.headers["content-type"] == "application/problem+json"
