"""Possible duplicates: cases that may be the same appeal, told at intake with the reasons, and never refused.

Half of what arrives in a crisis arrives twice, from two unions, in two languages. Names are therefore compared by their
consonants in Latin letters, in which a Bengali and an English spelling of one workplace meet; what is alike only so
needs another clue beside it. Two appeals that name workplaces of which none are alike are two appeals.
"""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from anyascii import anyascii
from rapidfuzz.fuzz import token_sort_ratio
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
ALIKE = 85
"""From which likeness on (of 100) two names may be one; by `token_sort_ratio` of their consonants."""


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
        elif any(_are_alike(named.sounds, heard.sounds) for named in one for heard in other):
            alike.add(who)
    return same, alike


class _Named(NamedTuple):
    number: UUID | None
    sounds: tuple[str, ...]

    @classmethod
    def of(cls, party: Party) -> "_Named":
        return cls(party.facility_id or party.organisation_id, tuple(map(sound, party.names)))


def _are_alike(ours: Iterable[str], theirs: Iterable[str]) -> bool:
    return any(len(one) > 2 and token_sort_ratio(one, other) >= ALIKE for one in ours for other in theirs)


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
    ("ph", "f"), ("sh", "s"), ("ch", "c"), ("kh", "k"), ("gh", "g"), ("th", "t"), ("dh", "d"), ("bh", "b"), ("ck", "k"),
    ("x", "ks"), ("z", "j"), ("v", "b"), ("w", "b"), ("q", "k"), ("y", "i"),
)  # fmt: skip
"""Letters and pairs that one language writes for the other's."""


@lru_cache(maxsize=20_000)
def sound(name: str) -> str:
    """A name by its consonants, in Latin letters: `ব্রাইট স্টিচ লিমিটেড` and `Bright Stitch Ltd` come close."""
    plain = re.sub(_FORMS, " ", re.sub(r"[^a-z ]", "", anyascii(name).lower()))
    for spelt, meant in _SOUNDS:
        plain = plain.replace(spelt, meant)
    return " ".join(re.sub(r"(.)\1+", r"\1", re.sub("[aeiou]", "", plain)).split())
