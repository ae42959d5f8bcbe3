"""The urgent appeal case service: cases, guarded steps, consent, and who may see what."""

__version__ = "0.1.0"
