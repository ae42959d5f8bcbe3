"""Words: what a text is found by, the same in every script and on every database.

Where a script puts spaces between words, a word is a run of letters, marks and digits. Thai, Lao, Burmese, Khmer,
Chinese, Japanese and Korean are cut into pairs of neighbouring characters, so that any part of a run is found in it.
Case, accents and the letters that keyboards of other languages lack are folded; nothing is transliterated.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import groupby, pairwise
from typing import NamedTuple

LONGEST = 40
"""Of a longer word so many characters count, where it stands and where it is asked for."""

_LETTERS = str.maketrans(
    {
        **{"đ": "d", "ð": "d", "ɖ": "d", "ɗ": "d", "ø": "o", "ɔ": "o", "ł": "l", "ı": "i", "ħ": "h", "ŧ": "t"},
        **{"ŋ": "n", "ɓ": "b", "ƙ": "k", "ƴ": "y", "ə": "e", "ɛ": "e", "æ": "ae", "œ": "oe", "þ": "th"},
        # Arabic as it is written in Arabic, Persian, Urdu and Kurdish; the signs on its letters fall away as accents.
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
"""The combining class of the dot below a letter of Indic scripts, which half of the keyboards leave out."""


class Term(NamedTuple):
    """What a query asks for: a word, or any word that begins so."""

    text: str
    begins: bool = False


def terms_in(text: str) -> set[str]:
    """The terms that a text is found by.

    A run of an unspaced script gives its pairs, and its last character alone: whatever begins with a character is then
    every place where it stands.
    """
    return {term for run, unspaced in _runs(text) for term in ([*_pairs(run), run[-1]] if unspaced else [run])}


def terms_of(query: str) -> list[Term]:
    """The terms that a query asks for, all of which must be found; its last word may be the beginning of one."""
    runs = _runs(query)
    params = [term for run, unspaced in runs for term in _asked(run, unspaced=unspaced)]
    if runs and not runs[-1][1]:
        params[-1] = Term(params[-1].text, begins=True)
    return list(dict.fromkeys(params))


def words_in(query: str) -> int:
    """How many words a query has; a run of an unspaced script is one."""
    return len(_runs(query))


def _asked(run: str, *, unspaced: bool) -> list[Term]:
    if not unspaced:
        return [Term(run)]
    return [Term(pair) for pair in _pairs(run)] or [Term(run, begins=True)]


def _pairs(run: str) -> list[str]:
    return [one + other for one, other in pairwise(run)]


def _runs(text: str) -> list[tuple[str, bool]]:
    """The words of a text, and the runs of unspaced scripts, for which True stands beside them."""
    cut = (("".join(run), kind) for kind, run in groupby(fold(text), _kind))
    return [(run if kind else run[:LONGEST], bool(kind)) for run, kind in cut if kind is not None]


@lru_cache(maxsize=4096)
def _kind(character: str) -> bool | None:
    """True for what is written without spaces, False for what words are made of, None for what parts them."""
    if unicodedata.category(character)[0] not in "LMN" or "\u02b0" <= character <= "\u02ff":
        return None
    return bool(_UNSPACED.match(character))


def fold(text: str) -> str:
    """A text without case, accents and vowel signs that are left out at will; digits as 0 to 9."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", "".join(map(_folded, plain)).translate(_LETTERS))


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    if unicodedata.category(character) == "Cf" or _is_accent(character):
        return ""
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def _is_accent(mark: str) -> bool:
    """True for accents, Hebrew and Arabic vowels and the nukta; not for the marks that Indic words are spelt with."""
    place = unicodedata.combining(mark)
    return 10 <= place <= 35 or place >= 200 or (place == _NUKTA and not _UNSPACED.match(mark))
