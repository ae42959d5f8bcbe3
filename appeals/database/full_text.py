"""Full-text search with the index of each database."""

from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Integer,
    and_,
    bindparam,
    column,
    func,
    literal_column,
    or_,
    select,
    table,
    text,
    true,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

TermGroups = list[list[str]]
"""Lexemes that a document must contain: one of each inner list. `abc*` stands for all with the prefix `abc`."""


class FullTextMatch(NamedTuple):
    """The documents that an index finds: their table, a condition, and the key to order them by.

    In descending order of this key, no more rows are read than a page needs.
    """

    document: Any
    condition: ColumnElement[bool]
    place: ColumnElement[int]


_SEARCH_INDEX = table("search_index", column("rowid", Integer))


def match_words(session: Session, document: Any, wanted: TermGroups, *, before: int | None) -> FullTextMatch:
    """Return the match for `words` with the full-text index; with `before`, only places below it.

    FTS5 returns its hits one at a time, from the highest place down. PostgreSQL plans for the actual words: it looks up
    rare ones, and scans the documents for frequent ones. The documents are ordered before they are joined; the limit is
    unknown when it plans, so it plans for the first tenth.
    """
    if session.get_bind().dialect.name == "sqlite":
        params = " AND ".join(f"({' OR '.join(map(_in_fts5, group))})" for group in wanted)
        matching: ColumnElement[bool] = literal_column("search_index").op("MATCH", is_comparison=True)(params)
        return FullTextMatch(document, and_(matching, document.place == _SEARCH_INDEX.c.rowid), _SEARCH_INDEX.c.rowid)
    session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    hits = select(document).where(contains_words(session, document.words, wanted))
    if before is not None:
        hits = hits.where(document.place < before)
    found = aliased(
        document, hits.order_by(document.place.desc()).limit(literal_column("(SELECT NULL::bigint)")).subquery()
    )
    return FullTextMatch(found, true(), found.place)


def contains_words(session: Session, words: InstrumentedAttribute[Any], wanted: TermGroups) -> ColumnElement[bool]:
    """Return the condition that a row of the documents contains the words."""
    if session.get_bind().dialect.name == "sqlite":
        return and_(*(or_(*(func.instr(words, _in_text(word)) > 0 for word in group)) for group in wanted))
    params = " & ".join(f"({' | '.join(map(_in_tsquery, group))})" for group in wanted)
    return words.op("@@", is_comparison=True)(bindparam(None, params, postgresql.TSQUERY))


def _in_fts5(word: str) -> str:
    return f'"{word[:-1]}"*' if word.endswith("*") else f'"{word}"'


def _in_text(word: str) -> str:
    return f" {word[:-1]}" if word.endswith("*") else f" {word} "


def _in_tsquery(word: str) -> str:
    return f"'{word[:-1]}':*" if word.endswith("*") else f"'{word}'"
