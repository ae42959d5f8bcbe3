"""Lists of numbers as parameters, and lists of ids as results."""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    TableValuedAlias,
    bindparam,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from appeals.database.types import IntegerArray, UuidArray
from appeals.database.xid_order import _parts


class array_elements(FunctionElement[Any]):  # noqa: N801
    """The rows of a list of numbers."""

    inherit_cache = True


class array_agg(FunctionElement[list[UUID]]):  # noqa: N801
    """The ids of some rows, in one list."""

    type = UuidArray()
    inherit_cache = True


@compiles(array_elements, "postgresql")
def _unnest(element: array_elements, compiler: SQLCompiler, **values: Any) -> str:
    return f"unnest({', '.join(_parts(element, compiler, values))})"


@compiles(array_elements, "sqlite")
def _json_each(element: array_elements, compiler: SQLCompiler, **values: Any) -> str:
    return f"json_each({', '.join(_parts(element, compiler, values))})"


@compiles(array_agg, "postgresql")
def _array_agg(element: array_agg, compiler: SQLCompiler, **values: Any) -> str:
    return f"array_agg({', '.join(_parts(element, compiler, values))})"


@compiles(array_agg, "sqlite")
def _json_group_array(element: array_agg, compiler: SQLCompiler, **values: Any) -> str:
    return f"json_group_array({', '.join(_parts(element, compiler, values))})"


def elements_of_parameter(name: str) -> TableValuedAlias:
    """The numbers of the parameter of this name as a table with the column `value`."""
    return array_elements(bindparam(name, type_=IntegerArray())).table_valued("value", name="value")


def array_of(ids: ColumnElement[UUID]) -> ScalarSelect[list[UUID]]:
    """The ids of a subquery in one list, in no order."""
    return select(array_agg(ids)).scalar_subquery()
