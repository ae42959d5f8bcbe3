"""Doors of four eyes on rights: what waits for a confirmation, confirming it, enrolment with a code in two halves."""

from typing import Any

from sqlalchemy import select

from appeals import enrolment, rights
from appeals.access_log import Access, record
from appeals.enrolment import CodeOutput, EnrolmentInput
from appeals.errors import Forbidden
from appeals.key import MintedOutput, minted_output
from appeals.network import Account, Entity, Membership, MembershipOutput, membership_output, places_of
from appeals.register import PageQuery
from appeals.rights import CONFIRMING, ConfirmationOutput
from appeals.vocabulary import Logged, Role
from appeals.web.door import Answer, Call, Door, Secret, rendered
from appeals.web.gate import Visit
from appeals.web.network import Nothing, known_account, known_membership
from appeals.web.page import Page, by_id, page


def confirmable_membership(visit: Visit, _: Any) -> Membership:
    """The membership in the path, for admins and coordinators over its entity. Raises: NotFound, Forbidden."""
    membership = known_membership(visit)
    if not visit.caller.roles_over(visit.session.get_one(Entity, membership.entity_id).path) & CONFIRMING:
        raise Forbidden
    return membership


def enrollable_account(visit: Visit, _: Any) -> Account:
    """The account in the path, for who is admin, or coordinator, over all it has to do with. Raises: NotFound,
    Forbidden.
    """
    account = known_account(visit, _)
    over = [visit.caller.roles_over(path) for path in places_of(visit.session, account)]
    if not any(all(role in roles for roles in over) for role in (Role.ADMIN, Role.COORDINATOR)):
        raise Forbidden
    return account


def list_confirmations(call: Call) -> Answer:
    """Proposals that have not lapsed, and what the command gave, oldest first."""
    query = (
        select(Membership)
        .join(Entity, Entity.id == Membership.entity_id)
        .join(Account, Account.id == Membership.account_id)
        .where(rights.unconfirmed(call.now), rights.within_reach_of(call.caller), Account.active)
    )
    rows, following = by_id(call, Membership, query)
    items = [rights.confirmation_output(call.session, membership) for membership in rows]
    return page(call, ConfirmationOutput, items, following)


def confirm_membership(call: Call) -> Answer:
    membership: Membership = call.subject
    rights.confirm(call.session, membership, call.caller.account_id, call.now)
    return rendered(membership_output(membership, call.session.get_one(Entity, membership.entity_id)), 201)


def make_enrolment_code(call: Call) -> Answer:
    """Its answer holds a secret."""
    code = enrolment.tell(call.session, call.subject, call.caller.account_id, call.desk.pepper, call.now)
    return rendered(code, 201)


def enrol(call: Call) -> Answer:
    """Its answer holds a secret. It is on the access log as an act of the account, though no key was shown."""
    made = enrolment.enrol(call.session, call.body, call.desk.pepper, call.now)
    key = made.kept
    record(call.session, [Access(call.now, key.account_id, key.id, Logged.KEY, "enrol", 201, (str(key.account_id),))])
    return rendered(minted_output(made), 201)


def doors() -> list[Door]:
    """The doors of confirmations and enrolment."""
    return [
        Door(
            "GET", "/v1/confirmations", "list_confirmations", "The roles that wait for a second person.",
            list_confirmations, Page[ConfirmationOutput], query=PageQuery, as_table=True, tag="network",
        ),
        Door(
            "POST", "/v1/memberships/{id}/confirmation", "confirm_membership",
            "Confirm a role that another person proposed: it is held from then on.",
            confirm_membership, MembershipOutput, 201, Nothing, finds=confirmable_membership, tag="network",
        ),
        Door(
            "POST", "/v1/accounts/{id}/enrolment", "make_enrolment_code",
            "Make your half of the code with which the holder of an account makes its first key.",
            make_enrolment_code, CodeOutput, 201, Nothing, finds=enrollable_account, secret=Secret.REFUSE,
            tag="network",
        ),
        Door(
            "POST", "/v1/enrolments", "enrol", "Make the first key of your account, with both halves of its code.",
            enrol, MintedOutput, 201, EnrolmentInput, secret=Secret.REFUSE, tag="network",
        ),
    ]  # fmt: skip
