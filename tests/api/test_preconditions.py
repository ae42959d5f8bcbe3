"""Preconditions and conditional reads (api.md): If-Match, validators, 304."""

import re

import pytest
from httpx2 import Response

from tests.support.answers import a_problem, assert_strict
from tests.support.cast import World, action, intake, step_input
from tests.support.standing import DOORS, RECORDS, Standing, standing

__all__ = ["standing"]
READING = [operation for operation in DOORS if operation.method == "GET" and not operation.is_sse_stream]


# If-Match


def test_a_step_needs_the_version_it_was_decided_on(world: World) -> None:
    reference = world.case()
    read = world.coordinator.get(f"/v1/cases/{reference}").headers["etag"]
    path, body = f"/v1/cases/{reference}/acknowledgement", step_input("acknowledgement")
    first = world.coordinator.post(path, body, If_Match=read)
    assert first.status_code == 201
    a_problem(world.coordinator.post(path, body, If_Match=read), 412, "if_match.stale")
    assert world.coordinator.post(path, body, If_Match=first.headers["etag"]).status_code == 201


def test_amending_needs_the_version_it_was_decided_on(world: World) -> None:
    path = f"/v1/cases/{world.case()}"
    read = world.coordinator.get(path).headers["etag"]
    first = world.coordinator.patch(path, {"danger": True}, If_Match=read)
    assert (first.status_code, first.json()["danger"]) == (200, True)
    a_problem(world.coordinator.patch(path, {"danger": False}, If_Match=read), 412, "if_match.stale")
    assert world.coordinator.patch(path, {"danger": False}, If_Match=first.headers["etag"]).status_code == 200


def test_amending_nothing_changes_nothing(world: World) -> None:
    path = f"/v1/cases/{world.case()}"
    read = world.coordinator.get(path)
    again = world.coordinator.patch(path, {"danger": read.json()["danger"]}, If_Match=read.headers["etag"])
    assert (again.json(), again.headers["etag"]) == (read.json(), read.headers["etag"])


@pytest.mark.parametrize(
    "told",
    [
        "*",
        " * ",
        '"{now}-1"',
        '"0-0", "{now}-7"',
        '"0-0","x",\t"{now}-7"',
        'W/"{now}-1", "{now}-1"',
    ],
)
def test_if_match_holds_when_it_names_the_version(standing: Standing, told: str) -> None:
    assert amended(standing, told).status_code == 200


@pytest.mark.parametrize(
    "told",
    [
        'W/"{now}-1"',
        "{now}-1",
        '"{now}-',
        '"{now}"',
        '"{now}-1',
        '"0{now}-1"',
        '"{now}-1-1"',
        '"*"',
        '*, "0-0"',
        '"{before}-1"',
        '"{after}-1"',
        "",
        '""',
        ",",
        '"' + "9" * 5000 + '-1"',
    ],
)
def test_if_match_fails_when_it_names_no_version_strongly(standing: Standing, told: str) -> None:
    a_problem(amended(standing, told), 412, "if_match.stale")


def amended(standing: Standing, if_match: str) -> Response:
    """The answer to a change that changes nothing, under this If-Match."""
    now = standing.world.show(standing.reference)["version"]
    tag = if_match.format(now=now, before=now - 1, after=now + 1)
    return standing.world.coordinator.patch(f"/v1/cases/{standing.reference}", {"danger": False}, If_Match=tag)


def test_if_match_may_come_in_several_lines(standing: Standing) -> None:
    now = standing.world.show(standing.reference)["version"]
    key = standing.world.cast.keys["coordinator"]
    headers = [
        ("Authorization", f"Bearer {key}"),
        ("Content-Type", "application/json"),
        ("If-Match", '"0-0"'),
        ("If-Match", f'"{now}-1"'),
    ]
    path = f"/v1/cases/{standing.reference}"
    assert standing.world.client.request("PATCH", path, content=b"{}", headers=headers).status_code == 200
    assert standing.world.client.request("PATCH", path, content=b"{}", headers=headers[:3]).status_code == 412


def test_logging_under_a_case_needs_no_if_match_and_makes_none_stale(world: World) -> None:
    reference = world.case_in("engagement")
    read = world.coordinator.get(f"/v1/cases/{reference}").headers["etag"]
    for noun, body in {"actions": action(), "tallies": RECORDS["tallies"]}.items():
        assert world.coordinator.add(reference, noun, body).status_code == 201
    again = world.coordinator.get(f"/v1/cases/{reference}").headers["etag"]
    assert again != read
    step = world.coordinator.step(reference, "acknowledgement", step_input("acknowledgement"), If_Match=read)
    assert step.status_code == 201


def test_every_answer_that_holds_the_case_carries_its_validator(world: World) -> None:
    logged = world.coordinator.post("/v1/cases", intake())
    path = logged.headers["location"]
    assert world.coordinator.get(path).headers["etag"] == logged.headers["etag"]
    amended = world.coordinator.patch(path, {"danger": True}, If_Match="*")
    assert world.coordinator.get(path).headers["etag"] == amended.headers["etag"] != logged.headers["etag"]
    stepped = world.coordinator.post(f"{path}/screening", step_input("screening"), If_Match="*")
    assert world.coordinator.get(path).headers["etag"] == stepped.headers["etag"] != amended.headers["etag"]


# Conditional reads


def test_every_reading_answers_304_while_nothing_is_new(standing: Standing) -> None:
    standing.world.as_("auditor").get("/v1/me")  # the first use of a key on a day is new on the access log
    for operation in READING:
        path, reader = standing.path(operation), standing.reader(operation)
        tag = reader.get(path).headers["etag"]
        # A page of the feed names another place each time, though it tells the same: its tag is weak.
        assert re.fullmatch(r'"[^"]+"', tag.removeprefix("W/") if path == "/v1/changes" else tag), path
        again = reader.get(path, If_None_Match=tag)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag), path
        assert_strict(again, "public, no-cache" if operation.policy.public else "no-store")


@pytest.mark.parametrize("path", ["/v1/cases/{ref}", "/v1/cases"])
def test_if_none_match_takes_lists_weak_tags_and_a_star(standing: Standing, path: str) -> None:
    path = path.format(ref=standing.reference)
    read = standing.world.coordinator.get(path)
    tag = read.headers["etag"]
    for tags in (f"W/{tag}", f'"x", {tag}', f'"x",W/{tag}', "*"):
        assert standing.world.coordinator.get(path, If_None_Match=tags).status_code == 304, tags
    for tags in ('"x"', tag[1:-1], f'"{tag}"', "", "**", tag.upper() + '"', f"w/{tag}"):
        assert standing.world.coordinator.get(path, If_None_Match=tags).content == read.content, tags


def test_a_validator_changes_with_what_it_validates(world: World) -> None:
    reference = world.case_in("engagement")
    paths = [f"/v1/cases/{reference}", "/v1/cases", f"/v1/cases/{reference}/tallies"]
    before = [world.coordinator.get(path).headers["etag"] for path in paths]
    assert world.coordinator.add(reference, "tallies", {**RECORDS["tallies"], "kind": "affected"}).status_code == 201
    after = [world.coordinator.get(path, If_None_Match=tag) for path, tag in zip(paths, before, strict=True)]
    assert [answer.status_code for answer in after] == [200, 200, 200]


def test_each_format_of_a_list_has_its_own_validator(standing: Standing) -> None:
    tag = standing.world.coordinator.get("/v1/cases").headers["etag"]
    other = standing.world.coordinator.get("/v1/cases", If_None_Match=tag, Accept="text/csv")
    assert other.status_code == 200
    assert "Accept" in other.headers["vary"]


def test_a_refusal_is_never_a_304(standing: Standing) -> None:
    path = f"/v1/cases/{standing.reference}"
    for who in (standing.world.nobody, standing.world.as_("europe reader")):
        assert who.get(path, If_None_Match="*").status_code in {401, 404}
    a_problem(standing.world.coordinator.get("/v1/cases?limit=0", If_None_Match="*"), 422, "invalid")
