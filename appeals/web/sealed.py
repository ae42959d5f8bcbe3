"""Doors to what is sealed: fields that are opened with a reason, and sealed cases whose glass is broken."""

from appeals.access import is_on_team, may_break_glass
from appeals.alert import raise_alert
from appeals.case import Case
from appeals.database import new_id
from appeals.errors import ChangeRefused, Unmet
from appeals.opening import Opened, Opening, OpeningInput, OpeningOutput
from appeals.register import PageQuery
from appeals.team import GLASS_IS_BROKEN_FOR, GlassInput, TeamMember, TeamMemberOutput
from appeals.vocabulary import AlertKind, TeamStatus
from appeals.web.door import Answer, Call, Door, Secret, rendered
from appeals.web.gate import Visit, case_in_path
from appeals.web.page import Page, of_records


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
    shown = {name: case.sealed(name) for name in said.fields}
    return rendered(Opened(fields=shown, safe_contact_rules=case.safe_contact_rules_of(said.fields)), 201)


def list_openings(call: Call) -> Answer:
    return of_records(call, OpeningOutput, call.subject.openings)


def glazed_case(visit: Visit, _: Case | None) -> Case:
    """The case in the path, for those who may break its glass. Raises: NotFound."""
    return case_in_path(visit, may_break_glass)


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
    team = [other.account for other in case.team if other.is_named]
    case.team.append(member)
    case.touch(call.now)
    call.session.flush()
    raise_alert(
        call.session,
        AlertKind.GLASS_BROKEN,
        team,
        recorded_at=call.now,
        account_id=member.account,
        by_id=member.account,
        case_id=case.id,
        team_member_id=member.id,
    )
    return rendered(TeamMemberOutput.model_validate(member), 201)


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
    ]  # fmt: skip
