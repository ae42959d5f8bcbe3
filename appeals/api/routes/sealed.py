"""Routes of sealed content: opening sealed fields with a reason, and break-glass access to sealed cases."""

from typing import Annotated

from fastapi import Query, Response

from appeals.access.visibility import break_glass_filter, is_on_team
from appeals.accounts.alert import raise_alert
from appeals.api.authorization import AuthorizationContext, case_in_path
from appeals.api.dependencies import Read, writing
from appeals.api.openapi import AS_TABLE
from appeals.api.pagination import Page, page_of_records
from appeals.api.parameters import CaseReference
from appeals.api.routing import new_router
from appeals.api.transaction import ReplayPolicy, WriteRequest, WriteTransaction
from appeals.cases.case import Case
from appeals.cases.opening import Opened, Opening, OpeningInput, OpeningOutput
from appeals.cases.sealed_content import safe_contact_rules_of, sealed_content
from appeals.cases.team import GLASS_IS_BROKEN_FOR, GlassInput, TeamMember, TeamMemberOutput
from appeals.database.declarative import new_id
from appeals.errors import ChangeRefused, Unmet
from appeals.read_models.case_list import PageQuery
from appeals.vocabulary import AlertKind, TeamStatus

router = new_router("cases")


@router.post("/v1/cases/{ref}/openings", status_code=201, response_model=Opened)
def open_sealed(
    ref: CaseReference,
    body: OpeningInput,
    write: Annotated[WriteRequest, writing(replay_policy=ReplayPolicy.REPEAT)],
) -> Response:
    """Open sealed fields, with a reason; the opening is recorded.

    Name the sealed fields and why you need them. The answer shows their content, and the opening stays on record.
    """
    with write.transaction() as tx:
        opening = Opening(
            id=new_id(),
            case_id=tx.case.id,
            fields=list(body.fields),
            reason=body.reason,
            recorded_at=tx.now,
            recorded_by=tx.caller.account_id,
        )
        tx.case.add(opening)
        fields = {name: sealed_content(tx.case, name) for name in body.fields}
        return tx.respond(Opened(fields=fields, safe_contact_rules=safe_contact_rules_of(tx.case, body.fields)))


@router.get("/v1/cases/{ref}/openings", response_model=Page[OpeningOutput], responses=AS_TABLE)
def list_openings(ref: CaseReference, query: Annotated[PageQuery, Query()], read: Read) -> Response:
    """Who opened which sealed fields, and why.

    The answer does not show the content of the fields.
    """
    with read.snapshot() as tx:
        return page_of_records(tx, query, OpeningOutput, tx.case.openings)


def breakable_case(authorization: AuthorizationContext, _: Case | None) -> Case:
    """Find the case in the path, if the caller may use break-glass access. Raises: NotFound."""
    return case_in_path(authorization, break_glass_filter)


@router.post("/v1/cases/{ref}/break-glass", status_code=201, response_model=TeamMemberOutput)
def break_glass(
    ref: CaseReference, body: GlassInput, write: Annotated[WriteRequest[Case], writing(breakable_case)]
) -> Response:
    """Get access to a sealed case for a day, with a reason; its team gets an alert.

    Send the reason. You see the case for a day, and the act stays on record.
    """
    with write.transaction() as tx:
        if is_on_team(tx.caller, tx.subject):
            needless = Unmet("glass.needless", "You are on the team of this case already.")
            raise ChangeRefused(tx.subject.status, [needless])
        return tx.respond(TeamMemberOutput.model_validate(_break_glass(tx, body)))


def _break_glass(tx: WriteTransaction[Case], body: GlassInput) -> TeamMember:
    """Add the caller to the team for a day, and alert its members."""
    case = tx.subject
    member = TeamMember(
        id=new_id(),
        case_id=case.id,
        account=tx.caller.account_id,
        status=TeamStatus.ON,
        until=tx.now + GLASS_IS_BROKEN_FOR,
        broke_glass_because=body.reason,
        recorded_at=tx.now,
        recorded_by=tx.caller.account_id,
    )
    team = [other.account for other in case.team if other.is_named]
    case.add(member)
    case.touch(tx.now)
    raise_alert(
        tx.session,
        AlertKind.GLASS_BROKEN,
        team,
        recorded_at=tx.now,
        account_id=member.account,
        by_id=member.account,
        case_id=case.id,
        team_member_id=member.id,
    )
    return member
