"""Operations of four eyes on rights: what waits for a confirmation, confirming it, enrolment with a code in two
halves.
"""

from typing import Any

from sqlalchemy import select

from appeals.access.access_log import AccessEvent, write_events
from appeals.accounts import enrolment, role_confirmation
from appeals.accounts.account import Account, Membership, MembershipOutput, entity_paths_of, membership_output
from appeals.accounts.api_key import NewKeyOutput, new_key_output
from appeals.accounts.enrolment import EnrolmentCodeOutput, EnrolmentInput
from appeals.accounts.entity import Entity
from appeals.accounts.role_confirmation import CONFIRMING, ConfirmationOutput
from appeals.api.authorization import AuthorizationContext
from appeals.api.pagination import Page, page, page_by_id
from appeals.api.routes.accounts import Nothing, known_account, known_membership
from appeals.api.routing import Operation, ReplayPolicy, RequestContext, Result, json_response
from appeals.errors import Forbidden
from appeals.read_models.case_list import PageQuery
from appeals.vocabulary import Logged, Role


def confirmable_membership(authorization: AuthorizationContext, _: Any) -> Membership:
    """The membership in the path, for admins and coordinators over its entity. Raises: NotFound, Forbidden."""
    membership = known_membership(authorization)
    if (
        not authorization.caller.roles_over(authorization.session.get_one(Entity, membership.entity_id).path)
        & CONFIRMING
    ):
        raise Forbidden
    return membership


def enrollable_account(authorization: AuthorizationContext, _: Any) -> Account:
    """The account in the path, for who is admin, or coordinator, over all it has to do with. Raises: NotFound,
    Forbidden.
    """
    account = known_account(authorization, _)
    over = [authorization.caller.roles_over(path) for path in entity_paths_of(authorization.session, account)]
    if not any(all(role in roles for roles in over) for role in (Role.ADMIN, Role.COORDINATOR)):
        raise Forbidden
    return account


def list_confirmations(call: RequestContext) -> Result:
    """Proposals that have not lapsed, and what the command gave, oldest first."""
    query = (
        select(Membership)
        .join(Entity, Entity.id == Membership.entity_id)
        .join(Account, Account.id == Membership.account_id)
        .where(role_confirmation.unconfirmed(call.now), role_confirmation.within_reach_of(call.caller), Account.active)
    )
    rows, following = page_by_id(call, Membership, query)
    items = [role_confirmation.confirmation_output(call.session, membership) for membership in rows]
    return page(call, ConfirmationOutput, items, following)


def confirm_membership(call: RequestContext) -> Result:
    membership: Membership = call.subject
    role_confirmation.confirm(call.session, membership, call.caller.account_id, call.now)
    return json_response(membership_output(membership, call.session.get_one(Entity, membership.entity_id)), 201)


def create_enrolment_code(call: RequestContext) -> Result:
    """Its answer holds a secret."""
    code = enrolment.issue_code(call.session, call.subject, call.caller.account_id, call.context.pepper, call.now)
    return json_response(code, 201)


def enrol(call: RequestContext) -> Result:
    """Its answer holds a secret. It is on the access log as an act of the account, though no key was shown."""
    new_key = enrolment.enrol(call.session, call.body, call.context.pepper, call.now)
    key = new_key.key
    write_events(
        call.session.connection(),
        [AccessEvent(call.now, key.account_id, key.id, Logged.KEY, "enrol", 201, (str(key.account_id),))],
    )
    return json_response(new_key_output(new_key), 201)


def operations() -> list[Operation]:
    """The operations of confirmations and enrolment."""
    return [
        Operation(
            "GET", "/v1/confirmations", "list_confirmations", "The roles that wait for a second person.",
            list_confirmations, Page[ConfirmationOutput], query_model=PageQuery, as_table=True, tag="network",
        ),
        Operation(
            "POST", "/v1/memberships/{id}/confirmation", "confirm_membership",
            "Confirm a role that another person proposed: it is held from then on.",
            confirm_membership, MembershipOutput, 201, Nothing, subject=confirmable_membership, tag="network",
        ),
        Operation(
            "POST", "/v1/accounts/{id}/enrolment", "create_enrolment_code",
            "Make your half of the code with which the holder of an account makes its first key.",
            create_enrolment_code, EnrolmentCodeOutput, 201, Nothing, subject=enrollable_account,
            replay_policy=ReplayPolicy.REFUSE,
            tag="network",
        ),
        Operation(
            "POST", "/v1/enrolments", "enrol", "Make the first key of your account, with both halves of its code.",
            enrol, NewKeyOutput, 201, EnrolmentInput, replay_policy=ReplayPolicy.REFUSE, tag="network",
        ),
    ]  # fmt: skip
