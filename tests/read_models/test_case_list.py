"""The list of cases: every filter, alone and repeated, in every order; and possible duplicates."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from sqlalchemy import Connection, event
from sqlalchemy import text as sql
from sqlalchemy.engine.interfaces import CacheStats

from appeals.accounts.authentication import authenticate
from appeals.read_models.case_list import CaseQuery, list_statement
from appeals.reports import duplicates as duplicates_report
from tests.conftest import PEPPER, Template
from tests.support.cast import CONSENTS, WAY, Body, World, action, day, intake, organisation, step_input
from tests.support.duplicates import TWICE_TOLD, duplicates


def parties(facility: str, country: str, brand: str) -> Body:
    """Records with a workplace and a brand."""
    return {
        "parties": [
            {"label": "factory", "role": "employer", "facility": {"name": facility, "country": country}},
            {"label": "brand", "role": "brand", "organisation": organisation(brand, "company", "SE")},
        ],
        "consents": CONSENTS,
    }


def risk(level: str) -> Body:
    """Records with a risk assessment."""
    return {"risk_assessments": [{"level": level, "assessed_on": day(5)}]}


ON_THE_SHELF: dict[str, Body] = {
    "dhaka": {
        "country": "BD",
        "received_on": day(40),
        "violations": [{"code": "antiunion_dismissal"}],
        "records": {**parties("Bright Stitch Ltd", "BD", "Sample Brand"), **risk("elevated")},
    },
    "delhi": {
        "country": "IN",
        "received_on": day(20),
        "violations": [{"code": "threat"}, {"code": "raid"}],
        "danger": True,
        "visibility": "regional",
        "records": {**parties("Second Mill", "IN", "Other Brand"), **risk("critical")},
    },
    "izmir": {
        "country": "TR",
        "received_on": day(20),
        "violations": [{"code": "threat"}],
        "priority": "high",
        "visibility": "sealed",
        "records": {**parties("Third Mill", "TR", "Sample Brand"), **risk("low")},
    },
    "lodz": {
        "country": "PL",
        "received_on": day(10),
        "violations": [{"code": "wage_unpaid"}],
        "priority": "low",
        "visibility": "network",
        "records": {**parties("Fourth Mill", "PL", "Sample Brand")},
    },
    "fresh": {"country": "BD", "received_on": day(0), "violations": [{"code": "lockout"}], "records": {}},
}
LED = {
    "dhaka": ("South Asia", "asia caseworker"),
    "delhi": ("South Asia", "asia coordinator"),
    "izmir": ("Europe", "europe caseworker"),
    "lodz": ("Europe", "europe coordinator"),
}
HIDDEN_FROM_ASIA = {"izmir", "fresh"}


@dataclass(frozen=True)
class Shelf:
    """The cases above, in a world; and the ids of what they name."""

    world: World
    names: dict[str, str]
    ids: dict[str, str]

    def found(self, query: str, who: str = "coordinator") -> list[str]:
        """The names of the cases found, in their order."""
        answer = self.world.as_(who).get(f"/v1/cases?{query.format(**self.ids)}")
        assert answer.status_code == 200, answer.text
        return [self.names[case["reference"]] for case in answer.json()["items"]]


@pytest.fixture(scope="module")
def shelf(template: Template) -> Iterator[Shelf]:
    """The shelf, made once a module."""
    url = template.copy()
    world = World(url, PEPPER, template.cast)
    names: dict[str, str] = {}
    for name, body in ON_THE_SHELF.items():
        reference = world.case(**body)
        names[reference] = name
        if name in LED:
            lead, assignee = LED[name]
            world.take(reference, "screening", lead_entity=lead, assignee=assignee)
    by_name = {name: reference for reference, name in names.items()}
    world.take(by_name["lodz"], "decline")
    yield Shelf(world, names, known_ids(world, by_name))
    world.end()
    template.drop(url)


def known_ids(world: World, by_name: dict[str, str]) -> dict[str, str]:
    """Ids by name of entities, accounts, organisations and facilities, and the moment delhi was last changed."""
    ids: dict[str, str] = {}
    for directory in ("entities", "accounts", "organisations", "facilities"):
        for item in world.coordinator.get(f"/v1/{directory}?limit=200").json()["items"]:
            ids[item["name"].replace(" ", "_")] = item["id"]
    return {**ids, "then": quote(world.show(by_name["delhi"])["updated_at"])}


EVERYTHING = {"dhaka", "delhi", "izmir", "lodz", "fresh"}
FILTERS: list[tuple[str, set[str]]] = [
    ("", EVERYTHING),
    ("status=received", {"fresh"}),
    ("status=received&status=declined", {"fresh", "lodz"}),
    ("status=closed", set()),
    ("group=intake", {"dhaka", "delhi", "izmir", "fresh"}),
    ("group=ended&group=active", {"lodz"}),
    ("group=intake&status=screening", {"dhaka", "delhi", "izmir"}),
    ("group=ended&status=screening", set()),
    ("country=BD", {"dhaka", "fresh"}),
    ("country=BD&country=IN&country=NL", {"dhaka", "fresh", "delhi"}),
    ("region=South+Asia", {"dhaka", "delhi"}),
    ("region={Europe}&region=South+Asia", {"dhaka", "delhi", "izmir", "lodz"}),
    ("lead=International+Office", {"fresh"}),
    ("lead=Europe", {"izmir", "lodz"}),
    ("lead={South_Asia}&lead=International+Office", {"dhaka", "delhi", "fresh"}),
    ("lead=Nowhere", set()),
    ("assignee=asia+caseworker", {"dhaka"}),
    ("assignee={asia_coordinator}&assignee=europe+caseworker", {"delhi", "izmir"}),
    ("violation=threat", {"delhi", "izmir"}),
    ("violation=raid&violation=lockout", {"delhi", "fresh"}),
    ("brand={Sample_Brand}", {"dhaka", "izmir", "lodz"}),
    ("brand={Sample_Brand}&brand={Other_Brand}", {"dhaka", "delhi", "izmir", "lodz"}),
    ("brand={Bright_Stitch_Workers_Union}", set()),
    ("facility={Second_Mill}", {"delhi"}),
    ("facility={Second_Mill}&facility={Third_Mill}", {"delhi", "izmir"}),
    ("risk=critical", {"delhi"}),
    ("risk=low&risk=elevated", {"izmir", "dhaka"}),
    ("priority=urgent", {"delhi"}),
    ("priority=high&priority=low", {"izmir", "lodz"}),
    ("visibility=restricted", {"dhaka", "fresh"}),
    ("visibility=sealed&visibility=network", {"izmir", "lodz"}),
    ("danger=true", {"delhi"}),
    ("danger=false", {"dhaka", "izmir", "lodz", "fresh"}),
    (f"received_from={day(20)}", {"delhi", "izmir", "lodz", "fresh"}),
    (f"received_to={day(20)}", {"dhaka", "delhi", "izmir"}),
    (f"received_from={day(20)}&received_to={day(20)}", {"delhi", "izmir"}),
    (f"received_from={day(19)}&received_to={day(20)}", set()),
    ("updated_since={then}", {"delhi", "izmir", "lodz", "fresh"}),
    ("updated_since=2199-01-01T00:00:00Z", set()),
    ("updated_since=1999-01-01T00:00:00%2B14:00", EVERYTHING),
    ("country=BD&violation=antiunion_dismissal&risk=elevated&lead=South+Asia&brand={Sample_Brand}", {"dhaka"}),
    ("country=BD&violation=threat", set()),
]


@pytest.mark.parametrize(("query", "names"), FILTERS)
def test_a_filter_finds_what_it_names_and_nothing_hidden(shelf: Shelf, query: str, names: set[str]) -> None:
    found, seen_from_asia = shelf.found(query), shelf.found(query, "asia coordinator")
    assert (sorted(found), sorted(seen_from_asia)) == (sorted(names), sorted(seen_from_asia))
    assert set(seen_from_asia) - asked_by_team(query) == names - HIDDEN_FROM_ASIA - asked_by_team(query)


def asked_by_team(query: str) -> set[str]:
    """What Asia sees, but does not work on, and so does not find by its parties."""
    return {"lodz"} if "brand=" in query else set()


def test_who_only_follows_the_status_does_not_find_a_case_by_its_parties(shelf: Shelf) -> None:
    people = {"europe caseworker": ["lodz", "izmir"], "asia caseworker": ["dhaka"], "asia reader": [], "reader": []}
    for who, names in people.items():
        assert shelf.found("brand={Sample_Brand}", who) == names
        assert "lodz" in shelf.found("", who)
    assert shelf.found("facility={Fourth_Mill}", "asia caseworker") == []


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("", ["fresh", "lodz", "izmir", "delhi", "dhaka"]),
        ("sort=received_on", ["fresh", "lodz", "izmir", "delhi", "dhaka"]),
        ("sort=updated_at", ["lodz", "fresh", "izmir", "delhi", "dhaka"]),
        ("sort=priority", ["delhi", "izmir", "fresh", "dhaka", "lodz"]),
    ],
)
def test_cases_come_newest_or_most_pressing_first_and_the_later_logged_of_equals(
    shelf: Shelf, sort: str, order: list[str]
) -> None:
    assert shelf.found(sort) == order
    following, walked = f"/v1/cases?limit=1&{sort}", []
    while following:
        answer = shelf.world.coordinator.get(following)
        walked += [shelf.names[case["reference"]] for case in answer.json()["items"]]
        following = answer.links["next"]["url"] if "next" in answer.links else ""
    assert walked == order


@pytest.mark.parametrize("who", ["europe caseworker", "asia reader"])
def test_no_filter_adds_to_what_somebody_sees(shelf: Shelf, who: str) -> None:
    seen = set(shelf.found("", who))
    for query, names in FILTERS:
        assert set(shelf.found(query, who)) <= seen & names


# Possible duplicates

BESIDE = ["same violations", "same days"]


def test_the_same_appeal_logged_twice_is_told_with_every_reason(world: World) -> None:
    first = world.case()
    reasons = ["same employer", "same requester", "same union", "same violations", "same brand", "same days"]
    assert duplicates(world) == {first: reasons}


def test_each_reason_is_told_by_itself(world: World) -> None:
    union, other = organisation("Union A"), organisation("Union B")
    first = world.case(requesting_organisation=union, records={})
    assert duplicates(world, requesting_organisation=union, records={}) == {first: ["same requester", *BESIDE]}
    mill = {"role": "employer", "facility": {"name": "Mill", "country": "BD"}}
    owner = {"role": "factory_owner", "organisation": organisation("Owner", "company")}
    second = world.case(requesting_organisation=other, records={"parties": [mill, owner]})
    third = duplicates(world, requesting_organisation=organisation("Union C"), records={"parties": [owner]})
    assert third == {second: ["same factory owner", *BESIDE]}


def test_names_are_compared_without_case_accents_and_spacing(world: World) -> None:
    first = world.case(requesting_organisation=organisation("Union Générale"), records={})
    again = organisation("UNION  Generale")
    assert duplicates(world, requesting_organisation=again, records={}) == {first: ["same requester", *BESIDE]}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"received_on": day(120)}, True),
        ({"received_on": day(121)}, False),
        ({"country": "IN"}, False),
        ({"requesting_organisation": organisation("Bright Stitch Workers Union", country="IN")}, True),
        ({"requesting_organisation": organisation("Tannery Workers Union")}, False),
    ],
)
def test_a_duplicate_is_of_the_same_country_and_months(world: World, changed: Body, told: bool) -> None:
    world.case(records={})
    assert bool(duplicates(world, **{"records": {}, **changed})) is told


def test_another_role_makes_no_duplicate(world: World) -> None:
    world.case(requesting_organisation=organisation("Union A"), records={})
    target = {"role": "employer", "organisation": organisation("Union A")}
    other = organisation("Union B")
    assert duplicates(world, requesting_organisation=other, records={"parties": [target]}) == {}


@pytest.mark.parametrize(("first", "second"), TWICE_TOLD)
def test_reports_of_one_event_meet_across_scripts(world: World, first: str, second: str) -> None:
    def told_of(name: str, by: str) -> Body:
        employer = {"role": "employer", "facility": {"name": name, "country": "BD"}}
        return {"requesting_organisation": organisation(by), "records": {"parties": [employer]}}

    known = world.case(**told_of(first, "Union One"))
    assert duplicates(world, **told_of(second, "Federation Two")) == {known: ["employer of a like name", *BESIDE]}
    other = {**told_of(second, "Federation Two"), "violations": [{"code": "killing", "since": day(80)}]}
    assert known not in duplicates(world, **other)


def test_appeals_of_one_union_for_different_workplaces_are_different(world: World) -> None:
    for name in ("Sunrise Denim", "Blue Harbour Knit", "Crescent Leather"):
        employer = {"role": "employer", "facility": {"name": name, "country": "BD"}}
        assert duplicates(world, records={"parties": [employer]}) == {}


def test_a_hidden_case_is_no_duplicate(world: World) -> None:
    hidden = world.case()
    assert duplicates(world, "europe coordinator") == {}
    assert hidden in duplicates(world, "coordinator")


def test_only_so_many_duplicates_are_told_the_newest_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates_report, "SHOWN", 2)
    by_age = {ago: world.case(records={}, received_on=day(ago)) for ago in (5, 1, 9, 3)}
    assert list(duplicates(world, records={})) == [by_age[1], by_age[3]]


def test_the_first_step_of_a_merger_finds_the_same_case(world: World) -> None:
    first = world.case_in("screening")
    second = world.case()
    assert first in duplicates(world)
    world.take(second, "screening")
    assert world.coordinator.step(second, "merger", {**step_input("merger"), "survivor": first}).status_code == 201


def test_the_most_pressing_are_found_by_an_index_on_every_page(world: World) -> None:
    """Its expression has to be spelt in the statement as the migration spelt it."""
    if not world.database.embedded:
        pytest.skip("what PostgreSQL does depends on how much there is")
    world.case()
    with world.database.reading() as session:
        caller = authenticate(session, world.coordinator.key, PEPPER.encode(), datetime.now(UTC))
        for after in (None, [2, str(UUID(int=0))]):
            statement = list_statement(session, caller, CaseQuery(sort="priority"), after)
            text = statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
            plan = session.execute(sql(f"EXPLAIN QUERY PLAN {text}")).all()
            assert any("ix_case_urgency_id" in row[3] for row in plan), plan
            assert not any("TEMP B-TREE" in row[3] for row in plan), plan


@contextmanager
def statements(world: World, *, writing: bool | None = None) -> Iterator[list[tuple[str, Any, bool]]]:
    """The statements that are run meanwhile, with their parameters, and whether there are several sets of these.

    Those of all transactions, or only of those that write or that do not.
    """
    params: list[tuple[str, Any, bool]] = []

    def note(connection: Connection, _: Any, statement: str, given: Any, __: Any, many: bool) -> None:
        if writing in (None, connection.get_execution_options().get("writing", False)):
            params.append((statement, given, many))

    event.listen(world.database.engine, "before_cursor_execute", note)
    yield params
    event.remove(world.database.engine, "before_cursor_execute", note)


COMPARED_AGAIN = (
    "SELECT (SELECT json_group_array(json_array(cases.id",
    "SELECT (SELECT json_agg(json_build_array(cases.id",
)


def test_a_write_asks_the_database_no_more_than_it_has_to(world: World) -> None:
    """Each statement costs half a millisecond; what the rows are that a write brings stands in domain.md."""
    reference = world.case_in("accepted")
    world.case()
    with statements(world, writing=True) as params, statements(world, writing=False) as compared:
        world.case()
    # What other transactions of the server, of any database of it, may have hidden is compared once more while writing.
    again = sum(statement.startswith(COMPARED_AGAIN) for statement, *_ in params)
    assert again in (0, 1)
    assert len(params) - again <= 23, [statement for statement, *_ in params]
    assert len(compared) <= 7, [statement for statement, *_ in compared]
    with statements(world) as params:
        world.take(reference, "engagement")
    assert len(params) <= 15, [statement for statement, *_ in params]


def test_a_write_compiles_no_statement_that_ran_before(world: World) -> None:
    """A statement without a cache key is compiled each time, which takes as long as ten that have one."""
    world.take(world.case_in("accepted"), "engagement")
    reference = world.case_in("accepted")
    compiled = list[str]()

    def note(_: Connection, __: Any, statement: str, ___: Any, context: Any, ____: bool) -> None:
        if context.compiled is not None and context.cache_hit is not CacheStats.CACHE_HIT:
            compiled.append(statement)

    event.listen(world.database.engine, "before_cursor_execute", note)
    world.case()
    world.take(reference, "engagement")
    event.remove(world.database.engine, "before_cursor_execute", note)
    assert compiled == []


def test_no_write_reads_through_a_table(world: World) -> None:
    if not world.database.embedded:
        pytest.skip("what PostgreSQL does depends on how much there is")
    with statements(world) as params:
        reference = world.case()
        for noun in WAY["engagement"]:
            world.take(reference, noun)
        assert world.coordinator.add(reference, "actions", action()).status_code == 201
        assert world.coordinator.patch(f"/v1/cases/{reference}", {"title": "New"}, If_Match="*").status_code == 200
    with world.database.engine.connect() as connection:
        plans = {
            (row[3], statement)
            for statement, given, many in params
            if statement.startswith(("SELECT", "UPDATE", "DELETE")) and not many
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
        }
    read_through = {plan for plan in plans if plan[0].startswith("SCAN") and plan[0] not in SMALL}
    assert (len(plans) > 50, read_through) == (True, set())


SMALL = {
    "SCAN network_state", "SCAN CONSTANT ROW",
    "SCAN earlier", "SCAN later", "SCAN ranked", "SCAN value VIRTUAL TABLE INDEX 1:",
    "SCAN change USING COVERING INDEX ix_change_transaction_id_id",
}  # fmt: skip
"""What has one row, what was cut to some hundreds when it was found by an index, and what is read for its last row."""


def test_a_case_is_compared_as_it_stands_though_it_was_compared_before(world: World) -> None:
    first = world.case(violations=[{"code": "antiunion_dismissal"}])

    def reasons() -> list[str]:
        told = world.coordinator.post("/v1/cases", intake(violations=[{"code": "lockout"}])).json()
        (found,) = (found["reasons"] for found in told["possible_duplicates"] if found["reference"] == first)
        return list(found)

    assert "same violations" not in reasons()
    assert world.coordinator.add(first, "violations", {"code": "lockout"}).status_code == 201
    assert "same violations" in reasons()
