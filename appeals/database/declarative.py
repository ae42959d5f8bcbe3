"""The declarative base of all tables, ids, and keys and indexes for both databases."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import uuid_utils
import uuid_utils.compat
from sqlalchemy import ForeignKey, Index, MetaData, text
from sqlalchemy.orm import DeclarativeBase

from appeals.database.types import DecimalText, Document, UtcDateTime
from appeals.json_types import JsonObject


class Base(DeclarativeBase):
    """The base class of all tables. Constraints are named, so that migrations can refer to them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: UtcDateTime,
        Decimal: DecimalText,
        JsonObject: Document,
        list[str]: Document,
        list[JsonObject]: Document,
    }


WITHOUT_ROWID = {"sqlite_with_rowid": False}
"""Table arguments if the primary key holds all columns, so that SQLite does not store it twice."""


def deferred_fk(column: str) -> ForeignKey:
    """Return a foreign key that is checked at the end of the transaction, so that rows may be written in any order."""
    return ForeignKey(column, deferrable=True, initially="DEFERRED")


def partial_unique(name: str, *columns: str, condition: str) -> Index:
    """Return a unique index over the rows that fit a condition, in SQL for both databases."""
    where = text(condition)
    return Index(name, *columns, unique=True, sqlite_where=where, postgresql_where=where)


def partial_index(name: str, *columns: str, condition: str) -> Index:
    """Return an index over the rows that fit a condition, in SQL for both databases."""
    where = text(condition)
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


def new_id() -> UUID:
    """Return a UUID of version 7, which is ordered by time within one process and counts nothing."""
    return uuid_utils.compat.uuid7()


def new_id_spelled() -> str:
    """Return the 32 digits of a new id, without the cost of a UUID object."""
    return uuid_utils.uuid7().hex
