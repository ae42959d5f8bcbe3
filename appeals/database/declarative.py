"""The declarative base of every table, ids, and keys and indexes that both databases know."""

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
    """The parent of every table; constraints are named, so that migrations can speak of them."""

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
"""Arguments of a table of which the primary key holds all there is: it is not kept twice."""


def deferred_fk(column: str) -> ForeignKey:
    """A reference that is checked when the transaction ends: within it, rows may be written in any order."""
    return ForeignKey(column, deferrable=True, initially="DEFERRED")


def partial_unique(name: str, *columns: str, condition: str) -> Index:
    """A unique index over the rows of a table for which a condition holds, in SQL that both databases speak."""
    where = text(condition)
    return Index(name, *columns, unique=True, sqlite_where=where, postgresql_where=where)


def partial_index(name: str, *columns: str, condition: str) -> Index:
    """An index over the rows of a table for which a condition holds, in SQL that both databases speak."""
    where = text(condition)
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


def new_id() -> UUID:
    """A UUID of version 7: ordered by time within one process, and no count of anything."""
    return uuid_utils.compat.uuid7()


def new_id_spelled() -> str:
    """The 32 digits of a new id, where so many are made that the object counts."""
    return uuid_utils.uuid7().hex
