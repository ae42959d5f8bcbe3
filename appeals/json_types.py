"""JSON as Python holds it."""

from typing import Any

Json = Any
"""A value read from JSON: who reads it looks what it is."""
JsonObject = dict[str, Any]
"""An object read from JSON, or about to be written as one."""
