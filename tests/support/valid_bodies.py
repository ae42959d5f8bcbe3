"""A body of the right form for every operation."""

from typing import Any

from appeals.api.routing import Route
from tests.support.cast import STEP_INPUTS, Body, intake, organisation, step_input
from tests.support.standing import RECORDS


def valid(operation: Route) -> Any:
    """A body of the right form."""
    noun = operation.path.split("/")[-1]
    if not operation.writes:
        return None
    if noun in STEP_INPUTS:
        return step_input(noun)
    if operation.name == "add_response":
        return {name: value for name, value in RECORDS[noun].items() if name != "action"}
    return {"cases": intake(), **RECORDS, **BODIES}.get(noun) or BODIES.get(operation.name, {})


BODIES: dict[str, Body] = {
    "change_consents": {"state": "withdrawn"},
    "change_commitments": {"status": "in_progress"},
    "change_team": {"status": "left"},
    "openings": {"fields": ["narrative"], "reason": "To answer the lawyer."},
    "break-glass": {"reason": "Somebody was arrested."},
    "publications": {"publication_level": "anonymised"},
    "takedown": {"reason": "The workers asked."},
    "organisations": organisation("Sample Fund"),
    "facilities": {"name": "Sample Mill", "country": "BD"},
    "entities": {"name": "Sample Desk", "kind": "member", "parent": "Europe"},
    "accounts": {"name": "sample desk", "kind": "person", "role": "reader", "entity": "Europe"},
    "memberships": {"role": "caseworker", "entity": "Europe"},
    "disabling": {"reason": "unused"},
    "keys": {"scopes": ["read"], "days": 1},
    "enrolments": {"halves": ["0000-0000-0000-0000-0000", "1111-1111-1111-1111-1111"]},
    "webhooks": {"url": "https://hooks.example.org/in"},
}
