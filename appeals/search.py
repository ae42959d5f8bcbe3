"""Search: the words by which a case is found, and by whom.

Each case has one document. Everybody who sees the case finds it by what the status view tells: its title, its public
summary, both in all their languages, and its country. Who works on it finds it besides by the parties, as the case
names them: their names, also in their own script, and their provinces. Never by the narrative, by anything sealed, or
by a person. The words are cut and folded here (`word.py`), so that both databases find the same.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cache, lru_cache
from typing import NamedTuple
from uuid import UUID

import pycountry
from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from appeals.access import worked_on_by, works
from appeals.case import Case
from appeals.database import Base, Found, Lexemes, RowNumber, Wanted, claim_rows, find_words, hold_words, refers_to
from appeals.field import FIRST_DAY
from appeals.network import Caller
from appeals.word import Term, terms_in, terms_of

SCHEME = 1
"""Counted up whenever other words come out of the same case: every document is then written anew."""
FOR_ALL, FOR_WORK = "a", "w"
"""What a lexeme begins with: it is for everybody who sees the case, or for those who work on it."""
ALSO_CALLED = {
    "CI": "Ivory Coast", "CV": "Cape Verde", "CZ": "Czech Republic", "MK": "Macedonia", "MM": "Burma",
    "SZ": "Swaziland", "TL": "East Timor", "TR": "Turkey",
}  # fmt: skip
"""Countries by names that ISO 3166-1 does not have, or not any more."""


class Document(Base):
    """The words of a case. `place` is where the case stands in the register: by day of receipt, then by when logged."""

    __tablename__ = "search_document"

    place: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=False)
    case_id: Mapped[UUID] = mapped_column(refers_to("case.id"), unique=True)
    words: Mapped[list[str]] = mapped_column(Lexemes)


def found_by(session: Session, caller: Caller, query: str, *, before: int | None = None) -> Found:
    """The cases that a query finds among those that the caller sees, and their place in the register.

    `before` is the place of the case after which a page begins, where they are listed by place.
    """
    terms = terms_of(query)
    readers = (FOR_ALL, FOR_WORK) if works(caller) else (FOR_ALL,)
    found = find_words(session, Document, _wanted(terms, *readers), before=before)
    theirs = or_(worked_on_by(caller), hold_words(session, found.document.words, _wanted(terms, FOR_ALL)))
    return found._replace(condition=and_(found.condition, found.document.case_id == Case.id, theirs))


def _wanted(terms: Iterable[Term], *readers: str) -> Wanted:
    return [[reader + term.text + "*" * term.begins for reader in readers] for term in terms]


def index(session: Session, case: Case, known: str | None, *, is_new: bool = False) -> str:
    """Write the words of a case, unless they are those of which the digest is `known`; their digest.

    `known` is what this returned the last time. The case's own changes are flushed. Of one that is new, nothing was
    written before.
    """
    words = lexemes(case)
    digest = digest_of(words)
    if is_new:
        index_new(session, {case.id: case.received_on}, {case.id: words})
    elif digest != known:
        _write(session, [case], {case.id: words})
    return digest


def reindex(session: Session, cases: Sequence[Case]) -> dict[UUID, str]:
    """Write the words of some hundreds of cases at once, whatever is there; the digests by the ids of the cases."""
    words = {case.id: lexemes(case) for case in cases}
    _write(session, cases, words)
    return {number: digest_of(found) for number, found in words.items()}


def digest_of(words: list[str]) -> str:
    """What tells whether other words are written of a case."""
    return hashlib.sha256(f"{SCHEME} {' '.join(words)}".encode()).hexdigest()


class Told(NamedTuple):
    """The texts of a case that it is found by: those that everybody is told who sees it, and those of its team."""

    to_all: tuple[str, ...]
    to_team: tuple[str, ...]


def told_of(case: Case) -> Told:
    """The texts that a case is found by."""
    to_all = (case.title, case.public_summary, *_names_of(case.country), *_translated(case))
    to_team = (text for party in case.parties for text in (*party.names, party.named.get("province")))
    return Told(tuple(filter(None, to_all)), tuple(filter(None, to_team)))


def _translated(case: Case) -> Iterator[str | None]:
    return (text for translation in case.translations.values() for text in translation.values())


def lexemes(case: Case) -> list[str]:
    """The words of a case, each once; those of its parties only where nobody else is told them."""
    return words_of(told_of(case))


def words_of(told: Told) -> list[str]:
    """The words of a case of which these texts are told."""
    for_all, for_work = map(_terms, told)
    marked = {FOR_ALL + term for term in for_all} | {FOR_WORK + term for term in for_work - for_all}
    return sorted(marked)


def _terms(texts: Iterable[str]) -> set[str]:
    return {term for text in texts for term in _terms_in(text)}


_terms_in = lru_cache(maxsize=10_000)(terms_in)
"""Names of countries and brands come again and again."""


@cache
def _names_of(country: str) -> list[str]:
    found = pycountry.countries.lookup(country)
    return [found.name, getattr(found, "common_name", ""), ALSO_CALLED.get(country, "")]


def _write(session: Session, cases: Sequence[Case], words: dict[UUID, list[str]]) -> None:
    """Change the documents there are of these cases, and add the others at the first places that are free."""
    there = select(Document.case_id, Document.place).where(Document.case_id.in_(words))
    places = {row.case_id: row.place for row in session.execute(there)}
    changed = [{"place": place, "words": words[number]} for number, place in places.items()]
    if changed:
        session.execute(update(Document), changed)
    _add(session, {case.id: _place(case.id, case.received_on) for case in cases if case.id not in places}, words)


def _add(session: Session, left: dict[UUID, int], words: dict[UUID, list[str]]) -> None:
    while left:
        rows = [{"place": place, "case_id": number, "words": words[number]} for number, place in left.items()]
        added = claim_rows(session, Document, rows, Document.case_id)
        left = {number: place + 1 for number, place in left.items() if number not in added}


def index_new(session: Session, received: dict[UUID, date], words: dict[UUID, list[str]]) -> None:
    """Write the words of new cases, by the ids of the cases and the days of their receipt."""
    _add(session, {number: _place(number, day) for number, day in received.items()}, words)


def _place(number: UUID, received_on: date) -> int:
    """The day of receipt in the higher 17 bits of 63, the millisecond of the id in the others.

    So the order of places is that of the register; cases of a day that were logged in one millisecond are neighbours.
    """
    return (received_on - FIRST_DAY).days << 46 | number.int >> 80
