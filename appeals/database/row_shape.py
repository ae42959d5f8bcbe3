"""Row shapes: objects of the mapped classes without a session, made from rows and written as rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from operator import itemgetter
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Boolean, Date, Uuid
from sqlalchemy.orm import class_mapper
from sqlalchemy.orm.attributes import manager_of_class
from sqlalchemy.types import TypeEngine

from appeals.database.declarative import Base
from appeals.database.types import DecimalText, UtcDateTime

Row = TypeVar("Row", bound=Base)
Values = tuple[object, ...]


class ReadValues(dict[str, object]):
    """Values by their JSON text. Each is created once, because ids and times repeat."""

    def __init__(self, read: Callable[[str], object]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> object:
        value = self[text] = self._read(text)
        return value


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


READERS: tuple[tuple[type[TypeEngine[Any]], Callable[[str], object]], ...] = (
    (Uuid, UUID),
    (Date, date.fromisoformat),
    (UtcDateTime, _moment),
    (DecimalText, Decimal),
    (Boolean, bool),
)
"""How values of columns are read from JSON, if JSON has no such type."""


def read_values() -> list[ReadValues]:
    """Return empty `ReadValues` for each of `READERS`, to be shared by rows that are read together."""
    return [ReadValues(read) for _, read in READERS]


class RowShape(Generic[Row]):
    """The columns of a mapped class, in order, by the names of its attributes."""

    def __init__(self, table: type[Row]) -> None:
        attributes = class_mapper(table).column_attrs
        self.table = table
        self.names: tuple[str, ...] = tuple(attribute.key for attribute in attributes)
        self.columns = {attribute.key: attribute.columns[0] for attribute in attributes}
        self.keys: tuple[str, ...] = tuple(column.key for column in self.columns.values())
        self._readers = [(at, kind) for at, kind in enumerate(map(_reader_of, self.columns.values())) if kind >= 0]
        self._values: Callable[[Mapping[str, object]], Values] = itemgetter(*self.names)
        self._new = manager_of_class(table).new_instance
        self._defaults = [(name, column.default) for name, column in self.columns.items() if column.default is not None]

    def row(self, values: Sequence[object]) -> Row:
        """Return a row of these values."""
        row: Row = self._new()
        row.__dict__.update(zip(self.names, values, strict=True))
        return row

    def row_of_json(self, values: list[Any], known: Sequence[ReadValues]) -> tuple[Row, Values]:
        """Return a row from the values of a `json_row` of its columns, and these values as they are read."""
        for at, kind in self._readers:
            if values[at] is not None:
                values[at] = known[kind][values[at]]
        return self.row(values), tuple(values)

    def row_of_document(self, document: Mapping[str, object]) -> Row:
        """Return a row from a JSON document of its columns.

        A column that is newer than the document has its default.
        """
        values = {name: default.arg for name, default in self._defaults if default.is_scalar}
        values |= {name: document[name] for name in self.names if name in document}
        known = read_values()
        return self.row_of_json([values.get(name) for name in self.names], known)[0]

    def values(self, row: Row) -> Values:
        """Return the values of a row, in order."""
        return self._values(row.__dict__)

    def new(self, **values: object) -> Row:
        """Return a new row of these values, by the names of attributes. A missing value is the default, or null."""
        row: Row = self._new()
        row.__dict__.update(values)
        self.complete(row)
        return row

    def complete(self, row: Row) -> None:
        """Set missing values of a new row to their defaults, or null."""
        values = row.__dict__
        for name, default in self._defaults:
            if values.get(name) is None:
                values[name] = default.arg if default.is_scalar else default.arg(None)
        for name in self.names:
            values.setdefault(name, None)

    def document(self, row: Row, but: Iterable[str] = ()) -> dict[str, object]:
        """Return the columns of a row in JSON form, except those in `but`."""
        values = row.__dict__
        return {name: _plain(values[name]) for name in self.names if name not in but}


@cache
def shape_of(table: type[Row]) -> RowShape[Row]:
    """Return the shape of a mapped class."""
    return RowShape(table)


def _reader_of(column: Any) -> int:
    """Return the index among `READERS` of the reader of a column; -1 if it needs none."""
    return next((place for place, (kind, _) in enumerate(READERS) if isinstance(column.type, kind)), -1)


def _plain(value: object) -> object:
    write = _WRITERS.get(type(value))
    return value if write is None else write(value)


_WRITERS: dict[type[Any], Callable[[Any], str]] = {
    date: date.isoformat,
    datetime: datetime.isoformat,
    UUID: str,
    Decimal: str,
}
"""How values are written into documents, if JSON has no such type."""
