"""Webhooks: what a receiver gets, signed, in order and repeatedly, and where nothing is ever sent."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from anyio import CapacityLimiter
from sqlalchemy import select, update
from standardwebhooks import Webhook as Signed
from standardwebhooks.webhooks import WebhookVerificationError

from appeals.webhooks import delivery
from appeals.webhooks.attempts import RETRY_DELAYS
from appeals.webhooks.delivery import WebhookDispatcher
from appeals.webhooks.outbound import AddressNotPublic, PublicAddressTransport, is_public
from appeals.webhooks.webhook import Webhook
from tests.conftest import PEPPER
from tests.support.cast import Body, Person, World, settle


class Receiver:
    """Listens on this machine; answers as `answers` say, 204 when they are used up."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    @property
    def events(self) -> list[Body]:
        return [json.loads(body) for _, body in self.heard]

    @property
    def told(self) -> list[tuple[str, str | None]]:
        return [(event["type"], event["data"].get("reference")) for event in self.events]

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.heard]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def now(later: timedelta = timedelta(0)) -> datetime:
    return datetime.now(UTC) + later


async def round_of(carries: WebhookDispatcher, at: datetime) -> int:
    return sum([await carries.deliver(number, at) for number in await carries.pending(at)])


def carry(world: World, at: datetime | None = None, couriers: int = 1) -> int:
    """Let so many couriers look once, all at the same time; how many events were taken."""

    async def look() -> list[int]:
        async with AsyncExitStack() as stack:
            looks = []
            for _ in range(couriers):
                client = await stack.enter_async_context(delivery.client(to_loopback=True))
                carries = WebhookDispatcher(world.database, CapacityLimiter(2), PEPPER.encode(), client)
                looks.append(round_of(carries, at or now()))
            return await asyncio.gather(*looks)

    settle(world.coordinator)
    return sum(asyncio.run(look()))


def hook(world: World, person: Person, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Body:
    """A webhook of somebody to a receiver on this machine."""
    context = world.app.state.context
    monkeypatch.setitem(context.__dict__, "webhooks_to_loopback", True)
    settle(world.coordinator)  # what is not settled when a webhook is made, it is told
    answer = person.post("/v1/webhooks", {"url": receiver.url})
    assert answer.status_code == 201, answer.text
    made: Body = answer.json()
    return made


def deliveries(person: Person, made: Body, state: str = "") -> list[Body]:
    params = f"?state={state}" if state else ""
    items: list[Body] = person.get(f"/v1/webhooks/{made['id']}/deliveries{params}").json()["items"]
    return items


def test_events_are_signed_thin_and_in_order(world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    world.case()
    made = hook(world, world.coordinator, receiver, monkeypatch)
    assert carry(world) == 0  # what was before it is read from the lists
    first, second = world.case(), world.case(title="Nobody is told this")
    world.take(first, "screening")
    assert carry(world) == 3
    assert receiver.told == [("case.changed", reference) for reference in (first, second, first)]
    headers, body = receiver.heard[1]
    told = Signed(made["secret"]).verify(body, headers)
    assert told == {**told, "type": "case.changed", "data": {"reference": second, "version": 1}}
    with pytest.raises(WebhookVerificationError):
        Signed(made["secret"]).verify(body.replace(b"changed", b"removed"), headers)
    assert len(set(receiver.ids)) == 3
    assert carry(world) == 0


def test_a_failed_event_keeps_those_after_it_waiting_and_comes_again_with_its_id(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = hook(world, world.coordinator, receiver, monkeypatch)
    first, second = world.case(), world.case()
    receiver.answers = [500, 302]
    assert carry(world) == 0
    assert carry(world) == 0
    assert len(receiver.heard) == 1
    assert carry(world, now(timedelta(seconds=7))) == 0  # a redirect is not followed
    assert [(row["tries"], row["fault"], row["status"]) for row in deliveries(world.coordinator, made)] == [
        (2, "answered", 302)
    ]
    assert carry(world, now(timedelta(minutes=7))) == 1
    assert carry(world, now(timedelta(minutes=7))) == 1
    assert [reference for _, reference in receiver.told] == [first, first, first, second]
    assert len(set(receiver.ids)) == 2
    assert [row["state"] for row in deliveries(world.coordinator, made)] == ["delivered"]


def test_what_was_tried_for_the_last_time_is_dead_until_it_is_tried_by_hand(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = hook(world, world.coordinator, receiver, monkeypatch)
    first, second = world.case(), world.case()
    receiver.answers = [503] * (len(RETRY_DELAYS) + 1)
    at = now()
    for pause in (timedelta(0), *RETRY_DELAYS):
        at += pause * 1.3
        assert carry(world, at) == 0
    dead = deliveries(world.coordinator, made, "dead")
    assert [(row["reference"], row["tries"]) for row in dead] == [(first, 7)]
    assert carry(world, at) == 1
    assert receiver.told[-1] == ("case.changed", second)
    path = f"/v1/webhooks/{made['id']}/deliveries/{dead[0]['id']}/retry"
    assert world.caseworker.post(path, {}).status_code == 404
    assert world.coordinator.post(path, {}).status_code == 201
    assert carry(world, at) == 1
    assert (receiver.told[-1], receiver.ids[-1]) == (("case.changed", first), receiver.ids[0])
    assert world.coordinator.post(path, {}).status_code == 409


def test_a_receiver_that_is_gone_or_fails_for_days_is_told_nothing_more_until_its_owner_says_so(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = hook(world, world.coordinator, receiver, monkeypatch)
    world.case()
    path = f"/v1/webhooks/{made['id']}"
    receiver.answers = [410]
    carry(world)
    assert world.coordinator.get(path).json()["state"] == "gone"
    assert carry(world, now(timedelta(days=1))) == 0
    assert world.coordinator.patch(path, {"state": "active"}).json()["state"] == "active"
    receiver.answers = [500] * 2
    carry(world)
    carry(world, now(timedelta(days=4)))
    assert world.coordinator.get("/v1/webhooks").json()["items"][0]["state"] == "failing"
    world.coordinator.patch(path, {"state": "active"})
    assert carry(world) == 1


def test_a_replaced_secret_signs_beside_the_new_one_for_a_day(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = hook(world, world.coordinator, receiver, monkeypatch)
    again = world.coordinator.post(f"/v1/webhooks/{made['id']}/secret", {}, Idempotency_Key="once")
    assert world.coordinator.post(f"/v1/webhooks/{made['id']}/secret", {}, Idempotency_Key="once").status_code == 409
    world.case()
    carry(world)
    headers, body = receiver.heard[0]
    for secret in (made["secret"], again.json()["secret"]):
        Signed(secret).verify(body, headers)
    world.case()
    carry(world, now(timedelta(hours=25)))
    assert [len(headers["webhook-signature"].split()) for headers, _ in receiver.heard] == [2, 1]
    with world.database.reading() as session:
        kept = session.scalars(select(Webhook)).one()
    assert made["secret"].encode() not in kept.secret + (kept.former_secret or b"")


def test_what_is_hidden_is_never_sent_also_when_it_was_to_be_tried_again(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = hook(world, world.as_("reader"), receiver, monkeypatch)
    world.case(visibility="sealed")
    reference, hidden = world.case(), {"visibility": "sealed"}
    receiver.answers = [500]
    assert carry(world) == 0
    world.coordinator.patch(f"/v1/cases/{reference}", hidden, If_Match="*")
    world.coordinator.patch(f"/v1/cases/{reference}", {"title": "Unheard of"}, If_Match="*")
    assert [row["reference"] for row in deliveries(world.as_("reader"), made)] == [None]
    carry(world, now(timedelta(minutes=1)))
    carry(world, now(timedelta(minutes=1)))
    assert receiver.told == [("case.changed", reference), ("case.removed", reference)]
    assert deliveries(world.as_("reader"), made)[0]["state"] == "dropped"


def test_several_couriers_at_once_send_each_event_once(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook(world, world.coordinator, receiver, monkeypatch)
    references = [world.case() for _ in range(5)]
    assert carry(world, couriers=4) == 5
    assert [reference for _, reference in receiver.told] == references


def test_what_was_sent_and_not_noted_comes_again_with_the_same_id(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook(world, world.coordinator, receiver, monkeypatch)
    world.case()

    def dies(*_: Any) -> None:
        raise SystemError

    with monkeypatch.context() as killed:
        killed.setattr(WebhookDispatcher, "_record_attempts", dies)
        assert carry(world) == 0
    assert carry(world) == 0  # whoever took it may still be at it
    assert carry(world, now(timedelta(minutes=3))) == 1
    assert receiver.ids == [receiver.ids[0]] * 2


def test_other_roles_begin_anew_none_pause_and_a_disabled_account_ends(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, admin = world.as_("reader"), world.as_("admin")
    made = hook(world, person, receiver, monkeypatch)
    [held] = person.get("/v1/me").json()["memberships"]
    admin.post(f"/v1/memberships/{held['id']}/ending", {})
    world.case()
    assert carry(world) == 0
    assert person.get(f"/v1/webhooks/{made['id']}").json()["state"] == "paused"
    path = f"/v1/accounts/{person.account}"
    world.give(person.account, "caseworker", "South Asia")
    assert carry(world) == 1
    assert receiver.told == [("feed.begin_anew", None)]
    reference = world.case(visibility="network")
    assert carry(world) == 1
    assert receiver.told[1:] == [("case.changed", reference)]
    admin.post(f"{path}/disabling", {"reason": "left"})
    world.case(visibility="network")
    assert carry(world) == 0
    with world.database.reading() as session:
        assert session.scalars(select(Webhook.state)).one() == "ended"


def test_what_was_dropped_and_is_seen_again_is_tried_again_as_patiently(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = world.as_("reader")
    made = hook(world, person, receiver, monkeypatch)
    reference = world.case()
    receiver.answers = [500] * 2
    carry(world)
    hidden = world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": "sealed"}, If_Match="*")
    assert hidden.status_code == 200
    carry(world, now(timedelta(seconds=10)))
    assert [row["state"] for row in deliveries(person, made)] == ["dropped"]
    with world.database.writing() as session:
        session.execute(update(Webhook).values(after_transaction=0, after_id=0))  # the change is still to be told of
    world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": "network"}, If_Match="*")
    carry(world, now(timedelta(seconds=20)))
    told = sorted((row["state"], row["tries"]) for row in deliveries(person, made))
    assert told == [("dropped", 1), ("waiting", 1)]  # of the change that showed the case again
    assert carry(world, now(timedelta(seconds=21))) == 0
    assert len(receiver.heard) == 2


def test_who_gets_the_same_role_again_begins_anew(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, admin = world.as_("reader"), world.as_("admin")
    hook(world, person, receiver, monkeypatch)
    [held] = person.get("/v1/me").json()["memberships"]
    admin.post(f"/v1/memberships/{held['id']}/ending", {})
    world.case()
    assert carry(world) == 0
    world.give(person.account, "reader", "International Office")
    assert carry(world) == 1
    assert receiver.told == [("feed.begin_anew", None)]


def test_one_that_ended_is_told_nothing(world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/v1/webhooks/{hook(world, world.coordinator, receiver, monkeypatch)['id']}"
    world.case()
    assert world.coordinator.post(f"{path}/ending", {}).json()["state"] == "ended"
    assert carry(world) == 0
    assert world.coordinator.patch(path, {"state": "active"}).status_code == 409
    for _ in range(5):
        hook(world, world.coordinator, receiver, monkeypatch)
    assert world.coordinator.post("/v1/webhooks", {"url": receiver.url}).status_code == 409


# Addresses

NOT_PUBLIC = (
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",  # noqa: S104
    "192.0.0.1", "192.0.2.1", "198.18.0.1", "192.88.99.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::",
    "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::1", "fe80::1", "fe80::1%eth0", "fc00::1",
    "ff02::1", "2001:db8::1", "2001::1", "2002:7f00:1::", "3fff::1", "fd00:ec2::254", "not an address",
)  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_other_address_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111"])
def test_public_addresses_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "ftp://example.org/", "https://", "https://a:b@example.org/", "https://example.org/#x",
        "https://example.org:22/", "https://example.org:99999/", "https://127.0.0.1/", "https://[::1]/",
        "https://2130706433/", "https://0x7f.1/", "https://localhost/", "https://[::ffff:7f00:1]/", "https://10.1/",
    ],
)  # fmt: skip
def test_a_url_that_leads_nowhere_public_is_refused(world: World, url: str) -> None:
    refused = world.coordinator.post("/v1/webhooks", {"url": url})
    assert (refused.status_code, [error["pointer"] for error in refused.json()["errors"]]) == (422, ["/url"])
    assert world.coordinator.get("/v1/webhooks").json()["items"] == []


class Recording(httpx2.AsyncBaseTransport):
    """Says where a request would have gone."""

    def __init__(self) -> None:
        self.sent: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(request)
        return httpx2.Response(204)


def test_the_address_that_was_checked_is_the_one_that_is_called() -> None:
    """The name is looked up once for each call; that it leads elsewhere a moment later changes nothing."""
    answers: list[Sequence[str]] = [["93.184.216.34"], ["127.0.0.1"], ["93.184.216.34", "10.0.0.1"]]
    inner = Recording()

    async def resolve(_: str, __: int) -> Sequence[str]:
        return answers.pop(0)

    async def call() -> None:
        async with httpx2.AsyncClient(transport=PublicAddressTransport(inner, resolve), trust_env=False) as client:
            await client.post("https://hooks.example.org/x")
            for _ in range(2):
                with pytest.raises(AddressNotPublic):
                    await client.post("https://hooks.example.org/x")

    asyncio.run(call())
    [sent] = inner.sent
    assert (sent.url.host, sent.headers["host"]) == ("93.184.216.34", "hooks.example.org")
    assert sent.extensions["sni_hostname"] == "hooks.example.org"


def test_without_the_setting_this_machine_is_never_called(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = hook(world, world.coordinator, receiver, monkeypatch)
    world.case()

    async def look() -> int:
        async with delivery.client(to_loopback=False) as client:
            return await round_of(WebhookDispatcher(world.database, CapacityLimiter(2), PEPPER.encode(), client), now())

    assert asyncio.run(look()) == 0
    assert receiver.heard == []
    assert [row["fault"] for row in deliveries(world.coordinator, made)] == ["address"]
