"""The order of commits: transaction numbers, positions among them, and which are settled."""

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from appeals.database.sql_functions import arguments


class current_xid(FunctionElement[int]):  # noqa: N801 - reads as the SQL function it is
    """The number of the transaction that runs: those that begin later have a higher one.

    Where there is one writer at a time it is 0, as they commit in the order of what they write.
    """

    type = BigInteger()
    inherit_cache = True


class snapshot_xmin(FunctionElement[int]):  # noqa: N801
    """Below this number every transaction has ended: what they wrote is seen, or will never be."""

    type = BigInteger()
    inherit_cache = True


class snapshot_xmax(FunctionElement[int]):  # noqa: N801
    """The number that no transaction has had yet: what carries it or a higher one was numbered elsewhere."""

    type = BigInteger()
    inherit_cache = True


class after_position(FunctionElement[bool]):  # noqa: N801
    """That a place (a transaction, a number in it) comes after another: of four columns or values, two and two.

    It says nothing of its type: as a boolean, SQLite would be given `… = 1`, for which it looks in no index.
    """

    inherit_cache = True


class below_xmin(FunctionElement[bool]):  # noqa: N801
    """That a transaction has ended, and every one before it."""

    inherit_cache = True


@compiles(after_position, "postgresql")
def _after_position(element: after_position, compiler: SQLCompiler, **options: object) -> str:
    transaction, number, after, after_number = arguments(element, compiler, options)
    return f"(({transaction}, {number}) > ({after}, {after_number}))"


@compiles(below_xmin, "postgresql")
def _below_xmin(element: below_xmin, compiler: SQLCompiler, **options: object) -> str:
    (transaction,) = arguments(element, compiler, options)
    return f"({transaction} < {compiler.process(snapshot_xmin(), **options)})"


# Where all transactions have one number, places differ by the numbers in them alone: said so, SQLite finds a place in
# the index of both; a pair it would look for from the beginning.


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
