"""Search: the words by which a case is found, and by whom.

Each case has one document. Everybody who sees the case finds it by what the status view tells: its title, its public
summary, both in all their languages, and its country. Who works on it finds it besides by the parties, as the case
names them: their names, also in their own script, and their provinces. Never by the narrative, by anything sealed, or
by a person. The words are cut and folded here (`read_models/tokenizer.py`), so that both databases find the same.
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
"""Counted up whenever other words come out of the same case: every document is then written anew."""
FOR_ALL, FOR_WORK = "a", "w"
"""What a lexeme begins with: it is for everybody who sees the case, or for those who work on it."""
ALSO_CALLED = {
    "CI": "Ivory Coast", "CV": "Cape Verde", "CZ": "Czech Republic", "MK": "Macedonia", "MM": "Burma",
    "SZ": "Swaziland", "TL": "East Timor", "TR": "Turkey",
}  # fmt: skip
"""Countries by names that ISO 3166-1 does not have, or not any more."""


class SearchDocument(Base):
    """The words of a case. `place` is where the case stands in the register: by day of receipt, then by when logged."""

    __tablename__ = "search_document"

    place: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    case_id: Mapped[UUID] = mapped_column(deferred_fk("case.id"), unique=True)
    words: Mapped[list[str]] = mapped_column(SearchVector)


def search_matches(session: Session, caller: Caller, query: str, *, before: int | None = None) -> FullTextMatch:
    """The cases that a query finds among those that the caller sees, and their place in the register.

    `before` is the place of the case after which a page begins, where they are listed by place.
    """
    terms = terms_of(query)
    readers = (FOR_ALL, FOR_WORK) if may_work_on_cases(caller) else (FOR_ALL,)
    match = match_words(session, SearchDocument, _wanted(terms, *readers), before=before)
    theirs = or_(work_view_filter(caller), contains_words(session, match.document.words, _wanted(terms, FOR_ALL)))
    return match._replace(condition=and_(match.condition, match.document.case_id == Case.id, theirs))


def _wanted(terms: Iterable[Term], *readers: str) -> TermGroups:
    return [[reader + term.text + "*" * term.begins for reader in readers] for term in terms]


def index(connection: Connection, case: Case, former: str | None, *, is_new: bool = False) -> str:
    """Write the words of a case, unless they are those of which the digest is `former`; their digest.

    `former` is what this returned the last time. Of a case that is new, nothing was written before.
    """
    words = lexemes(case)
    digest = words_digest(words)
    if is_new:
        index_new(connection, {case.id: case.received_on}, {case.id: words})
    elif digest != former:
        _write(connection, [case], {case.id: words})
    return digest


def reindex(connection: Connection, cases: Sequence[Case]) -> dict[UUID, str]:
    """Write the words of some hundreds of cases at once, whatever is there; the digests by the ids of the cases."""
    words = {case.id: lexemes(case) for case in cases}
    _write(connection, cases, words)
    return {case_id: words_digest(case_words) for case_id, case_words in words.items()}


def words_digest(words: list[str]) -> str:
    """What tells whether other words are written of a case."""
    return hashlib.sha256(f"{INDEX_VERSION} {' '.join(words)}".encode()).hexdigest()


class SearchTexts(NamedTuple):
    """The texts of a case that it is found by: those that everybody is told who sees it, and those of its team."""

    to_all: tuple[str, ...]
    to_team: tuple[str, ...]


def texts_of(case: Case) -> SearchTexts:
    """The texts that a case is found by."""
    to_all = (case.title, case.public_summary, *_names_of(case.country), *_translated(case))
    to_team = (text for party in case.parties for text in (*party.names, party.named.get("province")))
    return SearchTexts(tuple(filter(None, to_all)), tuple(filter(None, to_team)))


def _translated(case: Case) -> Iterator[str | None]:
    return (text for translation in case.translations.values() for text in translation.values())


def lexemes(case: Case) -> list[str]:
    """The words of a case, each once; those of its parties only where nobody else is told them."""
    return words_of(texts_of(case))


def words_of(texts: SearchTexts) -> list[str]:
    """The words of a case of which these texts are told."""
    for_all, for_work = map(_terms, texts)
    marked = {FOR_ALL + term for term in for_all} | {FOR_WORK + term for term in for_work - for_all}
    return sorted(marked)


def _terms(texts: Iterable[str]) -> set[str]:
    return {term for text in texts for term in _terms_in(text)}


_terms_in = lru_cache(maxsize=10_000)(terms_in)
"""Names of countries and brands come again and again."""


@cache
def _names_of(country: str) -> list[str]:
    entry = pycountry.countries.lookup(country)
    return [entry.name, getattr(entry, "common_name", ""), ALSO_CALLED.get(country, "")]


def _write(connection: Connection, cases: Sequence[Case], words: dict[UUID, list[str]]) -> None:
    """Change the documents there are of these cases, and add the others at the first places that are free."""
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
    """The day of receipt in the higher 17 bits of 63, the millisecond of the id in the others.

    So the order of places is that of the register; cases of a day that were logged in one millisecond are neighbours.
    """
    return (received_on - FIRST_DAY).days << 46 | case_id.int >> 80
