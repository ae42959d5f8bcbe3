"""Which roles write which kinds of record."""

from appeals.access.roles import CASEWORK, COORDINATION, FIELD_WORK
from appeals.vocabulary import Role

RECORD_WRITERS: dict[str, frozenset[Role]] = {
    "parties": FIELD_WORK,
    "violations": FIELD_WORK,
    "demands": CASEWORK,
    "people": FIELD_WORK,
    "consents": FIELD_WORK,
    "risk_assessments": CASEWORK,
    "approvals": frozenset({Role.REVIEWER}),
    "actions": CASEWORK,
    "responses": CASEWORK,
    "commitments": CASEWORK,
    "tallies": FIELD_WORK,
    "payments": FIELD_WORK,
    "proceedings": CASEWORK,
    "outcomes": CASEWORK,
    "links": CASEWORK,
    "team": COORDINATION,
}
"""Who may write each kind of record of a case, and change it where it can be changed."""
IMMUTABLE_RECORDS = frozenset(
    {"violations", "risk_assessments", "approvals", "tallies", "payments", "outcomes", "links"}
)
"""Kinds of record that stand as they were recorded: what is right is recorded beside them."""


PROTECTIVE_RECORDS = frozenset({"suspension", "withdrawal", "consents", "risk_assessments", "team"})
"""Steps, and kinds of record of which some are written by those who act only to protect (domain.md 8, broken glass)."""
