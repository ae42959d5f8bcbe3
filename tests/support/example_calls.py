"""Calls to operations that show what they do: those that the examples of the OpenAPI document are taken from."""

from dataclasses import replace
from itertools import islice

from appeals.api.routing import Route
from appeals.read_models.public_statistics import MIN_CELL
from appeals.vocabulary import Role
from tests.support.cast import WAY, Body, World, day, intake, organisation, step_input
from tests.support.guard_trips import later
from tests.support.standing import DOORS, Standing

STEPS_TAKEN: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("closed", ()),
    ("public_campaign", ("de-escalation",)),
    ("remediation", ("breach",)),
    ("monitoring", ()),
    ("suspended", ("resumption",)),
    ("declined", ("reopening",)),
    ("referred", ()),
    ("info_requested", ("information",)),
    ("received", ("acknowledgement", "withdrawal")),
)
"""States that cases are brought to, and the steps from there: all but those that need another case or entity."""
CALLS: tuple[tuple[str, str, Body], ...] = (
    ("amend_case", "coordinator", {"title": "Dismissals at Bright Stitch", "priority": "high"}),
    ("change_parties", "coordinator", {"company_position": "The company says that it buys there no more."}),
    ("change_people", "coordinator", {"safe_contact_rule": "Only by messenger."}),
    ("change_consents", "coordinator", {"state": "withdrawn", "withdrawn_on": day(1)}),
    ("change_actions", "coordinator", {"result_note": "They ask for a meeting."}),
    ("change_responses", "coordinator", {"rejoinder": "The labels show the link.", "rejoined_on": day(1)}),
    ("change_commitments", "coordinator", {"status": "in_progress"}),
    ("change_proceedings", "coordinator", {"stage": "admissibility", "stage_on": day(1), "next_on": later(20)}),
    ("change_team", "coordinator", {"status": "left"}),
    (
        "add_response", "coordinator",
        {"received_on": day(2), "grade": "holding_reply", "summary": "They look into it.", "follow_up_on": later(7)},
    ),
    ("take_down", "coordinator", {"reason": "The workers asked for it."}),
    ("add_organisation", "coordinator", organisation("Sample Fund", "ngo")),
    (
        "add_facility", "coordinator",
        {"name": "Sample Mill", "country": "BD", "owner": organisation("Sample Mills", "company")},
    ),
    ("add_entity", "admin", {"name": "Textile Workers Centre", "kind": "member", "parent": "Europe", "country": "DE"}),
    ("disable_account", "admin", {"reason": "left"}),
    ("end_membership", "admin", {}),
    ("confirm_membership", "coordinator", {}),
    ("create_first_key", "coordinator", {"scopes": ["read"], "days": 30}),
    ("rotate_own_key", "coordinator", {}),
    ("revoke_key", "coordinator", {}),
    ("change_webhook", "coordinator", {"url": "https://hooks.example.org/appeals"}),
    ("rotate_secret", "coordinator", {}),
    ("retry_delivery", "coordinator", {}),
    ("end_webhook", "coordinator", {}),
)  # fmt: skip
"""What the cast does to the standing case and network: the operation, who calls it, and with what."""

OPENING: Body = {"fields": ["narrative"], "reason": "The lawyer asks what happened first."}


def make_calls(standing: Standing) -> None:
    """Call every operation but the stream at least once, with success."""
    take_steps(standing.world)
    publish_cases(standing.world)
    count_arrests(standing)
    call(standing, "open_sealed", "coordinator", OPENING)
    read_everything(standing)
    for operation, who, body in CALLS:
        call(standing, operation, who, body)
    enrol_account(standing.world)
    break_glass(standing.world)


def read_everything(standing: Standing) -> None:
    """Get all that can be read of the standing case and network."""
    for route in DOORS:
        if route.method == "GET" and not route.is_sse_stream:
            standing.reader(route).get(standing.path(route))
    for path in ("/healthz", "/readyz", "/version"):
        standing.world.nobody.get(path)


def take_steps(world: World) -> None:
    """Take every step."""
    for state, further in STEPS_TAKEN:
        reference = world.case()
        for noun in (*WAY[state], *further):
            world.take(reference, noun)
    survivor, merged = world.case(), world.case()
    world.take(merged, "merger", survivor=survivor)
    world.take(survivor, "handover")
    accepted = world.as_("europe coordinator").step(survivor, "handover-acceptance", {"assignee": "europe caseworker"})
    assert accepted.status_code == 201, accepted.text


def publish_cases(world: World) -> None:
    """Publish as many cases as public statistics need to tell anything, and read these."""
    for _ in range(MIN_CELL):
        reference = world.case()
        for noun in WAY["public_campaign"]:
            world.take(reference, noun)
    world.nobody.get("/public/statistics?by=country")


def count_arrests(standing: Standing) -> None:
    """Put on record who was arrested and who is out."""
    for kind, count in (("arrested", 9), ("bailed", 4)):
        body = {"kind": kind, "low": count, "high": count, "as_of": day(2), "source": "Legal Aid Fund"}
        standing.world.coordinator.add(standing.reference, "tallies", body)


def call(standing: Standing, operation: str, who: str, body: Body) -> None:
    """Call an operation on the standing case and network, at its newest publication."""
    *_, newest = standing.world.records(standing.reference, "publications")
    path = replace(standing, ids={**standing.ids, "publications": newest["id"]}).path(route := _route(operation))
    headers = {"If_Match": "*"} if route.access.needs_if_match else {}
    answer = standing.world.as_(who).call(route.method, path, body if route.writes else None, **headers)
    assert answer.status_code == (route.status_code or 200), (operation, answer.text)


def _route(operation: str) -> Route:
    return next(route for route in DOORS if route.name == operation)


def stream_of_changes(standing: Standing) -> str:
    """What a stream begins with: that it began, and the change after the first page of one."""
    coordinator = standing.world.coordinator
    since = coordinator.get("/v1/changes?limit=1").json()["next"]
    headers = {"Authorization": f"Bearer {coordinator.key}"}
    with coordinator.client.stream("GET", f"/v1/changes/stream?since={since}", headers=headers) as response:
        return b"".join(islice(response.iter_bytes(), 2)).decode()


def refused_step(standing: Standing) -> Body:
    """The refusal of a step of which several guards do not hold."""
    body = {**step_input("closure"), "reason": "demands_met"}
    answer = standing.world.coordinator.step(standing.reference, "closure", body)
    assert answer.status_code == 409, answer.text
    refusal: Body = answer.json()
    return refusal


def enrol_account(world: World) -> None:
    """Add an account, confirm its role, and let its holder make a key with the halves that two people tell."""
    admin, coordinator = world.as_("admin"), world.as_("asia coordinator")
    body = {"name": "dhaka desk", "kind": "person", "role": "caseworker", "entity": "South Asia"}
    account = admin.post("/v1/accounts", body).json()
    coordinator.post(f"/v1/memberships/{account['memberships'][0]['id']}/confirmation", {})
    codes = [who.post(f"/v1/accounts/{account['id']}/enrolment", {}).json() for who in (admin, coordinator)]
    made = world.nobody.post("/v1/enrolments", {"halves": [half for code in codes for half in code["halves"]]})
    assert made.status_code == 201, made.text


def break_glass(world: World) -> None:
    """Break the glass of a sealed case whose team has left: two do, one proposes a member, the other confirms it."""
    desks = [world.newcomer(f"{name} desk", Role.COORDINATOR) for name in ("first", "second", "third")]
    reference = desks[0].post("/v1/cases", intake(visibility="sealed")).json()["reference"]
    for desk in desks[1:]:
        desk.post(f"/v1/cases/{reference}/break-glass", {"reason": "Somebody was arrested, and the team is away."})
    world.as_("admin").post(f"/v1/accounts/{desks[0].account}/disabling", {"reason": "left"})
    member = desks[1].add(reference, "team", {"account": "asia caseworker"}).json()
    confirmed = desks[2].post(f"/v1/cases/{reference}/team/{member['id']}/confirmation", {})
    assert confirmed.status_code == 201, confirmed.text
