"""Prepared reads: one definition for each hot read.

The route runs it with SQLAlchemy first, and the fast path (`fast_reads.py`) runs it with the driver afterwards.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import select

from appeals.database.raw_reads import FetchedRow
from appeals.database.types import AnyColumn, AnySelect
from appeals.vocabulary import Logged

VARY = "Accept, Authorization"


@dataclass(frozen=True)
class ReadResult:
    """The result of a read. It has no content if the caller has it already.

    `logged` is its kind in the access log. `is_news` is False for a page of the feed without changes. `events` are
    those of a stream, each with its id and data.
    """

    content: bytes | None
    tag: str
    headers: dict[str, str] = field(default_factory=dict)
    logged: Logged | None = None
    is_news: bool = True
    events: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class ReadParams:
    """What differs between two requests for one read: the case, the cursor, and the tags that the caller has."""

    reference: str = ""
    cursor: str = ""
    tags: tuple[str, ...] = ()


Parameters = Mapping[str, object]
"""The values that a statement is run with, by the names of its parameters."""
Render = Callable[[Sequence[FetchedRow], ReadParams], ReadResult | None]


@dataclass(frozen=True)
class PreparedRead:
    """A statement that contains the policy, its parameters, and the rendering of its rows.

    `parameters` raises Invalid or CursorExpired for a cursor. `render` returns None if only the route can answer.
    `snapshot_columns` are read in the same snapshot and precede the columns of each row; if there are no rows, there is
    one with null columns. `waits` marks a long poll, which the middleware leaves to the route. A read that is not
    `is_repeatable` is not cached.
    """

    statement: AnySelect
    parameters: Callable[[ReadParams], Parameters]
    render: Render
    snapshot_columns: tuple[AnyColumn, ...] = ()
    waits: bool = False
    is_repeatable: bool = True

    def snapshot_query(self) -> AnySelect:
        """The statement for the snapshot columns alone."""
        return select(*self.snapshot_columns)


def tag_of(content: bytes) -> str:
    """Return the validator of an answer that has none of its own."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def tags_of(header: str) -> tuple[str, ...]:
    """Return the tags in an If-None-Match header."""
    if "," not in header:
        return (header.strip().removeprefix("W/"),) if header else ()
    return tuple(tag.strip().removeprefix("W/") for tag in header.split(","))


def matches_tag(tag: str, tags: tuple[str, ...]) -> bool:
    """Return whether the caller has the answer already, by weak comparison (RFC 9110, 13.1.2)."""
    return tag.removeprefix("W/") in tags or tags == ("*",)


def or_not_modified(result: ReadResult, params: ReadParams) -> ReadResult:
    """Return the answer, without its content if the caller has it."""
    return replace(result, content=None) if matches_tag(result.tag, params.tags) else result
