"""Similarity of names: whether two may be of one workplace or union in different spellings, and how to find such names.

Names are compared by their consonants in Latin letters, in which a Bengali and an English spelling of a workplace meet.
Comparing is slow, so each case has blocking keys, and two cases with similar names share at least one. Only cases that
share a key are compared. A key is a hash and is compared only for equality.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from anyascii import anyascii
from rapidfuzz.fuzz import ratio, token_sort_ratio
from sqlalchemy import BigInteger, Connection, insert
from sqlalchemy.orm import Mapped, mapped_column

from appeals.cases.case import Case
from appeals.database.bulk import insert_ignore_all
from appeals.database.declarative import WITHOUT_ROWID, Base, deferred_fk
from appeals.fields import fold
from appeals.json_types import Json
from appeals.vocabulary import PartyRole

COMPARED_ROLES = {
    PartyRole.EMPLOYER: "employer",
    PartyRole.FACTORY_OWNER: "factory owner",
    PartyRole.REQUESTER: "requester",
    PartyRole.WORKERS_UNION: "union",
}
"""The roles whose names are compared, and the word for each in the reasons."""
MOST_KEYS = 200
"""The largest number of keys of a case; those of the first names are kept."""

ALIKE, ALIKE_AS_WHOLES = 85, 78
"""The similarity (of 100) from which two names may be the same, by `token_sort_ratio` of their consonants: without and
with the words that are common in the trade.
"""
SHORT = 3
"""Names with at most so many consonants are found only by equal ones."""


class BlockingKey(Base):
    """A blocking key of a case, in the order of the days of receipt. Append-only."""

    __tablename__ = "blocking_key"
    __table_args__ = WITHOUT_ROWID

    key: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    received_on: Mapped[date] = mapped_column(primary_key=True)
    case_id: Mapped[UUID] = mapped_column(deferred_fk("case.id"), primary_key=True)


class PartyNames(NamedTuple):
    """The names of an organisation or facility in a case, with its role."""

    role: str
    names: tuple[str, ...]
    os_id: str | None = None


def names_of_party(role: str, named: Mapping[str, Json]) -> PartyNames:
    """Return the names of a party."""
    return PartyNames(role, tuple(filter(None, (named["name"], named["name_local"]))), named.get("os_id"))


def keys_of_case(country: str, named: Iterable[PartyNames]) -> list[int]:
    """Return the blocking keys of a case."""
    parties = _compared(named)
    kind = f"beside {_has_employer(parties)}"
    return _hashed(country, [("employer" if _is_employer(party) else kind, party) for party in parties])


def search_keys(country: str, named: Iterable[PartyNames]) -> list[int]:
    """Return the blocking keys by which to look for similar cases.

    If both cases name employers, those must be similar, so only their keys are used.
    """
    parties = _compared(named)
    kinds = ["beside False"] if _has_employer(parties) else ["beside False", "beside True"]
    return _hashed(
        country,
        [(kind, party) for party in parties for kind in (["employer"] if _is_employer(party) else kinds)],
    )


def _compared(named: Iterable[PartyNames]) -> list[PartyNames]:
    return [party for party in named if party.role in COMPARED_ROLES]


def _is_employer(party: PartyNames) -> bool:
    return party.role == PartyRole.EMPLOYER


def _has_employer(parties: Iterable[PartyNames]) -> bool:
    return any(map(_is_employer, parties))


def _hashed(country: str, parties: list[tuple[str, PartyNames]]) -> list[int]:
    texts = [(kind, list(_keys(party))) for kind, party in parties]
    longest = max((len(keys) for _, keys in texts), default=0)
    by_rank = ((kind, keys[rank]) for rank in range(longest) for kind, keys in texts if rank < len(keys))
    return [_hash(f"{country} {kind} {key}") for kind, key in islice(dict.fromkeys(by_rank), MOST_KEYS)]


def _keys(party: PartyNames) -> Iterator[str]:
    if party.os_id:
        yield f"#{party.os_id}"
    yield from (key for name in party.names for key in blocking_keys(name))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)


def index_names(connection: Connection, case: Case, *, is_new: bool) -> None:
    """Write the blocking keys of a case that are not stored yet."""
    parties = sorted(case.parties, key=lambda party: party.id)
    keys = keys_of_case(case.country, (names_of_party(party.role, party.named) for party in parties))
    rows = [{"key": key, "received_on": case.received_on, "case_id": case.id} for key in keys]
    if is_new:
        connection.execute(_INSERT, rows)
    else:
        insert_ignore_all(connection, BlockingKey, rows, BlockingKey.key)


_INSERT = insert(BlockingKey)


def are_alike(name: str, other_name: str) -> bool:
    """Return whether names are similar as wholes, and also without the words that half of all workplaces have in
    common.
    """
    (one, own), (other, others) = _phonetic_words(name), _phonetic_words(other_name)
    as_wholes = token_sort_ratio(one, other)
    if own and others:
        return as_wholes >= ALIKE_AS_WHOLES and token_sort_ratio(own, others) >= ALIKE
    return len(one) > 2 and as_wholes >= ALIKE


@lru_cache(maxsize=20_000)
def blocking_keys(name: str) -> tuple[str, ...]:
    """Return the keys of a name: of its distinctive words by sound, and of all of them together, whole and without each
    letter.

    Of similar names, 98 of 100 share a key.
    """
    whole, own = _phonetic_words(name)
    words = sorted((own or whole).split())
    if not words:
        return (f"={fold(name) or name}",)
    joined = "".join(words)
    shorter = [joined[:at] + joined[at + 1 :] for at in range(len(joined))] if len(joined) > SHORT else []
    return tuple(dict.fromkeys([*words, *(f"={key}" for key in (joined, *shorter))]))


@lru_cache(maxsize=20_000)
def _phonetic_words(name: str) -> tuple[str, str]:
    """Return a name by its sound, whole and without the words that are common in the trade."""
    whole = phonetic(name)
    return whole, " ".join(word for word in whole.split() if not _is_common(word))


@lru_cache(maxsize=20_000)
def _is_common(word: str) -> bool:
    return word in _COMMON or (len(word) > 3 and any(ratio(word, common) >= _COMMON_FROM for common in _COMMON))


_FORMS = r"\b(limited|limitd|ltd|pvt|private|co|company|corporation|corp|inc|plc|llc|gmbh|tbk|pt|sdn|bhd|sa|cv)\b"
"""Legal forms of companies, which spellings often omit."""
_PHONETIC_RULES = (
    (r"\bkn", "n"), (r"\by", "j"), ("ph", "f"), ("sh", "s"), ("[ckg]h", "k"), ("th", "t"), ("dh", "d"),
    ("bh", "b"), ("c(?=[eiy])", "s"), ("c|q", "k"), ("x", "ks"), ("z|j", "g"), ("v|w", "b"), ("ng|m", "n"),
)  # fmt: skip
"""Letters and pairs of letters that different languages write for the same sound."""


@lru_cache(maxsize=20_000)
def phonetic(name: str) -> str:
    """Return a name by its consonants in Latin letters: `ব্রাইট স্টিচ লিমিটেড` and `Bright Stitch Ltd` become
    similar.
    """
    plain = re.sub(_FORMS, " ", re.sub(r"[^a-z ]", "", anyascii(name).lower()))
    for spelt, meant in _PHONETIC_RULES:
        plain = re.sub(spelt, meant, plain)
    return " ".join(re.sub(r"(.)\1+", r"\1", re.sub("[aeiouy]", "", plain)).split())


_COMMON_FROM = 80
_IN_THE_TRADE = """
    garment garments fashion fashions textile textiles tekstil apparel apparels knit knitwear knitting composite mills
    mill group industries industry factory clothing wear wears shirts denim jeans sweater sweaters trousers leather
    shoes footwear packaging washing dyeing basics international
"""
_COMMON = frozenset(map(phonetic, _IN_THE_TRADE.split()))
