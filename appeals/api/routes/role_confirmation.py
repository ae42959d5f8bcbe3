"""Routes of role confirmation and enrolment: roles that wait for a second person, and codes in two halves."""

from typing import Annotated

from fastapi import Query, Response
from sqlalchemy import select

from appeals.access.access_log import AccessEvent, write_events
from appeals.accounts import enrolment, role_confirmation
from appeals.accounts.account import Account, Membership, entity_paths_of
from appeals.accounts.account_schemas import MembershipOutput, membership_output
from appeals.accounts.api_key import NewKeyOutput, new_key_output
from appeals.accounts.enrolment import EnrolmentCodeOutput, EnrolmentInput
from appeals.accounts.entity import Entity
from appeals.accounts.role_confirmation import CONFIRMING, ConfirmationOutput
from appeals.api.authorization import AuthorizationContext
from appeals.api.dependencies import PublicWrite, Read, writing
from appeals.api.openapi import AS_TABLE
from appeals.api.pagination import Page, page, page_by_id
from appeals.api.parameters import RecordId
from appeals.api.routes.accounts import Nothing, known_account, known_membership
from appeals.api.routing import new_router
from appeals.api.transaction import ReplayPolicy, WriteRequest
from appeals.errors import Forbidden
from appeals.read_models.case_list import PageQuery
from appeals.vocabulary import Logged, Role

router = new_router("network")


def confirmable_membership(authorization: AuthorizationContext, _: object) -> Membership:
    """Find the membership in the path, for admins and coordinators over its entity. Raises: NotFound, Forbidden."""
    membership = known_membership(authorization)
    entity = authorization.session.get_one(Entity, membership.entity_id)
    if not authorization.caller.roles_over(entity.path) & CONFIRMING:
        raise Forbidden
    return membership


def enrollable_account(authorization: AuthorizationContext, _: object) -> Account:
    """Find the account in the path, for admins and coordinators over all its entities. Raises: NotFound, Forbidden."""
    account = known_account(authorization, _)
    over = [authorization.caller.roles_over(path) for path in entity_paths_of(authorization.session, account)]
    if not any(all(role in roles for roles in over) for role in (Role.ADMIN, Role.COORDINATOR)):
        raise Forbidden
    return account


@router.get("/v1/confirmations", response_model=Page[ConfirmationOutput], responses=AS_TABLE)
def list_confirmations(query: Annotated[PageQuery, Query()], read: Read) -> Response:
    """The roles that wait for a second person.

    Proposals that have not lapsed, and roles granted by the command, oldest first.
    """
    with read.snapshot() as tx:
        statement = (
            select(Membership)
            .join(Entity, Entity.id == Membership.entity_id)
            .join(Account, Account.id == Membership.account_id)
            .where(role_confirmation.unconfirmed(tx.now), role_confirmation.within_reach_of(tx.caller), Account.active)
        )
        rows, after = page_by_id(tx, query, Membership.id, statement)
        items = [role_confirmation.confirmation_output(tx.session, membership) for membership in rows]
        return page(tx, ConfirmationOutput, items, after)


@router.post("/v1/memberships/{id}/confirmation", status_code=201, response_model=MembershipOutput)
def confirm_membership(
    id: RecordId, body: Nothing, write: Annotated[WriteRequest[Membership], writing(confirmable_membership)]
) -> Response:
    """Confirm a role that another person proposed; it is held from then on.

    The body is empty. Nobody confirms what they proposed themselves.
    """
    with write.transaction() as tx:
        role_confirmation.confirm(tx.session, tx.subject, tx.caller.account_id, tx.now)
        return tx.respond(membership_output(tx.subject, tx.session.get_one(Entity, tx.subject.entity_id)))


@router.post("/v1/accounts/{id}/enrolment", status_code=201, response_model=EnrolmentCodeOutput)
def create_enrolment_code(
    id: RecordId,
    body: Nothing,
    write: Annotated[WriteRequest[Account], writing(enrollable_account, replay_policy=ReplayPolicy.REFUSE)],
) -> Response:
    """Create your half of the code with which the holder of an account creates its first key.

    Pass your half on to the holder; somebody else creates and passes on the other. The answer shows it once.
    """
    with write.transaction() as tx:
        return tx.respond(enrolment.issue_code(tx.session, tx.subject, tx.caller.account_id, tx.context.pepper, tx.now))


@router.post("/v1/enrolments", status_code=201, response_model=NewKeyOutput)
def enrol(body: EnrolmentInput, write: PublicWrite) -> Response:
    """Create the first key of your account with both halves of its code.

    It is on the access log as an act of the account, although no key was sent.
    """
    with write.transaction() as tx:
        new_key = enrolment.enrol(tx.session, body, tx.context.pepper, tx.now)
        key = new_key.key
        event = AccessEvent(tx.now, key.account_id, key.id, Logged.KEY, "enrol", 201, (str(key.account_id),))
        write_events(tx.session.connection(), [event])
        return tx.respond(new_key_output(new_key))
