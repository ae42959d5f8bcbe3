"""Cursors: where the next page begins, opaque to clients and of no use when altered."""

import base64
import hashlib
import hmac
import json
from typing import Any

from appeals.errors import FieldError, Invalid


def encode(place: list[Any], question: str, pepper: bytes) -> str:
    """A cursor for a place in the answers to a question (the path and filters it belongs to)."""
    plain = json.dumps(place, separators=(",", ":")).encode()
    return _spell(_mac(plain, question, pepper) + plain)


def decode(cursor: str, question: str, pepper: bytes) -> list[Any]:
    """The place a cursor stands for. Raises: Invalid, when it was altered or belongs to another question."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raw = b""
    mac, plain = raw[:12], raw[12:]
    genuine = hmac.compare_digest(mac, _mac(plain, question, pepper))
    if not genuine or cursor != _spell(raw):  # one place has one spelling, though base64 would read several
        raise Invalid([FieldError("?cursor", "is not a cursor of this list; begin again without it")])
    place: list[Any] = json.loads(plain)
    return place


def _spell(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _mac(plain: bytes, question: str, pepper: bytes) -> bytes:
    return hmac.digest(pepper, b"cursor\n" + question.encode() + b"\n" + plain, hashlib.sha256)[:12]
