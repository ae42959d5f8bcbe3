"""The matrix: every operation, for every role and visibility; the expected answers are typed by hand.

The places are those of a case that the Garment Workers Centre, a member in South Asia, logged and leads.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from appeals.access import via
from appeals.access import visibility as visibility_rules
from appeals.access.visibility import VISIBILITY_RULES
from appeals.accounts.account import Account
from appeals.accounts.api_key import Key
from appeals.accounts.authentication import authenticate
from appeals.accounts.caller import Caller
from appeals.api import permissions
from appeals.api.authorization import AuthorizationContext
from appeals.api.permissions import POLICIES
from appeals.api.routing import Route
from appeals.app import create_app
from appeals.errors import Forbidden, NotFound
from appeals.vocabulary import Role, Scope
from tests.conftest import PEPPER, Template
from tests.support.cast import Person, World
from tests.support.places import OVER, PLACES, VISIBILITIES
from tests.support.standing import DOORS, NOBODY, RECORDS, bodies_for

# Who gets which view of the case, by role and place (domain.md 3 and 4).
SEEN = """
             restricted: own above root beside elsewhere | regional: the same | network: the same
partner      work   -      -      -      -    | work   status -      status -    | work   status status status status
caseworker   work   work   work   -      -    | work   work   work   status -    | work   work   work   status status
coordinator  work   work   work   -      -    | work   work   work   status -    | work   work   work   status status
reviewer     work   work   work   -      -    | work   work   work   status -    | work   work   work   status status
reader       status status status -      -    | status status status status -    | status status status status status
dashboard    -      -      -      -      -    | -      -      -      -      -    | -      -      -      -      -
auditor      -      -      -      -      -    | -      -      -      -      -    | -      -      -      -      -
admin        -      -      -      -      -    | -      -      -      -      -    | -      -      -      -      -
"""


# Who calls each operation of a case they see: a view that is enough by itself, or the roles held over it.
ANY, WORK = "any view", "work view"
CASEWORK, COORDINATION = "caseworker coordinator", "coordinator"
FIELD = "partner caseworker coordinator"
CASE_DOORS = {
    "GET": ANY,
    "PATCH": CASEWORK,
    "GET steps": ANY,
    "GET history": ANY,
    "GET timeline": ANY,
    "GET counts": ANY,
    "GET openings": WORK,
    "POST openings": FIELD,
    "GET publications": WORK,
    "POST publications": COORDINATION,
    "POST publications/takedown": CASEWORK,
    **{f"GET {noun}": WORK for noun in RECORDS},
    **{f"POST {noun}": FIELD for noun in ("parties", "violations", "people", "consents", "tallies", "payments")},
    **{f"PATCH {noun}": FIELD for noun in ("parties", "people", "consents")},
    **{f"POST {noun}": CASEWORK for noun in ("demands", "risk-assessments", "actions", "responses", "commitments")},
    **{f"PATCH {noun}": CASEWORK for noun in ("demands", "actions", "responses", "commitments")},
    **{f"POST {noun}": CASEWORK for noun in ("outcomes", "proceedings", "links")},
    "PATCH proceedings": CASEWORK,
    "POST actions/responses": CASEWORK,
    "POST approvals": "reviewer",
    "POST team": COORDINATION,
    "PATCH team": COORDINATION,
    "POST team/confirmation": COORDINATION,
    "POST acknowledgement": CASEWORK,
    "POST screening": COORDINATION,
    "POST information-request": CASEWORK,
    "POST information": "partner caseworker",
    "POST verification": CASEWORK,
    "POST acceptance": COORDINATION,
    "POST decline": COORDINATION,
    "POST referral": COORDINATION,
    "POST engagement": CASEWORK,
    "POST escalation": COORDINATION,
    "POST de-escalation": COORDINATION,
    "POST agreement": CASEWORK,
    "POST breach": CASEWORK,
    "POST monitoring": COORDINATION,
    "POST suspension": CASEWORK,
    "POST resumption": COORDINATION,
    "POST withdrawal": COORDINATION,
    "POST closure": COORDINATION,
    "POST reopening": COORDINATION,
    "POST merger": COORDINATION,
    "POST handover": COORDINATION,
    "POST handover-acceptance": COORDINATION,  # of the lead while it is offered to nobody: a guard tells them so
}


# Who passes the other operations, wherever the role is held.
EVERYBODY = " ".join(Role)
CASE_ROLES = f"{FIELD} reviewer reader"
OTHER_DOORS = {
    "GET /v1/access-log": "auditor",
    "GET /v1/keys": EVERYBODY,
    "POST /v1/keys": EVERYBODY,
    "GET /v1/cases": CASE_ROLES,
    "POST /v1/cases": FIELD,
    "GET /v1/alerts": EVERYBODY,
    "GET /v1/webhooks": EVERYBODY,
    "POST /v1/webhooks": CASE_ROLES,
    "GET /v1/attention": CASE_ROLES,
    "GET /v1/changes": CASE_ROLES,
    "GET /v1/changes/stream": CASE_ROLES,
    "GET /v1/statistics": "caseworker coordinator reviewer reader dashboard",
    "GET /v1/statistics/timeline": "caseworker coordinator reviewer reader dashboard",
    **{f"GET /v1/{whose}/{{id}}/record": f"{FIELD} reviewer" for whose in ("brands", "facilities", "owners")},
    "GET /v1/me": EVERYBODY,
    "GET /v1/organisations": EVERYBODY,
    "GET /v1/facilities": EVERYBODY,
    "GET /v1/entities": EVERYBODY,
    "GET /v1/vocabularies/{name}": EVERYBODY,
    "POST /v1/organisations": FIELD,
    "POST /v1/facilities": FIELD,
    "GET /v1/accounts": "admin coordinator",
    "GET /v1/confirmations": "admin coordinator",
    "POST /v1/enrolments": EVERYBODY,
    "POST /v1/accounts": "admin",
    "POST /v1/entities": "admin",
    "GET /public/cases": EVERYBODY,
    "GET /public/cases/{token}": EVERYBODY,
    "GET /public/statistics": EVERYBODY,
}
GLASS = "/v1/cases/{ref}/break-glass"


# Operations of a reader's account in Europe, of their role and their key: for an admin of Europe or the root; to all
# others
# the key does not exist.
OF_AN_ACCOUNT = {
    "GET /v1/accounts/{id}/keys": 403,
    "POST /v1/accounts/{id}/memberships": 403,
    "POST /v1/accounts/{id}/disabling": 403,
    "POST /v1/keys/{key}/revocation": 404,
}


# What two people do together: for an admin or a coordinator of Europe or the root.
OF_TWO = {
    "POST /v1/memberships/{id}/confirmation",
    "POST /v1/memberships/{id}/ending",  # of what is proposed; what is held is for admins to take away
    "POST /v1/accounts/{id}/enrolment",
}


# What is somebody's own: to all others it does not exist; of an account they are told so.
OF_THE_HOLDER = {
    "POST /v1/accounts/{id}/keys": 403,
    "POST /v1/keys/{key}/rotation": 404,
    "GET /v1/webhooks/{id}": 404,
    "PATCH /v1/webhooks/{id}": 404,
    "POST /v1/webhooks/{id}/secret": 404,
    "POST /v1/webhooks/{id}/ending": 404,
    "GET /v1/webhooks/{id}/deliveries": 404,
    "POST /v1/webhooks/{id}/deliveries/{delivery}/retry": 404,
}


def seen() -> dict[tuple[str, str, str], str]:
    """The view by visibility, role and place, as typed above."""
    views: dict[tuple[str, str, str], str] = {}
    for line in SEEN.strip().splitlines()[1:]:
        role, cells = line.split(maxsplit=1)
        for visibility, block in zip(VISIBILITIES[1:], cells.split("|"), strict=True):
            row = zip(PLACES, block.split(), strict=True)
            views |= {(visibility, role, place): view for place, view in row if view != "-"}
    return views


VIEWS = seen()


def expected(operation: Route, role: str, place: str, visibility: str) -> int:
    """The status with which the operation meets somebody."""
    name = f"{operation.method} {operation.path}"
    if name in OF_AN_ACCOUNT:
        return 200 if role == "admin" and place in ("root", "elsewhere") else OF_AN_ACCOUNT[name]
    if name in OF_TWO:
        return 200 if role in ("admin", "coordinator") and place in ("root", "elsewhere") else 403
    if name in OF_THE_HOLDER:
        return OF_THE_HOLDER[name]
    if operation.path == GLASS:
        return 403 if role != "coordinator" else 200 if place in OVER else 404
    if "{ref}" in operation.path:
        return expected_of_case(CASE_DOORS[typed_as(operation)], role, place, VIEWS.get((visibility, role, place)))
    return 200 if role in OTHER_DOORS[name].split() else 403


def expected_of_case(needed: str, role: str, place: str, view: str | None) -> int:
    """The status of an operation of a case that asks for this, for somebody who gets this view."""
    if view is None:
        return 404
    if needed in (ANY, WORK):
        return 200 if needed == ANY or view == "work" else 403
    return 200 if role in needed.split() and place in OVER and view == "work" else 403


def typed_as(operation: Route) -> str:
    """An operation of a case as it is named above: its method, and its path below the case without ids."""
    parts = [part for part in operation.path.split("/")[4:] if not part.startswith("{")]
    return f"{operation.method} {'/'.join(parts)}".strip()


class Stage:
    """Four cases that differ by their visibility alone, with one record of each kind, the last one published."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.people: dict[tuple[str, str], Person] = {
            (role, place): world.newcomer(f"{role} {place}", Role(role), entity=entity)
            for (place, entity), role in product(PLACES.items(), Role)
        }
        self.breaker = world.newcomer("breaker", Role.COORDINATOR, entity=PLACES["own"])
        self.keeper = world.newcomer("keeper", Role.COORDINATOR, entity=PLACES["own"])
        self.references = {visibility: self._case(visibility) for visibility in VISIBILITIES}
        self.ids = {v: {noun: self._id(r, noun) for noun in RECORDS} for v, r in self.references.items()}
        published = [self._publish(reference) for reference in self.references.values()]
        self.publications = dict(zip(VISIBILITIES, (made["id"] for made in published), strict=True))
        self.token = published[0]["token"]
        self.jack = world.newcomer("jack of all roles", *Role)
        self.reader = world.newcomer("reader of no case", Role.READER, entity=PLACES["elsewhere"])
        path, proposed = f"/v1/accounts/{self.reader.account}/memberships", {"role": "partner", "entity": "Europe"}
        self.proposed = world.as_("admin").post(path, proposed).json()["id"]
        self.offered = world.case()
        world.take(self.offered, "handover", receiving_entity=PLACES["elsewhere"])

    def _case(self, visibility: str) -> str:
        """Logged by the partner and led by the Garment Workers Centre; sealed last, when all is on record."""
        reference = self.world.case_in("engagement", entity=PLACES["own"])
        self.world.case(visibility="network")
        for noun, body in bodies_for(self.world.coordinator, reference).items():
            who = self.world.reviewer if noun == "approvals" else self.world.coordinator
            assert who.add(reference, noun, body).status_code == 201, noun
        own = {"receiving_entity": PLACES["own"], "reason": "It knows the workers."}
        assert self.world.coordinator.step(reference, "handover", own).status_code == 201
        taken = self.keeper.step(reference, "handover-acceptance", {})
        assert taken.status_code == 201, taken.text
        return reference

    def _id(self, reference: str, noun: str) -> str:
        number: str = self.world.records(reference, noun)[-1]["id"]
        return number

    def _publish(self, reference: str) -> dict[str, Any]:
        self.world.reviewer.add(reference, "approvals", {"level": "anonymised"})
        path = f"/v1/cases/{reference}/publications"
        made = self.world.coordinator.post(path, {"publication_level": "anonymised"}, If_Match="*")
        assert made.status_code == 201, made.text
        published: dict[str, Any] = made.json()
        return published

    @cached_property
    def callers(self) -> dict[tuple[str, str], Caller]:
        """Everybody as the service knows them."""
        with self.world.database.reading() as session:
            return {who: caller_of(session, person) for who, person in self.people.items()}

    def seal(self) -> None:
        """Give each case its visibility."""
        for visibility, reference in self.references.items():
            changed = self.keeper.patch(f"/v1/cases/{reference}", {"visibility": visibility}, If_Match="*")
            assert changed.status_code == 200, changed.text
        reason = {"reason": "Nobody of the team answers the telephone."}
        broken = self.breaker.post(f"/v1/cases/{self.references['sealed']}/break-glass", reason)
        assert broken.status_code == 201, broken.text

    def params(self, operation: Route, visibility: str) -> dict[str, str]:
        """What the path of an operation names on the case of this visibility."""
        noun = operation.path.split("/")[4] if operation.path.startswith("/v1/cases/{ref}/") else ""
        numbers = {**self.ids[visibility], "publications": self.publications[visibility]}
        number = numbers.get(noun, self.proposed if "/memberships/{id}" in operation.path else self.reader.account)
        named = {"ref": self.references[visibility], "id": number, "name": "status", "token": self.token}
        return {**named, "key": str(self.reader.key)[3:11], "delivery": NOBODY}


@pytest.fixture(scope="module")
def stage(template: Template) -> Iterator[Stage]:
    """Set once a module; nobody writes to it but to set it."""
    url = template.copy()
    world = World(url, PEPPER, template.cast)
    made = Stage(world)
    made.seal()
    yield made
    world.end()
    template.drop(url)


def knock(session: Session, operation: Route, caller: Caller, params: dict[str, str]) -> int:
    """The status with which an operation's gate meets a caller."""
    try:
        authorization = AuthorizationContext(session, caller, params, caller.now)
        operation.access.authorize(authorization, operation.policy)
    except NotFound:
        return 404
    except Forbidden:
        return 403
    return 200


def meetings(operations: list[Route], visibilities: tuple[str, ...] = VISIBILITIES) -> list[tuple[Route, str]]:
    """Each operation with each visibility of the case in its path, or with one where no case is in its path."""
    return [
        (operation, visibility)
        for visibility, operation in product(visibilities, operations)
        if "{ref}" in operation.path or visibility == visibilities[0]
    ]


def unexpected(stage: Stage, met: list[tuple[Route, str]], roles: Iterable[str] = tuple(Role)) -> Iterator[str]:
    """Every meeting of an operation with somebody that ends otherwise than typed above."""
    callers = {who: caller for who, caller in stage.callers.items() if who[0] in roles}
    with stage.world.database.reading() as session:
        for operation, visibility in met:
            params = stage.params(operation, visibility)
            for (role, place), caller in callers.items():
                status, wanted = knock(session, operation, caller, params), expected(operation, role, place, visibility)
                if status != wanted:
                    yield f"{operation.name}, {role} {place}, {visibility}: {status}, not {wanted}"


def caller_of(session: Session, person: Person) -> Caller:
    """A person as the service knows them by their key."""
    return authenticate(session, person.key, PEPPER.encode(), datetime.now(UTC))


def test_every_door_meets_everybody_as_typed(stage: Stage) -> None:
    of_cases = sum("{ref}" in operation.path for operation in DOORS)
    assert list(unexpected(stage, meetings(DOORS))) == []
    assert len(meetings(DOORS)) == len(DOORS) + 3 * of_cases
    assert len(stage.callers) == 40


def test_no_door_is_typed_that_is_none() -> None:
    named = {f"{operation.method} {operation.path}" for operation in DOORS if "{ref}" not in operation.path}
    assert {*OTHER_DOORS, *OF_AN_ACCOUNT, *OF_TWO, *OF_THE_HOLDER} == named
    assert set(CASE_DOORS) == {
        typed_as(operation) for operation in DOORS if "{ref}" in operation.path and operation.path != GLASS
    }


SHOW = next(route for route in DOORS if route.name == "get_case")
DEMANDS = next(route for route in DOORS if route.name == "list_demands")


@contextmanager
def without(stage: Stage, row: visibility_rules.VisibilityRule) -> Iterator[None]:
    """While the policy lacks a row; statements that were built under another are forgotten."""
    statements = stage.world.database.statements
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            visibility_rules, "VISIBILITY_RULES", tuple(other for other in VISIBILITY_RULES if other is not row)
        )
        statements.clear()
        yield
    statements.clear()


@pytest.mark.parametrize("row", VISIBILITY_RULES, ids=lambda row: f"{row.via.says}: {row.view}")
def test_without_any_row_of_sight_the_matrix_is_red(stage: Stage, row: visibility_rules.VisibilityRule) -> None:
    outside = {  # what the roles typed above leave out: who is named, and to whom a case is offered
        via.VIA_TEAM: (stage.keeper, stage.references["sealed"]),
        via.VIA_BREAK_GLASS: (stage.breaker, stage.references["sealed"]),
        via.VIA_HANDOVER: (stage.people["coordinator", "elsewhere"], stage.offered),
    }
    if row.via in outside:
        who, reference = outside[row.via]
        with without(stage, row):
            assert who.get(f"/v1/cases/{reference}").status_code == 404
        assert who.get(f"/v1/cases/{reference}").status_code == 200
    else:
        with without(stage, row):
            assert any(unexpected(stage, meetings([SHOW, DEMANDS])))


@pytest.mark.parametrize("line", [policy for policy in POLICIES if policy.roles], ids=lambda policy: policy.operation)
def test_without_any_role_of_a_line_the_matrix_is_red(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, line: permissions.Policy
) -> None:
    operations = [operation for operation in DOORS if operation.name == line.operation]
    for role in line.roles:
        monkeypatch.setitem(
            permissions.POLICY_OF,
            line.operation,
            replace(line, roles=line.roles - {role} or frozenset({Role.DASHBOARD})),
        )
        assert any(unexpected(stage, meetings(operations, ("network",)), [role])), role


@pytest.mark.parametrize("line", [policy for policy in POLICIES if policy.view], ids=lambda policy: policy.operation)
def test_without_the_view_of_a_line_the_matrix_is_red(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, line: permissions.Policy
) -> None:
    monkeypatch.setitem(permissions.POLICY_OF, line.operation, replace(line, view=None))
    operations = [operation for operation in DOORS if operation.name == line.operation]
    assert any(unexpected(stage, meetings(operations, ("restricted",))))


def test_a_door_without_a_line_stops_the_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(permissions.POLICY_OF, "get_case")
    with pytest.raises(permissions.MissingPolicy, match="get_case"):
        create_app(world.settings, world.database)


def test_every_line_of_the_policy_is_of_a_door() -> None:
    assert {policy.operation for policy in POLICIES} == {operation.name for operation in DOORS}
    assert len(POLICIES) == len(permissions.POLICY_OF)


# With a key of one scope

SCOPES = {
    "open": {"POST /v1/cases/{ref}/openings", f"POST {GLASS}"},
    "manage": {
        "POST /v1/entities", "POST /v1/accounts", "POST /v1/keys", "POST /v1/webhooks",
        *OF_AN_ACCOUNT.keys(), *OF_TWO,
    },
}  # fmt: skip


def scopes_for(operation: Route) -> set[str]:
    """The scopes that open an operation, as typed above: reading and writing are for all that is read and written."""
    name = f"{operation.method} {operation.path}"
    if operation.policy.public:
        return {"read", "write", "open", "manage"}
    return {scope for scope, names in SCOPES.items() if name in names} or {"write" if operation.writes else "read"}


def test_a_key_opens_only_what_its_scopes_name(stage: Stage) -> None:
    with stage.world.database.reading() as session:
        jack = caller_of(session, stage.jack)
        for operation, scope in product(DOORS, Scope):
            met = knock(
                session, operation, replace(jack, scopes=frozenset({scope})), stage.params(operation, "network")
            )
            name = f"{operation.method} {operation.path}"
            if name in OF_THE_HOLDER:
                assert met == OF_THE_HOLDER[name]
            else:
                assert met == (200 if scope in scopes_for(operation) else 403), (operation.name, scope)


# Without a live key

DEAD: dict[str, dict[str, Any]] = {
    "expired": {"expires_at": datetime.now(UTC) - timedelta(seconds=1)},
    "revoked": {"revoked_at": datetime.now(UTC)},
}


def dead(stage: Stage, how: str) -> Person:
    """A coordinator of the root whose key is dead."""
    if how == "absent":
        return stage.world.nobody
    who = stage.world.newcomer(f"{how} coordinator", Role.COORDINATOR)
    assert who.key
    assert who.get("/v1/me").status_code == 200
    if how == "mistyped":
        return Person(stage.world.client, who.key[:-1] + ("0" if who.key[-1] != "0" else "1"))
    with stage.world.unprotected() as session:
        if how == "disabled":
            session.get_one(Account, UUID(who.account)).active = False
        for name, value in DEAD.get(how, {}).items():
            setattr(session.get_one(Key, who.key[3:11]), name, value)
    return who


@pytest.mark.parametrize("how", ["absent", "expired", "revoked", "disabled", "mistyped"])
def test_without_a_live_key_only_what_is_published_answers(stage: Stage, how: str) -> None:
    who = dead(stage, how)
    for operation, visibility in meetings(DOORS, ("sealed", "network")):
        path = operation.path.format(**stage.params(operation, visibility))
        met = who.call(operation.method, path, {} if operation.writes else None).status_code
        assert met == ((422 if operation.writes else 200) if operation.policy.public else 401), operation.name
