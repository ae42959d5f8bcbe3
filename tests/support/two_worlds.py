"""Two worlds that differ by one sealed case: what both contain, and what only one of them contains."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from random import Random
from typing import Any

import pytest
from sqlalchemy import select, update

from appeals.cases.case import Case
from appeals.cases.directory import Facility, Organisation
from appeals.cases.party import Party
from appeals.vocabulary import Priority, Role
from tests.conftest import PEPPER, Template
from tests.support.cast import Body, Person, World, consent, day, intake, organisation, step_input
from tests.support.places import PLACES, VISIBILITIES
from tests.support.standing import bodies_for

COUNTRIES = ("BD", "PK", "IN")
FACTORIES = ("Bright Stitch Ltd", "Red Loom Mills", "Delta Knit Ltd")
BRANDS = ("Sample Brand", "Other Label", "Third House")
UNIONS = ("Bright Stitch Workers Union", "Loom Workers Union")
SECRET = {"factory": "Quiet Yarn Ltd", "brand": "Quiet Label", "union": "Quiet Yarn Workers Union"}
"""Names that only the sealed case speaks of."""


# The ground: a service, somebody in every role at every place, and three who will keep the sealed case


@dataclass(frozen=True)
class Ground:
    """What all pairs of worlds begin with: a database to copy, and one in whose place the service finds the copies."""

    template: Template
    beginning: str
    served: str
    world: World
    outsiders: dict[tuple[Role, str], Person]
    team: dict[str, Person]

    def serve(self, url: str) -> None:
        """Serve a copy of this database."""
        self.world.leave()
        self.template.drop(self.served)
        self.template.copy(url, self.served)
        self.world.app.state.context.clear_caches()


@pytest.fixture(scope="module")
def ground(template: Template) -> Iterator[Ground]:
    """Made once a module; each pair of worlds is a copy of it."""
    url = template.copy()
    world = World(url, PEPPER, template.cast)
    outsiders = {
        (role, place): world.newcomer(f"{role} {place}", Role(role), entity=entity)
        for (place, entity), role in product(PLACES.items(), Role)
    }
    roles = {"keeper": Role.COORDINATOR, "helper": Role.CASEWORKER, "watcher": Role.REVIEWER}
    team = {name: world.newcomer(name, role, entity=PLACES["own"]) for name, role in roles.items()}
    world.leave()
    starting_point = template.copy(url)
    yield Ground(template, starting_point, url, world, outsiders, team)
    world.end()
    template.drop(url)
    template.drop(starting_point)


# What both worlds hold


def parties(chance: Random, factory: str, brand: str, union: str) -> list[Body]:
    """A factory, a brand and a union, told now in few words and now in many."""
    owner = organisation(f"{factory} Holding", "company", "HK") if chance.random() < 0.5 else None
    details = {"owner": owner, "province": "Dhaka", "product": "shirts"} if chance.random() < 0.5 else {}
    local = {"name_local": f"{union} (local)", "may_be_named": chance.random() < 0.5}
    strong = {"link_kind": "direct_supplier", "link_strength": "evidenced", "link_evidence": "Labels on the line."}
    return [
        {"label": "factory", "role": "employer", "facility": {"name": factory, "country": "BD", **details}},
        {"label": "brand", "role": "brand", "organisation": organisation(brand, "company", "SE"), **strong},
        {"label": "union", "role": "workers_union", "organisation": {**organisation(union), **local}},
    ]


def appeal(chance: Random, factory: str, brand: str, union: str, **changed: Any) -> Body:
    """A request with these parties, of some day, country and danger."""
    records = {
        **intake()["records"],
        "parties": parties(chance, factory, brand, union),
        "consents": [*intake()["records"]["consents"], *OPENLY],
    }
    fields = {
        "requesting_organisation": organisation(union),
        "received_on": day(chance.randint(1, 80)),
        "country": chance.choice(COUNTRIES),
        "danger": chance.random() < 0.5,
        "priority": chance.choice([level.value for level in Priority]),
        "records": records,
    }
    return intake(**{**fields, **changed})


OPENLY = [consent("publish_anonymised"), consent("publish_anonymised", "local_partner")]


def fill(ground: Ground, chance: Random) -> None:
    """Cases of every visibility, of others; some published, one merged into a sealed one, some names listed openly."""
    world = ground.world
    for _ in range(chance.randint(1, 3)):
        seen_case(ground, chance)
    if chance.random() < 0.5:
        merge(world, chance)
    if chance.random() < 0.15:
        for _ in range(5):  # as many as make a public figure
            alike = {"country": "BD", "received_on": day(1), "visibility": "restricted"}
            reference = logged(world, chance, "coordinator", **alike)
            assert bring(world, reference, len(TO_ACCEPTED), "International Office", "coordinator") == "accepted"
            publish(world, reference)
    if chance.random() < 0.5:
        named = organisation(chance.choice([*BRANDS, SECRET["brand"]]), "company", "SE")
        world.coordinator.post("/v1/organisations", named)
    for person in ground.team.values():  # so that the day their keys were last used tells nothing
        assert person.get("/v1/me").status_code == 200


def seen_case(ground: Ground, chance: Random) -> None:
    """A case in some state and of some visibility."""
    world = ground.world
    entity = chance.choice(list(PLACES.values()))
    visibility, goes_public = chance.choice(VISIBILITIES), chance.random() < 0.5
    reference = logged(world, chance, "coordinator", entity=entity, visibility=visibility)
    steps = len(TO_ACCEPTED) if goes_public else chance.randint(0, len(TO_ACCEPTED))
    # Not everybody may be given every case; what is to go public is led by somebody who may.
    assignee = "coordinator" if goes_public else "keeper"
    if bring(world, reference, steps, entity, assignee) == "accepted" and goes_public and visibility != "sealed":
        publish(world, reference)


TO_ACCEPTED = ("screening", "verification", "acceptance")


def bring(world: World, reference: str, steps: int, entity: str, assignee: str) -> str:
    """Take so many steps towards acceptance, led by an entity, as far as they may be; the state it is then in."""
    for noun in TO_ACCEPTED[:steps]:
        led_by = {"lead_entity": entity, "assignee": assignee} if noun == "screening" else {}
        answer = world.coordinator.step(reference, noun, {**step_input(noun), **led_by})
        assert answer.status_code in (201, 409), answer.text
    status: str = world.show(reference)["status"]
    return status


def logged(world: World, chance: Random, who: str, **changed: Any) -> str:
    names = chance.choice(FACTORIES), chance.choice(BRANDS), chance.choice(UNIONS)
    answer = world.as_(who).post("/v1/cases", appeal(chance, *names, **changed))
    assert answer.status_code == 201, answer.text
    reference: str = answer.json()["reference"]
    return reference


def publish(world: World, reference: str) -> None:
    world.reviewer.add(reference, "approvals", {"level": "anonymised"})
    path = f"/v1/cases/{reference}/publications"
    answer = world.coordinator.post(path, {"publication_level": "anonymised"}, If_Match="*")
    assert answer.status_code == 201, answer.text


def merge(world: World, chance: Random) -> None:
    """A case that all may see, merged into one that none of the outsiders may see."""
    merged, survivor = (logged(world, chance, "coordinator", visibility=shown) for shown in ("network", "sealed"))
    merger = {"survivor": survivor, "same_dispute": "One strike."}
    assert world.coordinator.step(merged, "merger", merger).status_code == 201


# What one of them holds besides


@dataclass(frozen=True)
class Hidden:
    """The sealed case: its reference, the ids under it, and what it names."""

    reference: str
    ids: dict[str, str]
    names: dict[str, str]
    known: dict[str, str] = field(default_factory=dict)


def hide(ground: Ground, chance: Random) -> Hidden:
    """A sealed case with one record of each kind, led by the Garment Workers Centre; what only it names, and more."""
    world, keeper = ground.world, ground.team["keeper"]
    shared = {"factory": FACTORIES, "brand": BRANDS, "union": UNIONS}
    names = {what: chance.choice([SECRET[what], SECRET[what], *shared[what]]) for what in shared}
    body = appeal(chance, **names, visibility="sealed", entity=PLACES["own"])
    answer = keeper.post("/v1/cases", body)
    assert answer.status_code == 201, answer.text
    reference: str = answer.json()["reference"]
    for name in ("helper", "watcher"):
        assert keeper.add(reference, "team", {"account": name}).status_code == 201
    ids = record_all(ground.team, reference)
    opened = keeper.add(reference, "openings", {"fields": ["narrative"], "reason": "To call back."})
    assert opened.status_code == 201, opened.text
    if chance.random() < 0.5:
        offered = {"receiving_entity": chance.choice(list(PLACES.values())), "reason": "They know the owner."}
        assert keeper.step(reference, "handover", offered).status_code in (201, 409)
    if chance.random() < 0.5:
        broken = world.coordinator.post(
            f"/v1/cases/{reference}/break-glass", {"reason": "An arrest; nobody of the team answers."}
        )
        assert broken.status_code == 201, broken.text
    ids["keeper"] = keeper.account
    return Hidden(reference, ids, names, take_over_merged(world, reference))


def record_all(team: dict[str, Person], reference: str) -> dict[str, str]:
    """Bring the case into engagement, with one record of each kind; the ids of these."""
    keeper = team["keeper"]
    led_by = {"screening": {"lead_entity": PLACES["own"], "assignee": "keeper"}}
    for noun in ("screening", "verification", "acceptance", "engagement"):
        answer = keeper.step(reference, noun, {**step_input(noun), **led_by.get(noun, {})})
        assert answer.status_code == 201, answer.text
    ids = {}
    for noun, body in bodies_for(keeper, reference).items():
        answer = (team["watcher"] if noun == "approvals" else keeper).add(reference, noun, body)
        assert answer.status_code == 201, answer.text
        ids[noun] = answer.json()["id"]
    return ids


def take_over_merged(world: World, reference: str) -> dict[str, str]:
    """Let whatever was merged be merged into this case; the ids of what it names in the directory."""
    with world.database.writing() as session:
        case = session.scalars(select(Case).where(Case.reference == reference)).one()
        session.execute(update(Case).where(Case.merged_into_id.is_not(None)).values(merged_into_id=case.id))
        named = session.execute(
            select(Party.label, Organisation.id, Facility.id)
            .outerjoin(Organisation, Organisation.id == Party.organisation_id)
            .outerjoin(Facility, Facility.id == Party.facility_id)
            .where(Party.case_id == case.id, Party.label.in_(["factory", "brand", "union"]))
        )
        return {str(label): str(one or other) for label, one, other in named}
