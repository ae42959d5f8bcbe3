"""The cast: organisations and pseudonyms that tests are played with, and how a case is brought to any state."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from httpx2 import Client, Response
from pydantic import SecretStr
from sqlalchemy import event, func, make_url, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool
from starlette.testclient import TestClient

from appeals.app import create_app
from appeals.cases.change_log import Change
from appeals.database import migrations, protection
from appeals.database.engine import Database
from appeals.database.failures import Unreachable
from appeals.database.xid_order import snapshot_xmin
from appeals.settings import Settings
from appeals.vocabulary import AccountKind, Role
from tests.support.inside import Inside, in_loop_of
from tests.support.people import Cast, enter

Body = dict[str, Any]


class Person:
    """Somebody with a key who talks to the service."""

    def __init__(self, client: Client, key: str | None, account: str = "") -> None:
        self.client, self.key, self.account = client, key, account

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """Call the service; header names are written with underscores. A `bytes` body is sent as it is."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key:
            sent.setdefault("Authorization", f"Bearer {self.key}")
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if method == "GET" and path.startswith("/v1/changes/stream"):
            return self._begun(path, sent)
        return self.client.request(method, path, content=content, headers=sent)

    def _begun(self, path: str, sent: dict[str, str]) -> Response:
        """What a stream begins with, or all of a refusal; a stream does not end."""
        with self.client.stream("GET", path, headers=sent) as response:
            if response.status_code != 200:
                response.read()
            else:
                response._content = next(response.iter_bytes())
        return response

    def get(self, path: str, **headers: str) -> Response:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Response:
        return self.call("POST", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Response:
        return self.call("PATCH", path, body, **headers)

    def step(self, reference: str, noun: str, body: Any, **headers: str) -> Response:
        """Take a step on the case as it now stands (If-Match: * unless given)."""
        return self.post(f"/v1/cases/{reference}/{noun}", body, **{"If_Match": "*", **headers})

    def add(self, reference: str, noun: str, body: Any, **headers: str) -> Response:
        """Record something under a case."""
        return self.post(f"/v1/cases/{reference}/{noun}", body, **headers)


def settle(person: Person) -> None:
    """Wait until every change can be told: another database of the same server may be in the middle of a write."""
    if not isinstance(person.client, Inside):  # a service in a process of its own, whose readers wait
        return
    unsettled = select(func.count()).where(Change.transaction_id >= snapshot_xmin())
    give_up_at = time.monotonic() + 30
    while time.monotonic() < give_up_at:
        with person.client.database.reading() as session:
            if not session.scalar(unsettled):
                return
        time.sleep(0.01)


def as_owner(url: str) -> str:
    """The same database as its owner finds it."""
    served_url = make_url(url)
    if served_url.get_backend_name() == "sqlite":
        return url
    owner = make_url(os.environ["APPEALS_TEST_DATABASE_URL"])
    return served_url.set(username=owner.username, password=owner.password).render_as_string(hide_password=False)


@contextmanager
def kept_as_written(database: Database) -> Iterator[Session]:
    """A transaction of the service in which something is tried that the database has to refuse, as rows are kept."""
    with pytest.raises((DBAPIError, Unreachable)) as buffered, database.writing() as session:
        yield session
    assert re.search("append only|permission denied", str(buffered.value.__cause__ or buffered.value))


class World:
    """A service, the cast, and cases in any state."""

    is_as_copied = False
    brought_to: Callable[[str], str] | None = None
    """Brings a case to a state in place of what is as it was copied; see `conftest.py`."""

    def __init__(self, url: str, pepper: str, cast: Cast, **changed: Any) -> None:
        # Tests ask more often in a second than people do.
        unlimited = {"rate_per_minute": 0, "public_rate_per_minute": 0, "lock_timeout_s": 10, "clock_every_s": 0}
        unlimited |= {"webhooks_every_s": 0}
        self.settings = Settings(database_url=url, pepper=SecretStr(pepper), **{**unlimited, **changed})
        self.cast = cast
        self.app = create_app(self.settings)
        self.database: Database = self.app.state.database
        event.listen(self.database.engine, "do_connect", self._connect_where_it_is, insert=True)
        event.listen(self.database.engine, "commit", self._note_writing)
        # Entered, it keeps one event loop for all calls; otherwise each call would start a thread and a loop.
        self.service = TestClient(self.app, raise_server_exceptions=False).__enter__()
        self.client: Client = Inside(self.service, self.database)
        self.nobody = Person(self.client, None)

    def as_(self, name: str) -> Person:
        """One of `PEOPLE`."""
        return Person(self.client, self.cast.keys[name], self.cast.accounts[name])

    @property
    def coordinator(self) -> Person:
        return self.as_("coordinator")

    @property
    def caseworker(self) -> Person:
        return self.as_("caseworker")

    @property
    def reviewer(self) -> Person:
        return self.as_("reviewer")

    def newcomer(
        self,
        name: str,
        *roles: Role,
        entity: str = "International Office",
        kind: AccountKind = AccountKind.PERSON,
    ) -> Person:
        """Somebody besides the cast, with these roles in an entity."""
        assert self.settings.pepper
        pepper = self.settings.pepper.get_secret_value().encode()
        with self.database.writing() as session:
            account, key = enter(session, pepper, name, *roles, entity=entity, kind=kind)
        return Person(self.client, key, account)

    def give(self, account: str, role: str, entity: str) -> Body:
        """Let an account hold a role that two people give: the admin proposes, the coordinator confirms."""
        path = f"/v1/accounts/{account}/memberships"
        proposed = self.as_("admin").post(path, {"role": role, "entity": entity})
        assert proposed.status_code == 201, proposed.text
        confirmed = self.coordinator.post(f"/v1/memberships/{proposed.json()['id']}/confirmation", {})
        assert confirmed.status_code == 201, confirmed.text
        membership: Body = confirmed.json()
        return membership

    def move_to(self, url: str) -> None:
        """Serve another database with the same application and engine, which are dear to build and to warm."""
        if self.database.engine.url != make_url(url):
            self.leave()
            self.database.engine.url = make_url(url)
        self.forget()
        self.is_as_copied = True

    def forget(self) -> None:
        """Forget what was read from the database; statements are built from code, and stay."""
        context = self.app.state.context
        for known in (context.database.network, context.callers, context.access_log, context.readiness):
            known.clear()
        context.fast_reads.clear()

    def connections_to(self, url: str) -> int | None:
        """How many connections to the database of this URL are open and idle; None where some are not."""
        pool, reader = self.database.engine.pool, self.app.state.context.fast_reads.reader
        assert isinstance(pool, QueuePool)
        if self.database.engine.url != make_url(url) or pool.checkedout():
            return None
        return pool.checkedin() + (reader._pool.get_size() if reader._pool else 0)

    @contextmanager
    def owner(self) -> Iterator[Database]:
        """The database as whoever owns it finds it: on a server another user than the service's."""
        self.is_as_copied = False
        owner = Database(as_owner(self.database.engine.url.render_as_string(hide_password=False)))
        try:
            yield owner
        finally:
            owner.engine.dispose()

    def migrate(self, revision: str = "head") -> None:
        """Bring the database to a revision, as its owner does."""
        with self.owner() as owner:
            migrations.migrate(owner, revision, self.database.engine.url)

    @contextmanager
    def unprotected(self) -> Iterator[Session]:
        """A transaction of the owner, with nothing that keeps rows as they are: behind the back of the service."""
        with self.owner() as owner, owner.writing() as session:
            protection.lift(session.connection())
            yield session
            session.flush()
            protection.protect(session.connection())

    def _note_writing(self, _: object) -> None:
        self.is_as_copied = False

    def _connect_where_it_is(self, _: object, __: object, arguments: list[Any], named: dict[str, Any]) -> None:
        database = self.database.engine.url.database
        if self.database.embedded:
            arguments[0] = database
        else:
            named["dbname"] = database

    def leave(self) -> None:
        """Let the database go; another may be moved to."""
        in_loop_of(self.service)(self.app.state.context.fast_reads.reader.close)
        self.database.engine.dispose()

    def end(self) -> None:
        """Let everything go."""
        self.leave()
        self.service.__exit__(None, None, None)

    def case(self, who: str = "coordinator", **changed: Any) -> str:
        """Log a case; its reference."""
        answer = self.as_(who).post("/v1/cases", intake(**changed))
        assert answer.status_code == 201, answer.text
        reference: str = answer.json()["reference"]
        return reference

    def case_in(self, state: str, **changed: Any) -> str:
        """A case brought to a state by the shortest way, with everything on record that guards ask for.

        Where it would be the first thing written, it was brought there before, in the database this becomes a copy of.
        """
        if self.is_as_copied and self.brought_to is not None and not changed:
            return self.brought_to(state)
        reference = self.case(**changed)
        for noun in WAY[state]:
            self.take(reference, noun)
        assert self.show(reference)["status"] == state
        return reference

    def take(self, reference: str, noun: str, **changed: Any) -> Body:
        """Take a step that must succeed, with its full input; the answer."""
        if noun == DISPOSE:
            return self.dispose(reference)
        if noun == "escalation":
            signed = self.reviewer.add(reference, "approvals", {"level": "named"})
            assert signed.status_code == 201, signed.text
        who = "caseworker" if noun == "information" else "coordinator"
        answer = self.as_(who).step(reference, noun, {**step_input(noun), **changed})
        assert answer.status_code == 201, f"{noun}: {answer.text}"
        taken: Body = answer.json()
        return taken

    def dispose(self, reference: str, disposition: str = "met") -> Body:
        """Say of every demand what became of it."""
        answer: Body = {}
        for demand in self.records(reference, "demands"):
            path = f"/v1/cases/{reference}/demands/{demand['id']}"
            answer = self.coordinator.patch(path, {"disposition": disposition}).json()
        return answer

    def show(self, reference: str) -> Body:
        """The case as the coordinator sees it."""
        shown: Body = self.coordinator.get(f"/v1/cases/{reference}").json()
        return shown

    def history(self, reference: str) -> list[Body]:
        """The status history."""
        entries: list[Body] = self.coordinator.get(f"/v1/cases/{reference}/history?limit=200").json()["items"]
        return entries

    def records(self, reference: str, noun: str) -> list[Body]:
        """The records of a kind."""
        items: list[Body] = self.coordinator.get(f"/v1/cases/{reference}/{noun}?limit=200").json()["items"]
        return items


def today() -> date:
    """The day it is; asked for anew, as a run of the tests may go over midnight."""
    return datetime.now(UTC).date()


def day(ago: int = 0) -> str:
    """The day so many days ago."""
    return (today() - timedelta(days=ago)).isoformat()


def organisation(name: str, kind: str = "union_factory", country: str = "BD") -> Body:
    """An organisation named in full."""
    return {"name": name, "kind": kind, "country": country}


def consent(scope: str, subject: str = "workers", **changed: Any) -> Body:
    """A consent given thirty days ago by union decision."""
    usual: Body = {
        "subject": subject,
        "scope": scope,
        "state": "given",
        "given_on": day(30),
        "method": "union_decision",
        "language": "bn",
    }
    return {**usual, **changed}


PARTIES: list[Body] = [
    {"label": "factory", "role": "employer", "facility": {"name": "Bright Stitch Ltd", "country": "BD"}},
    {
        "label": "brand",
        "role": "brand",
        "organisation": organisation("Sample Brand", "company", "SE"),
        "link_kind": "direct_supplier",
        "link_strength": "evidenced",
        "link_evidence": "Labels photographed on the line.",
    },
    {"label": "ministry", "role": "government_body", "organisation": organisation("Ministry of Labour", "authority")},
    {"label": "union", "role": "workers_union", "organisation": organisation("Bright Stitch Workers Union")},
]
CONSENTS: list[Body] = [
    *(consent(scope) for scope in ("take_up", "contact_brand", "contact_factory", "contact_government")),
    consent("share_external", recipients=["Legal Aid Fund"]),
    consent("publish_named"),
    consent("publish_named", "local_partner"),
]


def intake(**changed: Any) -> Body:
    """A request of thirty days ago, with parties, consents and a risk assessment along."""
    body: Body = {
        "requesting_organisation": organisation("Bright Stitch Workers Union"),
        "channel": "email",
        "received_on": day(30),
        "country": "BD",
        "narrative": "Eleven officers of the union were dismissed a week after it was registered.",
        "narrative_language": "en",
        "violations": [{"label": "dismissal", "code": "antiunion_dismissal"}],
        "affected": {"low": 11, "high": 12},
        "help_asked": "Write to the buyers.",
        "danger": False,
        "records": {
            "parties": PARTIES,
            "consents": CONSENTS,
            "risk_assessments": [{"level": "elevated", "assessed_on": day(5)}],
        },
    }
    return {**body, **changed}


def action(**changed: Any) -> Body:
    """A letter to the brand twenty days ago, to be answered within ten."""
    usual: Body = {
        "kind": "brand_contact_letter",
        "target": "#brand",
        "done_on": day(20),
        "answer_due_on": day(10),
    }
    return {**usual, **changed}


STEP_INPUTS: dict[str, Callable[[], Body]] = {
    "acknowledgement": lambda: {"channel": "email", "safe_contact_rule": "Only by messenger, after the shift."},
    "screening": lambda: {"lead_entity": "South Asia", "assignee": "coordinator"},
    "information-request": lambda: {
        "questions": "Who signed the letters of dismissal?",
        "addressee": "Bright Stitch Workers Union",
        "due_on": (today() + timedelta(days=7)).isoformat(),
    },
    "information": lambda: {"answers": "The personnel department did."},
    "verification": lambda: {
        "verifying_organisation": organisation("Legal Aid Fund", "ngo"),
        "method": "interviews",
        "grades": [{"violation": "#dismissal", "grade": "confirmed"}],
        "reliability": "high",
    },
    "acceptance": lambda: {
        "rationale": "The workers ask for it and two buyers can be reached.",
        "demands": [
            {"label": "reinstate", "kind": "reinstate", "text": "Reinstate all.", "addressees": ["#factory", "#brand"]}
        ],
    },
    "decline": lambda: {
        "reason": "no_leverage",
        "explanation": "No buyer is known.",
        "explanation_language": "en",
        "signposting": "The national legal aid centre.",
        "requester_told_on": day(),
    },
    "referral": lambda: {
        "receiving_body": "Legal Aid Fund",
        "handed_over": "The dismissal letters.",
        "receiver_accepted_on": day(),
    },
    "engagement": lambda: {"first_action": action(label="letter")},
    "escalation": lambda: {
        "public_aim": "The brand answers in public.",
        "planned_actions": "A petition.",
        "publication_level": "named",
    },
    "de-escalation": lambda: {
        "reason": "The brand asked for talks.",
        "what_stops": "The petition.",
        "workers_consulted_on": day(),
    },
    "agreement": lambda: {
        "commitments": [
            {
                "label": "promise",
                "promisor": "#factory",
                "text": "All are reinstated.",
                "kind": "reinstatement",
                "demands": ["#reinstate"],
                "due_on": day(1),
                "how_verified": "The union counts who is back.",
            }
        ],
        "workers_accepted": True,
    },
    "breach": lambda: {"commitment": "#promise", "facts": "Nobody was let in.", "breached_on": day()},
    "monitoring": lambda: {"plan": "Ask every month.", "checked_by": "Bright Stitch Workers Union"},
    "suspension": lambda: {"reason": "safety", "review_on": (today() + timedelta(days=14)).isoformat()},
    "resumption": lambda: {"what_changed": "The union office is open again."},
    "withdrawal": lambda: {"withdrawn_by": "workers", "withdrawn_on": day(), "how_told": "By telephone."},
    "closure": lambda: {
        "reason": "no_result",
        "summary": "The factory did not move.",
        "learning_note": "Write to the owner group sooner.",
        "outcomes": [],
        "requester_view": "agrees",
    },
    "reopening": lambda: {
        "reason": "retaliation",
        "records": {"consents": [consent("take_up", given_on=day())]},
    },
    "merger": lambda: {"survivor": "UA-BGD-2026-00000"},
    "handover": lambda: {"receiving_entity": "Europe", "reason": "The owner sits there."},
    "handover-acceptance": lambda: {},
}
"""A full input for every step: with it, it succeeds on a case that `World.case_in` made; merger needs a survivor."""


def step_input(noun: str) -> Body:
    """A full input for a step."""
    return STEP_INPUTS[noun]()


DISPOSE = "(say what became of every demand)"
_TO_ACCEPTED = ("screening", "verification", "acceptance")
WAY: dict[str, tuple[str, ...]] = {
    "received": (),
    "screening": ("screening",),
    "info_requested": ("screening", "information-request"),
    "accepted": _TO_ACCEPTED,
    "engagement": (*_TO_ACCEPTED, "engagement"),
    "public_campaign": (*_TO_ACCEPTED, "engagement", "escalation"),
    "remediation": (*_TO_ACCEPTED, "engagement", "agreement"),
    "monitoring": (*_TO_ACCEPTED, "engagement", DISPOSE, "monitoring"),
    "suspended": ("suspension",),
    "declined": ("decline",),
    "referred": ("screening", "referral"),
    "closed": (*_TO_ACCEPTED, "closure"),
}
"""The steps that lead from intake to each state."""
