"""Reading a body: size, media type, and text that both databases can keep. Refused here, alike for all routes."""

import json
import unicodedata
from typing import Any

from starlette.requests import Request

from appeals.errors import Fault, Invalid, NotJson, TooLarge

DEEPEST = 32


async def read(request: Request, limit: int) -> None:
    """Read the body and keep it parsed on the request. Raises: TooLarge, NotJson, Invalid."""
    raw = await _raw(request, limit)
    request._body = raw
    if not raw:
        return
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != "application/json" or charset not in {"", "utf-8"}:
        raise NotJson
    request._json = parse(raw)


async def _raw(request: Request, limit: int) -> bytes:
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > limit:
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
            if clean(name):
                _look(item, f"{at}/{name}", depth + 1, faults)
            else:
                faults.append(Fault(at, "has a member whose name holds a character that is not allowed"))


def clean(text: str) -> bool:
    """True for text without NUL, controls other than line feed and tab, and lone surrogates."""
    return text.isprintable() or not any(
        unicodedata.category(mark) in {"Cc", "Cs"} and mark not in "\n\t" for mark in text
    )
