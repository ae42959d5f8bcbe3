"""Reading a body: size, media type, and text that both databases can keep. Refused here, alike for all routes."""

import json
import re
from functools import cache
from typing import Any

from starlette.requests import Request

from appeals.errors import Fault, Invalid, NotJson, TooLarge
from appeals.field import CONTROLS, Model

DEEPEST = 32
_FORBIDDEN = re.compile(rf"[{CONTROLS}\ud800-\udfff]")


async def read(request: Request, limit: int) -> None:
    """Read the body and keep it parsed on the request. Raises: TooLarge, NotJson, Invalid."""
    raw = await _raw(request, limit)
    request._body = raw
    if not raw:
        return
    if not _is_json(request.headers.get("content-type", "")) or "content-encoding" in request.headers:
        raise NotJson
    request._json = parse(raw)


def _is_json(content_type: str) -> bool:
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = {told.removeprefix("charset=").strip('"') for told in parameters if told.startswith("charset=")}
    return media_type == "application/json" and charsets <= {"utf-8"}


async def _raw(request: Request, limit: int) -> bytes:
    told = request.headers.get("content-length", "")
    if told.isascii() and told.isdigit() and int(told[:20]) > limit:
        raise TooLarge
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def parse(raw: bytes) -> Any:
    """JSON in UTF-8, each member once, no NaN, not too deep, no forbidden characters. Raises: Invalid."""
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_each_member_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid([Fault("", "is not JSON in UTF-8 with each member given once")]) from error
    faults: list[Fault] = []
    _look(value, "", 0, faults)
    if faults:
        raise Invalid(faults[:20])
    return value


def _each_member_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members


def _no_constant(_: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


def _look(value: Any, at: str, depth: int, faults: list[Fault]) -> None:
    if depth > DEEPEST:
        faults.append(Fault("", f"is nested deeper than {DEEPEST}"))
    elif isinstance(value, str):
        if not clean(value):
            faults.append(Fault(at, "holds a character that is not allowed"))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _look(item, f"{at}/{index}", depth + 1, faults)
    elif isinstance(value, dict):
        for name, item in value.items():
            inside: list[Fault] = []
            _look(item, f"{at}/{name}", depth + 1, inside)
            # A name that is not ours may be anybody's: the pointer ends before it.
            faults += inside if name in _our_names() else [Fault(at, fault.says) for fault in inside]
            if not clean(name):
                faults.append(Fault(at, "has a member whose name holds a character that is not allowed"))


@cache
def _our_names() -> frozenset[str]:
    """The name of every member of every body that is declared somewhere."""
    models, names = [Model], set[str]()
    while models:
        model = models.pop()
        models += model.__subclasses__()
        names |= set(model.model_fields)
    return frozenset(names)


def clean(text: str) -> bool:
    """True for text without NUL, controls other than line feed and tab, and lone surrogates."""
    return not _FORBIDDEN.search(text)
