"""The doctor: what about this installation is not safe, in sentences that say what to set.

A problem is refused, a note is for somebody to look at. No sentence holds a secret: accounts are named by their
handles, keys by their ids.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Generic, TypeVar

from sqlalchemy import and_, func, make_url, select
from sqlalchemy.orm import Session, aliased

from appeals.access.roles import CASE_ROLES
from appeals.accounts import bootstrap
from appeals.accounts.account import Account, Membership, is_active_membership, root_holders
from appeals.accounts.api_key import Key, active_keys
from appeals.accounts.entity import Entity, check_parent_kind
from appeals.accounts.role_confirmation import unconfirmed
from appeals.cases.case import Case
from appeals.cases.history import HistoryEntry
from appeals.database import migrations, protection
from appeals.database.engine import Database
from appeals.errors import Invalid
from appeals.read_models import statistics
from appeals.read_models.case_snapshot import CaseSnapshot, all_counted_cases, stale_snapshots
from appeals.read_models.change_feed import count_foreign_changes
from appeals.read_models.statistics import TABLES
from appeals.settings import SHORTEST_PEPPER, Settings
from appeals.vocabulary import EntityKind, KeyOrigin, Role

MOUNTED_SECRETS = Path("/run/secrets")
"""Where a container finds its secrets: open to all, and nobody else is there."""
SOON = timedelta(days=30)
LONG = timedelta(days=400)
IDLE = timedelta(days=90)
LOOKED_AT = 100
TLS = {"require", "verify-ca", "verify-full"}
TLS_WITH_NAME = "verify-full"
NEIGHBOUR = re.compile(r"[a-z][a-z0-9_-]*", re.IGNORECASE | re.ASCII)
"""A name without a domain: that of a container beside this one, as a rule."""
Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, and the name of the check that found it."""

    check: str
    is_problem: bool
    says: str


@dataclass(frozen=True)
class Check(Generic[Seen]):
    """What is looked for. Each text that `look` yields is a finding, and completes the sentence."""

    name: str
    is_problem: bool
    look: Callable[[Seen], Iterable[str]]
    says: str

    def findings(self, seen: Seen) -> Iterator[Finding]:
        """What this check finds."""
        return (Finding(self.name, self.is_problem, self.says.format(text)) for text in self.look(seen))


@dataclass(frozen=True)
class Installation:
    """The settings, and the database that they lead to."""

    settings: Settings
    database: Database


@dataclass(frozen=True)
class Network:
    """What stands in the database, in one snapshot, and the time at which it is looked at."""

    session: Session
    now: datetime


def findings(settings: Settings, database: Database, now: datetime) -> list[Finding]:
    """All that is found; of what stands in the database, only where that can be read."""
    installation = Installation(settings, database)
    findings = [finding for check in OF_THE_INSTALLATION for finding in check.findings(installation)]
    if any(finding.check == UNREADABLE.name for finding in findings):
        return findings
    with database.reading() as session:
        network = Network(session, now)
        return findings + [finding for check in OF_THE_NETWORK for finding in check.findings(network)]


# The installation


def unreadable(at: Installation) -> Iterator[str]:
    try:
        bootstrap.require_network(at.database)
    except migrations.DatabaseNotReady as unfit:
        yield str(unfit)


def missing_pepper(at: Installation) -> Iterator[str]:
    if at.settings.pepper is None and not at.settings.pepper_file.exists():
        yield str(at.settings.pepper_file)


def short_pepper(at: Installation) -> Iterator[str]:
    pepper, file = at.settings.pepper, at.settings.pepper_file
    if pepper is not None and len(pepper.get_secret_value().encode()) < SHORTEST_PEPPER:
        yield "APPEALS_PEPPER"
    if pepper is None and file.exists() and len(file.read_bytes().strip()) < SHORTEST_PEPPER:
        yield str(file)


def pepper_in_the_environment(at: Installation) -> Iterator[str]:
    if at.settings.pepper is not None:
        yield "APPEALS_PEPPER"


def webhooks_to_this_machine(at: Installation) -> Iterator[str]:
    if at.settings.webhooks_to_loopback:
        yield "APPEALS_WEBHOOKS_TO_LOOPBACK"


def open_secrets(at: Installation) -> Iterator[str]:
    passwords = (at.settings.database_password_file, at.settings.migration_database_password_file)
    files = [at.settings.pepper_file if at.settings.pepper is None else None, *passwords]
    return (str(file) for file in files if file is not None and _is_open(file))


def open_database(at: Installation) -> Iterator[str]:
    file = at.database.file
    if file is not None and _is_open(file):
        yield str(file)


def _is_open(file: Path) -> bool:
    """True when others on this machine can read or write a file: its mode and its folders let them."""
    whole = file.resolve()
    if not whole.exists() or whole.is_relative_to(MOUNTED_SECRETS):
        return False
    others = stat.S_IROTH | stat.S_IWOTH
    return bool(whole.stat().st_mode & others) and all(folder.stat().st_mode & stat.S_IXOTH for folder in whole.parents)


def several_writers(at: Installation) -> Iterator[str]:
    if at.database.embedded and at.settings.workers > 1:
        yield str(at.settings.workers)


def unprotected_line(at: Installation) -> Iterator[str]:
    if _sslmode(at) not in TLS:
        yield from (host for host in _far_hosts(at) if not NEIGHBOUR.fullmatch(host))


def neighbours_line(at: Installation) -> Iterator[str]:
    if _sslmode(at) not in TLS:
        yield from filter(NEIGHBOUR.fullmatch, _far_hosts(at))


def unnamed_line(at: Installation) -> Iterator[str]:
    if _sslmode(at) in TLS - {TLS_WITH_NAME}:
        yield from _far_hosts(at)


def _sslmode(at: Installation) -> str:
    return str(at.database.engine.url.query.get("sslmode") or os.environ.get("PGSSLMODE", ""))


def _far_hosts(at: Installation) -> list[str]:
    """The hosts that a database server is looked for on, but for this machine and its sockets."""
    url = at.database.engine.url
    if at.database.embedded:
        return []
    told = [url.host, *_many(url.query.get("host")), *_many(url.query.get("hostaddr"))]
    hosts = [host for many in told if many for host in many.split(",")]
    return [host for host in hosts if not host.startswith(("/", "@")) and not _is_loopback(host)]


def _many(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,) if value else ()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def password_in_the_url(at: Installation) -> Iterator[str]:
    urls = {"DATABASE": at.settings.database_url, "MIGRATION_DATABASE": at.settings.migration_database_url}
    for name, told in urls.items():
        url = make_url(told) if told else None
        if url is not None and (url.password is not None or "password" in url.query):
            yield f"APPEALS_{name}"


def owner_at_hand(at: Installation) -> Iterator[str]:
    if at.settings.migration_database_url is not None:
        yield "APPEALS_MIGRATION_DATABASE_URL"


def no_proxy(at: Installation) -> Iterator[str]:
    if not _is_loopback(at.settings.host) and not at.settings.proxy:
        yield at.settings.host


def any_proxy(at: Installation) -> Iterator[str]:
    told = {part.strip() for part in (at.settings.proxy or "").split(",")}
    return (everybody for everybody in ("*", "0.0.0.0/0", "::/0") if everybody in told)


UNREADABLE = Check("database.unreadable", True, unreadable, "What stands in the database was not looked at: {}.")
OF_THE_INSTALLATION: tuple[Check[Installation], ...] = (
    UNREADABLE,
    Check(
        "pepper.missing", True, missing_pepper,
        "There is no pepper {}: run this where the service runs, or set APPEALS_PEPPER_FILE.",
    ),
    Check(
        "pepper.short", True, short_pepper,
        f"The pepper in {{}} is shorter than {SHORTEST_PEPPER} characters, anybody could guess it: take 32 random ones "
        "and make every key anew.",
    ),
    Check(
        "pepper.in_environment", False, pepper_in_the_environment,
        "{} is seen by every child process: put the pepper in a file, and name that in APPEALS_PEPPER_FILE.",
    ),
    Check(
        "webhooks.to_this_machine", True, webhooks_to_this_machine,
        "With {} whoever may make a webhook reaches what listens on this machine alone: leave it out.",
    ),
    Check("secret.open", True, open_secrets, "Others on this machine can read {}: chmod 600 it, or close its folder."),
    Check(
        "database.open", True, open_database,
        "Others on this machine can read the database {}: chmod 600 it, or close its folder (chmod 700).",
    ),
    Check(
        "database.several_writers", True, several_writers,
        "{} workers cannot share this database, which has one writing process: set APPEALS_WORKERS=1, or a server in "
        "APPEALS_DATABASE_URL.",
    ),
    Check(
        "database.unprotected_line", True, unprotected_line,
        "What passes between here and the database at {} can be read on the way: put ?sslmode=verify-full at the end "
        "of APPEALS_DATABASE_URL.",
    ),
    Check(
        "database.neighbours_line", False, neighbours_line,
        "What passes between here and the database at {} is not encrypted. Between containers on one machine it need "
        "not be; if that is another machine, put ?sslmode=verify-full at the end of APPEALS_DATABASE_URL.",
    ),
    Check(
        "database.unnamed_line", False, unnamed_line,
        "Somebody else could pass for the database at {}: put sslmode=verify-full in APPEALS_DATABASE_URL.",
    ),
    Check(
        "database.password_in_url", True, password_in_the_url,
        "{0}_URL holds a password, which every child process sees: put it in a file, and name that in "
        "{0}_PASSWORD_FILE.",
    ),
    Check(
        "database.owner_at_hand", False, owner_at_hand,
        "{} is for appeals migrate alone: leave it out where the service runs, so that whoever gets hold of that does "
        "not get the owner of the tables.",
    ),
    Check(
        "proxy.missing", True, no_proxy,
        "The service listens on {} for anybody, and speaks no TLS: set APPEALS_HOST=127.0.0.1, or name the web server "
        "in front in APPEALS_PROXY.",
    ),
    Check(
        "proxy.anybody", True, any_proxy,
        "With {} in APPEALS_PROXY anybody can say where they call from: name the web server in front and nobody else.",
    ),
)  # fmt: skip


# The network


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
