"""The schema revision of this release."""

from pathlib import Path

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


LAST_SQUASHED = "0024"
"""The last revision of the squashed migrations. It left the schema that the first migration now creates."""


def revisions() -> list[str]:
    """Return all revisions under `migrations/`, oldest first, by their file names (`0025_….py`)."""
    return sorted(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("*.py"))


def head_revision() -> str:
    """Return the newest revision."""
    return revisions()[-1]
