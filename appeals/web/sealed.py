"""Doors to what is sealed: fields that are opened with a reason, and sealed cases whose glass is broken."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from appeals.access import behind_glass, is_on_team, named_on
from appeals.case import Case
from appeals.database import new_id
from appeals.errors import ChangeRefused, Unmet
from appeals.field import Model
from appeals.opening import Opened, Opening, OpeningInput, OpeningOutput
from appeals.register import PageQuery
from appeals.team import GLASS_IS_BROKEN_FOR, GlassInput, TeamMember, TeamMemberOutput
from appeals.vocabulary import TeamStatus
from appeals.web.door import Answer, Call, Door, Secret, rendered
from appeals.web.gate import Visit, case_in_path
from appeals.web.page import Page, by_id, of_records, page


class AlertOutput(Model):
    """Somebody broke the glass of a case whose team you are on."""

    id: UUID
    reference: str
    account: UUID
    reason: str
    recorded_at: datetime
    until: datetime


def open_sealed(call: Call) -> Answer:
    case: Case = call.subject
    said: OpeningInput = call.body
    opening = Opening(
        id=new_id(),
        case_id=case.id,
        fields=list(said.fields),
        reason=said.reason,
        recorded_at=call.now,
        recorded_by=call.caller.account_id,
    )
    case.openings.append(opening)
    call.session.flush()
    return rendered(Opened(fields={name: case.sealed(name) for name in said.fields}), 201)


def list_openings(call: Call) -> Answer:
    return of_records(call, OpeningOutput, call.subject.openings)


def glazed_case(visit: Visit, _: Case | None) -> Case:
    """The case in the path, for those who may break its glass. Raises: NotFound."""
    return case_in_path(visit, behind_glass)


def break_glass(call: Call) -> Answer:
    case: Case = call.subject
    if is_on_team(call.caller, case):
        needless = Unmet("glass.needless", "You are on the team of this case already.")
        raise ChangeRefused(case.status, [needless])
    member = TeamMember(
        id=new_id(),
        case_id=case.id,
        account=call.caller.account_id,
        status=TeamStatus.ON,
        until=call.now + GLASS_IS_BROKEN_FOR,
        broke_glass_because=call.body.reason,
        recorded_at=call.now,
        recorded_by=call.caller.account_id,
    )
    case.team.append(member)
    case.touch(call.now)
    call.session.flush()
    return rendered(TeamMemberOutput.model_validate(member), 201)


def list_alerts(call: Call) -> Answer:
    """Who broke the glass of which of the caller's cases, oldest first."""
    broken = (
        select(TeamMember)
        .join(Case, Case.id == TeamMember.case_id)
        .where(
            TeamMember.broke_glass_because.is_not(None),
            TeamMember.account != call.caller.account_id,
            named_on(call.caller),
        )
    )
    rows, following = by_id(call, TeamMember, broken)
    cases = call.session.scalars(select(Case).where(Case.id.in_({row.case_id for row in rows})))
    references = {case.id: case.reference for case in cases}
    items = [
        AlertOutput(
            id=row.id,
            reference=references[row.case_id],
            account=row.account,
            reason=row.broke_glass_because,
            recorded_at=row.recorded_at,
            until=row.until,
        )
        for row in rows
    ]
    return page(call, AlertOutput, items, following)


def doors() -> list[Door]:
    """The doors to what is sealed."""
    one = "/v1/cases/{ref}"
    return [
        Door(
            "POST", f"{one}/openings", "open_sealed", "Show sealed fields, with a reason; it is put on record.",
            open_sealed, Opened, 201, OpeningInput, secret=Secret.AGAIN,
        ),
        Door(
            "GET", f"{one}/openings", "list_openings", "Who opened which sealed fields, and why.", list_openings,
            Page[OpeningOutput], query=PageQuery, as_table=True,
        ),
        Door(
            "POST", f"{one}/break-glass", "break_glass",
            "See a case for a day that is kept from you, with a reason; its team is told.",
            break_glass, TeamMemberOutput, 201, GlassInput, finds=glazed_case,
        ),
        Door(
            "GET", "/v1/alerts", "list_alerts", "Who broke the glass of a case of yours.", list_alerts,
            Page[AlertOutput], query=PageQuery, as_table=True,
        ),
    ]  # fmt: skip
