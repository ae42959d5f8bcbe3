"""Prepared reads: one definition for each hot read, run by its route through SQLAlchemy and afterwards by the fast path
through the driver (`fast_reads.py`).
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
    """The answer to a read. Without content, the caller has it already.

    `logged` is what the access log calls it. `is_news` is False for a page of the feed on which nothing is new.
    `events` are those of a stream, each an id and its data.
    """

    content: bytes | None
    tag: str
    headers: dict[str, str] = field(default_factory=dict)
    logged: Logged | None = None
    is_news: bool = True
    events: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class ReadParams:
    """What differs between two requests for one read: the case, the cursor, and the tags the caller has."""

    reference: str = ""
    cursor: str = ""
    tags: tuple[str, ...] = ()


Parameters = Mapping[str, object]
"""The values that a statement is run with, by the names of its parameters."""
Render = Callable[[Sequence[FetchedRow], ReadParams], ReadResult | None]


@dataclass(frozen=True)
class PreparedRead:
    """A statement with the policy in it, its parameters, and the rendering of its rows as an answer.

    `parameters` raises Invalid for a cursor that is none, and CursorExpired. `render` gives None where only the route
    can answer. `snapshot_columns` are read in the same snapshot and come before the columns of each row; where there
    is no row, one comes whose own columns are null. `waits`: the route waits until something is new, so the middleware
    leaves the request to it. A read that is not `is_repeatable` is not remembered.
    """

    statement: AnySelect
    parameters: Callable[[ReadParams], Parameters]
    render: Render
    snapshot_columns: tuple[AnyColumn, ...] = ()
    waits: bool = False
    is_repeatable: bool = True

    def snapshot_query(self) -> AnySelect:
        """The snapshot columns by themselves."""
        return select(*self.snapshot_columns)


def tag_of(content: bytes) -> str:
    """The validator of an answer that has none of its own."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def tags_of(header: str) -> tuple[str, ...]:
    """The tags in an If-None-Match."""
    if "," not in header:
        return (header.strip().removeprefix("W/"),) if header else ()
    return tuple(tag.strip().removeprefix("W/") for tag in header.split(","))


def matches_tag(tag: str, tags: tuple[str, ...]) -> bool:
    """Whether the caller has what is answered already, by weak comparison (RFC 9110, 13.1.2)."""
    return tag.removeprefix("W/") in tags or tags == ("*",)


def or_not_modified(result: ReadResult, params: ReadParams) -> ReadResult:
    """The answer, without its content where the caller has it."""
    return replace(result, content=None) if matches_tag(result.tag, params.tags) else result
