"""The order of commits: transaction numbers, positions among them, and which are settled."""

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from appeals.database.sql_functions import arguments


class current_xid(FunctionElement[int]):  # noqa: N801 - reads as the SQL function it is
    """SQL function: the number of the present transaction; later ones have higher numbers.

    If the database has one writer at a time it is 0, because writes commit in the order of their row numbers.
    """

    type = BigInteger()
    inherit_cache = True


class snapshot_xmin(FunctionElement[int]):  # noqa: N801
    """SQL function: the number below which all transactions have ended."""

    type = BigInteger()
    inherit_cache = True


class snapshot_xmax(FunctionElement[int]):  # noqa: N801
    """SQL function: the first unused number. Rows with this number or a higher one come from another server."""

    type = BigInteger()
    inherit_cache = True


class after_position(FunctionElement[bool]):  # noqa: N801
    """SQL condition that a position (a transaction, and a number in it) comes after another, given as four columns or
    values.

    It has no SQL type: for a boolean, SQLite would get `… = 1`, for which it does not use an index.
    """

    inherit_cache = True


class below_xmin(FunctionElement[bool]):  # noqa: N801
    """SQL condition that a transaction, and every one before it, has ended."""

    inherit_cache = True


@compiles(after_position, "postgresql")
def _after_position(element: after_position, compiler: SQLCompiler, **options: object) -> str:
    transaction, number, after, after_number = arguments(element, compiler, options)
    return f"(({transaction}, {number}) > ({after}, {after_number}))"


@compiles(below_xmin, "postgresql")
def _below_xmin(element: below_xmin, compiler: SQLCompiler, **options: object) -> str:
    (transaction,) = arguments(element, compiler, options)
    return f"({transaction} < {compiler.process(snapshot_xmin(), **options)})"


# With one transaction number for all, positions differ only by the second number. Written so, SQLite uses the
# index of both; for a pair it would scan from the beginning.


@compiles(after_position, "sqlite")
def _after_number(element: after_position, compiler: SQLCompiler, **options: object) -> str:
    transaction, number, after, after_number = arguments(element, compiler, options)
    return f"({transaction} = {after} AND {number} > {after_number})"


@compiles(below_xmin, "sqlite")
def _always_below(_: object, __: object, **___: object) -> str:
    return "(0 = 0)"


@compiles(current_xid, "postgresql")
def _current_xid(_: object, __: object, **___: object) -> str:
    return "pg_current_xact_id()::text::bigint"


@compiles(snapshot_xmin, "postgresql")
def _snapshot_xmin(_: object, __: object, **___: object) -> str:
    return "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


@compiles(snapshot_xmax, "postgresql")
def _snapshot_xmax(_: object, __: object, **___: object) -> str:
    return "pg_snapshot_xmax(pg_current_snapshot())::text::bigint"


@compiles(current_xid, "sqlite")
def _constant_xid(_: object, __: object, **___: object) -> str:
    return "0"


@compiles(snapshot_xmax, "sqlite")
@compiles(snapshot_xmin, "sqlite")
def _constant_xmin(_: object, __: object, **___: object) -> str:
    return "1"
