"""The doctor's checks of the network in the database: keys, roles, entities, cases and rights."""

from collections.abc import Callable, Iterator
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import aliased

from appeals.access.roles import CASE_ROLES
from appeals.accounts.account import Account, Membership, is_active_membership, root_holders
from appeals.accounts.api_key import Key, active_keys
from appeals.accounts.entity import Entity, check_parent_kind
from appeals.accounts.role_confirmation import unconfirmed
from appeals.cli.checks import Check, Network, note, problem
from appeals.cli.database_checks import miscounted, one_user, other_rights, restored, stale_views, unmoved, unprotected
from appeals.errors import Invalid
from appeals.vocabulary import EntityKind, KeyOrigin, Role

SOON = timedelta(days=30)
LONG = timedelta(days=400)
IDLE = timedelta(days=90)


def keys_too_long(at: Network) -> Iterator[str]:
    return _keys(at, lambda key: key.ends_at > at.now + LONG)


def first_keys(at: Network) -> Iterator[str]:
    return _keys(at, lambda key: key.origin == KeyOrigin.FIRST_START and key.replaced_by_id is None)


def keys_soon_over(at: Network) -> Iterator[str]:
    return _keys(at, lambda key: key.ends_at <= at.now + SOON and key.replaced_by_id is None)


def keys_idle(at: Network) -> Iterator[str]:
    before = (at.now - IDLE).date()
    return _keys(at, lambda key: (key.last_used_on or key.recorded_at.date()) < before)


def _keys(at: Network, fits: Callable[[Key], bool]) -> Iterator[str]:
    """Yield a text for each live key that fits the condition: its id, its account, its last day."""
    query = select(Key, Account.name).join(Account, Account.id == Key.account_id).where(Account.active)
    for key, name in at.session.execute(query.order_by(Account.name, Key.id)):
        if key.is_active(at.now) and fits(key):
            yield f"{key.id} of {name} (until {key.ends_at.date()})"


def unconfirmed_grants(at: Network) -> Iterator[str]:
    """Yield the roles that the command granted, or an older release, and that nobody has confirmed."""
    query = (
        select(Account.name, Membership, Entity.name)
        .join(Membership, Membership.account_id == Account.id)
        .join(Entity, Entity.id == Membership.entity_id)
        .where(Account.active, is_active_membership(), unconfirmed(at.now))
        .order_by(Account.name, Membership.id)
    )
    for name, membership, entity in at.session.execute(query):
        yield f"{name} is {membership.role} in {entity} (membership {membership.id})"


def locked_out(at: Network) -> Iterator[str]:
    """Yield the accounts that hold a role but have no live key."""
    holding = select(Membership.account_id).where(is_active_membership())
    query = select(Account).where(Account.active, Account.id.in_(holding))
    for account in at.session.scalars(query.order_by(Account.name)):
        if not active_keys(at.session, account.id, at.now):
            yield account.name


def admins_with_cases(at: Network) -> Iterator[str]:
    query = (
        select(Account.name, Membership.role)
        .join(Membership, Membership.account_id == Account.id)
        .where(Account.active, is_active_membership())
        .order_by(Account.name)
    )
    roles: dict[str, set[str]] = {}
    for name, role in at.session.execute(query):
        roles.setdefault(name, set()).add(role)
    return (name for name, own in roles.items() if Role.ADMIN in own and own & CASE_ROLES)


def partners_above_others(at: Network) -> Iterator[str]:
    """Return the partners of an entity that has others below it. A partner's role holds for that entity only."""
    below = aliased(Entity)
    query = (
        select(Account.name, Entity.name)
        .join(Membership, Membership.account_id == Account.id)
        .join(Entity, Entity.id == Membership.entity_id)
        .where(Account.active, Membership.ended_at.is_(None), Membership.role == Role.PARTNER)
        .where(select(below.id).where(below.parent_id == Entity.id).exists())
        .order_by(Account.name, Entity.name)
    )
    return (f"{account} is partner in {entity}" for account, entity in at.session.execute(query))


def nobody_at_the_root(at: Network) -> Iterator[str]:
    for role in (Role.ADMIN, Role.COORDINATOR):
        if not any(active_keys(at.session, account.id, at.now) for account in at.session.scalars(root_holders(role))):
            yield role


def several_roots(at: Network) -> Iterator[str]:
    roots = [entity.name for entity in _entities(at) if entity.parent_id is None]
    if len(roots) != 1:
        yield ", ".join(roots)


def misplaced(at: Network) -> Iterator[str]:
    entities = {entity.id: entity for entity in _entities(at)}
    for entity in entities.values():
        parent = entities.get(entity.parent_id) if entity.parent_id else None
        try:
            check_parent_kind(EntityKind(entity.kind), parent)
        except Invalid as invalid:
            yield f"{entity.name}, a {entity.kind}, {invalid.faults[0].says}"


def wrong_paths(at: Network) -> Iterator[str]:
    entities = {entity.id: entity for entity in _entities(at)}
    for entity in entities.values():
        parent = entities.get(entity.parent_id) if entity.parent_id else None
        if entity.path != f"{parent.path if parent else '/'}{entity.id.hex}/":
            yield entity.name


def _entities(at: Network) -> list[Entity]:
    return list(at.session.scalars(select(Entity).order_by(Entity.name)))


OF_THE_NETWORK: tuple[Check[Network], ...] = (
    problem(
        "root.nobody",
        look=nobody_at_the_root,
        says="No {0} of the root entity has a live key: create one with appeals key new --role {0}.",
    ),
    problem(
        "account.admin_with_cases",
        look=admins_with_cases,
        says=(
            "{0} is an admin and also holds a role that sees cases, but an admin must not see case content: end one "
            "of the two with appeals account end-role."
        ),
    ),
    note(
        "account.partner_above",
        look=partners_above_others,
        says=(
            "{}, which has entities below it. A partner works only on the requests of its own entity: grant the role "
            "in the entity that logs them."
        ),
    ),
    problem(
        "network.roots",
        look=several_roots,
        says="The network must have exactly one root entity, but has: {}. Restore a backup.",
    ),
    problem(
        "network.misplaced",
        look=misplaced,
        says="An entity is in the wrong place of the tree: {}.",
    ),
    problem(
        "network.paths",
        look=wrong_paths,
        says="The path of {} is wrong, so roles may hold in the wrong entities: restore a backup.",
    ),
    problem(
        "view.stale",
        look=stale_views,
        says="The case snapshot of {} is not what this release renders: run appeals rebuild.",
    ),
    problem(
        "feed.restored",
        look=restored,
        says=(
            "{} changes were numbered by another database server, so the change feed does not show them: run appeals "
            "reset-feed."
        ),
    ),
    problem(
        "statistics.miscounted",
        look=miscounted,
        says="{} statistics differ from a new count of the cases: run appeals rebuild.",
    ),
    problem(
        "case.unmoved",
        look=unmoved,
        says=(
            "The status of {} is not that of its last step: somebody may have changed the database by hand. Restore "
            "a backup."
        ),
    ),
    problem(
        "schema.unprotected",
        look=unprotected,
        says=(
            "A trigger that protects stored rows is missing or changed: {}. Run appeals migrate, and find out who "
            "changed it, and what else."
        ),
    ),
    problem(
        "schema.other_rights",
        look=other_rights,
        says="The service's database user {}, which differs from what this release needs: run appeals migrate.",
    ),
    note(
        "database.one_user",
        look=one_user,
        says=(
            "The service's database user {} owns the tables, and so could remove the protection of the history: make "
            "another user the owner, for appeals migrate (docs/deployment.md)."
        ),
    ),
    note(
        "account.unconfirmed",
        look=unconfirmed_grants,
        says=(
            "{}, and no second person has confirmed it: ask a coordinator to call POST "
            "/v1/memberships/{{id}}/confirmation (docs/accounts.md), or end the role with appeals account end-role."
        ),
    ),
    note(
        "account.locked_out",
        look=locked_out,
        says=(
            "{0} has no live key: its holder can create one with an enrolment code (docs/accounts.md), or you with "
            "appeals key new. Disable the account if nobody needs it."
        ),
    ),
    note(
        "key.first",
        look=first_keys,
        says=(
            "Key {} was printed when the network was created, and may be in the service's log: its holder can rotate "
            "it over HTTP (docs/http.md), or you with appeals key rotate."
        ),
    ),
    note(
        "key.too_long",
        look=keys_too_long,
        says="Key {} is valid for very long: replace it by one that is valid for a year at most.",
    ),
    note(
        "key.soon_over",
        look=keys_soon_over,
        says="Key {} expires soon: its holder should rotate it.",
    ),
    note(
        "key.idle",
        look=keys_idle,
        says=f"Key {{}} was not used for {IDLE.days} days: revoke it if nobody needs it.",
    ),
)
