"""The checks of the settings and of what lies on this machine."""

import os
import re
import stat
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from sqlalchemy import make_url

from appeals.accounts import bootstrap
from appeals.cli.checks import Check, Installation, note, problem
from appeals.database.requirements import DatabaseNotReady
from appeals.settings import SHORTEST_PEPPER

MOUNTED_SECRETS = Path("/run/secrets")
"""Where a container finds its secrets: open to all, and nobody else is there."""


TLS = {"require", "verify-ca", "verify-full"}
TLS_WITH_NAME = "verify-full"
NEIGHBOUR = re.compile(r"[a-z][a-z0-9_-]*", re.IGNORECASE | re.ASCII)
"""A name without a domain: that of a container beside this one, as a rule."""


def unreadable(at: Installation) -> Iterator[str]:
    try:
        bootstrap.require_network(at.database)
    except DatabaseNotReady as unfit:
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


UNREADABLE = problem(
    "database.unreadable",
    look=unreadable,
    says="What stands in the database was not looked at: {}.",
)
OF_THE_INSTALLATION: tuple[Check[Installation], ...] = (
    UNREADABLE,
    problem(
        "pepper.missing",
        look=missing_pepper,
        says="There is no pepper {}: run this where the service runs, or set APPEALS_PEPPER_FILE.",
    ),
    problem(
        "pepper.short",
        look=short_pepper,
        says=(
            f"The pepper in {{}} is shorter than {SHORTEST_PEPPER} characters, anybody could guess it: take 32 random "
            "ones and make every key anew."
        ),
    ),
    note(
        "pepper.in_environment",
        look=pepper_in_the_environment,
        says="{} is seen by every child process: put the pepper in a file, and name that in APPEALS_PEPPER_FILE.",
    ),
    problem(
        "webhooks.to_this_machine",
        look=webhooks_to_this_machine,
        says="With {} whoever may make a webhook reaches what listens on this machine alone: leave it out.",
    ),
    problem(
        "secret.open",
        look=open_secrets,
        says="Others on this machine can read {}: chmod 600 it, or close its folder.",
    ),
    problem(
        "database.open",
        look=open_database,
        says="Others on this machine can read the database {}: chmod 600 it, or close its folder (chmod 700).",
    ),
    problem(
        "database.several_writers",
        look=several_writers,
        says=(
            "{} workers cannot share this database, which has one writing process: set APPEALS_WORKERS=1, or a server"
            " in APPEALS_DATABASE_URL."
        ),
    ),
    problem(
        "database.unprotected_line",
        look=unprotected_line,
        says=(
            "What passes between here and the database at {} can be read on the way: put ?sslmode=verify-full at the "
            "end of APPEALS_DATABASE_URL."
        ),
    ),
    note(
        "database.neighbours_line",
        look=neighbours_line,
        says=(
            "What passes between here and the database at {} is not encrypted. Between containers on one machine it "
            "need not be; if that is another machine, put ?sslmode=verify-full at the end of APPEALS_DATABASE_URL."
        ),
    ),
    note(
        "database.unnamed_line",
        look=unnamed_line,
        says="Somebody else could pass for the database at {}: put sslmode=verify-full in APPEALS_DATABASE_URL.",
    ),
    problem(
        "database.password_in_url",
        look=password_in_the_url,
        says=(
            "{0}_URL holds a password, which every child process sees: put it in a file, and name that in "
            "{0}_PASSWORD_FILE."
        ),
    ),
    note(
        "database.owner_at_hand",
        look=owner_at_hand,
        says=(
            "{} is for appeals migrate alone: leave it out where the service runs, so that whoever gets hold of that "
            "does not get the owner of the tables."
        ),
    ),
    problem(
        "proxy.missing",
        look=no_proxy,
        says=(
            "The service listens on {} for anybody, and speaks no TLS: set APPEALS_HOST=127.0.0.1, or name the web "
            "server in front in APPEALS_PROXY."
        ),
    ),
    problem(
        "proxy.anybody",
        look=any_proxy,
        says=(
            "With {} in APPEALS_PROXY anybody can say where they call from: name the web server in front and "
            "nobody else."
        ),
    ),
)
