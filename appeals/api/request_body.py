"""Reading a request body: its size, media type, and texts that both databases can store. All routes refuse the same."""

import json
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import takewhile

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from appeals.errors import FieldError, Invalid, NotJson, TooLarge
from appeals.fields import CONTROLS, Model
from appeals.json_types import Json, JsonObject

ANONYMOUS_LIMIT = 16_384
"""The largest body of a request without a key on a public operation, in bytes."""
LARGE = 65_536
"""Bytes from which a body is parsed in a thread, so that the event loop serves others meanwhile."""
MAX_DEPTH = 32
MAX_NAME_LENGTH = 100
MAX_VALUES = 20_000
MAX_UNKNOWN_NAMES = 200
MAX_ERRORS = 20
MAX_COMBINING_MARKS = 30
"""How many combining marks may follow each other: the limit of Unicode's stream-safe text (UAX 15)."""
_FORBIDDEN = re.compile(rf"[{CONTROLS}\ud800-\udfff]")


async def read(request: Request, limit: int) -> None:
    """Read the body and store it parsed on the request. Raises: TooLarge, NotJson, Invalid."""
    raw = await _raw(request, limit)
    request._body = raw
    if not raw:
        return
    if not _is_json(request.headers.get("content-type", "")) or "content-encoding" in request.headers:
        raise NotJson
    request._json = await run_in_threadpool(parse, raw) if len(raw) > LARGE else parse(raw)


def raw_body(request: Request) -> bytes:
    """Return the body that was read, byte for byte; empty if there was none."""
    return getattr(request, "_body", b"")


def parsed_body(request: Request) -> Json:
    """Return the body that was read, as JSON; None if there was none."""
    return getattr(request, "_json", None)


def _is_json(content_type: str) -> bool:
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = {
        parameter.removeprefix("charset=").strip('"') for parameter in parameters if parameter.startswith("charset=")
    }
    return media_type == "application/json" and charsets <= {"utf-8"}


async def _raw(request: Request, limit: int) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > limit:
        raise TooLarge
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def parse(raw: bytes) -> Json:
    """Parse JSON in UTF-8 with unique members, no NaN, within the limits and without forbidden characters. Raises:
    Invalid.

    The time is linear in the size of the body, whatever it contains.
    """
    if (
        raw.count(b"[") + raw.count(b"{") > MAX_VALUES
    ):  # before they are created, because the garbage collector visits each
        raise Invalid([FieldError("", TOO_MANY_VALUES)])
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_each_member_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid([FieldError("", "is not JSON in UTF-8 with unique members")]) from error
    inspection = Inspection()
    inspection.look([value])
    if inspection.faults:
        raise Invalid(inspection.faults)
    return value


def _each_member_once(pairs: list[tuple[str, Json]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members


def _no_constant(_: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


CONTAINERS = (list, dict)
TOO_MANY_VALUES = f"contains more than {MAX_VALUES:,} values"


class Inspection:
    """One walk over a parsed body that counts values and depth, checks texts, and collects faults.

    A pointer is built only for a fault. Building one for each value would take the product of length and depth.
    """

    def __init__(self) -> None:
        self.faults: list[FieldError] = []
        self._values = self._unknown_names = 0
        self._path: list[str | int] = []

    def look(self, container: list[Json] | JsonObject) -> None:
        """Inspect everything in a list or object. Raises: Invalid, if there is no use in looking further."""
        self._values += len(container)
        if self._values > MAX_VALUES:
            raise Invalid([FieldError("", TOO_MANY_VALUES)])
        if len(self._path) > MAX_DEPTH:
            raise Invalid([FieldError("", f"is nested deeper than {MAX_DEPTH}")])
        if isinstance(container, dict):
            self._look_at_names(container)
        for step, value in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(value, str):
                if says := text_error(value):
                    self._note([*self._path, step], says)
            elif value and isinstance(value, CONTAINERS):
                self._path.append(step)
                self.look(value)
                self._path.pop()

    def _look_at_names(self, members: JsonObject) -> None:
        self._unknown_names += len(members.keys() - _our_names())
        if self._unknown_names > MAX_UNKNOWN_NAMES:  # each would add a fault
            raise Invalid([FieldError("", "has unknown members")])
        for name in members:
            if len(name) > MAX_NAME_LENGTH:
                self._note(self._path, f"has a member whose name is longer than {MAX_NAME_LENGTH} characters")
            elif says := text_error(name):
                self._note(self._path, f"has a member whose name {says}")

    def _note(self, path: Sequence[str | int], says: str) -> None:
        """Add a fault. Its pointer omits the list that wraps the whole body. Raises: Invalid, if there are too many."""
        self.faults.append(FieldError(pointer(path[1:]), says))
        if len(self.faults) == MAX_ERRORS:
            raise Invalid(self.faults)


def pointer(path: Sequence[str | int]) -> str:
    """Return a JSON pointer that ends at the last known name, since an unknown one may be anything and is not
    repeated.
    """
    steps = takewhile(lambda step: isinstance(step, int) or step in _our_names(), path)
    return "".join(f"/{step}" for step in steps)


@cache
def _our_names() -> frozenset[str]:
    """Return the names of all members of all declared bodies."""
    models, names = [Model], set[str]()
    while models:
        model = models.pop()
        models += model.__subclasses__()
        names |= set(model.model_fields)
    return frozenset(names)


def clean(text: str) -> bool:
    """Return whether a text has no NUL, no controls other than line feed and tab, and no lone surrogates."""
    return text_error(text) is None


def text_error(text: str) -> str | None:
    """Return what is wrong with a text whatever its use; None if nothing is."""
    if not text.isprintable() and _FORBIDDEN.search(text):
        return "contains a character that is not allowed"
    if not text.isascii() and not unicodedata.is_normalized("NFC", text) and _is_crowded(text):
        return f"contains more than {MAX_COMBINING_MARKS} combining marks in a row"
    return None


def _is_crowded(text: str) -> bool:
    """Return whether more marks follow each other than in any language: sorting them takes the square of
    their number.
    """
    combines = bytes(map(unicodedata.combining, text)).translate(_NONZERO_IS_ONE)
    return b"\1" * (MAX_COMBINING_MARKS + 1) in combines


_NONZERO_IS_ONE = b"\0" + b"\1" * 255
