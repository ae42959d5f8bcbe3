"""Sealing: what can be read and made only with the pepper, each for a purpose of its own."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


@dataclass(frozen=True)
class Seal:
    """Encrypts with AES-GCM under a key that is made of the pepper for one purpose."""

    pepper: bytes
    purpose: bytes

    def close(self, plain: bytes, of: bytes) -> bytes:
        """Sealed bytes, 28 more than there were; they can be opened only as something `of` the same."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, of)

    def open(self, sealed: bytes, of: bytes) -> bytes:
        """What was sealed. Raises: InvalidTag, when it was not, or with another pepper, or as something else's."""
        return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], of)

    @property
    def _cipher(self) -> AESGCM:
        return AESGCM(hmac.digest(self.pepper, self.purpose, hashlib.sha256))
