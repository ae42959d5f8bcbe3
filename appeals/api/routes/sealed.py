"""Operations to what is sealed: fields that are opened with a reason, and sealed cases whose glass is broken."""

from appeals.access.visibility import break_glass_filter, is_on_team
from appeals.accounts.alert import raise_alert
from appeals.api.authorization import AuthorizationContext, case_in_path
from appeals.api.pagination import Page, page_of_records
from appeals.api.routing import Operation, ReplayPolicy, RequestContext, Result, json_response
from appeals.cases.case import Case
from appeals.cases.opening import Opened, Opening, OpeningInput, OpeningOutput
from appeals.cases.sealed_content import safe_contact_rules_of, sealed_content
from appeals.cases.team import GLASS_IS_BROKEN_FOR, GlassInput, TeamMember, TeamMemberOutput
from appeals.database.declarative import new_id
from appeals.errors import ChangeRefused, Unmet
from appeals.read_models.case_list import PageQuery
from appeals.vocabulary import AlertKind, TeamStatus


def open_sealed(call: RequestContext) -> Result:
    case: Case = call.subject
    data: OpeningInput = call.body
    opening = Opening(
        id=new_id(),
        case_id=case.id,
        fields=list(data.fields),
        reason=data.reason,
        recorded_at=call.now,
        recorded_by=call.caller.account_id,
    )
    case.add(opening)
    shown = {name: sealed_content(case, name) for name in data.fields}
    return json_response(Opened(fields=shown, safe_contact_rules=safe_contact_rules_of(case, data.fields)), 201)


def list_openings(call: RequestContext) -> Result:
    return page_of_records(call, OpeningOutput, call.subject.openings)


def breakable_case(authorization: AuthorizationContext, _: Case | None) -> Case:
    """The case in the path, for those who may break its glass. Raises: NotFound."""
    return case_in_path(authorization, break_glass_filter)


def break_glass(call: RequestContext) -> Result:
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
    case.add(member)
    case.touch(call.now)
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
    return json_response(TeamMemberOutput.model_validate(member), 201)


def operations() -> list[Operation]:
    """The operations to what is sealed."""
    one = "/v1/cases/{ref}"
    return [
        Operation(
            "POST", f"{one}/openings", "open_sealed", "Show sealed fields, with a reason; it is put on record.",
            open_sealed, Opened, 201, OpeningInput, replay_policy=ReplayPolicy.REPEAT,
        ),
        Operation(
            "GET", f"{one}/openings", "list_openings", "Who opened which sealed fields, and why.", list_openings,
            Page[OpeningOutput], query_model=PageQuery, as_table=True,
        ),
        Operation(
            "POST", f"{one}/break-glass", "break_glass",
            "See a case for a day that is kept from you, with a reason; its team is told.",
            break_glass, TeamMemberOutput, 201, GlassInput, subject=breakable_case,
        ),
    ]  # fmt: skip
