"""The fast path gives the same answers as the route, byte for byte, and only as long as it is valid."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response
from sqlalchemy import text

from appeals.api.permissions import Policy
from appeals.api.rate_limit import RateLimiter
from appeals.api.transaction import Access
from appeals.database import raw_reads
from appeals.database.raw_reads import RawReader
from appeals.vocabulary import Role
from tests.support.cast import Person, World
from tests.support.people import PEOPLE

VISIBILITIES = ("sealed", "restricted", "regional", "network")
TOLD = ("etag", "content-type", "vary", "link", "cache-control")


@contextmanager
def doors_shut(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """While every operation would fail: whatever is answered was answered the quick way."""
    with monkeypatch.context() as patch:
        patch.setattr(Access, "authorize", None)
        yield


def both_ways(world: World, person: Person, path: str, monkeypatch: pytest.MonkeyPatch, **headers: str) -> Response:
    """Ask at the operation and the quick way; they answer the same. The quick answer."""
    person.get(path, **headers)  # the first use of a key on a day is noted by the operation
    world.app.state.context.fast_reads.clear()
    slow = person.get(path, **headers)
    with doors_shut(monkeypatch):
        quick = person.get(path, **headers)
    assert (quick.status_code, quick.content) == (slow.status_code, slow.content)
    assert {name: quick.headers.get(name) for name in TOLD} == {name: slow.headers.get(name) for name in TOLD}
    return quick


@pytest.fixture
def cases(world: World) -> dict[str, str]:
    """A case of each visibility in South Asia and Europe, one that was merged into a sealed one, and two linked."""
    made = {}
    for visibility in VISIBILITIES:
        for region in ("South Asia", "Europe"):
            reference = made[f"{visibility} {region}"] = world.case(title=f"A {visibility} case")
            world.take(reference, "screening", lead_entity=region)
            shown = world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": visibility}, If_Match="*")
            assert shown.status_code == 200, shown.text
    merged, survivor = world.case(), made["sealed South Asia"]
    world.coordinator.patch(f"/v1/cases/{merged}", {"visibility": "network"}, If_Match="*")
    assert world.coordinator.step(merged, "merger", {"survivor": survivor}).status_code == 201
    link = {"kind": "same_event", "other": made["network Europe"]}
    assert world.coordinator.add(made["network South Asia"], "links", link).status_code == 201
    return {**made, "merged": merged}


def test_everybody_gets_the_same_case_either_way(
    world: World, cases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = linked = 0
    for name in PEOPLE:
        person = world.as_(name)
        for label, reference in cases.items():
            path = f"/v1/cases/{reference}"
            seen = person.get(path)
            if seen.status_code == 200:
                quick = both_ways(world, person, path, monkeypatch)
                again = both_ways(world, person, path, monkeypatch, If_None_Match=quick.headers["etag"])
                assert (again.status_code, again.content) == (304, b"")
                prepare += 1
                linked += label.startswith("network") and bool(seen.json().get("links"))
            else:
                assert (seen.status_code, person.get(path).status_code) in {(404, 404), (403, 403)}
    assert (prepare > 40, linked > 4) == (True, True)


def test_links_to_and_from_are_told_in_their_order_and_only_those_of_which_both_ends_are_seen(
    world: World, cases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, others = cases["network South Asia"], [*cases.values()][:5]
    for number, other in enumerate(others):
        one, another = (here, other) if number % 2 else (other, here)
        if one != another:
            link = {"kind": "part_of", "other": another, "label": f"l{number}", "note": '"links":[]'}
            assert world.coordinator.add(one, "links", link).status_code == 201
    told = {}
    for name in ("coordinator", "asia caseworker", "asia coordinator"):
        shown = both_ways(world, world.as_(name), f"/v1/cases/{here}", monkeypatch)
        told[name] = [link["label"] for link in shown.json()["links"]]
        tag = shown.headers["etag"]
        assert both_ways(world, world.as_(name), f"/v1/cases/{here}", monkeypatch, If_None_Match=tag).status_code == 304
    assert len(told["coordinator"]) == 6
    assert 0 < len(told["asia caseworker"]) < 6


@pytest.mark.parametrize(
    "query", ["", "?limit=3", "?status=screening&sort=updated_at", "?sort=priority&limit=2", "?q="]
)
def test_everybody_gets_the_same_lists_either_way(
    world: World, cases: dict[str, str], query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PEOPLE:
        person = world.as_(name)
        page = person.get(f"/v1/cases{query}")
        if page.status_code != 200 or not page.json()["items"]:
            continue
        page = both_ways(world, person, f"/v1/cases{query}", monkeypatch)
        seen = [item["reference"] for item in page.json()["items"]]
        while page.json()["next"]:
            page = both_ways(world, person, page.links["next"]["url"], monkeypatch)
            seen += [item["reference"] for item in page.json()["items"]]
        assert len(seen) == len(set(seen))


def test_a_merged_case_names_its_survivor_only_to_those_who_see_it(
    world: World, cases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/cases/{cases['merged']}"
    told = both_ways(world, world.coordinator, path, monkeypatch).json()["merged_into_reference"]
    hidden = both_ways(world, world.as_("europe reader"), path, monkeypatch).json()["merged_into_reference"]
    assert (told, hidden) == (cases["sealed South Asia"], None)
    lines = both_ways(world, world.as_("europe reader"), "/v1/cases", monkeypatch)
    assert cases["sealed South Asia"] not in lines.text


def test_who_comes_to_see_the_survivor_is_told_of_it_at_the_next_poll(
    world: World, cases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was written to the merged case, and its case snapshot is the same."""
    path, survivor = f"/v1/cases/{cases['merged']}", cases["sealed South Asia"]
    tag = both_ways(world, world.as_("europe reader"), path, monkeypatch).headers["etag"]
    shown = world.coordinator.patch(f"/v1/cases/{survivor}", {"visibility": "network"}, If_Match="*")
    assert shown.status_code == 200
    told = world.as_("europe reader").get(path, If_None_Match=tag)
    assert (told.status_code, told.json()["merged_into_reference"]) == (200, survivor)


def test_what_stands_in_a_path_is_no_key(world: World) -> None:
    key, quick = world.coordinator.key, world.app.state.context.fast_reads
    said = [(b"accept", b"*/*"), (b"authorization", f"Bearer {key}".encode())]
    params = {"path": "/v1/cases", "query_string": b"limit=3", "headers": said}
    for _ in range(2):
        assert world.coordinator.get("/v1/cases?limit=3").status_code == 200
    assert quick.plan(params) is not None
    path, query = "/v1/cases\nlimit=3\naccept:*/*", f"authorization:Bearer {key}".encode()
    assert quick.plan({"path": path, "query_string": query, "headers": []}) is None


def test_the_next_page_of_the_feed_is_waited_for_as_this_one_was(world: World) -> None:
    world.case()
    for query, waits in (("", False), ("?wait=1", True), ("", False), ("?wait=1", True)):
        link = world.coordinator.get(f"/v1/changes{query}").headers["link"]
        assert ("wait=1" in link) is waits, query


def test_a_question_that_takes_long_is_left_to_the_door(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An embedded database is asked in the loop, where everybody waits."""
    world.case()
    both_ways(world, world.coordinator, "/v1/cases", monkeypatch)
    monkeypatch.setattr(raw_reads, "SQLITE_CPU_LIMIT_S", -1)
    monkeypatch.setattr(raw_reads, "OPERATIONS", 1)
    params: list[str] = []
    usual = Access.authorize

    def gate(access: Access[Any], authorization: Any, policy: Policy) -> Any:
        params.append(policy.operation)
        return usual(access, authorization, policy)

    monkeypatch.setattr(Access, "authorize", gate)
    world.leave()  # the connection is opened anew
    assert len(world.coordinator.get("/v1/cases").json()["items"]) == 1
    assert params == (["list_cases"] if world.database.embedded else [])


def test_what_the_door_answers_in_the_end_is_counted_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, other = world.case(), world.case()
    link = {"kind": "same_event", "other": other}
    assert world.coordinator.add(reference, "links", link).status_code == 201
    counted = counting(monkeypatch)
    for _ in range(3):
        assert world.coordinator.get(f"/v1/cases/{reference}").json()["links"] != []
    assert len(counted) == 3


def counting(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The buckets from which requests are taken from now on."""
    buckets: list[Any] = []
    monkeypatch.setattr(RateLimiter, "acquire", lambda _, bucket, __: buckets.append(bucket))
    return buckets


def test_a_case_that_was_written_to_is_new_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = world.case()
    before = both_ways(world, world.coordinator, f"/v1/cases/{reference}", monkeypatch)
    world.coordinator.patch(f"/v1/cases/{reference}", {"title": "Another title"}, If_Match="*")
    with doors_shut(monkeypatch):
        after = world.coordinator.get(f"/v1/cases/{reference}", If_None_Match=before.headers["etag"])
    assert (after.status_code, after.json()["title"]) == (200, "Another title")


def shut_out(world: World, person: Person, how: str) -> None:
    said = {
        "revoked": "UPDATE key SET revoked_at = CURRENT_TIMESTAMP WHERE account_id = :account",
        "narrower key": "UPDATE key SET scopes = '[\"write\"]' WHERE account_id = :account",
        "no role": "UPDATE membership SET ended_at = CURRENT_TIMESTAMP WHERE account_id = :account",
        "disabled": "UPDATE account SET active = false WHERE id = :account",
    }[how]
    account = person.account.replace("-", "") if world.database.embedded else person.account
    with world.unprotected() as session:
        session.execute(text(said), {"account": account} if ":account" in said else {})


@pytest.mark.parametrize("how", ["revoked", "narrower key", "no role", "disabled"])
def test_whoever_is_shut_out_gets_nothing_more(world: World, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database itself says that the network changed, whoever wrote that, in whichever process."""
    reference = world.case()
    world.take(reference, "screening", lead_entity="Europe")
    person = world.as_("europe caseworker")
    both_ways(world, person, f"/v1/cases/{reference}", monkeypatch)
    both_ways(world, person, "/v1/cases", monkeypatch)
    shut_out(world, person, how)
    expected = {"revoked": 401, "disabled": 401, "narrower key": 403}
    assert person.get(f"/v1/cases/{reference}").status_code == expected.get(how, 404)
    page = person.get("/v1/cases")
    nothing = {"no role": 403}.get(how, expected.get(how, 200))
    assert page.status_code == nothing
    assert page.json().get("items", []) == []


def test_a_key_ends_in_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = world.case()
    both_ways(world, world.coordinator, f"/v1/cases/{reference}", monkeypatch)
    quick = world.app.state.context.fast_reads
    (plan,) = quick._plans.values()
    ends = plan.caller.expires_at
    assert plan.caller.is_valid(datetime.now(UTC))
    assert not plan.caller.is_valid(ends)
    assert not plan.caller.is_valid(datetime.now(UTC) + timedelta(days=1))  # that day is noted by the operation first


def test_what_the_team_reads_quickly_is_on_the_access_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = world.case()
    path = f"/v1/cases/{reference}"
    both_ways(world, world.coordinator, path, monkeypatch)
    both_ways(world, world.as_("reader"), path, monkeypatch)
    log = world.as_("auditor").get(f"/v1/access-log?subject={reference}&kind=view").json()["items"]
    views = [entry["account_id"] for entry in log if entry["operation"] == "get_case"]
    assert views == [world.coordinator.account] * 3


def test_an_answer_that_cannot_be_logged_is_not_given(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = world.case()
    both_ways(world, world.coordinator, f"/v1/cases/{reference}", monkeypatch)
    with world.owner() as owner, owner.writing() as session:
        session.execute(text("ALTER TABLE access_log RENAME TO access_log_gone"))
    assert world.coordinator.get(f"/v1/cases/{reference}").status_code == 503


def test_after_a_change_of_the_network_a_question_is_written_anew_only_where_it_is_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, written = world.case(), []
    person = world.newcomer("newcomer", Role.CASEWORKER)
    usual = RawReader.compile

    def note(at: RawReader, statement: Any) -> Any:
        written.append(statement)
        return usual(at, statement)

    monkeypatch.setattr(RawReader, "compile", note)

    def asks() -> int:
        """How many questions are written until one is answered the quick way."""
        before = len(written)
        for _ in range(2):
            assert person.get(f"/v1/cases/{reference}").status_code == 200
        with doors_shut(monkeypatch):
            assert person.get(f"/v1/cases/{reference}").status_code == 200
        return len(written) - before

    assert (asks(), asks()) == (1, 0)
    world.newcomer("somebody else", Role.READER)
    assert asks() == 0
    world.give(person.account, "reader", "Europe")
    assert asks() == 1


def test_a_cursor_of_another_is_refused_either_way(world: World, cases: dict[str, Any]) -> None:
    following = world.coordinator.get("/v1/cases?limit=2").json()["next"]
    for _ in range(2):
        assert world.coordinator.get(f"/v1/cases?limit=2&cursor={following[:-1]}x").status_code == 422
        assert world.as_("reader").get(f"/v1/cases?limit=2&status=closed&cursor={following}").status_code == 422
        assert world.coordinator.get(f"/v1/cases?limit=2&cursor={following}&cursor={following}").status_code == 422


def test_the_rate_limit_counts_quick_answers_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = world.case()
    both_ways(world, world.coordinator, f"/v1/cases/{reference}", monkeypatch)
    counted = counting(monkeypatch)
    world.coordinator.get(f"/v1/cases/{reference}")
    assert counted == [UUID(world.coordinator.account)]
