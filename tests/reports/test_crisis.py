"""The crisis week, played through: duplicates, conflicting counts, linked proceedings, and a consent withdrawn."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import pytest

from appeals.read_models.name_similarity import are_alike
from tests.conftest import PEPPER, Template
from tests.support.cast import Body, World, day
from tests.support.crisis import ARRESTED, BRANDS, KILLED, ONCE, PROCEEDINGS, TWICE, Report, week
from tests.support.duplicates import UNSEEN


@dataclass(frozen=True)
class Crisis:
    """The week as it was logged: each report, its reference, and what was said of duplicates."""

    world: World
    logged: list[tuple[Report, str, dict[str, list[str]]]]

    def references(self, workplace: str) -> list[str]:
        return [reference for report, reference, _ in self.logged if report.workplace == workplace]


@pytest.fixture(scope="module")
def crisis(template: Template) -> Iterator[Crisis]:
    """Played once a module."""
    url = template.copy()
    world = World(url, PEPPER, template.cast)
    logged = []
    for report in week():
        answer = world.coordinator.post("/v1/cases", report.body)
        assert answer.status_code == 201, answer.text
        told = {found["reference"]: found["reasons"] for found in answer.json()["possible_duplicates"]}
        logged.append((report, answer.json()["reference"], told))
    yield Crisis(world, logged)
    world.end()
    template.drop(url)


def test_the_week_is_as_large_as_the_one_that_was(crisis: Crisis) -> None:
    reports = [report for report, _, _ in crisis.logged]
    first = [report.body["records"] for report in reports if not report.again]
    tallies = Counter[str]()
    for records in first:
        for tally in records["tallies"]:
            tallies[tally["kind"]] += tally["high"]
    named = {
        party["organisation"]["name"] for records in first for party in records["parties"] if "organisation" in party
    }
    assert len(reports) == 45
    assert (tallies["arrested"], tallies["killed"]) == (ARRESTED, KILLED)
    assert abs(tallies["charged_unnamed"] - 40_000) < 30
    assert named == set(BRANDS)


def test_reports_that_arrive_twice_are_found_and_others_seldom(crisis: Crisis) -> None:
    """All fifteen second reports find the first one; of 45 reports none is said to be another's."""
    seen: dict[str, str] = {}
    found, missed, false_alarms = 0, [], []
    for report, reference, told in crisis.logged:
        known = {other for other, workplace in seen.items() if workplace == report.workplace}
        found += bool(known & told.keys())
        missed += [report.workplace] if known - told.keys() else []
        false_alarms += [(report.workplace, seen[other]) for other in told.keys() - known]
        seen[reference] = report.workplace
    assert (found, missed, false_alarms) == (len(TWICE), [], [])


def test_of_names_that_no_rule_was_made_for_most_meet_and_none_wrongly() -> None:
    alike = [(english, other) for english, _ in UNSEEN for other, bengali in UNSEEN if are_alike(english, bengali)]
    assert [pair for pair in alike if pair[0] != pair[1]] == []
    assert len(alike) >= 12
    names = [english for english, _ in UNSEEN]
    assert not [pair for pair in combinations(names, 2) if are_alike(*pair)]


def test_conflicting_counts_are_shown_once_two_cases_are_one(crisis: Crisis) -> None:
    world = crisis.world
    first, second = crisis.references("Padma Denim")
    for reference in (first, second):
        world.take(reference, "screening")
    said = {"survivor": first, "same_dispute": "One dawn, two unions."}
    world.take(second, "merger", **said)
    told = world.records(second, "tallies")
    for tally in told:
        copied = {name: tally[name] for name in ("kind", "low", "high", "as_of", "source", "reliability")}
        assert world.coordinator.add(first, "tallies", copied).status_code == 201
    counts = {count["kind"]: count for count in world.show(first)["counts"]}
    assert counts["charged_unnamed"]["contested"] is True
    story = world.coordinator.get(f"/v1/cases/{second}/timeline?limit=200").json()["items"]
    assert {item["reference"] for item in story} == {first, second}


def test_thirty_six_linked_proceedings_stand_beside_each_other(crisis: Crisis) -> None:
    world, made = crisis.world, 0
    references = [crisis.references(name)[0] for name in ONCE[:12]]
    for turn in range(PROCEEDINGS):
        body: Body = {
            "body": "court", "kind": "criminal", "filed_on": day(6), "accused": 1_000 + turn,
            "number": f"GR {turn}/2026", "next_on": day(-(turn % 20) - 1),
        }  # fmt: skip
        reference = references[turn % 12]
        made += world.coordinator.add(reference, "proceedings", body).status_code == 201
        link = {"kind": "same_event", "other": references[(turn + 1) % 12]}
        if turn < 12:
            assert world.coordinator.add(reference, "links", link).status_code == 201
    assert made == PROCEEDINGS
    assert {len(world.show(reference)["links"]) for reference in references} == {2}
    params = world.coordinator.get("/v1/attention?limit=200").json()["items"]
    near = [item for item in params if item["reason"] == "hearing.near"]
    assert len(near) == sum(turn % 20 + 1 <= 14 for turn in range(PROCEEDINGS))


def test_consent_that_is_withdrawn_on_day_five_is_obeyed(crisis: Crisis) -> None:
    world = crisis.world
    for workplace in ("Turag Washing", "Orchid Lingerie"):
        (reference,) = crisis.references(workplace)
        for noun in ("screening", "verification", "acceptance"):
            world.take(reference, noun, **_fitting(world, reference, noun))
        world.take(reference, "escalation", reason="imminent_danger")
        token = world.records(reference, "publications")[-1]["token"]
        assert world.nobody.get(f"/public/cases/{token}").status_code == 200
        workers = next(
            found
            for found in world.records(reference, "consents")
            if (found["scope"], found["subject"]) == ("publish_named", "workers")
        )
        path = f"/v1/cases/{reference}/consents/{workers['id']}"
        assert world.coordinator.patch(path, {"state": "withdrawn"}).status_code == 200
        assert world.nobody.get(f"/public/cases/{token}").status_code == 404
        assert world.show(reference)["status"] == "suspended"


def _fitting(world: World, reference: str, noun: str) -> Body:
    """What of a step's usual input speaks of this case's own records."""
    if noun == "verification":
        found = world.records(reference, "violations")[0]["id"]
        return {"grades": [{"violation": found, "grade": "confirmed"}]}
    if noun == "acceptance":
        return {"demands": [{"label": "free", "kind": "release", "text": "Free them.", "addressees": ["#factory"]}]}
    return {}
