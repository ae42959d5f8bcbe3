"""The indexes of the case table, and the order of lists by urgency."""

from sqlalchemy import (
    Index,
    Integer,
    literal_column,
)

from appeals.vocabulary import (
    Priority,
)

URGENCY = literal_column(
    "CASE priority {} END".format(" ".join(f"WHEN '{level}' THEN {at}" for at, level in enumerate(reversed(Priority)))),
    Integer,
)
"""The urgency of a case as a number, spelled exactly as in its index, which a migration creates."""
LISTED_BY = ("country", "status", "intake_entity_id", "lead_entity_id", "region_id", "assignee_id", "risk", "priority")
"""Columns by which lists are filtered; each has an index in the order of lists."""


FILTERED_BY = ("status", "country", "risk", "priority", "danger", "visibility")


def list_index(*order: str) -> Index:
    """Return an index in the order of a list. It also contains the small columns that lists are filtered by, so that
    rows left out by a rare filter are not looked up in the table.
    """
    return Index(f"ix_case_{'_'.join(order)}", *order, *(column for column in FILTERED_BY if column not in order))
