"""Cursors of lists: where the next page begins, opaque to clients and refused when altered."""

import json

from appeals.accounts.encryption import NotGenuine, RepeatableCipher
from appeals.errors import FieldError, Invalid
from appeals.json_types import Json


def encode(position: list[Json], question: str, pepper: bytes) -> str:
    """A cursor for a position in the answers to a question (the path and filters it belongs to).

    Always the same one for the same position, so that a page is the same while nothing changes.
    """
    return _cipher(pepper).encode(json.dumps(position, separators=(",", ":")).encode(), question.encode())


def decode(cursor: str, question: str, pepper: bytes) -> list[Json]:
    """The position a cursor stands for. Raises: Invalid, when it was altered or belongs to another question."""
    try:
        position: list[Json] = json.loads(_cipher(pepper).decode(cursor, question.encode()))
    except NotGenuine:
        raise Invalid([FieldError("?cursor", "is not a cursor of this list; begin again without it")]) from None
    if cursor != encode(position, question, pepper):  # one position has one spelling, though base64 reads several
        raise Invalid([FieldError("?cursor", "is not a cursor of this list; begin again without it")])
    return position


def _cipher(pepper: bytes) -> RepeatableCipher:
    return RepeatableCipher(pepper, b"cursor of a list")
