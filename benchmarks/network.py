"""A network with some people, on a service in this process: who asks in the benchmarks that are run by hand."""

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from httpx2 import ASGITransport, AsyncClient, Response
from pydantic import SecretStr
from sqlalchemy import update
from starlette.testclient import TestClient

from appeals.accounts.account import Membership, grant, new_account
from appeals.accounts.api_key import new_key
from appeals.accounts.bootstrap import create_network
from appeals.accounts.entity import entity_named, new_entity
from appeals.app import create_app
from appeals.database import migrations
from appeals.database.engine import Database
from appeals.settings import Settings
from appeals.vocabulary import AccountKind, EntityKind, Role
from benchmarks.bodies import Body, intake, steps_to_engagement
from benchmarks.service import PEPPER

PEOPLE: dict[str, tuple[Role, str]] = {
    "admin": (Role.ADMIN, "International Office"),
    "coordinator": (Role.COORDINATOR, "International Office"),
    "auditor": (Role.AUDITOR, "International Office"),
    "asia caseworker": (Role.CASEWORKER, "South Asia"),
    "partner": (Role.PARTNER, "Garment Workers Centre"),
    "europe coordinator": (Role.COORDINATOR, "Europe"),
    "europe caseworker": (Role.CASEWORKER, "Europe"),
    "europe reader": (Role.READER, "Europe"),
}
"""Each with the role and the entity it is held in."""


def create_people(database: Database) -> dict[str, str]:
    """Migrate a database, create the network and a member in South Asia, and give everybody a key; the keys by name."""
    migrations.migrate(database)
    now, keys = datetime.now(UTC), {}
    with database.writing() as session:
        create_network(session)
        member, parent = "Garment Workers Centre", entity_named(session, "South Asia")
        new_entity(session, member, EntityKind.MEMBER, parent, "BD")
        accounts = {name: new_account(session, name, AccountKind.PERSON, now) for name in PEOPLE}
        for name, (role, entity_name) in PEOPLE.items():
            entity = entity_named(session, entity_name)
            assert entity is not None  # noqa: S101 - one of the network
            grant(session, accounts[name], role, entity, now)
            keys[name] = new_key(session, accounts[name].id, PEPPER.encode(), now, now + timedelta(days=7)).text
        coordinator = accounts["coordinator"].id
        for signer, of in (
            ("coordinator", Membership.account_id != coordinator),
            ("admin", Membership.account_id == coordinator),
        ):
            session.execute(update(Membership).where(of).values(confirmed_by=accounts[signer].id))
    return keys


class Network:
    """A service in this process on a database with `PEOPLE`; a whole request is handed to its event loop at once."""

    def __init__(self, url: str) -> None:
        database = Database(url)
        self.keys: Mapping[str, str] = create_people(database)
        database.engine.dispose()
        quiet: dict[str, Any] = {
            "rate_per_minute": 0,
            "public_rate_per_minute": 0,
            "clock_every_s": 0,
            "webhooks_every_s": 0,
        }
        self.app = create_app(Settings(database_url=url, pepper=SecretStr(PEPPER), **quiet))
        self.database: Database = self.app.state.database
        self._stack = ExitStack()
        self._service = self._stack.enter_context(TestClient(self.app))
        inside = ASGITransport(self.app, client=("testclient", 50000))
        self._client = AsyncClient(transport=inside, base_url="http://testserver")

    def call(self, who: str, method: str, path: str, body: Body | None = None) -> Response:
        """What the service answers to one of the people; what is done to a case is done to it as it stands."""
        headers = {"Authorization": f"Bearer {self.keys[who]}"}
        if path.startswith("/v1/cases/") and body is not None:
            headers["If-Match"] = "*"
        assert self._service.portal is not None  # noqa: S101 - it was entered
        answer: Response = self._service.portal.call(self._send, method, path, headers, body)
        return answer

    async def _send(self, method: str, path: str, headers: dict[str, str], body: Body | None) -> Response:
        return await self._client.request(method, path, headers=headers, json=body)

    def create_case(self, **changed: Any) -> str:
        """Log a case; its reference."""
        answer = self.call("coordinator", "POST", "/v1/cases", intake(**changed)).raise_for_status()
        reference: str = answer.json()["reference"]
        return reference

    def create_engaged_case(self, **changed: Any) -> str:
        """A case in engagement, with everything on it; its reference."""
        reference = self.create_case(**changed)
        for noun, body in steps_to_engagement().items():
            self.call("coordinator", "POST", f"/v1/cases/{reference}/{noun}", body).raise_for_status()
        return reference

    def end(self) -> None:
        """Let everything go."""
        self._stack.close()
