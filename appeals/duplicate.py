"""Possible duplicates: cases that may be the same appeal, told at intake with the reasons, and never refused.

Half of what arrives in a crisis arrives twice, from two unions, in two languages. Names are therefore compared by their
consonants in Latin letters, in which a Bengali and an English spelling of one workplace meet; what is alike only so
needs another clue beside it. Two appeals that name workplaces of which none are alike are two appeals.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from itertools import product
from typing import Any, Literal, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

from anyascii import anyascii
from rapidfuzz.fuzz import ratio, token_sort_ratio
from sqlalchemy import CompoundSelect, Pool, and_, bindparam, func, select, union_all
from sqlalchemy.orm import Session

from appeals.access import statement_for, worked_on_by
from appeals.case import Case
from appeals.field import Model
from appeals.network import Caller
from appeals.party import Party
from appeals.violation import Violation
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


class _Named(NamedTuple):
    number: UUID
    names: list[str]


@dataclass(frozen=True)
class _Known:
    """What a case is compared by."""

    id: UUID
    revision: int
    reference: str
    received_on: date
    named: dict[PartyRole, list[_Named]] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)
    since: set[date] = field(default_factory=set)

    @property
    def buyers(self) -> set[UUID]:
        """The rows of the directory that buy."""
        return {named.number for role in _BUYERS for named in self.named.get(role, ())}

    @property
    def days(self) -> set[date]:
        """When it happened, as far as that is told; else when it was received."""
        return self.since or {self.received_on}


def possible_duplicates(session: Session, caller: Caller, case: Case) -> list[Duplicate]:
    """The cases this caller works on that may be the same appeal: the most reasons first, then the newest."""
    told = (case.id, case.revision, case.reference, case.received_on)
    new, *others = _known(session, [told, *_near(session, caller, case)])
    found = [(other, reasons) for other in others if (reasons := why(new, other))]
    found.sort(key=lambda pair: (len(pair[1]), pair[0].received_on, pair[0].id), reverse=True)
    return [Duplicate(reference=other.reference, reasons=reasons) for other, reasons in found[:SHOWN]]


def _near(session: Session, caller: Caller, case: Case) -> Iterable[Any]:
    """The cases of the same country and months that the caller works on: ids, revisions, references and days."""
    day = case.received_on
    of = {"case": case.id, "country": case.country, "day": day, "since": day - WITHIN, "until": day + WITHIN}
    return session.execute(statement_for(session, caller, _received_near), {**of, "now": caller.now})


def _received_near(caller: Caller) -> CompoundSelect[*tuple[Any, ...]]:
    """The nearest before and after, half of them each: both ends of an index."""
    near = select(Case.id, Case.revision, Case.reference, Case.received_on)
    there = (Case.id != bindparam("case"), Case.country == bindparam("country"), worked_on_by(caller))
    before = Case.received_on.between(bindparam("since"), bindparam("day"))
    after = and_(Case.received_on > bindparam("day"), Case.received_on <= bindparam("until"))
    earlier = near.where(before, *there).order_by(Case.received_on.desc(), Case.id.desc()).limit(COMPARED // 2)
    later = near.where(after, *there).order_by(Case.received_on, Case.id.desc()).limit(COMPARED // 2)
    # Their columns are found here, by one thread, and not where the statement is first run by several.
    return union_all(*(select(*half.subquery(name).c) for name, half in (("earlier", earlier), ("later", later))))


def _known(session: Session, cases: Iterable[Any]) -> list[_Known]:
    """What these cases are compared by, in their order; each is looked up once in a process as it stands."""
    kept = _KEPT.setdefault(session.connection().engine.pool, {})
    if len(kept) > MOST_KEPT:
        kept.clear()
    known, new = [], {}
    for number, revision, *what in cases:
        found = kept.get(number)
        if found is None or found.revision != revision:
            found = new[number] = _Known(number, revision, *what)
        known.append(found)
    _look_up(session, new)
    kept.update(new)
    return known


MOST_KEPT = 20_000
_KEPT: WeakKeyDictionary[Pool, dict[UUID, "_Known"]] = WeakKeyDictionary()
"""For each database, as of a revision, which counts every write to a case. Who may hear of it is asked each time."""


def _look_up(session: Session, found: dict[UUID, "_Known"]) -> None:
    """Plain columns, because entities of hundreds of cases take ten times as long."""
    number = func.coalesce(Party.facility_id, Party.organisation_id)
    names = (Party.named["name"].as_string(), Party.named["name_local"].as_string())
    parties = select(Party.case_id, Party.role, number, *names).where(Party.role.in_([*_WHO, *_BUYERS]))
    for case_id, role, row, *called in session.execute(parties.where(Party.case_id.in_(found))):
        found[case_id].named.setdefault(role, []).append(_Named(row, [name for name in called if name]))
    violations = select(Violation.case_id, Violation.code, Violation.since).where(Violation.case_id.in_(found))
    for case_id, code, since in session.execute(violations):
        found[case_id].codes.add(code)
        if since:
            found[case_id].since.add(since)


def why(case: _Known, other: _Known) -> list[str]:
    """Why two cases may be the same appeal; nothing where it takes more to think so."""
    workplaces = (case.named.get(PartyRole.EMPLOYER), other.named.get(PartyRole.EMPLOYER))
    if all(workplaces) and not _alike(PartyRole.EMPLOYER, case, other):
        return []
    met = {who: likeness for role, who in _WHO.items() if (likeness := _alike(role, case, other))}
    beside = _beside(case, other)
    if "same" not in met.values() and not (met and beside):
        return []
    same = sorted(who for who, likeness in met.items() if likeness == "same")
    return [*(f"same {who}" for who in same), *(f"{who} of a like name" for who in sorted(met.keys() - same)), *beside]


def _alike(role: PartyRole, case: _Known, other: _Known) -> Literal["same", "alike", ""]:
    """Whether in this role both name the same row of the directory, or somebody of a like name."""
    one, another = case.named.get(role, []), other.named.get(role, [])
    if {named.number for named in one} & {named.number for named in another}:
        return "same"
    pairs = (names for named in one for heard in another for names in product(named.names, heard.names))
    return "alike" if any(are_alike(*names) for names in pairs) else ""


def are_alike(name: str, other_name: str) -> bool:
    """Alike as wholes, and no less so without the words that half of all workplaces have in their names."""
    (one, own), (other, others) = _heard(name), _heard(other_name)
    as_wholes = token_sort_ratio(one, other)
    if own and others:
        return as_wholes >= ALIKE_AS_WHOLES and token_sort_ratio(own, others) >= ALIKE
    return len(one) > 2 and as_wholes >= ALIKE


@lru_cache(maxsize=20_000)
def _heard(name: str) -> tuple[str, str]:
    """A name by its sound, whole and without the words that are common in the trade."""
    whole = sound(name)
    return whole, " ".join(word for word in whole.split() if not _is_common(word))


@lru_cache(maxsize=20_000)
def _is_common(word: str) -> bool:
    return word in _COMMON or (len(word) > 3 and any(ratio(word, common) >= _COMMON_FROM for common in _COMMON))


def _beside(case: _Known, other: _Known) -> list[str]:
    """What makes it more likely, and is not enough alone."""
    near = any(abs(one - another) <= SAME_DAYS for one in case.days for another in other.days)
    shared = {"same violations": case.codes & other.codes, "same brand": case.buyers & other.buyers}
    return [*(clue for clue, found in shared.items() if found), *(["same days"] if near else [])]


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
