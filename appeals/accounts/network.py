"""The network as one transaction sees it: its entities, accounts and roles, each looked up once.

Nothing here is locked or changed. The rows belong to no session, so that those who write to cases can share them as
long as the network has the same version.
"""

from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, select
from sqlalchemy.orm import Session

from appeals.accounts.account import Account, grants_of
from appeals.accounts.caller import RoleGrant
from appeals.accounts.entity import Entity, NetworkState
from appeals.database.json_rows import json_row
from appeals.database.row_shape import shape_of
from appeals.errors import FieldError, Invalid
from appeals.fields import as_uuid

Row = TypeVar("Row", Entity, Account)


class Network:
    """Entities, accounts and roles, read on a connection where they are not `known` yet."""

    def __init__(self, connection: Connection, known: dict[Any, Any]) -> None:
        self._connection, self._known = connection, known

    def entity(self, row_id: UUID) -> Entity:
        """The entity of this id, which exists."""
        return self._existing(Entity, row_id)

    def account(self, row_id: UUID) -> Account:
        """The account of this id, which exists."""
        return self._existing(Account, row_id)

    def grants_of(self, account_id: UUID) -> tuple[RoleGrant, ...]:
        """Every role the account holds."""
        key = RoleGrant, account_id
        if key not in self._known:
            self._known[key] = grants_of(self._connection, account_id)
        grants: tuple[RoleGrant, ...] = self._known[key]
        return grants

    def entity_named(self, name_or_id: str) -> Entity | None:
        """The entity of this name or id."""
        return self._named(Entity, name_or_id)

    def existing_entity(self, name_or_id: str, pointer: str) -> Entity:
        """The entity of this name or id. Raises: Invalid, pointing at the member that named it."""
        entity = self.entity_named(name_or_id)
        if entity is None:
            raise Invalid([FieldError(pointer, "names no entity of the network")])
        return entity

    def existing_account(self, name_or_id: str, pointer: str) -> Account:
        """The active account of this name or id. Raises: Invalid, pointing at the member that named it."""
        account = self._named(Account, name_or_id)
        if account is None or not account.active:
            raise Invalid([FieldError(pointer, "names no account of the network")])
        return account

    def _existing(self, table: type[Row], row_id: UUID) -> Row:
        row = self._one(table, "id", row_id)
        if row is None:
            raise LookupError(f"no {table.__tablename__} {row_id}")
        return row

    def _named(self, table: type[Row], name_or_id: str) -> Row | None:
        row_id = as_uuid(name_or_id)
        return self._one(table, "id", row_id) if row_id else self._one(table, "name", name_or_id)

    def _one(self, table: type[Row], by: str, value: UUID | str) -> Row | None:
        key = table, by, value
        if key not in self._known:
            values = self._connection.execute(_BY[table, by], {"value": value}).one_or_none()
            self._known[key] = None if values is None else shape_of(table).row(values)
        row: Row | None = self._known[key]
        return row


NETWORK_VERSION = select(json_row(NetworkState.auth_version, NetworkState.epoch))
"""Which network this is, and how often it changed: what is known of it holds as long as this is the same."""


def network_of(session: Session) -> Network:
    """The network as the transaction of a session sees it; nothing of it is shared with others."""
    return Network(session.connection(), {})


def _by(table: type[Entity] | type[Account], name: str) -> Select[Any]:
    columns = table.__table__.c
    return select(*columns).where(columns[name] == bindparam("value", type_=columns[name].type))


_BY = {(table, by): _by(table, by) for table in (Entity, Account) for by in ("id", "name")}
