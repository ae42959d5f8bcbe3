"""Encryption with the pepper: nobody else can decrypt, and not for another subject or purpose."""

from dataclasses import replace

import pytest

from appeals.accounts.encryption import Cipher, NotGenuine, RepeatableCipher
from appeals.api import cursor
from appeals.errors import Invalid

PEPPER = b"a pepper for tests only"
CIPHERS = [Cipher(PEPPER, b"a purpose"), RepeatableCipher(PEPPER, b"a purpose")]
ciphers = pytest.mark.parametrize("cipher", CIPHERS, ids=lambda cipher: type(cipher).__name__)


@ciphers
def test_what_was_encrypted_is_read_again(cipher: Cipher) -> None:
    assert cipher.decrypt(cipher.encrypt(b"plain", b"of"), b"of") == b"plain"
    assert cipher.decode(cipher.encode(b"plain", b"of"), b"of") == b"plain"
    assert "plain" not in cipher.encode(b"plain", b"of")


@ciphers
def test_nothing_else_is_read(cipher: Cipher) -> None:
    text = cipher.encode(b"plain", b"of")
    others = (replace(cipher, pepper=b"another pepper"), replace(cipher, purpose=b"another purpose"))
    for reader, altered, of in (
        *((other, text, b"of") for other in others),
        (cipher, text, b"of another"),
        (cipher, text[:-4], b"of"),
        (cipher, text[:8], b"of"),
        (cipher, text[4:], b"of"),
        (cipher, "", b"of"),
        (cipher, "A", b"of"),
        (cipher, "ä" + text, b"of"),
    ):
        with pytest.raises(NotGenuine):
            reader.decode(altered, of)


def test_only_what_is_to_be_repeated_is_the_same_each_time() -> None:
    random, repeatable = CIPHERS
    assert random.encode(b"plain", b"of") != random.encode(b"plain", b"of")
    assert repeatable.encode(b"plain", b"of") == repeatable.encode(b"plain", b"of")


def test_a_cursor_belongs_to_its_question() -> None:
    text = cursor.encode(["2026-11-30", 7], "/v1/cases?", PEPPER)
    assert cursor.decode(text, "/v1/cases?", PEPPER) == ["2026-11-30", 7]
    assert text == cursor.encode(["2026-11-30", 7], "/v1/cases?", PEPPER)
    for altered, question, pepper in (
        (text, "/v1/cases?status=closed", PEPPER),
        (text, "/v1/cases?", b"another pepper"),
        (text + "A", "/v1/cases?", PEPPER),
        (text + "=", "/v1/cases?", PEPPER),
    ):
        with pytest.raises(Invalid) as refusal:
            cursor.decode(altered, question, pepper)
        assert [fault.pointer for fault in refusal.value.faults] == ["?cursor"]
