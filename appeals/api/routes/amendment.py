"""The route that changes a case itself: title, summary, priority, assignee, visibility; never its status."""

from fastapi import Response

from appeals.access.visibility import roles_on
from appeals.accounts.account import Account
from appeals.api.dependencies import CurrentWrite
from appeals.api.openapi import with_headers
from appeals.api.parameters import CaseReference
from appeals.api.routes.cases import log_publication
from appeals.api.routing import new_router
from appeals.api.transaction import WriteTransaction
from appeals.cases.sharing import NOT_AGREED, may_have
from appeals.errors import ChangeRefused, FieldError, Forbidden, Invalid
from appeals.json_types import JsonObject
from appeals.lifecycle import transition as steps
from appeals.lifecycle.attempt import Attempt
from appeals.lifecycle.case_inputs import CaseChange
from appeals.lifecycle.guards import GUARDS
from appeals.lifecycle.record_references import require_conditions
from appeals.lifecycle.steps import STEP_OF_NOUN
from appeals.lifecycle.team_rules import name_on_team
from appeals.read_models.views import WorkView
from appeals.vocabulary import Role, Visibility

COORDINATORS_ONLY = {"assignee", "visibility"}
router = new_router("cases")


@router.patch("/v1/cases/{ref}", response_model=WorkView, responses=with_headers(200, "ETag"))
def amend_case(ref: CaseReference, body: CaseChange, write: CurrentWrite) -> Response:
    """Change a case, never its status.

    Only the members that you send change. Send the ETag that you read as If-Match; the answer is the case as it
    now stands.
    """
    with write.transaction() as tx:
        values = _understood(tx, body)  # 403 422
        tx.require_if_match()  # 428 412
        amend(tx, body, values)  # 409
        shown = tx.show()
        return tx.respond(shown.view, ETag=shown.tag)


def _understood(tx: WriteTransaction, body: CaseChange) -> JsonObject:
    """Return the columns to set, by name; `assignee_id` is an existing account. Raises: Forbidden, Invalid."""
    values = {name: getattr(body, name) for name in body.model_fields_set}
    if values.keys() & COORDINATORS_ONLY and Role.COORDINATOR not in roles_on(tx.caller, tx.case):
        raise Forbidden
    if None in values.values():
        nulls = [name for name, value in values.items() if value is None]
        raise Invalid([FieldError(f"/{name}", "cannot be null; leave it out") for name in nulls])
    if "assignee" in values:
        values["assignee_id"] = tx.write.network.existing_account(values.pop("assignee"), "/assignee").id
    return values


def amend(tx: WriteTransaction, body: CaseChange, values: JsonObject) -> None:
    """Set the columns that differ, and do what follows from them. Raises: ChangeRefused, Invalid."""
    case = tx.case
    if "assignee_id" in values:
        _require_assignable(tx, tx.write.network.account(values["assignee_id"]))
    if "translations" in values:
        values["translations"] = body.model_dump(mode="json")["translations"]
    if values.pop("conditions_met", None):
        require_conditions(case, body.conditions_met, "/conditions_met")
        case.share_conditions_met = [*case.share_conditions_met, *body.model_dump(mode="json")["conditions_met"]]
    _require_shareable(tx, values.get("visibility"))
    changed = {name: value for name, value in values.items() if getattr(case, name) != value}
    for name, value in changed.items():
        setattr(case, name, value)
    _name_responsible(tx, changed)
    if changed:
        case.version += 1
        case.touch(tx.now)
    published_before = case.publications_up
    steps.follow_up(tx.write_context)
    log_publication(tx, published_before)


def _require_shareable(tx: WriteTransaction, visibility: Visibility | None) -> None:
    """Check that the case would not be visible more widely than the consents allow. Raises: ChangeRefused."""
    case = tx.case
    if visibility is None or visibility == case.visibility or may_have(case, visibility, tx.now):
        return
    raise ChangeRefused(case.status, [NOT_AGREED], steps.open_nouns(tx.caller, case))


def _name_responsible(tx: WriteTransaction, changed: JsonObject) -> None:
    """Add the new assignee, and who seals the case, to its team; they would lose access to it themselves."""
    writing = tx.write_context
    if "assignee_id" in changed:
        name_on_team(writing, changed["assignee_id"])
    if changed.get("visibility") == Visibility.SEALED:
        name_on_team(writing, tx.caller.account_id)


def _require_assignable(tx: WriteTransaction, account: Account) -> None:
    """Check that a step would accept this assignee too. Raises: ChangeRefused."""
    case, screening = tx.case, STEP_OF_NOUN["screening"]
    attempt = Attempt(
        tx.write.network, case, screening, tx.caller, tx.now, tx.now.date(), lead=case.lead_entity, assignee=account
    )
    guards = [GUARDS[code] for code in ("assignee.is_party", "assignee.without_role")]
    missing = [guard.as_unmet() for guard in guards if not guard.holds(attempt)]
    if missing:
        raise ChangeRefused(case.status, missing, steps.open_nouns(tx.caller, case))
