"""Lists of numbers as parameters, and lists of ids as results."""

from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    TableValuedAlias,
    bindparam,
    select,
)
from sqlalchemy.sql.functions import FunctionElement

from appeals.database.sql_functions import call_by_dialect
from appeals.database.types import IntegerArray, UuidArray


class array_elements(FunctionElement[int]):  # noqa: N801
    """SQL function: the elements of a list of numbers as rows."""

    inherit_cache = True


class array_agg(FunctionElement[list[UUID]]):  # noqa: N801
    """SQL function: the ids of rows in one list."""

    type = UuidArray()
    inherit_cache = True


call_by_dialect(array_elements, postgresql="unnest", sqlite="json_each")
call_by_dialect(array_agg, postgresql="array_agg", sqlite="json_group_array")


def elements_of_parameter(name: str) -> TableValuedAlias:
    """Return the numbers in a parameter as a table with the column `value`."""
    return array_elements(bindparam(name, type_=IntegerArray())).table_valued("value", name="value")


def array_of(ids: ColumnElement[UUID]) -> ScalarSelect[list[UUID]]:
    """Return the ids of a subquery in one list, in no order."""
    return select(array_agg(ids)).scalar_subquery()
