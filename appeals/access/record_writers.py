"""The roles that may write each kind of record."""

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
"""The roles that may write each kind of record, and change it if it can be changed."""
IMMUTABLE_RECORDS = frozenset(
    {"violations", "risk_assessments", "approvals", "tallies", "payments", "outcomes", "links"}
)
"""Kinds of record that cannot be changed; a newer record corrects them."""


PROTECTIVE_RECORDS = frozenset({"suspension", "withdrawal", "consents", "risk_assessments", "team"})
"""Steps, and kinds of record, that those who act only to protect may write in part (section 8 of the domain
specification, broken glass).
"""
