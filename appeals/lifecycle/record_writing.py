"""How records of every kind are added and changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from appeals.access.visibility import roles_on, roles_protecting
from appeals.cases import (
    safe_contact,
)
from appeals.cases.case import Case
from appeals.cases.record import Record, RecordInput
from appeals.database.declarative import new_id
from appeals.database.row_shape import shape_of
from appeals.errors import FieldError, Invalid, Unmet
from appeals.fields import (
    RefersTo,
    Sealed,
    Versioned,
    annotated_fields,
    bring_to_today,
    future_dates,
)
from appeals.lifecycle.record_kind import Kind
from appeals.lifecycle.record_references import records_of, referred
from appeals.lifecycle.write_context import WriteContext, latest_day


def not_ahead(data: BaseModel, now: datetime) -> None:
    """Check that no day of a past event is in the future. A later day of a refusal is set to today. Raises: Invalid."""
    bring_to_today(data, latest_day(now), now.date())
    errors = [FieldError(pointer, "is in the future") for pointer in future_dates(data, latest_day(now))]
    if errors:
        raise Invalid(errors)


def may_write(writing: WriteContext, kind: Kind, data: BaseModel) -> bool:
    """Return whether the caller may write this record, with a role on the case or only to protect somebody."""
    caller, case = writing.caller, writing.case
    if roles_on(caller, case) & kind.roles:
        return True
    return bool(roles_protecting(caller, case) & kind.roles) and kind.protects(writing, data)


def may_change(writing: WriteContext, kind: Kind, record: Record, data: BaseModel) -> bool:
    """Return whether the caller may change this record.

    Those who act only to protect may change it only by a `shorthand`.
    """
    if roles_on(writing.caller, writing.case) & kind.roles:
        return True
    return may_write(writing, kind, data) and kind.shorthand(writing, record, data) is not None


def write(writing: WriteContext, kind: Kind, data: RecordInput, at: str = "") -> tuple[Any, list[Unmet]]:
    """Add a record, and return it with the rules that forbid it, so that a step can report them with its own.

    `at` is the JSON pointer of the record in the body. Raises: Invalid.
    """
    case = writing.case
    if data.label is not None and any(record.label == data.label for record in records_of(case, kind.noun)):
        raise Invalid([FieldError(f"{at}/label", f"is the label of another of the case's {kind.noun}")])
    columns = {**_columns(case, data, at), **kind.derive(writing, data, at)}
    record = shape_of(kind.table).new(
        **columns,
        id=new_id(),
        case_id=case.id,
        recorded_at=writing.now,
        recorded_by=writing.caller.account_id,
    )
    _require_sense(record, at)
    case.add(record)
    _keep_versions(writing, record, data)
    kind.after_write(writing, record)
    case.touch(writing.now)
    return record, kind.check(writing, record)


def _require_sense(record: Record, at: str = "") -> None:
    contradicts = record.contradiction()
    if contradicts:
        member, says = contradicts
        raise Invalid([FieldError(f"{at}/{member}", says)])


def _keep_versions(writing: WriteContext, record: Record, data: BaseModel) -> None:
    for name in annotated_fields(type(data), Versioned):
        rule = getattr(data, name)
        if rule is not None:
            add_safe_contact_rule(writing, rule, record.id)


def add_safe_contact_rule(writing: WriteContext, rule: str, person_id: UUID | None = None) -> None:
    """Record how the requester, or a person, may be contacted from now on; older rules stay."""
    writing.case.add(
        safe_contact.SafeContactRule(
            id=new_id(),
            case_id=writing.case.id,
            person=person_id,
            rule=rule,
            recorded_at=writing.now,
            recorded_by=writing.caller.account_id,
        )
    )


def _columns(case: Case, data: BaseModel, at: str) -> dict[str, object]:
    """Return the members of an input as columns, with references replaced by ids."""
    columns: dict[str, object] = {}
    references: Mapping[str, RefersTo] = annotated_fields(type(data), RefersTo)
    versioned = annotated_fields(type(data), Versioned)
    for name in type(data).model_fields:
        value = getattr(data, name)
        if isinstance(value, BaseModel) or name in versioned:
            continue  # `derive` of the kind handles nested organisations and facilities; a version is a row of its own
        noun = references[name].noun if name in references else None
        if name in references and noun is None:
            continue  # `derive` also handles references to several kinds
        if noun is not None and isinstance(value, list):
            columns[name] = [
                str(referred(case, noun, item, f"{at}/{name}/{index}").id) for index, item in enumerate(value)
            ]
        elif noun is not None and value is not None:
            columns[name] = referred(case, noun, value, f"{at}/{name}").id
        else:
            columns[name] = value
    return columns


def follow(writing: WriteContext, kind: Kind, record: Record, body: RecordInput) -> tuple[Record, list[Unmet]]:
    """Change a record, or write the new one that the change stands for. Returns it, and the rules that forbid it.

    Raises: Invalid.
    """
    following = kind.shorthand(writing, record, body)
    if following is None:
        return record, change(writing, kind, record, body)
    if isinstance(following, Record):
        return following, []
    refused = _not_next(kind, record, getattr(following, kind.state))
    return (record, refused) if refused else write(writing, kind, following)


def change(writing: WriteContext, kind: Kind, record: Record, data: RecordInput) -> list[Unmet]:
    """Change a record as its lifecycle allows, and return the rules that forbid it. Equal values change nothing.

    Raises: Invalid.
    """
    values = {name: getattr(data, name) for name in data.model_fields_set}
    nulls = sorted(name for name, value in values.items() if value is None)
    if nulls:
        raise Invalid([FieldError(f"/{name}", "cannot be null; leave it out") for name in nulls])
    values |= kind.alters(writing, data)
    label = values.get("label")
    if label and any(other.label == label and other is not record for other in records_of(writing.case, kind.noun)):
        raise Invalid([FieldError("/label", f"is the label of another of the case's {kind.noun}")])
    # A sealed value always counts as changed, or a caller could find it by guessing.
    sealed = annotated_fields(type(data), Sealed)
    changed = {name: value for name, value in values.items() if name in sealed or getattr(record, name) != value}
    refused = _not_next(kind, record, changed.get(kind.state)) or _fixed(kind, record, changed)
    if refused or not changed:
        return refused
    for name, value in changed.items():
        if name not in annotated_fields(type(data), Versioned):
            setattr(record, name, value)
    _keep_versions(writing, record, data)
    _require_sense(record)
    kind.after_write(writing, record)
    writing.case.touch(writing.now)
    return kind.check(writing, record) if changed.keys() - kind.asides else []


def _not_next(kind: Kind, record: Record, state: object) -> list[Unmet]:
    now = getattr(record, kind.state, None)
    following = kind.transitions.get(now, set())
    if state is None or state in following:
        return []
    may = (
        f"can only become {', '.join(sorted(following))}"
        if following
        else "cannot change; record what is right as a new record"
    )
    return [Unmet(f"{kind.attribute}.{kind.state}", f"A record that is {now} {may}.")]


def _fixed(kind: Kind, record: Record, changed: dict[str, object]) -> list[Unmet]:
    says = "This member cannot be changed; add a new record instead."
    fixed = sorted(name for name, value in changed.items() if not record.may_become(name, value))
    return [Unmet(f"{kind.attribute}.{name}", says) for name in fixed]
