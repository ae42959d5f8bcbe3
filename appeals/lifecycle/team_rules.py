"""The rules of the team: who may join, who confirms a new member, who stays."""

from uuid import UUID

from appeals.access.roles import TEAM_ROLES
from appeals.access.visibility import roles_on
from appeals.accounts.network import Network
from appeals.cases import (
    team,
)
from appeals.database.declarative import new_id
from appeals.errors import Unmet
from appeals.lifecycle.write_context import WriteContext
from appeals.vocabulary import (
    TeamStatus,
    Visibility,
)


def member_columns(writing: WriteContext, data: team.TeamMemberInput, at: str) -> dict[str, object]:
    """Return the columns of a new member. Break-glass access only proposes members, for as long as the access lasts."""
    account = writing.network.existing_account(data.account, f"{at}/account")
    if roles_on(writing.caller, writing.case):
        return {"account": account.id, "status": TeamStatus.ON}
    own = (member for member in writing.case.team if member.account == writing.caller.account_id)
    ends_at = max(member.until for member in own if member.until and member.broke_glass(writing.now))
    return {"account": account.id, "status": TeamStatus.PROPOSED, "until": ends_at}


def refuse_member(writing: WriteContext, row: team.TeamMember) -> list[Unmet]:
    """Return why a member may not join or leave: it needs a role that works on cases, and is not on the team yet; the
    last named member of a sealed case stays.

    Members by break-glass access do not count, since their access ends after a day.
    """
    others = [member for member in writing.case.team if member is not row and member.is_named]
    if row.status == TeamStatus.LEFT:
        deserted = writing.case.visibility == Visibility.SEALED and not others
        return [Unmet("team.last", "At least one member must stay on the team of a sealed case.")] if deserted else []
    unmet = []
    if not _works_on_cases(writing.network, row.account):
        unmet.append(Unmet("team.without_role", "The account holds no role that works on cases."))
    if any(member.account == row.account for member in others):
        unmet.append(Unmet("team.already_on", "The account is on the team already."))
    return unmet


def _works_on_cases(network: Network, account_id: UUID) -> bool:
    """Return whether an account is active and holds a role that works on cases."""
    in_service = network.account(account_id).active
    return in_service and any(grant.role in TEAM_ROLES for grant in network.grants_of(account_id))


def is_out_of_service(writing: WriteContext) -> bool:
    """Return whether no named member of the team is active any more."""
    named = [member for member in writing.case.team if member.is_named]
    return not any(_works_on_cases(writing.network, member.account) for member in named)


def confirm_member(writing: WriteContext, member: team.TeamMember) -> list[Unmet]:
    """Confirm a proposed member of a team whose members are all inactive. Returns the rules that forbid it."""
    unmet = []
    if not member.is_proposed(writing.now):
        unmet.append(
            Unmet("team.not_proposed", "The account is not proposed, or its proposal has lapsed; propose it again.")
        )
    if writing.caller.account_id in (member.recorded_by, member.account):
        unmet.append(
            Unmet("team.same_person", "Somebody else must confirm it: neither the proposer nor the proposed member.")
        )
    if not is_out_of_service(writing):
        unmet.append(Unmet("team.in_service", "A named member is active and decides who joins."))
    unmet += refuse_member(writing, member)
    if not unmet:
        member.status, member.until = TeamStatus.ON, None
        writing.case.touch(writing.now)
    return unmet


def note_leaving(writing: WriteContext, member: team.TeamMember) -> None:
    if member.status == TeamStatus.LEFT:
        member.left_at = member.left_at or writing.now


def leave_team(writing: WriteContext, member: team.TeamMember) -> None:
    """End a membership of the team."""
    member.status = TeamStatus.LEFT
    note_leaving(writing, member)


def name_on_team(writing: WriteContext, account: UUID) -> None:
    """Add an account to the team unless it is a named member. One with break-glass access then stays on the team."""
    if not any(member.account == account and member.is_named for member in writing.case.team):
        row = team.TeamMember(
            id=new_id(),
            case_id=writing.case.id,
            account=account,
            status=TeamStatus.ON,
            recorded_at=writing.now,
            recorded_by=writing.caller.account_id,
        )
        writing.case.add(row)
