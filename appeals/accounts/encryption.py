"""Encryption with the pepper: what only this installation can make and read, each for a purpose of its own."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

NONCE_BYTES = 12


class NotGenuine(Exception):
    """A text that was altered, or made with another pepper, for another purpose or of something else."""


@dataclass(frozen=True)
class Cipher:
    """Encrypts with AES-GCM under a key that is made of the pepper for one purpose.

    Encrypting the same bytes again gives others, so that nobody can tell whether they are the same.
    """

    pepper: bytes
    purpose: bytes

    def encrypt(self, plain: bytes, of: bytes) -> bytes:
        """Encrypted bytes, 28 more than there were; they can be decrypted only as something `of` the same."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, of)

    def decrypt(self, encrypted: bytes, of: bytes) -> bytes:
        """What was encrypted. Raises: InvalidTag, when it was not, or with another pepper, or as something else's."""
        return self._aead.decrypt(encrypted[:NONCE_BYTES], encrypted[NONCE_BYTES:], of)

    def encode(self, plain: bytes, of: bytes) -> str:
        """Encrypted bytes as a text of letters, digits, hyphens and underscores."""
        return base64.urlsafe_b64encode(self.encrypt(plain, of)).rstrip(b"=").decode()

    def decode(self, text: str, of: bytes) -> bytes:
        """The bytes of such a text. Raises: NotGenuine."""
        try:
            encrypted = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            return self.decrypt(encrypted, of)
        except (ValueError, InvalidTag):
            raise NotGenuine from None

    @property
    def _aead(self) -> AESGCM:
        return AESGCM(hmac.digest(self.pepper, self.purpose, hashlib.sha256))


@dataclass(frozen=True)
class RepeatableCipher(Cipher):
    """Encrypts with AES-SIV: the same bytes, which are not empty, `of` the same always give the same."""

    def encrypt(self, plain: bytes, of: bytes) -> bytes:
        """Encrypted bytes, 16 more than there were."""
        return self._siv.encrypt(plain, [of])

    def decrypt(self, encrypted: bytes, of: bytes) -> bytes:
        """What was encrypted. Raises: InvalidTag, as above."""
        return self._siv.decrypt(encrypted, [of])

    @property
    def _siv(self) -> AESSIV:
        return AESSIV(hmac.digest(self.pepper, self.purpose, hashlib.sha512))
