"""The cache of statements built with SQLAlchemy, one for each database."""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from sqlalchemy import Executable
from sqlalchemy.orm import Session

STATEMENTS_CACHED = 60  # that a database object keeps


Statement = TypeVar("Statement", bound=Executable)


class StatementCache:
    """The statements built last. It lives as long as its database, so that no rule outlives the service it held in."""

    def __init__(self) -> None:
        self._built = lru_cache(maxsize=STATEMENTS_CACHED)(lambda build, *arguments: build(*arguments))

    def get(self, build: Callable[..., Statement], *arguments: object) -> Statement:
        """`build(*arguments)`, built once; whatever else the statement depends on must not change."""
        statement: Statement = self._built(build, *arguments)
        return statement

    def clear(self) -> None:
        """Build every statement again."""
        self._built.cache_clear()


_STATEMENTS = "the statement cache of the database of this session"


def statement_cache(session: Session) -> StatementCache:
    """The statement cache of the database of this session."""
    cache: StatementCache = session.info[_STATEMENTS]
    return cache
