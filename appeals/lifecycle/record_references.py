"""References to the records of a case, by id or label."""

from typing import Any

from appeals.accounts.caller import Caller
from appeals.cases import (
    consent,
)
from appeals.cases.case import Case
from appeals.cases.record import Record
from appeals.errors import FieldError, Invalid
from appeals.fields import (
    as_uuid,
)
from appeals.lifecycle.record_kind import Kind


def require_conditions(case: Case, conditions_met: list[consent.ConditionMet], at: str) -> None:
    """Replace each reference to a consent by its id. Raises: Invalid, if the consent has no such condition."""
    for index, met in enumerate(conditions_met):
        row: consent.Consent = referred(case, "consents", met.consent, f"{at}/{index}/consent")
        if met.condition not in row.conditions:
            raise Invalid([FieldError(f"{at}/{index}/condition", "is not a condition of that consent, word for word")])
        met.consent = str(row.id)


def records_of(case: Case, noun: str) -> list[Record]:
    """Return the records of a kind, oldest first."""
    if noun == "responses":
        return [response for action in case.actions for response in action.responses]
    records: list[Record] = getattr(case, noun.replace("-", "_"))
    return records


def readable(caller: Caller, case: Case, kind: Kind) -> list[Record]:
    """Return the records of a kind that this caller may read, oldest first."""
    return kind.readable(caller, case) if kind.readable else records_of(case, kind.noun)


def find(case: Case, noun: str, reference: str) -> Any | None:
    """Return the record with this reference, which is its id or `#` and its label; None if there is none."""
    row_id = as_uuid(reference)
    for record in records_of(case, noun):
        if record.id == row_id or (record.label is not None and reference == f"#{record.label}"):
            return record
    return None


def referred(case: Case, noun: str, reference: str, pointer: str) -> Any:
    """Return the record with the reference that an input names. Raises: Invalid, with its pointer."""
    record = find(case, noun, reference)
    if record is None:
        raise Invalid([FieldError(pointer, f"is not one of the case's {noun}")])
    return record
