"""The network as one transaction reads it: entities, accounts and roles, each read once.

Nothing is locked or changed here. The rows belong to no session, so that writes can share them as long as the version
of the network is the same.
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
    """Entities, accounts and roles, read on a connection unless they are `known` already."""

    def __init__(self, connection: Connection, known: dict[object, Any]) -> None:
        self._connection, self._known = connection, known

    def entity(self, row_id: UUID) -> Entity:
        """Return the entity with this id, which exists."""
        return self._existing(Entity, row_id)

    def account(self, row_id: UUID) -> Account:
        """Return the account with this id, which exists."""
        return self._existing(Account, row_id)

    def grants_of(self, account_id: UUID) -> tuple[RoleGrant, ...]:
        """Return all role grants of the account."""
        key = RoleGrant, account_id
        if key not in self._known:
            self._known[key] = grants_of(self._connection, account_id)
        grants: tuple[RoleGrant, ...] = self._known[key]
        return grants

    def entity_named(self, name_or_id: str) -> Entity | None:
        """Return the entity with this name or id, or None."""
        return self._named(Entity, name_or_id)

    def existing_entity(self, name_or_id: str, pointer: str) -> Entity:
        """Return the entity with this name or id. Raises: Invalid, with the pointer of the member that names it."""
        entity = self.entity_named(name_or_id)
        if entity is None:
            raise Invalid([FieldError(pointer, "names no entity of the network")])
        return entity

    def existing_account(self, name_or_id: str, pointer: str) -> Account:
        """Return the active account with this name or id.

        Raises: Invalid, with the pointer of the member that names it.
        """
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
"""The version and epoch of the network. What was read at one version holds as long as both are the same."""


def network_of(session: Session) -> Network:
    """Return the network as the transaction of a session reads it, shared with no other."""
    return Network(session.connection(), {})


def _by(table: type[Entity] | type[Account], name: str) -> Select[Any]:
    columns = table.__table__.c
    return select(*columns).where(columns[name] == bindparam("value", type_=columns[name].type))


_BY = {(table, by): _by(table, by) for table in (Entity, Account) for by in ("id", "name")}
