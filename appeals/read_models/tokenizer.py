"""The tokenizer: it splits a text into the words by which it is found, the same for every script and database.

If a script puts spaces between words, a word is a run of letters, marks and digits. Thai, Lao, Burmese, Khmer, Chinese,
Japanese and Korean are split into pairs of neighbouring characters, so that any part of a run is found. Case, accents
and letters that other keyboards lack are folded; nothing is transliterated.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import groupby, pairwise
from typing import NamedTuple

LONGEST = 40
"""The number of characters of a word that count, in texts and in queries."""

_LETTERS = str.maketrans(
    {
        **{"đ": "d", "ð": "d", "ɖ": "d", "ɗ": "d", "ø": "o", "ɔ": "o", "ł": "l", "ı": "i", "ħ": "h", "ŧ": "t"},
        **{"ŋ": "n", "ɓ": "b", "ƙ": "k", "ƴ": "y", "ə": "e", "ɛ": "e", "æ": "ae", "œ": "oe", "þ": "th"},
        # Letters of Arabic, Persian, Urdu and Kurdish; their signs are removed like accents.
        **{"\u0640": "", "ٱ": "ا", "ى": "ي", "ی": "ي", "ے": "ي", "ک": "ك", "ة": "ه", "ہ": "ه", "ھ": "ه", "ە": "ه"},
    }
)
"""Letters that no decomposition of Unicode makes plain; `ß` and capitals are folded with the case."""
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"  # Hangul
    "\u3005-\u3007\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_NUKTA = 7
"""The combining class of the dot below Indic letters, which half of the keyboards lack."""


class Term(NamedTuple):
    """A term of a query: a word, or a prefix."""

    text: str
    begins: bool = False


def terms_in(text: str) -> set[str]:
    """Return the terms by which a text is found.

    A run of a script without spaces gives its pairs and its last character alone. So a search for one character finds
    it anywhere.
    """
    return {term for run, unspaced in _runs(text) for term in ([*_pairs(run), run[-1]] if unspaced else [run])}


def terms_of(query: str) -> list[Term]:
    """Return the terms of a query, all of which must be found. Its last word may be a prefix."""
    runs = _runs(query)
    params = [term for run, unspaced in runs for term in _asked(run, unspaced=unspaced)]
    if runs and not runs[-1][1]:
        params[-1] = Term(params[-1].text, begins=True)
    return list(dict.fromkeys(params))


def words_in(query: str) -> int:
    """Return the number of words of a query. A run of a script without spaces counts as one."""
    return len(_runs(query))


def _asked(run: str, *, unspaced: bool) -> list[Term]:
    if not unspaced:
        return [Term(run)]
    return [Term(pair) for pair in _pairs(run)] or [Term(run, begins=True)]


def _pairs(run: str) -> list[str]:
    return [one + other for one, other in pairwise(run)]


def _runs(text: str) -> list[tuple[str, bool]]:
    """Yield the words of a text, and the runs of scripts without spaces; True marks the latter."""
    cut = (("".join(run), kind) for kind, run in groupby(fold(text), _kind))
    return [(run if kind else run[:LONGEST], bool(kind)) for run, kind in cut if kind is not None]


@lru_cache(maxsize=4096)
def _kind(character: str) -> bool | None:
    """Return True for scripts without spaces, False for other word characters, None for separators."""
    if unicodedata.category(character)[0] not in "LMN" or "\u02b0" <= character <= "\u02ff":
        return None
    return bool(_UNSPACED.match(character))


def fold(text: str) -> str:
    """Return a text without case, accents and optional vowel signs, and with digits as 0 to 9."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", "".join(map(_folded, plain)).translate(_LETTERS))


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    if unicodedata.category(character) == "Cf" or _is_accent(character):
        return ""
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def _is_accent(mark: str) -> bool:
    """Return whether a mark is an accent, a Hebrew or Arabic vowel or the nukta; not the marks that Indic words are
    spelled with.
    """
    place = unicodedata.combining(mark)
    return 10 <= place <= 35 or place >= 200 or (place == _NUKTA and not _UNSPACED.match(mark))
