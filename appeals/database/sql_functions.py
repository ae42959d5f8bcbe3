"""SQL functions that have another name in each dialect."""

from functools import partial
from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


def arguments(element: FunctionElement[Any], compiler: SQLCompiler, options: dict[str, object]) -> list[str]:
    """Return the arguments of a function as SQL. `options` are those that SQLAlchemy passes to compilers."""
    return [compiler.process(argument, **options) for argument in element.clauses]


def call_by_dialect(function: type[FunctionElement[Any]], **names: str) -> None:
    """Compile a function to a call of the named function of each dialect."""
    for dialect, name in names.items():
        compiles(function, dialect)(partial(_call, name))


def _call(name: str, element: FunctionElement[Any], compiler: SQLCompiler, **options: object) -> str:
    return f"{name}({', '.join(arguments(element, compiler, options))})"
