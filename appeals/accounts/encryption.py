"""Encryption with a key derived from the pepper.

Only this installation can encrypt and decrypt, for one purpose each.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

NONCE_BYTES = 12


class NotGenuine(Exception):
    """A text that was altered, or encrypted with another pepper, for another purpose or another subject."""


@dataclass(frozen=True)
class Cipher:
    """Encrypts with AES-GCM under a key that is derived from the pepper for one purpose.

    Encrypting the same bytes twice gives different results, so that nobody can see that they are the same.
    """

    pepper: bytes
    purpose: bytes

    def encrypt(self, plain: bytes, of: bytes) -> bytes:
        """Return the encrypted bytes, which are 28 longer. They can be decrypted only with the same subject `of`."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, of)

    def decrypt(self, encrypted: bytes, of: bytes) -> bytes:
        """Return the decrypted bytes.

        Raises: InvalidTag, if they were altered, or encrypted with another pepper or subject.
        """
        return self._aead.decrypt(encrypted[:NONCE_BYTES], encrypted[NONCE_BYTES:], of)

    def encode(self, plain: bytes, of: bytes) -> str:
        """Return the encrypted bytes as a text of letters, digits, hyphens and underscores."""
        return base64.urlsafe_b64encode(self.encrypt(plain, of)).rstrip(b"=").decode()

    def decode(self, text: str, of: bytes) -> bytes:
        """Return the decrypted bytes of such a text. Raises: NotGenuine."""
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
    """Encrypts with AES-SIV: the same non-empty bytes with the same subject `of` always give the same result."""

    def encrypt(self, plain: bytes, of: bytes) -> bytes:
        """Return the encrypted bytes, which are 16 longer."""
        return self._siv.encrypt(plain, [of])

    def decrypt(self, encrypted: bytes, of: bytes) -> bytes:
        """Return the decrypted bytes. Raises: InvalidTag, as above."""
        return self._siv.decrypt(encrypted, [of])

    @property
    def _siv(self) -> AESSIV:
        return AESSIV(hmac.digest(self.pepper, self.purpose, hashlib.sha512))
