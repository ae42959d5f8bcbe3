"""Cursors of lists: where the next page starts. Clients cannot read them, and an altered one is refused."""

import json

from appeals.accounts.encryption import NotGenuine, RepeatableCipher
from appeals.errors import FieldError, Invalid
from appeals.json_types import Json


def encode(position: list[Json], question: str, pepper: bytes) -> str:
    """Return the cursor of a position in a list, for the path and filters that it belongs to.

    The same position always has the same cursor, so that an unchanged page is the same byte for byte.
    """
    return _cipher(pepper).encode(json.dumps(position, separators=(",", ":")).encode(), question.encode())


def decode(cursor: str, question: str, pepper: bytes) -> list[Json]:
    """Return the position of a cursor. Raises: Invalid, if it was altered or belongs to another list."""
    try:
        position: list[Json] = json.loads(_cipher(pepper).decode(cursor, question.encode()))
    except NotGenuine:
        raise Invalid([FieldError("?cursor", "is not a cursor of this list; start again without it")]) from None
    if cursor != encode(position, question, pepper):  # base64 has several spellings of the same bytes
        raise Invalid([FieldError("?cursor", "is not a cursor of this list; start again without it")])
    return position


def _cipher(pepper: bytes) -> RepeatableCipher:
    return RepeatableCipher(pepper, b"cursor of a list")
