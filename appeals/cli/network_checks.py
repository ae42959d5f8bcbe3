"""The checks of what the database holds: keys, roles, entities, cases, rights."""

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


def _keys(at: Network, wanted: Callable[[Key], bool]) -> Iterator[str]:
    """The live keys that are wanted, with whose they are and when they end."""
    query = select(Key, Account.name).join(Account, Account.id == Key.account_id).where(Account.active)
    for key, name in at.session.execute(query.order_by(Account.name, Key.id)):
        if key.is_active(at.now) and wanted(key):
            yield f"{key.id} of {name} (until {key.ends_at.date()})"


def unconfirmed_grants(at: Network) -> Iterator[str]:
    """What the command gave, or an older release, and nobody has confirmed since."""
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
    """Of the accounts that hold a role."""
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
    return (name for name, held in roles.items() if Role.ADMIN in held and held & CASE_ROLES)


def partners_above_others(at: Network) -> Iterator[str]:
    """Partners held in an entity that has others below it: a partner is good for the entity itself alone."""
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
        says="Nobody with a live key is {0} of the root: make one with appeals key new --role {0}.",
    ),
    problem(
        "account.admin_with_cases",
        look=admins_with_cases,
        says=(
            "{0} is admin and has a role on cases too, and an admin sees no case content: take one away with appeals "
            "account end-role."
        ),
    ),
    note(
        "account.partner_above",
        look=partners_above_others,
        says=(
            "{}, which has others below it, and works on what it logs itself, not on what those below it log: give "
            "the role there."
        ),
    ),
    problem(
        "network.roots",
        look=several_roots,
        says="The network has one root, not: {}. Restore a backup.",
    ),
    problem(
        "network.misplaced",
        look=misplaced,
        says="An entity is not in its place: {}.",
    ),
    problem(
        "network.paths",
        look=wrong_paths,
        says="The path of {} does not lead to it, so roles are good where they should not be: restore a backup.",
    ),
    problem(
        "view.stale",
        look=stale_views,
        says="What is kept of {} is not what this release shows: run appeals rebuild.",
    ),
    problem(
        "feed.restored",
        look=restored,
        says="{} changes were numbered by another server, and nobody hears of them: run appeals reset-feed.",
    ),
    problem(
        "statistics.miscounted",
        look=miscounted,
        says="{} counts of cases are not what counting anew gives: run appeals rebuild, which counts anew.",
    ),
    problem(
        "case.unmoved",
        look=unmoved,
        says=(
            "The status of {} is not that of its last step, as if somebody had written to the database: restore a"
            " backup."
        ),
    ),
    problem(
        "schema.unprotected",
        look=unprotected,
        says=(
            "What keeps rows as they were written is not as this release makes it: {}. Run appeals migrate, and ask "
            "who changed it, and what besides."
        ),
    ),
    problem(
        "schema.other_rights",
        look=other_rights,
        says="The service's user {}, which is not what this release asks for: run appeals migrate.",
    ),
    note(
        "database.one_user",
        look=one_user,
        says=(
            "The service's user {} owns the tables, and so could take away what keeps history as it is: give the "
            "tables to another one, for appeals migrate (docs/deployment.md)."
        ),
    ),
    note(
        "account.unconfirmed",
        look=unconfirmed_grants,
        says=(
            "{}, and no second person confirmed it: have a coordinator do so at POST "
            "/v1/memberships/{{id}}/confirmation (docs/accounts.md), or end it with appeals account end-role."
        ),
    ),
    note(
        "account.locked_out",
        look=locked_out,
        says=(
            "{0} has no live key: its holder makes one with an enrolment code (docs/accounts.md), or you with appeals"
            " key new; or disable it."
        ),
    ),
    note(
        "key.first",
        look=first_keys,
        says=(
            "Key {} was printed when the network was founded, and the service's log may hold it: rotate it, with "
            "itself (docs/http.md) or with appeals key rotate."
        ),
    ),
    note(
        "key.too_long",
        look=keys_too_long,
        says="Key {} lives very long: make one that is good for a year at most.",
    ),
    note(
        "key.soon_over",
        look=keys_soon_over,
        says="Key {} ends soon: its holder should rotate it.",
    ),
    note(
        "key.idle",
        look=keys_idle,
        says=f"Key {{}} was not used for {IDLE.days} days: revoke it if nobody needs it.",
    ),
)
