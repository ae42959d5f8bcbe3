"""Doors of the case: intake, the list, one case, its change, its steps, its history."""

from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from appeals import intake
from appeals import step as steps
from appeals.access import CASE_ROLES, foremost, is_on_team, roles_on, roles_receiving, sees, visible_to
from appeals.case import Case, CaseOutput, HistoryEntry, HistoryOutput
from appeals.errors import ChangeRefused, Fault, Forbidden, Invalid, NotFound
from appeals.field import Model
from appeals.guard import GUARDS, Attempt, resumable, unmet
from appeals.lifecycle import BY_NOUN, CASEWORK, INTAKE_ROLES, STEPS, Step
from appeals.network import Account, Caller, existing_account
from appeals.records import Writing
from appeals.register import CaseQuery, Duplicate, PageQuery, find, possible_duplicates
from appeals.step_input import REFERENCE, CaseChange, Intake
from appeals.vocabulary import Role, Status
from appeals.web.door import Answer, Call, Door, Visit, one_of, rendered
from appeals.web.page import Page, page, place
from appeals.web.problems import UnmetOutput

COORDINATORS_ONLY = {"assignee", "visibility"}


class IntakeOutput(CaseOutput):
    """The new case, and others that may be the same appeal: told, not refused."""

    possible_duplicates: list[Duplicate]


class StepOutput(Model):
    """The history entry that the step made, and the case as it now stands."""

    entry: HistoryOutput
    case: CaseOutput


class OpenStep(Model):
    """A step as this caller could take it now."""

    noun: str
    says: str
    href: str
    input_schema: Annotated[str, Field(description="Where the OpenAPI document describes its input.")]
    to_status: Status | None
    roles: list[Role]
    second_signature: Role | None
    open: Annotated[bool, Field(description="Whether the state knows this step.")]
    yours: Annotated[bool, Field(description="Whether your roles allow it here.")]
    allowed: Annotated[bool, Field(description="Open, yours, and nothing known to be unmet.")]
    unmet: Annotated[list[UnmetOutput], Field(description="Guards that do not hold as things stand; for the team.")]
    depends_on_input: Annotated[list[str], Field(description="Guards that only the input can answer.")]
    resume_to: Annotated[Status | None, Field(description="Of a resumption: the earlier state offered.")]


class Steps(Model):
    """Every step, allowed or not."""

    items: list[OpenStep]


# Gates


def anyone(_: Visit) -> None:
    """Everybody with a live key may pass."""


def with_roles(*roles: Role) -> Any:
    """Those who hold one of the roles anywhere may pass. Raises: Forbidden."""

    def gate(visit: Visit) -> None:
        if not any(held.role in roles for held in visit.caller.held):
            raise Forbidden

    return gate


def seen_case(visit: Visit) -> Case:
    """The case in the path, locked when it is about to be written to. Raises: NotFound."""
    reference = one_of(visit.params, "ref", REFERENCE)
    found = visible_case(visit.session, visit.caller, reference, lock=visit.writes)
    if found is None:
        raise NotFound
    return found


def visible_case(session: Session, caller: Caller, reference: str, *, lock: bool) -> Case | None:
    """The case of this reference, if the caller may see it."""
    query = select(Case).where(Case.reference == reference, visible_to(caller))
    return session.scalar(query.with_for_update(of=Case) if lock else query)


def team_case(visit: Visit) -> Case:
    """The case, for those who work on it. Raises: NotFound, Forbidden."""
    case = seen_case(visit)
    if not is_on_team(visit.caller, case):
        raise Forbidden
    return case


def case_for(*roles: Role) -> Any:
    """The case, for those who hold one of these roles on it. Raises: NotFound, Forbidden."""

    def gate(visit: Visit) -> Case:
        case = seen_case(visit)
        if not roles_on(visit.caller, case) & set(roles):
            raise Forbidden
        return case

    return gate


def step_gate(step: Step) -> Any:
    """The case and the role the caller takes the step in. Raises: NotFound, Forbidden."""

    def gate(visit: Visit) -> tuple[Case, Role]:
        case = seen_case(visit)
        role = _role_for(visit.caller, case, step)
        if role is None:
            raise Forbidden
        return case, role

    return gate


def _role_for(caller: Caller, case: Case, step: Step) -> Role | None:
    """The role in which the caller may take the step; the most responsible one when several fit."""
    held = roles_receiving(caller, case) if step.receiving else roles_on(caller, case)
    return foremost(held & step.roles)


# Work


def take_in(call: Call) -> Answer:
    case = intake.take_in(call.session, call.caller, call.body, call.now)
    duplicates = possible_duplicates(call.session, call.caller, case)
    output = IntakeOutput(**case_output(call.caller, case).model_dump(), possible_duplicates=duplicates)
    return rendered(output, 201, Location=f"/v1/cases/{case.reference}", ETag=case.tag)


def list_cases(call: Call) -> Answer:
    found, after = find(call.session, call.caller, call.query, place(call))
    return page(call, CaseOutput, [case_output(call.caller, case) for case in found], after)


def show(call: Call) -> Answer:
    case: Case = call.subject
    return rendered(case_output(call.caller, case), ETag=_tag(call.caller, case))


def case_output(caller: Caller, case: Case) -> CaseOutput:
    """The case as this caller may see it: where it was merged into one they may not see, that one is not named."""
    output = CaseOutput.model_validate(case)
    return output if _sees_survivor(caller, case) else output.model_copy(update={"merged_into_reference": None})


def _tag(caller: Caller, case: Case) -> str:
    """The validator of what this caller is shown: another one when the survivor comes into sight."""
    return case.tag if _sees_survivor(caller, case) else f'{case.tag[:-1]}h"'


def _sees_survivor(caller: Caller, case: Case) -> bool:
    return case.merged_into is None or sees(caller, case.merged_into)


def amend(call: Call) -> Answer:
    case: Case = call.subject
    given = {name: getattr(call.body, name) for name in call.body.model_fields_set}
    if given.keys() & COORDINATORS_ONLY and Role.COORDINATOR not in roles_on(call.caller, case):
        raise Forbidden
    if None in given.values():
        nulls = [name for name, value in given.items() if value is None]
        raise Invalid([Fault(f"/{name}", "cannot be null; leave it out") for name in nulls])
    named = existing_account(call.session, given.pop("assignee"), "/assignee") if "assignee" in given else None
    call.require_current(case)
    if named is not None:
        _require_assignable(call, case, named)
        given["assignee_id"] = named.id
    changed = {name: value for name, value in given.items() if getattr(case, name) != value}
    for name, value in changed.items():
        setattr(case, name, value)
    if changed:
        case.version += 1
        case.touch(call.now)
    call.session.flush()
    return rendered(case_output(call.caller, case), ETag=_tag(call.caller, case))


def _require_assignable(call: Call, case: Case, named: Account) -> None:
    """Raises: ChangeRefused, when a step would not let this account have the case either."""
    screening = BY_NOUN["screening"]
    today = call.now.date()
    attempt = Attempt(
        call.session, case, screening, call.caller, call.now, today, lead=case.lead_entity, assignee=named
    )
    asked = [GUARDS[code] for code in ("assignee.is_party", "assignee.without_role")]
    missing = [item.as_unmet() for item in asked if not item.holds(attempt)]
    if missing:
        raise ChangeRefused(case.status, missing, steps.open_nouns(call.caller, case))


def take_step(step: Step) -> Any:
    def work(call: Call) -> Answer:
        case, role = call.subject
        try:
            entry = steps.make(
                Writing(call.session, case, call.caller, call.now),
                step,
                call.body,
                role,
                require_current=lambda: call.require_current(case),
                coordinated=lambda reference: _coordinated(call, reference),
            )
        except ChangeRefused:
            call.require_current(case)  # 428 and 412 come before 409
            raise
        output = StepOutput(entry=history_output(call, case, entry), case=case_output(call.caller, case))
        return rendered(output, 201, ETag=_tag(call.caller, case))

    return work


def _coordinated(call: Call, reference: str) -> Case | None:
    found = visible_case(call.session, call.caller, reference, lock=True)
    return found if found and Role.COORDINATOR in roles_on(call.caller, found) else None


def show_steps(call: Call) -> Answer:
    case: Case = call.subject
    return rendered(Steps(items=[_open_step(call, case, step) for step in STEPS]))


def _open_step(call: Call, case: Case, step: Step) -> OpenStep:
    attempt = Attempt(call.session, case, step, call.caller, call.now, call.now.date())
    is_open = Status(case.status) in step.sources
    yours = _role_for(call.caller, case, step) is not None
    told = is_open and (yours or is_on_team(call.caller, case))
    missing = unmet(attempt) if told else []
    return OpenStep(
        noun=step.noun,
        says=step.says,
        href=f"/v1/cases/{case.reference}/{step.noun}",
        input_schema=f"/openapi.json#/components/schemas/{step.input.__name__}",
        to_status=attempt.entering if is_open and step.moves else step.target,
        roles=sorted(step.roles),
        second_signature=step.second,
        open=is_open,
        yours=yours,
        allowed=is_open and yours and not missing,
        unmet=[UnmetOutput.model_validate(item) for item in missing],
        depends_on_input=[code for code in step.guards if GUARDS[code].hears],
        resume_to=resumable(attempt) if told and step.returns else None,
    )


def history_output(call: Call, case: Case, entry: HistoryEntry) -> HistoryOutput:
    """An entry as the team sees it, or as those who only follow the status do."""
    output = HistoryOutput.model_validate(entry)
    if not is_on_team(call.caller, case):
        return output.model_copy(update={"input": None, "overrides": None, "reason": None, "account_id": None})
    if output.input and "survivor" in output.input and not _sees_survivor(call.caller, case):
        return output.model_copy(update={"input": {**output.input, "survivor": None}})
    return output


def show_history(call: Call) -> Answer:
    case: Case = call.subject
    after = place(call)
    rest = case.history[after[0] if after else 0 :]
    shown = rest[: call.query.limit]
    following = [shown[-1].sequence] if len(rest) > len(shown) else None
    return page(call, HistoryOutput, [history_output(call, case, entry) for entry in shown], following)


def doors() -> list[Door]:
    """Every door of the case itself; one for each row of the table of steps."""
    one = "/v1/cases/{ref}"
    fixed = [
        Door("GET", one, "show_case", "A case as you may see it.", seen_case, show, CaseOutput, forbids=False),
        Door(
            "GET", "/v1/cases", "list_cases", "The cases you may see.", with_roles(*CASE_ROLES), list_cases,
            Page[CaseOutput], query=CaseQuery, as_table=True,
        ),
        Door(
            "POST", "/v1/cases", "take_in", "Log an urgent appeal.", with_roles(*INTAKE_ROLES), take_in,
            IntakeOutput, 201, Intake, headers=("Location", "ETag"),
        ),
        Door(
            "PATCH", one, "amend_case", "Change a case, never its status.", case_for(*CASEWORK), amend, CaseOutput, 200,
            CaseChange, current=True, headers=("ETag",),
        ),
        Door(
            "GET", f"{one}/steps", "show_steps", "Every step, and what is missing.", seen_case, show_steps, Steps,
            forbids=False,
        ),
        Door(
            "GET", f"{one}/history", "show_history", "The status history, oldest first.", seen_case, show_history,
            Page[HistoryOutput], query=PageQuery, as_table=True, forbids=False,
        ),
    ]  # fmt: skip
    return fixed + [
        Door(
            "POST",
            f"{one}/{step.noun}",
            step.noun.replace("-", "_"),
            step.says,
            step_gate(step),
            take_step(step),
            StepOutput,
            201,
            step.input,
            current=True,
            headers=("ETag",),
            tag="steps",
        )
        for step in STEPS
    ]
