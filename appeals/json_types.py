"""The types of JSON values in Python."""

from typing import Any

Json = Any
"""A value read from JSON, whose type its reader must check."""
JsonObject = dict[str, Any]
"""An object read from JSON, or about to be written as one."""
