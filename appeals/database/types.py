"""Column types that mean the same on both databases."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    DateTime,
    Dialect,
    Integer,
    Select,
    String,
    Text,
    Uuid,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine

AnySelect = Select[*tuple[Any, ...]]
"""A statement whose readers know its columns."""
AnyColumn = ColumnElement[Any]
"""A column or expression of any type."""


class UtcDateTime(TypeDecorator[datetime]):
    """A time, aware and in UTC on both databases."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a time zone")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class DecimalText(TypeDecorator[Decimal]):
    """A decimal number, stored digit by digit on both databases."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else f"{value:f}"

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


Document = JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


RowId = BigInteger().with_variant(Integer(), "sqlite")
"""A key of up to 63 bits, by which the rows are ordered."""


class SearchVector(TypeDecorator[Iterable[str]]):
    """The words of a document: a text with spaces around each word, or a `tsvector`.

    A word has only lower-case letters and digits of ASCII. So nothing must be escaped, and neither database splits it.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(postgresql.TSVECTOR() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Iterable[str] | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return " ".join(map(_in_tsvector, value)) if dialect.name == "postgresql" else f" {' '.join(value)} "

    def process_result_value(self, value: str | None, dialect: Dialect) -> list[str] | None:
        return None if value is None else value.replace("'", "").split()


def _in_tsvector(word: str) -> str:
    return f"'{word}'"


AutoIncrement = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database increments, and never uses twice as long as no row is deleted."""


class IntegerArray(TypeDecorator[list[int]]):
    """A list of numbers as a parameter: an array, or JSON."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        array = postgresql.ARRAY(BigInteger) if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(array)

    def process_bind_param(self, value: list[int] | None, dialect: Dialect) -> object:
        return value if value is None or dialect.name == "postgresql" else json.dumps(value)


class UuidArray(TypeDecorator[list[UUID]]):
    """A list of ids as a result: an array, or JSON."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        array = postgresql.ARRAY(Uuid()) if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(array)

    def process_result_value(self, value: Any, dialect: Dialect) -> list[UUID]:
        return [UUID(number) for number in json.loads(value)] if isinstance(value, str) else value or []
