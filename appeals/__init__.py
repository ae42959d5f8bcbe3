"""The case service for urgent appeals: cases, guarded steps, consents, and who may see what."""

__version__ = "0.2.0"
