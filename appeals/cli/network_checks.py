"""The checks of what the database holds: keys, roles, entities, cases, rights."""

from collections.abc import Callable, Iterator
from datetime import timedelta

from sqlalchemy import and_, func, select
from sqlalchemy.orm import aliased

from appeals.access.roles import CASE_ROLES
from appeals.accounts.account import Account, Membership, is_active_membership, root_holders
from appeals.accounts.api_key import Key, active_keys
from appeals.accounts.entity import Entity, check_parent_kind
from appeals.accounts.role_confirmation import unconfirmed
from appeals.cases.case import Case
from appeals.cases.history import HistoryEntry
from appeals.cli.checks import Check, Network
from appeals.database import protection
from appeals.errors import Invalid
from appeals.read_models import statistics
from appeals.read_models.case_snapshot import CaseSnapshot, all_counted_cases, stale_snapshots
from appeals.read_models.change_feed import count_foreign_changes
from appeals.read_models.statistics import TABLES
from appeals.vocabulary import EntityKind, KeyOrigin, Role

SOON = timedelta(days=30)
LONG = timedelta(days=400)
IDLE = timedelta(days=90)
LOOKED_AT = 100


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


def stale_views(at: Network) -> Iterator[str]:
    """Of the cases of which nothing is kept, and of those that were written to last."""
    unkept = select(Case).where(Case.id.not_in(select(CaseSnapshot.case_id))).limit(LOOKED_AT)
    newest = select(Case).order_by(Case.updated_at.desc(), Case.id.desc()).limit(LOOKED_AT)
    for query in (unkept, newest):
        yield from (case.reference for case in stale_snapshots(at.session, at.session.scalars(query)))


def restored(at: Network) -> Iterator[str]:
    """How many changes of the feed were numbered by another server."""
    changes = count_foreign_changes(at.session)
    if changes:
        yield str(changes)


def miscounted(at: Network) -> Iterator[str]:
    """How many counts by one dimension are not what counting anew gives."""
    wrong = statistics.miscounted(at.session, all_counted_cases, [name for name in TABLES if "," not in name])
    if wrong:
        yield str(wrong)


def unmoved(at: Network) -> Iterator[str]:
    """The cases of which the status is not that of the last entry of their history (domain.md, invariant 5)."""
    numbered = select(HistoryEntry.case_id, func.max(HistoryEntry.sequence).label("last"))
    last = numbered.group_by(HistoryEntry.case_id).subquery()
    entry = and_(HistoryEntry.case_id == last.c.case_id, HistoryEntry.sequence == last.c.last)
    query = select(Case.reference).outerjoin(last, last.c.case_id == Case.id).outerjoin(HistoryEntry, entry)
    moved = func.coalesce(HistoryEntry.to_status, "")
    return iter(at.session.scalars(query.where(Case.status != moved).order_by(Case.reference).limit(LOOKED_AT)))


def unprotected(at: Network) -> Iterator[str]:
    """Names of what keeps rows as they are, and is not as this release makes it."""
    return iter(protection.differing_triggers(at.session.connection()))


def other_rights(at: Network) -> Iterator[str]:
    """On a server: what the service's user may do and should not, or should and may not."""
    connection = at.session.connection()
    if not protection.is_embedded(connection) and not protection.is_owner(connection):
        yield from protection.differing_rights(connection)


def one_user(at: Network) -> Iterator[str]:
    connection = at.session.connection()
    if not protection.is_embedded(connection) and protection.is_owner(connection):
        yield str(connection.engine.url.username)


def _entities(at: Network) -> list[Entity]:
    return list(at.session.scalars(select(Entity).order_by(Entity.name)))


OF_THE_NETWORK: tuple[Check[Network], ...] = (
    Check(
        "root.nobody", True, nobody_at_the_root,
        "Nobody with a live key is {0} of the root: make one with appeals key new --role {0}.",
    ),
    Check(
        "account.admin_with_cases", True, admins_with_cases,
        "{0} is admin and has a role on cases too, and an admin sees no case content: take one away with appeals "
        "account end-role.",
    ),
    Check(
        "account.partner_above", False, partners_above_others,
        "{}, which has others below it, and works on what it logs itself, not on what those below it log: give the "
        "role there.",
    ),
    Check("network.roots", True, several_roots, "The network has one root, not: {}. Restore a backup."),
    Check("network.misplaced", True, misplaced, "An entity is not in its place: {}."),
    Check(
        "network.paths", True, wrong_paths,
        "The path of {} does not lead to it, so roles are good where they should not be: restore a backup.",
    ),
    Check(
        "view.stale", True, stale_views,
        "What is kept of {} is not what this release shows: run appeals rebuild.",
    ),
    Check(
        "feed.restored", True, restored,
        "{} changes were numbered by another server, and nobody hears of them: run appeals reset-feed.",
    ),
    Check(
        "statistics.miscounted", True, miscounted,
        "{} counts of cases are not what counting anew gives: run appeals rebuild, which counts anew.",
    ),
    Check(
        "case.unmoved", True, unmoved,
        "The status of {} is not that of its last step, as if somebody had written to the database: restore a backup.",
    ),
    Check(
        "schema.unprotected", True, unprotected,
        "What keeps rows as they were written is not as this release makes it: {}. Run appeals migrate, and ask who "
        "changed it, and what besides.",
    ),
    Check(
        "schema.other_rights", True, other_rights,
        "The service's user {}, which is not what this release asks for: run appeals migrate.",
    ),
    Check(
        "database.one_user", False, one_user,
        "The service's user {} owns the tables, and so could take away what keeps history as it is: give the tables to "
        "another one, for appeals migrate (docs/deployment.md).",
    ),
    Check(
        "account.unconfirmed", False, unconfirmed_grants,
        "{}, and no second person confirmed it: have a coordinator do so at POST /v1/memberships/{{id}}/confirmation "
        "(docs/accounts.md), or end it with appeals account end-role.",
    ),
    Check(
        "account.locked_out", False, locked_out,
        "{0} has no live key: its holder makes one with an enrolment code (docs/accounts.md), or you with appeals key "
        "new; or disable it.",
    ),
    Check(
        "key.first", False, first_keys,
        "Key {} was printed when the network was founded, and the service's log may hold it: rotate it, with itself "
        "(docs/http.md) or with appeals key rotate.",
    ),
    Check("key.too_long", False, keys_too_long, "Key {} lives very long: make one that is good for a year at most."),
    Check("key.soon_over", False, keys_soon_over, "Key {} ends soon: its holder should rotate it."),
    Check("key.idle", False, keys_idle, f"Key {{}} was not used for {IDLE.days} days: revoke it if nobody needs it."),
)  # fmt: skip
