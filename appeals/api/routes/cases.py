"""Operations of the case: intake, the list, one case, its change, its steps, its history."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, RootModel

from appeals.access import past
from appeals.access.visibility import cached_statement, is_on_team, roles_on, view_of
from appeals.accounts.account import Account
from appeals.accounts.network import network_of
from appeals.api.authorization import AuthorizationContext, lock_visible_case
from appeals.api.cursor import decode
from appeals.api.fast_reads import PreparedRead, ReadParams, ReadResult, or_not_modified, tag_of
from appeals.api.pagination import Page, decode_cursor, negotiate_format, page, page_of_lines, paging
from appeals.api.permissions import role_at
from appeals.api.problems import UnmetOutput
from appeals.api.routing import Operation, RequestContext, Result, SubjectFinder, json_response
from appeals.cases.case import Case
from appeals.cases.case_reading import load_case
from appeals.cases.sharing import NOT_AGREED, may_have
from appeals.database.statement_cache import statement_cache
from appeals.errors import ChangeRefused, FieldError, Forbidden, Invalid, NotFound
from appeals.fields import Instant, Model
from appeals.lifecycle import intake
from appeals.lifecycle import transition as steps
from appeals.lifecycle.attempt import Attempt
from appeals.lifecycle.case_inputs import CaseChange, Intake
from appeals.lifecycle.guards import GUARDS, reasons_against, resumable, unmet
from appeals.lifecycle.record_references import require_conditions
from appeals.lifecycle.steps import STEP_OF_NOUN, STEPS, Step
from appeals.lifecycle.team_rules import name_on_team
from appeals.lifecycle.write_context import WriteContext
from appeals.read_models import history_view, views
from appeals.read_models.case_list import (
    CaseQuery,
    PageQuery,
    links_in,
    list_statement,
    next_cursor,
    page_of,
    snapshot_statement,
)
from appeals.read_models.case_snapshot import insert_links, insert_survivor
from appeals.read_models.history_view import HistoryOutput
from appeals.read_models.views import CaseOutput, StatusView, WorkView
from appeals.reports.duplicates import Comparison, Duplicate, compare, possible_duplicates
from appeals.vocabulary import Logged, PublicationLevel, Role, Status, View, Visibility

COORDINATORS_ONLY = {"assignee", "visibility"}


class _Beside(Model):
    """What an intake is told besides the new case."""

    possible_duplicates: list[Duplicate]
    visibility_refused: Annotated[
        UnmetOutput | None,
        Field(description="Why the case is not as widely visible as was asked; it is kept `regional`."),
    ]


class IntakeOutput(_Beside, WorkView):
    """The new case, and others that may be the same appeal: told, not refused."""


class AsOf(Model):
    """At which moment."""

    as_of: Annotated[
        Instant | None, Field(description="What was on record then; what was heard of later does not leak into it.")
    ] = None


class ViewQuery(AsOf):
    """Which view; left out, the most you may have."""

    view: View | None = None


CaseView = RootModel[WorkView | StatusView]


class StepOutput(Model):
    """The history entry that the step made, and the case as it now stands."""

    entry: HistoryOutput
    case: WorkView | StatusView


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


class PageCheck(Model):
    """May something of the case be up now, and what is missing."""

    level: PublicationLevel
    up: Annotated[bool, Field(description="Whether something of the case is public now.")]
    allowed: Annotated[bool, Field(description="Whether it may be up: nothing is unmet.")]
    unmet: list[UnmetOutput]


class Steps(Model):
    """Every step, allowed or not; and for the team whether something of the case may be public now."""

    items: list[OpenStep]
    publication: PageCheck | None


def acting_in(step: Step) -> SubjectFinder:
    """The case, and the role the caller takes the step in; the most responsible one when several fit."""

    def find(authorization: AuthorizationContext, case: Case | None) -> tuple[Case | None, Role | None]:
        return case, role_at(step.operation, authorization.caller, case) if case else None

    return find


# Work


def compared(authorization: AuthorizationContext, body: Intake) -> Comparison:
    return compare(authorization.session, authorization.caller, body)


def create_case(call: RequestContext) -> Result:
    case = intake.create_case(call.tx, call.caller, call.body, call.now)
    duplicates = possible_duplicates(call.tx, call.caller, case, call.prepared)
    refused = None if case.visibility == call.body.visibility else UnmetOutput.model_validate(NOT_AGREED)
    shown = call.tx.show(call.caller, case)
    beside = _Beside(possible_duplicates=duplicates, visibility_refused=refused).model_dump_json().encode()
    content = shown.view[:-1] + b"," + beside[1:]
    return Result(content, 201, {"Location": f"/v1/cases/{case.reference}", "ETag": shown.tag})


def list_cases(call: RequestContext) -> Result:
    rows = call.session.execute(list_statement(call.session, call.caller, call.query, decode_cursor(call))).all()
    return page_of_lines(call, CaseOutput, *page_of(rows, call.query.limit))


def prepare_list_cases(call: RequestContext) -> PreparedRead | None:
    """The same page, or with a cursor another, in JSON."""
    query: CaseQuery = call.query
    if negotiate_format(call) != "application/json" or query.q is not None:
        return None
    paged, here = paging(call), decode_cursor(call)

    def given(params: ReadParams) -> dict[str, Any]:
        return next_cursor(query, decode(params.cursor, paged.list_key, paged.pepper)) if here else {}

    def make(rows: list[Any], params: ReadParams) -> ReadResult:
        content, _, headers = paged.page(*page_of([row for row in rows if row[-2] is not None], query.limit))
        return or_not_modified(content, tag_of(content), params, headers=headers)

    return PreparedRead(list_statement(call.session, call.caller, query, here), given, make)


def get_case(call: RequestContext) -> Result:
    case: Case = call.subject
    view = _view_asked(call, case)
    if view is View.WORK:
        call.log(Logged.VIEW)
    load_case(call.session, case)
    then = as_it_was(call, case, view)
    content = views.of_case(call.caller, then, view).model_dump_json().encode()
    return Result(content, headers={"ETag": views.tag_of(then.version, content)})


def prepare_show_case(call: RequestContext) -> PreparedRead | None:
    """Any case in the same view."""
    query: ViewQuery = call.query
    if query.as_of is not None:
        return None

    def given(params: ReadParams) -> dict[str, Any]:
        return {"reference": params.reference, "known": params.tags[0] if params.tags else ""}

    def make(rows: list[Any], params: ReadParams) -> ReadResult | None:
        is_work, tag, content, survivor, *_ = rows[0]
        if tag is None:
            return None
        logged, links = Logged.VIEW if is_work else None, links_in(rows, params.reference)
        if content is None:
            # Whoever has it without the names of other cases, and may see those by now, has not what they get now.
            return None if survivor or links else ReadResult(None, tag, logged=logged)
        if survivor or links:
            content = insert_links(insert_survivor(content, survivor), links)
            tag = views.tag_of(int(tag[1:].partition("-")[0]), content)
        return or_not_modified(content, tag, params, logged=logged)

    return PreparedRead(
        cached_statement(statement_cache(call.session), call.caller, snapshot_statement, query.view), given, make
    )


def as_it_was(call: RequestContext, case: Case, view: View) -> Case:
    """The case at the moment asked for, or as it is, to be shown in a view.

    Raises: Invalid, for a moment to come; NotFound, for one at which it was not there for the caller.
    """
    at: datetime | None = call.query.as_of
    if at and at > call.now:
        raise Invalid([FieldError("?as_of", "lies in the future")])
    then = past.as_it_was(call.session, call.caller, case, at, view)
    if then is None:
        raise NotFound
    return then


def _view_asked(call: RequestContext, case: Case) -> View:
    """The view the caller asks for, or the most they may have. Raises: Forbidden."""
    most = view_of(call.caller, case)
    view: View | None = call.query.view or most
    if view is View.WORK and most is not View.WORK:
        raise Forbidden
    return view or View.STATUS


def amend_case(call: RequestContext) -> Result:
    case: Case = call.subject
    given = {name: getattr(call.body, name) for name in call.body.model_fields_set}
    if given.keys() & COORDINATORS_ONLY and Role.COORDINATOR not in roles_on(call.caller, case):
        raise Forbidden
    if None in given.values():
        nulls = [name for name, value in given.items() if value is None]
        raise Invalid([FieldError(f"/{name}", "cannot be null; leave it out") for name in nulls])
    named = call.tx.network.existing_account(given.pop("assignee"), "/assignee") if "assignee" in given else None
    call.require_current(case)
    if named is not None:
        _require_assignable(call, case, named)
        given["assignee_id"] = named.id
    if "translations" in given:
        given["translations"] = call.body.model_dump(mode="json")["translations"]
    if given.pop("conditions_met", None):
        require_conditions(case, call.body.conditions_met, "/conditions_met")
        case.share_conditions_met = [*case.share_conditions_met, *call.body.model_dump(mode="json")["conditions_met"]]
    _require_shareable(call, case, given.get("visibility"))
    changed = {name: value for name, value in given.items() if getattr(case, name) != value}
    for name, value in changed.items():
        setattr(case, name, value)
    _name_who_keeps_it(call, case, changed)
    if changed:
        case.version += 1
        case.touch(call.now)
    up = case.publications_up
    steps.follow_up(WriteContext(call.tx, case, call.caller, call.now))
    log_publication(call, case, up)
    shown = call.tx.show(call.caller, case)
    return Result(shown.view, headers={"ETag": shown.tag})


def _require_shareable(call: RequestContext, case: Case, visibility: Visibility | None) -> None:
    """Raises: ChangeRefused, when the case would be seen more widely than was agreed to."""
    if visibility is None or visibility == case.visibility or may_have(case, visibility, call.now):
        return
    raise ChangeRefused(case.status, [NOT_AGREED], steps.open_nouns(call.caller, case))


def _name_who_keeps_it(call: RequestContext, case: Case, changed: dict[str, Any]) -> None:
    """Who is given a case is named on its team; so is who seals it, or it would be gone from their own sight."""
    writing = WriteContext(call.tx, case, call.caller, call.now)
    if "assignee_id" in changed:
        name_on_team(writing, changed["assignee_id"])
    if changed.get("visibility") == Visibility.SEALED:
        name_on_team(writing, call.caller.account_id)


def _require_assignable(call: RequestContext, case: Case, named: Account) -> None:
    """Raises: ChangeRefused, when a step would not let this account have the case either."""
    screening = STEP_OF_NOUN["screening"]
    today = call.now.date()
    attempt = Attempt(
        call.tx.network, case, screening, call.caller, call.now, today, lead=case.lead_entity, assignee=named
    )
    params = [GUARDS[code] for code in ("assignee.is_party", "assignee.without_role")]
    missing = [item.as_unmet() for item in params if not item.holds(attempt)]
    if missing:
        raise ChangeRefused(case.status, missing, steps.open_nouns(call.caller, case))


def take_step(step: Step) -> Any:
    def work(call: RequestContext) -> Result:
        case, role = call.subject
        up = case.publications_up
        try:
            entry = steps.make(
                WriteContext(call.tx, case, call.caller, call.now),
                step,
                call.body,
                role,
                require_current=lambda: call.require_current(case),
                coordinated=lambda reference: _coordinated(call, reference),
            )
        except ChangeRefused:
            call.require_current(case)  # 428 and 412 come before 409
            raise
        log_publication(call, case, up)
        told = history_view.of_entry(call.session, call.caller, case, entry).model_dump_json().encode()
        shown = call.tx.show(call.caller, case)
        return Result(b'{"entry":%b,"case":%b}' % (told, shown.view), 201, {"ETag": shown.tag})

    return work


def log_publication(call: RequestContext, case: Case, up: set[UUID]) -> None:
    """Say on the access log that something was published or taken down, where other publications were `up` before."""
    call.log(Logged.VIEW)
    if case.publications_up != up:
        call.log(Logged.PUBLICATION)


def _coordinated(call: RequestContext, reference: str) -> Case | None:
    case = lock_visible_case(call.tx, call.caller, reference)
    return case if case and Role.COORDINATOR in roles_on(call.caller, case) else None


def log_work(call: RequestContext, case: Case) -> None:
    """What the team gets of a case is on the access log; what is told to those who follow it is not."""
    if is_on_team(call.caller, case):
        call.log(Logged.VIEW)


def get_steps(call: RequestContext) -> Result:
    case: Case = call.subject
    log_work(call, case)
    check = _page_check(call, case) if is_on_team(call.caller, case) else None
    return json_response(Steps(items=[_open_step(call, case, step) for step in STEPS], publication=check))


def _page_check(call: RequestContext, case: Case) -> PageCheck:
    attempt = steps.page_attempt(network_of(call.session), case, call.caller, call.now, case.page_up)
    reasons = [UnmetOutput.model_validate(reason) for reason in reasons_against(attempt)]
    return PageCheck(level=attempt.level, up=case.page_up is not None, allowed=not reasons, unmet=reasons)


def _open_step(call: RequestContext, case: Case, step: Step) -> OpenStep:
    attempt = Attempt(network_of(call.session), case, step, call.caller, call.now, call.now.date())
    is_open = Status(case.status) in step.sources
    yours = role_at(step.operation, call.caller, case) is not None
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


def get_history(call: RequestContext) -> Result:
    case: Case = call.subject
    log_work(call, case)
    after = decode_cursor(call)
    rest = case.history[after[0] if after else 0 :]
    shown = rest[: call.query.limit]
    following = [shown[-1].sequence] if len(rest) > len(shown) else None
    since = past.readable_since(call.session, call.caller, case)
    entries = [history_view.of_entry(call.session, call.caller, case, entry, since) for entry in shown]
    return page(call, HistoryOutput, entries, following)


def operations() -> list[Operation]:
    """Every operation of the case itself; one for each row of the table of steps."""
    one = "/v1/cases/{ref}"
    fixed = [
        Operation(
            "GET", one, "get_case", "A case as you may see it.", get_case, CaseView, query_model=ViewQuery,
            fast_read=prepare_show_case,
        ),
        Operation(
            "GET", "/v1/cases", "list_cases", "The cases you may see.", list_cases, Page[CaseOutput],
            query_model=CaseQuery, as_table=True, fast_read=prepare_list_cases,
        ),
        Operation(
            "POST", "/v1/cases", "create_case", "Log an urgent appeal.", create_case, IntakeOutput, 201, Intake,
            headers=("Location", "ETag"), prepare=compared,
        ),
        Operation(
            "PATCH", one, "amend_case", "Change a case, never its status.", amend_case, WorkView, 200, CaseChange,
            needs_if_match=True, headers=("ETag",),
        ),
        Operation("GET", f"{one}/steps", "get_steps", "Every step, and what is missing.", get_steps, Steps),
        Operation(
            "GET", f"{one}/history", "get_history", "The status history, oldest first.", get_history,
            Page[HistoryOutput], query_model=PageQuery, as_table=True,
        ),
    ]  # fmt: skip
    return fixed + [
        Operation(
            "POST",
            f"{one}/{step.noun}",
            step.operation,
            step.says,
            take_step(step),
            StepOutput,
            201,
            step.input,
            subject=acting_in(step),
            needs_if_match=True,
            headers=("ETag",),
            tag="steps",
        )
        for step in STEPS
    ]
