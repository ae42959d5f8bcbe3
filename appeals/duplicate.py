"""Possible duplicates: cases that may be the same appeal, told at intake with the reasons, and never refused.

Half of what arrives in a crisis arrives twice, from two unions, in two languages. Names are therefore compared by their
consonants in Latin letters, in which a Bengali and an English spelling of one workplace meet; what is alike only so
needs another clue beside it. Two appeals that name workplaces of which none are alike are two appeals.
"""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from itertools import product
from typing import NamedTuple
from uuid import UUID

from anyascii import anyascii
from rapidfuzz.fuzz import ratio, token_sort_ratio
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from appeals.access import visible_to, worked_on_by
from appeals.case import Case
from appeals.field import Model
from appeals.network import Caller
from appeals.party import Party
from appeals.vocabulary import PartyRole

WITHIN = timedelta(days=90)
SAME_DAYS = timedelta(days=14)
SHOWN = 20
COMPARED = 500
"""With so many cases of the country and months, those received at the nearest days, a new one is compared."""
ALIKE, ALIKE_AS_WHOLES = 85, 78
"""From which likeness on (of 100) two names may be one, by `token_sort_ratio` of their consonants: by their own words,
and as wholes with the words that are common in the trade."""


class Duplicate(Model):
    """A case that may be the same appeal, and why."""

    reference: str
    reasons: list[str]


_WHO = {
    PartyRole.EMPLOYER: "employer",
    PartyRole.FACTORY_OWNER: "factory owner",
    PartyRole.REQUESTER: "requester",
    PartyRole.WORKERS_UNION: "union",
}
"""The roles in which two appeals name the same."""
_BUYERS = frozenset({PartyRole.BRAND, PartyRole.RETAILER, PartyRole.LICENSOR, PartyRole.AGENT})


def possible_duplicates(session: Session, caller: Caller, case: Case) -> list[Duplicate]:
    """The cases this caller works on that may be the same appeal: the most reasons first, then the newest."""
    found = [(other, reasons) for other in _near(session, caller, case) if (reasons := why(case, other))]
    found.sort(key=lambda pair: (len(pair[1]), pair[0].received_on, pair[0].id), reverse=True)
    return [Duplicate(reference=other.reference, reasons=reasons) for other, reasons in found[:SHOWN]]


def _near(session: Session, caller: Caller, case: Case) -> Iterable[Case]:
    """The cases of the same country and months that the caller works on, with what they are compared by."""
    months = Case.received_on.between(case.received_on - WITHIN, case.received_on + WITHIN)
    near = select(Case).where(visible_to(caller), worked_on_by(caller), Case.id != case.id, months)
    near = near.where(Case.country == case.country)
    before = near.where(Case.received_on <= case.received_on).order_by(Case.received_on.desc(), Case.id.desc())
    after = near.where(Case.received_on > case.received_on).order_by(Case.received_on, Case.id.desc())
    compared = (selectinload(Case.parties), selectinload(Case.violations))
    for half in (before, after):
        yield from session.scalars(half.options(*compared).limit(COMPARED // 2))


def why(case: Case, other: Case) -> list[str]:
    """Why two cases may be the same appeal; nothing where it takes more to think so."""
    same, alike = _same_and_alike(case.parties, other.parties)
    if _name_workplaces(case) and _name_workplaces(other) and "employer" not in same | alike:
        return []
    beside = _beside(case, other)
    if not same and not (alike and beside):
        return []
    likenesses = [f"{who} of a like name" for who in sorted(alike - same)]
    return [*(f"same {who}" for who in sorted(same)), *likenesses, *beside]


def _name_workplaces(case: Case) -> bool:
    return any(party.role == PartyRole.EMPLOYER for party in case.parties)


def _same_and_alike(ours: list[Party], theirs: list[Party]) -> tuple[set[str], set[str]]:
    """In which roles both name the same row of the directory, and in which they name somebody of a like name."""
    same, alike = set[str](), set[str]()
    for role, who in _WHO.items():
        one, other = ([_Named.of(party) for party in parties if party.role == role] for parties in (ours, theirs))
        if {named.number for named in one} & {named.number for named in other}:
            same.add(who)
        elif any(are_alike(*names) for named in one for heard in other for names in product(named.names, heard.names)):
            alike.add(who)
    return same, alike


class _Named(NamedTuple):
    number: UUID | None
    names: list[str]

    @classmethod
    def of(cls, party: Party) -> "_Named":
        return cls(party.facility_id or party.organisation_id, party.names)


def are_alike(name: str, other_name: str) -> bool:
    """Alike as wholes, and no less so without the words that half of all workplaces have in their names."""
    one, other = sound(name), sound(other_name)
    own, others = (_own_words(name) for name in (one, other))
    as_wholes = token_sort_ratio(one, other)
    if own and others:
        return as_wholes >= ALIKE_AS_WHOLES and token_sort_ratio(own, others) >= ALIKE
    return len(one) > 2 and as_wholes >= ALIKE


def _own_words(name: str) -> str:
    return " ".join(word for word in name.split() if not _is_common(word))


@lru_cache(maxsize=20_000)
def _is_common(word: str) -> bool:
    return word in _COMMON or (len(word) > 3 and any(ratio(word, common) >= _COMMON_FROM for common in _COMMON))


def _beside(case: Case, other: Case) -> list[str]:
    """What makes it more likely, and is not enough alone."""
    codes = {found.code for found in case.violations} & {found.code for found in other.violations}
    buyers = _buyers(case) & _buyers(other)
    near = any(abs(one - another) <= SAME_DAYS for one in _days(case) for another in _days(other))
    clues = {"same violations": bool(codes), "same brand": bool(buyers), "same days": near}
    return [clue for clue, found in clues.items() if found]


def _buyers(case: Case) -> set[UUID]:
    return {party.organisation_id for party in case.parties if party.role in _BUYERS and party.organisation_id}


def _days(case: Case) -> set[date]:
    """When it happened, as far as that is told; else when it was received."""
    return {found.since for found in case.violations if found.since} or {case.received_on}


_FORMS = r"\b(limited|limitd|ltd|pvt|private|co|company|corporation|corp|inc|plc|llc|gmbh|tbk|pt|sdn|bhd|sa|cv)\b"
"""Forms of companies: one spelling has them and the next has not."""
_SOUNDS = (
    (r"\bkn", "n"), (r"\by", "j"), ("ph", "f"), ("sh", "s"), ("[ckg]h", "k"), ("th", "t"), ("dh", "d"),
    ("bh", "b"), ("c(?=[eiy])", "s"), ("c|q", "k"), ("x", "ks"), ("z|j", "g"), ("v|w", "b"), ("ng|m", "n"),
)  # fmt: skip
"""Letters and pairs that one language writes for the other's."""


@lru_cache(maxsize=20_000)
def sound(name: str) -> str:
    """A name by its consonants, in Latin letters: `ব্রাইট স্টিচ লিমিটেড` and `Bright Stitch Ltd` come close."""
    plain = re.sub(_FORMS, " ", re.sub(r"[^a-z ]", "", anyascii(name).lower()))
    for spelt, meant in _SOUNDS:
        plain = re.sub(spelt, meant, plain)
    return " ".join(re.sub(r"(.)\1+", r"\1", re.sub("[aeiouy]", "", plain)).split())


_COMMON_FROM = 80
_IN_THE_TRADE = """
    garment garments fashion fashions textile textiles tekstil apparel apparels knit knitwear knitting composite mills
    mill group industries industry factory clothing wear wears shirts denim jeans sweater sweaters trousers leather
    shoes footwear packaging washing dyeing basics international
"""
_COMMON = frozenset(map(sound, _IN_THE_TRADE.split()))
