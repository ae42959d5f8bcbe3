"""SQL functions that each dialect calls by another name."""

from functools import partial
from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


def arguments(element: FunctionElement[Any], compiler: SQLCompiler, options: dict[str, object]) -> list[str]:
    """The arguments of a function as SQL; `options` are what SQLAlchemy hands to whoever compiles."""
    return [compiler.process(argument, **options) for argument in element.clauses]


def call_by_dialect(function: type[FunctionElement[Any]], **names: str) -> None:
    """Compile a function to a call, in each dialect of the function of this name."""
    for dialect, name in names.items():
        compiles(function, dialect)(partial(_call, name))


def _call(name: str, element: FunctionElement[Any], compiler: SQLCompiler, **options: object) -> str:
    return f"{name}({', '.join(arguments(element, compiler, options))})"
