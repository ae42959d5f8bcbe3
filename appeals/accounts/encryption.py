"""Sealing: what can be read and made only with the pepper, each for a purpose of its own."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

NONCE_BYTES = 12


@dataclass(frozen=True)
class Cipher:
    """Encrypts with AES-GCM under a key that is made of the pepper for one purpose."""

    pepper: bytes
    purpose: bytes

    def encrypt(self, plain: bytes, of: bytes) -> bytes:
        """Sealed bytes, 28 more than there were; they can be opened only as something `of` the same."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, of)

    def decrypt(self, sealed: bytes, of: bytes) -> bytes:
        """What was sealed. Raises: InvalidTag, when it was not, or with another pepper, or as something else's."""
        return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], of)

    @property
    def _aead(self) -> AESGCM:
        return AESGCM(hmac.digest(self.pepper, self.purpose, hashlib.sha256))


class Unnamed(Exception):
    """A text that is no keyed name."""


@dataclass(frozen=True)
class KeyedNames:
    """Encrypts texts with AES-SIV under a key that is made of the pepper for one purpose.

    The same text `of` the same always has the same name, which nobody can make or read without the pepper.
    """

    pepper: bytes
    purpose: bytes

    def name(self, text: str, of: bytes) -> str:
        """The name of a text that is not empty, in letters, digits, hyphens and underscores."""
        return base64.urlsafe_b64encode(self._cipher.encrypt(text.encode(), [of])).rstrip(b"=").decode()

    def text(self, name: str, of: bytes) -> str:
        """The text of this name. Raises: Unnamed, when it is none, or of something else."""
        try:
            sealed = base64.b64decode(name + "=" * (-len(name) % 4), altchars=b"-_", validate=True)
            return self._cipher.decrypt(sealed, [of]).decode()
        except (ValueError, InvalidTag):
            raise Unnamed from None

    @property
    def _cipher(self) -> AESSIV:
        return AESSIV(hmac.digest(self.pepper, self.purpose, hashlib.sha512))
