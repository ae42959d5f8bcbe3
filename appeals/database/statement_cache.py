"""The cache of statements that were built with SQLAlchemy, one for each database."""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from sqlalchemy import Executable
from sqlalchemy.orm import Session

STATEMENTS_CACHED = 60  # cached by each database object


Statement = TypeVar("Statement", bound=Executable)


class StatementCache:
    """The last built statements.

    The cache lives as long as its database object, so it cannot outlive a change of the rules.
    """

    def __init__(self) -> None:
        self._built = lru_cache(maxsize=STATEMENTS_CACHED)(lambda build, *arguments: build(*arguments))

    def get(self, build: Callable[..., Statement], *arguments: object) -> Statement:
        """Return `build(*arguments)`, built once. The statement must depend on nothing else that changes."""
        statement: Statement = self._built(build, *arguments)
        return statement

    def clear(self) -> None:
        """Remove all statements."""
        self._built.cache_clear()


_STATEMENTS = "the statement cache of the database of this session"


def statement_cache(session: Session) -> StatementCache:
    """Return the statement cache of the database of this session."""
    cache: StatementCache = session.info[_STATEMENTS]
    return cache
