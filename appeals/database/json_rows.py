"""Rows as JSON: one statement returns the rows of many tables, on both databases."""

from typing import Any

from sqlalchemy import JSON, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from appeals.database.sql_functions import arguments, call_by_dialect


class json_row(FunctionElement[list[object]]):  # noqa: N801 - reads as the SQL function it is
    """SQL function: some columns of a row as a JSON array, with ids, days and times as texts."""

    type = JSON()
    inherit_cache = True


class json_rows(FunctionElement[list[list[object]]]):  # noqa: N801
    """SQL function: all rows as a JSON array of `json_row`s, in no order; without rows it is null or empty."""

    type = JSON()
    inherit_cache = True


call_by_dialect(json_row, postgresql="json_build_array")
call_by_dialect(json_rows, postgresql="json_agg", sqlite="json_group_array")


@compiles(json_row, "sqlite")
def _json_array(element: json_row, compiler: SQLCompiler, **options: object) -> str:
    parts = zip(element.clauses, arguments(element, compiler, options), strict=True)
    return f"json_array({', '.join(f'json({sql})' if _is_json(part) else sql for part, sql in parts)})"


def _is_json(part: ColumnElement[Any]) -> bool:
    """Return whether a column holds JSON, which SQLite stores as text."""
    return isinstance(part.type, JSON) and not isinstance(part, FunctionElement)
