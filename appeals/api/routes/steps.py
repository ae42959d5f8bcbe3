"""Routes of the steps: what the caller could do now, and a route for each row of the table of steps."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Response
from pydantic import Field

from appeals.access.visibility import is_on_team, roles_on
from appeals.accounts.network import network_of
from appeals.api.authorization import lock_visible_case
from appeals.api.dependencies import CurrentWrite, Read
from appeals.api.openapi import with_headers
from appeals.api.parameters import CaseReference
from appeals.api.permissions import role_at
from appeals.api.problems import UnmetOutput
from appeals.api.routes.cases import log_publication, log_work
from appeals.api.routing import new_router
from appeals.api.snapshot import Snapshot
from appeals.api.transaction import WriteTransaction
from appeals.cases.case import Case
from appeals.cases.history import HistoryEntry
from appeals.errors import ChangeRefused, Forbidden
from appeals.fields import Model
from appeals.lifecycle import transition
from appeals.lifecycle.attempt import Attempt
from appeals.lifecycle.guards import GUARDS, reasons_against, resumable, unmet
from appeals.lifecycle.step_input import StepInput
from appeals.lifecycle.steps import STEPS, Step
from appeals.read_models import history_view
from appeals.read_models.history_view import HistoryOutput
from appeals.read_models.views import StatusView, WorkView
from appeals.vocabulary import PublicationLevel, Role, Status

reading = new_router("cases")
taking = new_router("steps")


class StepOutput(Model):
    """The history entry of the step, and the case as it now is."""

    entry: HistoryOutput
    case: WorkView | StatusView


class OpenStep(Model):
    """A step as this caller could take it now."""

    noun: str
    says: str
    href: str
    input_schema: Annotated[str, Field(description="The pointer to its input in the OpenAPI document.")]
    to_status: Status | None
    roles: list[Role]
    second_signature: Role | None
    open: Annotated[bool, Field(description="Whether the state allows this step.")]
    yours: Annotated[bool, Field(description="Whether your roles allow it on this case.")]
    allowed: Annotated[
        bool, Field(description="Whether it is open, your roles allow it, and no guard is known to fail.")
    ]
    unmet: Annotated[list[UnmetOutput], Field(description="Guards that do not hold now; only for the team.")]
    depends_on_input: Annotated[list[str], Field(description="Guards that depend on the input.")]
    resume_to: Annotated[Status | None, Field(description="The earlier state that a resumption offers.")]


class PageCheck(Model):
    """Whether a publication of the case may be up now, and what is missing."""

    level: PublicationLevel
    up: Annotated[bool, Field(description="Whether a publication of the case is up.")]
    allowed: Annotated[bool, Field(description="Whether it may be up, because no guard fails.")]
    unmet: list[UnmetOutput]


class Steps(Model):
    """Every step, allowed or not; for the team also whether a publication may be up now."""

    items: list[OpenStep]
    publication: PageCheck | None


@reading.get("/v1/cases/{ref}/steps", response_model=Steps)
def get_steps(ref: CaseReference, read: Read) -> Response:
    """Every step, and what is missing.

    For each step the answer says whether the state allows it, whether your roles allow it, and which guards do not
    hold. It changes nothing.
    """
    with read.snapshot() as tx:
        log_work(tx)
        check = _page_check(tx) if is_on_team(tx.caller, tx.case) else None
        return tx.respond(Steps(items=[_open_step(tx, step) for step in STEPS], publication=check))


def _page_check(tx: Snapshot) -> PageCheck:
    case = tx.case
    attempt = transition.page_attempt(network_of(tx.session), case, tx.caller, tx.now, case.page_up)
    reasons = [UnmetOutput.model_validate(reason) for reason in reasons_against(attempt)]
    return PageCheck(level=attempt.level, up=case.page_up is not None, allowed=not reasons, unmet=reasons)


def _open_step(tx: Snapshot, step: Step) -> OpenStep:
    case = tx.case
    attempt = Attempt(network_of(tx.session), case, step, tx.caller, tx.now, tx.now.date())
    is_open = Status(case.status) in step.sources
    is_yours = role_at(step.operation, tx.caller, case) is not None
    is_shown = is_open and (is_yours or is_on_team(tx.caller, case))
    missing = unmet(attempt) if is_shown else []
    return OpenStep(
        noun=step.noun,
        says=step.says,
        href=f"/v1/cases/{case.reference}/{step.noun}",
        input_schema=f"/openapi.json#/components/schemas/{step.input.__name__}",
        to_status=attempt.entering if is_open and step.moves else step.target,
        roles=sorted(step.roles),
        second_signature=step.second,
        open=is_open,
        yours=is_yours,
        allowed=is_open and is_yours and not missing,
        unmet=[UnmetOutput.model_validate(item) for item in missing],
        depends_on_input=[code for code in step.guards if GUARDS[code].hears],
        resume_to=resumable(attempt) if is_shown and step.returns else None,
    )


def step_route(step: Step) -> Callable[..., Response]:
    """Return the function of a step's route, whose input is the model of the step."""

    def take_step(ref: CaseReference, body: step.input, write: CurrentWrite) -> Response:  # type: ignore[name-defined]
        with write.transaction() as tx:
            published_before = tx.case.publications_up
            entry = _take(tx, step, body)
            log_publication(tx, published_before)
            entry_view = history_view.of_entry(tx.session, tx.caller, tx.case, entry).model_dump_json().encode()
            shown = tx.show()
            return tx.respond(b'{"entry":%b,"case":%b}' % (entry_view, shown.view), ETag=shown.tag)

    return take_step


def _take(tx: WriteTransaction, step: Step, body: StepInput) -> HistoryEntry:
    """Take the step, or refuse it. Raises: Invalid, StepRefused, PreconditionRequired, PreconditionFailed."""
    role = role_at(step.operation, tx.caller, tx.case)
    if role is None:
        raise Forbidden
    try:
        return transition.make(
            tx.write_context,
            step,
            body,
            role,
            require_current=tx.require_if_match,
            coordinated=lambda reference: _coordinated_case(tx, reference),
        )
    except ChangeRefused:
        tx.require_if_match()  # 428 and 412 come before 409
        raise


def _coordinated_case(tx: WriteTransaction, reference: str) -> Case | None:
    """Return the case with this reference, locked, if the caller coordinates it."""
    case = lock_visible_case(tx.write, tx.caller, reference)
    return case if case and Role.COORDINATOR in roles_on(tx.caller, case) else None


def _description(step: Step) -> str:
    """Return the description of a step in the document: its states, its roles, and what follows."""
    sources = ", ".join(f"`{state}`" for state in Status if state in step.sources)
    roles = ", ".join(f"`{role}`" for role in sorted(step.roles))
    back = "It leads back to the state from which the case was suspended, or to an earlier one."
    end = f"It leads to `{step.target}`." if step.target else back if step.returns else "The state stays."
    whose = " of the receiving entity" if step.receiving else ""
    second = f" It needs an approval by the role `{step.second}`." if step.second else ""
    return (
        f"Take the step `{step.noun}`. It is open in {sources}, to the roles {roles}{whose}. {end}{second} "
        "`GET /v1/cases/{ref}/steps` lists the guards that do not hold. The answer is the "
        "history entry and the case as it now is."
    )


for _step in STEPS:
    taking.add_api_route(
        f"/v1/cases/{{ref}}/{_step.noun}",
        step_route(_step),
        methods=["POST"],
        name=_step.operation,
        summary=_step.says,
        description=_description(_step),
        status_code=201,
        response_model=StepOutput,
        responses=with_headers(201, "ETag"),
    )
