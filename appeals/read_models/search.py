"""Search: the words by which a case is found, and for whom.

Each case has one document. Everybody who sees the case finds it by the texts of the status view: its title and public
summary in all their languages, and its country. Those who work on it also find it by its parties, in the words of the
case: their names, also in their own script, and their provinces. The narrative, sealed fields and people are not
indexed. The words are split and folded here (`read_models/tokenizer.py`), so that both databases find the same.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cache, lru_cache
from typing import NamedTuple
from uuid import UUID

import pycountry
from sqlalchemy import Connection, and_, bindparam, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.access.visibility import may_work_on_cases, work_view_filter
from appeals.accounts.caller import Caller
from appeals.cases.case import Case
from appeals.database.bulk import insert_ignore_all
from appeals.database.declarative import Base, deferred_fk
from appeals.database.full_text import FullTextMatch, TermGroups, contains_words, match_words
from appeals.database.types import RowId, SearchVector
from appeals.fields import FIRST_DAY
from appeals.read_models.tokenizer import Term, terms_in, terms_of

INDEX_VERSION = 1
"""The version of the words.

Increase it if other words come from the same case: all documents are then written again.
"""
FOR_ALL, FOR_WORK = "a", "w"
"""The prefixes of lexemes: for everybody who sees the case, and for those who work on it."""
ALSO_CALLED = {
    "CI": "Ivory Coast", "CV": "Cape Verde", "CZ": "Czech Republic", "MK": "Macedonia", "MM": "Burma",
    "SZ": "Swaziland", "TL": "East Timor", "TR": "Turkey",
}  # fmt: skip
"""Names of countries that are missing in ISO 3166-1, or no longer in it."""


class SearchDocument(Base):
    """The words of a case.

    `place` is its position in the list of cases: by the day of receipt, then by the time of logging.
    """

    __tablename__ = "search_document"

    place: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    case_id: Mapped[UUID] = mapped_column(deferred_fk("case.id"), unique=True)
    words: Mapped[list[str]] = mapped_column(SearchVector)


def search_matches(session: Session, caller: Caller, query: str, *, before: int | None = None) -> FullTextMatch:
    """Return a full-text match for the cases that a query finds and the caller sees, with their places.

    `before` is the place of the case after which a page starts, if the list is ordered by place.
    """
    terms = terms_of(query)
    readers = (FOR_ALL, FOR_WORK) if may_work_on_cases(caller) else (FOR_ALL,)
    match = match_words(session, SearchDocument, _wanted(terms, *readers), before=before)
    theirs = or_(work_view_filter(caller), contains_words(session, match.document.words, _wanted(terms, FOR_ALL)))
    return match._replace(condition=and_(match.condition, match.document.case_id == Case.id, theirs))


def _wanted(terms: Iterable[Term], *readers: str) -> TermGroups:
    return [[reader + term.text + "*" * term.begins for reader in readers] for term in terms]


def index(connection: Connection, case: Case, former: str | None, *, is_new: bool = False) -> str:
    """Write the words of a case unless their digest is `former`, and return their digest.

    `former` is the result of the last call. A new case has no words yet.
    """
    words = lexemes(case)
    digest = words_digest(words)
    if is_new:
        index_new(connection, {case.id: case.received_on}, {case.id: words})
    elif digest != former:
        _write(connection, [case], {case.id: words})
    return digest


def reindex(connection: Connection, cases: Sequence[Case]) -> dict[UUID, str]:
    """Write the words of many cases at once, and return the digests by the ids of the cases."""
    words = {case.id: lexemes(case) for case in cases}
    _write(connection, cases, words)
    return {case_id: words_digest(case_words) for case_id, case_words in words.items()}


def words_digest(words: list[str]) -> str:
    """Return the digest of the words, which shows whether they changed."""
    return hashlib.sha256(f"{INDEX_VERSION} {' '.join(words)}".encode()).hexdigest()


class SearchTexts(NamedTuple):
    """The texts by which a case is found: those for everybody who sees it, and those for its team."""

    to_all: tuple[str, ...]
    to_team: tuple[str, ...]


def texts_of(case: Case) -> SearchTexts:
    """Return the texts by which a case is found."""
    to_all = (case.title, case.public_summary, *_names_of(case.country), *_translated(case))
    to_team = (text for party in case.parties for text in (*party.names, party.named.get("province")))
    return SearchTexts(tuple(filter(None, to_all)), tuple(filter(None, to_team)))


def _translated(case: Case) -> Iterator[str | None]:
    return (text for translation in case.translations.values() for text in translation.values())


def lexemes(case: Case) -> list[str]:
    """Return the distinct words of a case; a word of its parties only if it is not among the words for everybody."""
    return words_of(texts_of(case))


def words_of(texts: SearchTexts) -> list[str]:
    """Return the words of a case with these texts."""
    for_all, for_work = map(_terms, texts)
    marked = {FOR_ALL + term for term in for_all} | {FOR_WORK + term for term in for_work - for_all}
    return sorted(marked)


def _terms(texts: Iterable[str]) -> set[str]:
    return {term for text in texts for term in _terms_in(text)}


_terms_in = lru_cache(maxsize=10_000)(terms_in)
"""A cache, because names of countries and brands repeat."""


@cache
def _names_of(country: str) -> list[str]:
    entry = pycountry.countries.lookup(country)
    return [entry.name, getattr(entry, "common_name", ""), ALSO_CALLED.get(country, "")]


def _write(connection: Connection, cases: Sequence[Case], words: dict[UUID, list[str]]) -> None:
    """Update the existing documents of these cases, and insert the others at the first free places."""
    places = {row.case_id: row.place for row in connection.execute(_PLACES, {"case_ids": list(words)})}
    changed = [{"at": place, "words": words[number]} for number, place in places.items()]
    if changed:
        connection.execute(_CHANGE, changed)
    _add(connection, {case.id: _place(case.id, case.received_on) for case in cases if case.id not in places}, words)


_PLACES = select(SearchDocument.case_id, SearchDocument.place).where(
    SearchDocument.case_id.in_(bindparam("case_ids", expanding=True))
)
_CHANGE = (
    update(SearchDocument.__table__)  # type: ignore[arg-type]
    .where(SearchDocument.__table__.c.place == bindparam("at"))
    .values(words=bindparam("words"))
)


def _add(connection: Connection, left: dict[UUID, int], words: dict[UUID, list[str]]) -> None:
    while left:
        rows = [{"place": place, "case_id": case_id, "words": words[case_id]} for case_id, place in left.items()]
        added = insert_ignore_all(connection, SearchDocument, rows, SearchDocument.case_id)
        left = {case_id: place + 1 for case_id, place in left.items() if case_id not in added}


def index_new(connection: Connection, received: dict[UUID, date], words: dict[UUID, list[str]]) -> None:
    """Write the words of new cases, by the ids of the cases and the days of their receipt."""
    _add(connection, {case_id: _place(case_id, day) for case_id, day in received.items()}, words)


def _place(case_id: UUID, received_on: date) -> int:
    """Return the place of a case: the day of receipt in the upper 17 of 63 bits, the millisecond of its id in the
    others.

    So the order of places is that of the list. Cases of one day that were logged in the same millisecond are
    neighbours.
    """
    return (received_on - FIRST_DAY).days << 46 | case_id.int >> 80
