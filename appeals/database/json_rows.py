"""Rows as JSON: how one statement gives the rows of many tables, on both databases."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import JSON, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class json_row(FunctionElement[list[Any]]):  # noqa: N801 - reads as the SQL function it is
    """A JSON array of some columns of a row. Ids, days and times are texts in it."""

    type = JSON()
    inherit_cache = True


class json_rows(FunctionElement[list[list[Any]]]):  # noqa: N801
    """A JSON array of all rows, each a `json_row`, in no order; of no rows it is null or empty."""

    type = JSON()
    inherit_cache = True


def _parts(element: FunctionElement[Any], compiler: SQLCompiler, values: dict[str, Any]) -> Iterable[tuple[Any, str]]:
    return ((part, compiler.process(part, **values)) for part in element.clauses)


@compiles(json_row, "postgresql")
def _json_build_array(element: json_row, compiler: SQLCompiler, **values: Any) -> str:
    return f"json_build_array({', '.join(sql for _, sql in _parts(element, compiler, values))})"


@compiles(json_rows, "postgresql")
def _json_agg(element: json_rows, compiler: SQLCompiler, **values: Any) -> str:
    return f"json_agg({', '.join(sql for _, sql in _parts(element, compiler, values))})"


@compiles(json_row, "sqlite")
def _json_array(element: json_row, compiler: SQLCompiler, **values: Any) -> str:
    parts = _parts(element, compiler, values)
    return f"json_array({', '.join(f'json({sql})' if _is_json(part) else sql for part, sql in parts)})"


@compiles(json_rows, "sqlite")
def _json_group_array(element: json_rows, compiler: SQLCompiler, **values: Any) -> str:
    return f"json_group_array({', '.join(sql for _, sql in _parts(element, compiler, values))})"


def _is_json(part: ColumnElement[Any]) -> bool:
    """Whether it is a document, which SQLite keeps as a text."""
    return isinstance(part.type, JSON) and not isinstance(part, FunctionElement)
