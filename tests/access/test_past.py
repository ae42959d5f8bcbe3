"""The past does not widen (domain.md 8): readers with the status view see no moment at which the case was hidden."""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote

import pytest

from tests.support.cast import Body, Person, World, consent, day, settle, step_input
from tests.support.fate import Fate, fate
from tests.support.two_worlds import Ground, ground

__all__ = ["fate", "ground"]
SECRET: Body = {"title": "Worker Seven was arrested", "public_summary": "Her home is in Lane 4."}
CLEAN: Body = {"title": "An arrest", "public_summary": "A worker was arrested."}


def now_in(world: World, reference: str) -> str:
    """The moment of the last change of a case, as a query has it."""
    return quote(world.show(reference)["updated_at"])


def change(world: World, reference: str, **changed: object) -> str:
    """Change a case; the moment it stood so."""
    answer = world.coordinator.patch(f"/v1/cases/{reference}", changed, If_Match="*")
    assert answer.status_code == 200, answer.text
    return now_in(world, reference)


def hidden_then_shown(world: World, visibility: str = "network") -> tuple[str, str, str]:
    """A case with names in its texts, corrected before it was shown; the moments before and after."""
    reference = world.case(visibility="restricted", **SECRET)
    hidden = now_in(world, reference)
    change(world, reference, **CLEAN)
    world.take(reference, "suspension")
    return reference, hidden, change(world, reference, visibility=visibility)


FOLLOWERS = ("europe reader", "europe coordinator", "other partner")


@pytest.mark.parametrize("path", ["", "/timeline", "/counts"])
def test_whoever_follows_a_case_reads_no_moment_at_which_it_was_hidden(world: World, path: str) -> None:
    reference, hidden, shown = hidden_then_shown(world)
    at = f"/v1/cases/{reference}{path}"
    absent = f"/v1/cases/UA-BGD-2026-00000{path}"
    for who in map(world.as_, FOLLOWERS):
        before, never = who.get(f"{at}?as_of={hidden}"), who.get(absent)
        assert (before.status_code, before.content) == (404, never.content)
        assert who.get(f"{at}?as_of={shown}").status_code == 200
    assert world.coordinator.get(f"{at}?as_of={hidden}").status_code == 200


def test_who_works_on_a_case_reads_the_whole_past_in_its_own_words(world: World) -> None:
    reference, hidden, _ = hidden_then_shown(world)
    then = world.coordinator.get(f"/v1/cases/{reference}?as_of={hidden}").json()
    assert {name: then[name] for name in SECRET} == SECRET
    followed = world.coordinator.get(f"/v1/cases/{reference}?view=status&as_of={hidden}").json()
    assert {name: followed[name] for name in CLEAN} == CLEAN


def test_texts_are_those_of_today_also_of_moments_that_could_be_seen(world: World) -> None:
    reference = world.case(visibility="network", **SECRET)
    seen = now_in(world, reference)
    change(world, reference, **CLEAN)
    for who in map(world.as_, FOLLOWERS):
        then = who.get(f"/v1/cases/{reference}?as_of={seen}").json()
        assert {name: then[name] for name in CLEAN} == CLEAN
        assert then["version"] == 1


def test_a_time_in_between_in_which_it_was_hidden_is_not_read(world: World) -> None:
    reference = world.case(visibility="network")
    moments = [now_in(world, reference)]
    moments += [change(world, reference, visibility=shown) for shown in ("restricted", "network")]
    reader = world.as_("europe reader")
    met = [reader.get(f"/v1/cases/{reference}?as_of={moment}").status_code for moment in moments]
    assert met == [200, 404, 200]


def test_a_hand_over_does_not_widen_the_past_either(world: World) -> None:
    """To whom the case is offered it is shown from the offer on, and to readers of the new lead from its acceptance."""
    reference = world.case("asia coordinator", **SECRET)
    hidden = now_in(world, reference)
    change(world, reference, **CLEAN)
    world.take(reference, "handover")
    europe, path = world.as_("europe coordinator"), f"/v1/cases/{reference}"
    offered = now_in(world, reference)
    assert [europe.get(f"{path}?as_of={at}").status_code for at in (hidden, offered)] == [404, 200]
    assert europe.step(reference, "handover-acceptance", {}).status_code == 201
    reader = world.as_("europe reader")
    accepted = quote(reader.get(path).json()["updated_at"])
    assert [reader.get(f"{path}?as_of={at}").status_code for at in (hidden, offered, accepted)] == [404, 404, 200]
    assert europe.get(f"{path}?as_of={hidden}").json()["title"] == SECRET["title"]


def test_a_former_member_of_the_team_reads_as_their_roles_have_it(world: World) -> None:
    """Not by who they were: on the team they read it all, and left it."""
    reference = world.case(**SECRET)
    hidden, path = now_in(world, reference), f"/v1/cases/{reference}"
    joined = world.coordinator.add(reference, "team", {"account": "europe caseworker"}).json()
    helper = world.as_("europe caseworker")
    assert helper.get(f"{path}?as_of={hidden}").json()["title"] == SECRET["title"]
    assert world.coordinator.patch(f"{path}/team/{joined['id']}", {"status": "left"}).status_code == 200
    shown = change(world, reference, visibility="network", **CLEAN)
    assert [helper.get(f"{path}?as_of={at}").status_code for at in (hidden, shown)] == [404, 200]


def test_what_came_on_record_while_it_was_hidden_is_on_record_since_it_was_shown(world: World) -> None:
    reference = world.case_in("engagement")
    world.coordinator.add(reference, "tallies", {"kind": "arrested", "low": 3, "high": 3, "as_of": day(9)})
    change(world, reference, visibility="network")
    shown = datetime.fromisoformat(world.show(reference)["updated_at"])
    world.take(reference, "suspension")
    path = f"/v1/cases/{reference}"
    for who in map(world.as_, FOLLOWERS):
        for noun in ("timeline", "history"):
            items = who.get(f"{path}/{noun}?limit=200").json()["items"]
            recorded = [datetime.fromisoformat(item["recorded_at"]) for item in items]
            assert min(recorded) == shown < max(recorded)
            assert len(items) > 4
    mine = world.coordinator.get(f"{path}/timeline?limit=200").json()["items"]
    assert min(datetime.fromisoformat(item["recorded_at"]) for item in mine) < shown


def test_who_follows_a_case_is_told_of_demands_as_they_stand(world: World) -> None:
    reference = world.case_in("accepted", visibility="network")
    (demand,) = world.records(reference, "demands")
    disposed = world.coordinator.patch(f"/v1/cases/{reference}/demands/{demand['id']}", {"disposition": "not_met"})
    assert disposed.status_code == 200, disposed.text
    revised = {"kind": "reinstate", "text": "Reinstate half.", "addressees": ["#factory"], "revises": demand["id"]}
    assert world.coordinator.add(reference, "demands", revised).status_code == 201
    path = f"/v1/cases/{reference}/timeline"
    codes = {
        who: [item["code"] for item in world.as_(who).get(path).json()["items"] if item["kind"] == "demand"]
        for who in ("coordinator", "europe reader")
    }
    assert codes == {"coordinator": ["not_met"], "europe reader": []}


def test_the_feed_begins_with_the_change_that_showed_the_case(world: World) -> None:
    reference, _, _ = hidden_then_shown(world)
    items = {who: changes(world.as_(who), reference) for who in ("coordinator", *FOLLOWERS)}
    assert [item["version"] for item in items["coordinator"]] == [1, 2, 3, 4]
    for who in FOLLOWERS:
        assert [item["version"] for item in items[who]] == [4]
    change(world, reference, visibility="restricted")
    change(world, reference, priority="low")
    change(world, reference, visibility="network")
    for who in FOLLOWERS:
        assert [item["version"] for item in changes(world.as_(who), reference)] == [7]


def changes(who: Person, reference: str) -> list[Body]:
    """What somebody who begins anew is told of a case."""
    settle(who)
    answer = who.get("/v1/changes?limit=200")
    assert answer.status_code == 200, answer.text
    return [item for item in answer.json()["items"] if item["reference"] == reference]


# Two worlds that differ in what was while the case was hidden


def words(world: World, reference: str, variant: int) -> None:
    texts = [SECRET, {"title": "Other words", "public_summary": "Quite other ones."}][variant]
    translated = {"title": texts["title"], "summary": texts["public_summary"]}
    change(world, reference, **texts, translations={"bn" if variant else "si": translated})


def records(world: World, reference: str, variant: int) -> None:
    for scope in ("media_interview", "research_use")[: variant + 1]:
        made = world.coordinator.add(reference, "consents", consent(scope))
        assert made.status_code == 201, made.text


def grades(world: World, reference: str, variant: int) -> None:
    violation = world.records(reference, "violations")[0]["id"]
    for grade in (("possible", "confirmed"), ("confirmed", "confirmed"))[variant]:
        said = {**step_input("verification"), "grades": [{"violation": violation, "grade": grade}]}
        assert world.coordinator.step(reference, "verification", said).status_code == 201


def people(world: World, reference: str, variant: int) -> None:
    names = ("caseworker", "asia caseworker")
    assert world.coordinator.add(reference, "team", {"account": names[variant]}).status_code == 201
    if variant:
        world.as_("asia caseworker").get(f"/v1/cases/{reference}")


def days(world: World, reference: str, variant: int) -> None:
    said = {"kind": "arrested", "low": 3, "high": 3, "as_of": day(9), "women": 0}
    for _ in range(40 * variant):
        world.coordinator.get("/v1/me")  # time passes
    assert world.coordinator.add(reference, "tallies", said).status_code == 201


PASTS: list[Callable[[World, str, int], None]] = [words, records, grades, people, days]


def heard(ground: Ground, fate: Fate, past: Callable[[World, str, int], None], variant: int) -> list[str]:
    """All that those who follow a case are told of it, where its past was one or the other."""
    world = ground.world
    world.client.event_hooks = {"request": [fate.begin]}
    ground.serve(ground.beginning)
    fate.go_on_from(0)
    reference = world.case(visibility="sealed")
    moments = [now_in(world, reference)]
    past(world, reference, variant)
    moments.append(now_in(world, reference))
    fate.go_on_from(1_000)
    change(world, reference, **CLEAN, translations={})
    fate.go_on_from(2_000)
    moments.append(change(world, reference, visibility="network"))
    fate.go_on_from(3_000)
    world.take(reference, "acknowledgement")
    answers: list[str] = []
    for number, name in enumerate(("reader", "asia reader", *FOLLOWERS)):
        fate.go_on_from(4_000 + 1_000 * number)
        who, path = world.as_(name), f"/v1/cases/{reference}"
        params = [path, f"{path}/history", f"{path}/timeline", f"{path}/counts", f"{path}/steps", "/v1/cases"]
        params += [f"{path}{noun}?as_of={at}" for at in moments for noun in ("", "/timeline", "/counts")]
        params += ["/v1/cases?q=worker", "/v1/cases?q=words", "/v1/cases?sort=updated_at", "/v1/statistics?by=status"]
        for question in params:
            answer = who.get(question)
            tag = answer.headers.get("etag")
            answers.append(f"{name} {question.partition('?')[0]} {answer.status_code} {tag}\n{answer.text}")
        answers += [str(item) for item in changes(who, reference)]
    return answers


@pytest.mark.parametrize("past", PASTS, ids=lambda past: past.__name__)
def test_two_worlds_that_differ_in_the_hidden_past_are_told_alike(
    ground: Ground,
    fate: Fate,
    past: Callable[[World, str, int], None],
) -> None:
    one, other = (heard(ground, fate, past, variant) for variant in (0, 1))
    assert one == other
    assert len(one) > 80
