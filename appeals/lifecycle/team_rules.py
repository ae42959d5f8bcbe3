"""The rules of the team: who may join, who confirms it, who stays."""

from typing import Any
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


def member_columns(writing: WriteContext, data: team.TeamMemberInput, at: str) -> dict[str, Any]:
    """Named at once by those who work on the case; by who broke its glass, only proposed for as long as that lasts."""
    account = writing.network.existing_account(data.account, f"{at}/account")
    if roles_on(writing.caller, writing.case):
        return {"account": account.id, "status": TeamStatus.ON}
    own = (member for member in writing.case.team if member.account == writing.caller.account_id)
    ends_at = max(member.until for member in own if member.until and member.broke_glass(writing.now))
    return {"account": account.id, "status": TeamStatus.PROPOSED, "until": ends_at}


def refuse_member(writing: WriteContext, made: team.TeamMember) -> list[Unmet]:
    """Who joins holds a role that works on cases and is not on the team yet; a sealed case keeps somebody who is named.

    Who broke its glass does not count: they are gone after a day.
    """
    others = [member for member in writing.case.team if member is not made and member.is_named]
    if made.status == TeamStatus.LEFT:
        deserted = writing.case.visibility == Visibility.SEALED and not others
        return [Unmet("team.last", "Somebody has to stay on the team of a sealed case.")] if deserted else []
    unmet = []
    if not _works_on_cases(writing.network, made.account):
        unmet.append(Unmet("team.without_role", "They hold no role that works on cases."))
    if any(member.account == made.account for member in others):
        unmet.append(Unmet("team.already_on", "They are on the team already."))
    return unmet


def _works_on_cases(network: Network, account_id: UUID) -> bool:
    """Whether an account is in service and holds a role that works on cases."""
    in_service = network.account(account_id).active
    return in_service and any(grant.role in TEAM_ROLES for grant in network.grants_of(account_id))


def is_out_of_service(writing: WriteContext) -> bool:
    """Whether nobody who is named on the team is in service any more."""
    named = [member for member in writing.case.team if member.is_named]
    return not any(_works_on_cases(writing.network, member.account) for member in named)


def confirm_member(writing: WriteContext, member: team.TeamMember) -> list[Unmet]:
    """Name a proposed member of a team that is out of service, as the second who says so; which rules forbid it."""
    unmet = []
    if not member.is_proposed(writing.now):
        unmet.append(Unmet("team.not_proposed", "They are not proposed, or no longer: propose them again."))
    if writing.caller.account_id in (member.recorded_by, member.account):
        unmet.append(Unmet("team.same_person", "Somebody else confirms it: neither who proposed them nor they."))
    if not is_out_of_service(writing):
        unmet.append(Unmet("team.in_service", "Somebody who is named is in service; they decide who joins."))
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
    """Put somebody on the team who is not on it; who broke the glass for a day is then named for good."""
    if not any(member.account == account and member.is_named for member in writing.case.team):
        made = team.TeamMember(
            id=new_id(),
            case_id=writing.case.id,
            account=account,
            status=TeamStatus.ON,
            recorded_at=writing.now,
            recorded_by=writing.caller.account_id,
        )
        writing.case.add(made)
