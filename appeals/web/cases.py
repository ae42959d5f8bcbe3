"""Doors of the case: intake, the list, one case, its change, its steps, its history."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, RootModel

from appeals import intake, past, views
from appeals import step as steps
from appeals.access import is_on_team, role_at, roles_on, statement_for, view_of
from appeals.case import Case
from appeals.cursor import unseal
from appeals.duplicate import Comparison, Duplicate, compare, possible_duplicates
from appeals.errors import ChangeRefused, Fault, Forbidden, Invalid, NotFound
from appeals.field import Instant, Model
from appeals.guard import GUARDS, Attempt, reasons_against, resumable, unmet
from appeals.kept_view import naming_survivor, telling_links
from appeals.lifecycle import BY_NOUN, STEPS, Step
from appeals.network import Account, existing_account
from appeals.records import Writing, name_on_team, require_conditions
from appeals.register import CaseQuery, PageQuery, cases_asked_for, kept_view_of, links_in, page_of, place_after
from appeals.sharing import NOT_AGREED, may_have
from appeals.step_input import CaseChange, Intake
from appeals.views import CaseOutput, HistoryOutput, StatusView, WorkView
from appeals.vocabulary import Logged, PublicationLevel, Role, Status, View, Visibility
from appeals.web.door import Answer, Call, Door, Finder, rendered
from appeals.web.gate import Visit, visible_case
from appeals.web.page import Page, page, page_of_lines, paging, place, wanted_of
from appeals.web.problems import UnmetOutput
from appeals.web.quick import Answered, Asked, Recipe, tag_of, unless_known

COORDINATORS_ONLY = {"assignee", "visibility"}


class IntakeOutput(WorkView):
    """The new case, and others that may be the same appeal: told, not refused."""

    possible_duplicates: list[Duplicate]
    visibility_refused: Annotated[
        UnmetOutput | None,
        Field(description="Why the case is not as widely visible as was asked; it is kept `regional`."),
    ]


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


def acting_in(step: Step) -> Finder:
    """The case, and the role the caller takes the step in; the most responsible one when several fit."""

    def find(visit: Visit, case: Case | None) -> tuple[Case | None, Role | None]:
        return case, role_at(step.door, visit.caller, case) if case else None

    return find


# Work


def compared(visit: Visit, body: Intake) -> Comparison:
    return compare(visit.session, visit.caller, body)


def take_in(call: Call) -> Answer:
    case = intake.take_in(call.session, call.caller, call.body, call.now)
    duplicates = possible_duplicates(call.session, call.caller, case, call.prepared)
    shown = views.most(call.caller, case)
    refused = None if case.visibility == call.body.visibility else UnmetOutput.model_validate(NOT_AGREED)
    output = IntakeOutput(**shown.model_dump(), possible_duplicates=duplicates, visibility_refused=refused)
    return rendered(output, 201, Location=f"/v1/cases/{case.reference}", ETag=views.tag(case, shown))


def list_cases(call: Call) -> Answer:
    rows = call.session.execute(cases_asked_for(call.session, call.caller, call.query, place(call))).all()
    return page_of_lines(call, CaseOutput, *page_of(rows, call.query.limit))


def list_quickly(call: Call) -> Recipe | None:
    """The same page, or with a cursor another, in JSON."""
    query: CaseQuery = call.query
    if wanted_of(call) != "application/json" or query.q is not None:
        return None
    paged, here = paging(call), place(call)

    def given(asked: Asked) -> dict[str, Any]:
        return place_after(query, unseal(asked.cursor, paged.question, paged.pepper)) if here else {}

    def make(rows: list[Any], asked: Asked) -> Answered:
        content, _, headers = paged.page(*page_of([row for row in rows if row[-2] is not None], query.limit))
        return unless_known(content, tag_of(content), asked, headers=headers)

    return Recipe(cases_asked_for(call.session, call.caller, query, here), given, make)


def show(call: Call) -> Answer:
    case: Case = call.subject
    view = _view_asked(call, case)
    if view is View.WORK:
        call.log(Logged.VIEW)
    case.load(call.session)
    then = as_it_was(call, case, view)
    shown = views.of_case(call.caller, then, view)
    return rendered(shown, ETag=views.tag(then, shown))


def show_quickly(call: Call) -> Recipe | None:
    """Any case in the same view."""
    query: ViewQuery = call.query
    if query.as_of is not None:
        return None

    def given(asked: Asked) -> dict[str, Any]:
        return {"reference": asked.reference, "known": asked.known[0] if asked.known else ""}

    def make(rows: list[Any], asked: Asked) -> Answered | None:
        is_work, tag, content, survivor, *_ = rows[0]
        if tag is None:
            return None
        logged, links = Logged.VIEW if is_work else None, links_in(rows, asked.reference)
        if content is None:
            # Whoever has it without the names of other cases, and may see those by now, has not what they get now.
            return None if survivor or links else Answered(None, tag, logged=logged)
        if survivor or links:
            content = telling_links(naming_survivor(content, survivor), links)
            tag = views.tag_of(int(tag[1:].partition("-")[0]), content)
        return unless_known(content, tag, asked, logged=logged)

    return Recipe(statement_for(call.session, call.caller, kept_view_of, query.view), given, make)


def as_it_was(call: Call, case: Case, view: View) -> Case:
    """The case at the moment asked for, or as it is, to be shown in a view.

    Raises: Invalid, for a moment to come; NotFound, for one at which it was not there for the caller.
    """
    at: datetime | None = call.query.as_of
    if at and at > call.now:
        raise Invalid([Fault("?as_of", "lies in the future")])
    then = past.as_it_was(call.session, call.caller, case, at, view)
    if then is None:
        raise NotFound
    return then


def _view_asked(call: Call, case: Case) -> View:
    """The view the caller asks for, or the most they may have. Raises: Forbidden."""
    most = view_of(call.caller, case)
    wanted: View | None = call.query.view or most
    if wanted is View.WORK and most is not View.WORK:
        raise Forbidden
    return wanted or View.STATUS


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
    call.session.flush()
    up = case.publications_up
    steps.follow_up(Writing(call.session, case, call.caller, call.now))
    log_publication(call, case, up)
    shown = views.most(call.caller, case)
    return rendered(shown, ETag=views.tag(case, shown))


def _require_shareable(call: Call, case: Case, visibility: Visibility | None) -> None:
    """Raises: ChangeRefused, when the case would be seen more widely than was agreed to."""
    if visibility is None or visibility == case.visibility or may_have(case, visibility, call.now):
        return
    raise ChangeRefused(case.status, [NOT_AGREED], steps.open_nouns(call.caller, case))


def _name_who_keeps_it(call: Call, case: Case, changed: dict[str, Any]) -> None:
    """Who is given a case is named on its team; so is who seals it, or it would be gone from their own sight."""
    writing = Writing(call.session, case, call.caller, call.now)
    if "assignee_id" in changed:
        name_on_team(writing, changed["assignee_id"])
    if changed.get("visibility") == Visibility.SEALED:
        name_on_team(writing, call.caller.account_id)


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
        up = case.publications_up
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
        log_publication(call, case, up)
        shown = views.most(call.caller, case)
        output = StepOutput(entry=views.of_entry(call.caller, case, entry), case=shown)
        return rendered(output, 201, ETag=views.tag(case, shown))

    return work


def log_publication(call: Call, case: Case, up: set[UUID]) -> None:
    """Say on the access log that something was published or taken down, where other publications were `up` before."""
    call.log(Logged.VIEW)
    if case.publications_up != up:
        call.log(Logged.PUBLICATION)


def _coordinated(call: Call, reference: str) -> Case | None:
    found = visible_case(call.session, call.caller, reference, lock=True)
    return found if found and Role.COORDINATOR in roles_on(call.caller, found) else None


def log_work(call: Call, case: Case) -> None:
    """What the team gets of a case is on the access log; what is told to those who follow it is not."""
    if is_on_team(call.caller, case):
        call.log(Logged.VIEW)


def show_steps(call: Call) -> Answer:
    case: Case = call.subject
    log_work(call, case)
    check = _page_check(call, case) if is_on_team(call.caller, case) else None
    return rendered(Steps(items=[_open_step(call, case, step) for step in STEPS], publication=check))


def _page_check(call: Call, case: Case) -> PageCheck:
    attempt = steps.page_attempt(Writing(call.session, case, call.caller, call.now), case.page_up)
    reasons = [UnmetOutput.model_validate(reason) for reason in reasons_against(attempt)]
    return PageCheck(level=attempt.level, up=case.page_up is not None, allowed=not reasons, unmet=reasons)


def _open_step(call: Call, case: Case, step: Step) -> OpenStep:
    attempt = Attempt(call.session, case, step, call.caller, call.now, call.now.date())
    is_open = Status(case.status) in step.sources
    yours = role_at(step.door, call.caller, case) is not None
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


def show_history(call: Call) -> Answer:
    case: Case = call.subject
    log_work(call, case)
    after = place(call)
    rest = case.history[after[0] if after else 0 :]
    shown = rest[: call.query.limit]
    following = [shown[-1].sequence] if len(rest) > len(shown) else None
    since = past.readable_since(call.session, call.caller, case)
    entries = [views.of_entry(call.caller, case, entry, since) for entry in shown]
    return page(call, HistoryOutput, entries, following)


def doors() -> list[Door]:
    """Every door of the case itself; one for each row of the table of steps."""
    one = "/v1/cases/{ref}"
    fixed = [
        Door(
            "GET", one, "show_case", "A case as you may see it.", show, CaseView, query=ViewQuery,
            quick=show_quickly,
        ),
        Door(
            "GET", "/v1/cases", "list_cases", "The cases you may see.", list_cases, Page[CaseOutput],
            query=CaseQuery, as_table=True, quick=list_quickly,
        ),
        Door(
            "POST", "/v1/cases", "take_in", "Log an urgent appeal.", take_in, IntakeOutput, 201, Intake,
            headers=("Location", "ETag"), prepare=compared,
        ),
        Door(
            "PATCH", one, "amend_case", "Change a case, never its status.", amend, WorkView, 200, CaseChange,
            current=True, headers=("ETag",),
        ),
        Door("GET", f"{one}/steps", "show_steps", "Every step, and what is missing.", show_steps, Steps),
        Door(
            "GET", f"{one}/history", "show_history", "The status history, oldest first.", show_history,
            Page[HistoryOutput], query=PageQuery, as_table=True,
        ),
    ]  # fmt: skip
    return fixed + [
        Door(
            "POST",
            f"{one}/{step.noun}",
            step.door,
            step.says,
            take_step(step),
            StepOutput,
            201,
            step.input,
            finds=acting_in(step),
            current=True,
            headers=("ETag",),
            tag="steps",
        )
        for step in STEPS
    ]
