"""Which schema this release is written for."""

from pathlib import Path

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


LAST_SQUASHED = "0024"
"""The last of the migrations that were made one: it left the schema that the first one of today makes."""


def revisions() -> list[str]:
    """All revisions under `migrations/`, oldest first, by their file names (`0025_….py`)."""
    return sorted(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("*.py"))


def head_revision() -> str:
    """The newest revision."""
    return revisions()[-1]
