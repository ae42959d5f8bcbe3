"""Which schema this release is written for."""

from pathlib import Path

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def head_revision() -> str:
    """The newest revision under `migrations/`, by its file name (`0001_….py`)."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("*.py")).split("_")[0]
