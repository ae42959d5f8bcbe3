"""Dashboards count what readers around them see, in fives, and do not reveal hidden cases.

Two worlds are played alike, but that in one of them cases come that are hidden. Who watches the dashboards, and logs
own cases until a count moves, gets the same bytes in both (domain.md 8, invariants 7 and 8).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from appeals.accounts.account import Account, grant
from appeals.accounts.entity import entity_named
from appeals.database.engine import Database
from appeals.read_models import statistic_counts
from appeals.read_models.statistics import asked_for
from appeals.read_models.statistics_folding import fold
from appeals.vocabulary import Role, ViolationCode, Visibility
from tests.conftest import Template
from tests.support.cast import Person, World, day, intake, step_input
from tests.support.size import examples

HIDDEN, IN_ONE_WORLD = examples(), 100
"""How many hidden cases come, and how many of them one after the other into one world."""
COUNTRIES = ("BD", "NP", "KH")
VIOLATIONS = ("killing", "threat", "wage_unpaid")
LEADS = ("International Office", "South Asia", "Garment Workers Centre", "Tannery Workers Centre", "Europe")
HIDING = [lead for lead in LEADS if lead != "Garment Workers Centre"]
"""What the attacker's own entity logs, a partner sees."""
STATISTICS = (
    "/v1/statistics",
    "/v1/statistics?by=country,violation",
    "/v1/statistics?by=violation",
    "/v1/statistics?by=visibility,lead",
    "/v1/statistics?by=status,received",
    "/v1/statistics?by=region",
    "/v1/statistics?within=Garment%20Workers%20Centre&by=country",
    "/v1/statistics/timeline?by=country",
    "/v1/statistics/timeline?of=closed&every=year",
)
ELSEWHERE = (
    "/public/statistics?by=country",
    "/public/cases",
    "/v1/cases",
    "/v1/changes",
    "/v1/attention",
    "/v1/alerts",
    "/v1/organisations",
    "/v1/facilities",
    "/v1/me",
)
"""What else somebody with a dashboard's key may poll."""
log = logging.getLogger(__name__)
Row = dict[str, Any]


def rows(who: Person, query: str = "") -> list[Row]:
    answer = who.get(f"/v1/statistics{query}")
    assert answer.status_code == 200, answer.text
    items: list[Row] = answer.json()["items"]
    return items


def also(world: World, who: Person, role: Role, entity: str) -> None:
    """Let somebody hold a further role."""
    with world.database.writing() as session:
        place = entity_named(session, entity)
        assert place is not None
        grant(session, session.get_one(Account, UUID(who.account)), role, place, datetime.now(UTC))


def log_own(who: Person, **changed: Any) -> None:
    """Log a case as a partner does, without records."""
    answer = who.post("/v1/cases", intake(records={}, **changed))
    assert answer.status_code == 201, answer.text


# Two worlds


@dataclass(frozen=True)
class Ground:
    """What both worlds begin with: a database to copy, with everybody in it."""

    template: Template
    beginning: str
    partner: Person
    watching: list[Person]

    @contextmanager
    def new_world(self) -> Iterator[World]:
        """A world of its own, beside which another is played later."""
        url = self.template.copy(self.beginning)
        self.template.world.move_to(url)
        try:
            yield self.template.world
        finally:
            self.template.world.leave()
            self.template.drop(url)


@pytest.fixture
def ground(template: Template) -> Iterator[Ground]:
    """A partner below the lead, dashboards at and above it, and one who is both."""
    url = template.copy()
    world = template.world
    world.move_to(url)
    both = world.newcomer("both", Role.PARTNER, entity="Garment Workers Centre")
    also(world, both, Role.DASHBOARD, "International Office")
    local = (world.newcomer(f"dashboard {entity}", Role.DASHBOARD, entity=entity) for entity in LEADS[1:3])
    watching = [both, world.as_("dashboard"), *local]
    world.leave()
    yield Ground(template, url, world.as_("partner"), watching)
    template.drop(url)


class Attacker:
    """A partner below the lead with the keys of dashboards, and all that is answered to these."""

    def __init__(self, ground: Ground, chance: Random) -> None:
        self.partner, self.both, self.watching = ground.partner, ground.watching[0], ground.watching
        self.chance = chance
        self.tags: dict[tuple[int, str], str] = {}
        self.answers: list[tuple[Any, ...]] = []

    def watch(self, count: int) -> None:
        """Poll some paths, as dashboards do: with the tag of the last time."""
        for path in self.chance.sample((*STATISTICS, *ELSEWHERE), count):
            # Who is a partner too reads own cases elsewhere.
            at = self.chance.randrange(path in ELSEWHERE, len(self.watching))
            headers = {"Accept": "text/csv"} if self.chance.random() < 0.1 else {}
            if self.chance.random() < 0.5 and (at, path) in self.tags:
                headers["If_None_Match"] = self.tags[at, path]
            answer = self.watching[at].get(path, **headers)
            kept = sorted(
                (name, value) for name, value in answer.headers.items() if name not in ("x-request-id", "date")
            )
            self.answers.append((at, path, headers, answer.status_code, kept, answer.content))
            if "etag" in answer.headers:
                self.tags[at, path] = answer.headers["etag"]

    def add_up_to_five(self, country: str, violation: str) -> None:
        """Log own cases until a cell moves."""
        row = {"country": country, "violation": violation}
        before = self.count(row)
        for _ in range(5):
            who = self.chance.choice([self.partner, self.both])
            wide = self.chance.choice(["regional", "regional", "regional", "network", "restricted"])
            log_own(who, country=country, violations=[{"code": violation}], visibility=wide, received_on=day(3))
            self.watch(1)
            if self.count(row) != before:
                return

    def count(self, row: Row) -> int:
        """What the dashboard says of this cell."""
        items = rows(self.both, "?by=country,violation")
        self.answers.append(("cells", items))
        return next((item["cases"] for item in items if item.items() >= row.items()), 0)


def hide(world: World, chance: Random, country: str, violation: str) -> None:
    """A hidden case of some lead, and now and then what is done with it later."""
    visibility = chance.choice(["restricted", "restricted", "sealed"])
    logging, lead = chance.choice(HIDING), chance.choice(LEADS)
    body = intake(
        country=country, violations=[{"code": violation}], visibility=visibility, entity=logging,
        received_on=day(chance.randint(1, 300)), danger=chance.random() < 0.5,
    )  # fmt: skip
    logged = world.coordinator.post("/v1/cases", body)
    assert logged.status_code == 201, logged.text
    path = f"/v1/cases/{logged.json()['reference']}"
    if chance.random() < 0.3:
        told = {**step_input("screening"), "lead_entity": lead, "assignee": "coordinator"}
        assert world.coordinator.post(f"{path}/screening", told, If_Match="*").status_code == 201
    if chance.random() < 0.3:
        other = {"visibility": "sealed" if visibility == "restricted" else "restricted"}
        assert world.coordinator.patch(path, other, If_Match="*").status_code == 200


def play(ground: Ground, rounds: range, *, hiding: bool) -> list[tuple[Any, ...]]:
    """All that dashboards answer while hidden cases come, or would have come, and the attacker adds own ones."""
    with ground.new_world() as world:
        attacker = Attacker(ground, Random(rounds.start))  # noqa: S311 - it keeps no secret
        for number in rounds:
            chance = Random(number)  # noqa: S311 - it keeps no secret
            country, violation = chance.choice(COUNTRIES), chance.choice(VIOLATIONS)
            attacker.watch(4)
            if hiding:
                hide(world, chance, country, violation)
            attacker.watch(6)
            if number % 3 == 0:
                attacker.add_up_to_five(country, violation)
                fold(world.database, chance.randint(1, 25))
        return attacker.answers


@pytest.mark.soak
@pytest.mark.parametrize("first", range(0, HIDDEN, IN_ONE_WORLD))
def test_dashboards_answer_the_same_with_hidden_cases_and_without(ground: Ground, first: int) -> None:
    rounds = range(first, min(first + IN_ONE_WORLD, HIDDEN))
    beside, without = (play(ground, rounds, hiding=hiding) for hiding in (True, False))
    assert next((pair for pair in zip(beside, without, strict=True) if pair[0] != pair[1]), None) is None
    moved = {str(answer[-1]) for answer in beside if answer[0] == "cells"}
    log.info("%s hidden cases, %s answers, %s tables of cells", len(rounds), len(beside), len(moved))
    assert len(moved) > 2


def test_by_the_rule_of_before_they_could_be_told_apart(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: counted for dashboards is all that is not sealed."""
    monkeypatch.setattr(statistic_counts, "WIDELY_VISIBLE", set(Visibility) - {Visibility.SEALED})
    beside, without = (play(ground, range(4), hiding=hiding) for hiding in (True, False))
    assert beside != without


# What a dashboard counts


def test_a_cell_appears_with_the_fifth_own_case_whatever_is_hidden(world: World) -> None:
    """A restricted case of the lead would have made it the fourth."""
    killed = {"country": "NP", "violations": [{"code": "killing"}]}
    world.case("asia coordinator", **killed)
    partner, dashboard = world.as_("partner"), world.as_("dashboard")
    for own in range(1, 6):
        log_own(partner, visibility="regional", **killed)
        cells = rows(dashboard, "?by=country,violation")
        assert cells == ([{"country": "NP", "violation": "killing", "cases": 5}] if own == 5 else [])


def test_a_case_that_is_narrowed_leaves_a_dashboard_and_one_that_is_widened_comes(world: World) -> None:
    dashboard, references = (
        world.as_("dashboard"),
        [world.case("asia coordinator", visibility="regional") for _ in range(5)],
    )
    path = f"/v1/cases/{references[0]}"
    for visibility, counted in (
        ("regional", [{"cases": 5}]),
        ("restricted", []),
        ("network", [{"cases": 5}]),
        ("sealed", []),
        ("restricted", []),
        ("regional", [{"cases": 5}]),
    ):
        assert world.coordinator.patch(path, {"visibility": visibility}, If_Match="*").status_code == 200
        for _ in range(2):
            assert rows(dashboard) == counted
            fold(world.database)
    assert rows(world.coordinator) == [{"cases": 5}]


def test_of_a_value_that_only_hidden_cases_have_there_is_no_row_and_nothing_changes(world: World) -> None:
    for _ in range(5):
        world.case("asia coordinator", visibility="regional")
    dashboard = world.as_("dashboard")
    tags = {path: dashboard.get(path).headers["etag"] for path in STATISTICS}
    for _ in range(5):
        reference = world.case("europe coordinator", country="TR", danger=True, violations=[{"code": "raid"}])
    world.take(reference, "suspension")
    for path, tag in tags.items():
        assert dashboard.get(path, If_None_Match=tag).status_code == 304, path
        assert dashboard.get(path, Accept="text/csv").text.count("TR") == 0


def test_for_a_dashboard_nothing_is_read_that_hidden_cases_left_behind(world: World) -> None:
    """Neither cells nor deltas: how long it takes tells nothing of them."""
    reference = world.case()
    world.take(reference, "screening")
    assert rows_read(world.database) == 0
    fold(world.database)
    assert rows_read(world.database) == 0
    world.case("asia coordinator", visibility="regional")
    assert rows_read(world.database) == 1


def test_what_is_regional_to_the_office_alone_is_not_counted_for_dashboards(world: World) -> None:
    """A partner with a dashboard's key is 404 on it, as on a restricted one."""
    for _ in range(5):
        world.case(visibility="regional")
    assert (rows(world.as_("dashboard")), rows(world.coordinator)) == ([], [{"cases": 5}])


def rows_read(database: Database) -> int:
    """How many rows the answer to a dashboard is made of."""
    with database.reading() as session:
        paths = [path_of(session, "International Office")]
        return len(session.execute(asked_for(paths, ["country"], exact=False)).all())


def path_of(session: Session, entity: str) -> str:
    place = entity_named(session, entity)
    assert place is not None
    return place.path


@pytest.mark.parametrize("role", [Role.READER, Role.CASEWORKER, Role.REVIEWER, Role.COORDINATOR])
def test_with_a_role_that_sees_cases_counts_are_exact_where_that_is_held_and_nowhere_else(
    world: World, role: Role
) -> None:
    who = world.newcomer("a dashboard that sees", Role.DASHBOARD)
    also(world, who, role, "South Asia")
    for _ in range(6):
        world.case("asia coordinator", visibility="regional")
    for _ in range(4):
        world.case("asia coordinator", visibility="restricted")
    world.case("asia coordinator", visibility="sealed")
    world.case("europe coordinator", visibility="restricted")
    answers = {
        within: who.get(f"/v1/statistics?{within}").json()
        for within in ("", "within=International Office", "within=South Asia", "within=Europe")
    }
    assert answers == {
        "": {"fives": True, "items": [{"cases": 5}]},
        "within=International Office": {"fives": True, "items": [{"cases": 5}]},
        "within=South Asia": {"fives": False, "items": [{"cases": 10}]},
        "within=Europe": {"fives": True, "items": []},
    }


def test_a_partner_who_is_a_dashboard_too_gets_what_a_dashboard_gets(world: World) -> None:
    who = world.newcomer("a partner with a dashboard", Role.PARTNER, Role.DASHBOARD, entity="Garment Workers Centre")
    for visibility in ("sealed", *["restricted"] * 4, *["regional"] * 6):
        log_own(who, visibility=visibility)
    assert who.get("/v1/statistics").json() == {"fives": True, "items": [{"cases": 5}]}


def test_every_visibility_is_typed_as_what_dashboards_count_or_not() -> None:
    assert {"regional", "network"} == statistic_counts.WIDELY_VISIBLE
    assert set(Visibility) == {"sealed", "restricted", "regional", "network"}
    assert set(VIOLATIONS) <= {code.value for code in ViolationCode}
