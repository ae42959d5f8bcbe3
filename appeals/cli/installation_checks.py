"""The doctor's checks of the settings and the files on this machine."""

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
"""The folder in which a container finds its secrets. They are readable for all, but nobody else is in the container."""


TLS = {"require", "verify-ca", "verify-full"}
TLS_WITH_NAME = "verify-full"
NEIGHBOUR = re.compile(r"[a-z][a-z0-9_-]*", re.IGNORECASE | re.ASCII)
"""A host name without a domain, which is usually that of another container on this machine."""


def unreadable(at: Installation) -> Iterator[str]:
    try:
        bootstrap.require_network(at.database)
    except DatabaseNotReady as failure:
        yield str(failure)


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
    """Return whether others on this machine can read or write a file, by its mode and the modes of its folders."""
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
    """Return the hosts of the database server that are not this machine."""
    url = at.database.engine.url
    if at.database.embedded:
        return []
    lists = [url.host, *_many(url.query.get("host")), *_many(url.query.get("hostaddr"))]
    hosts = [host for hosts in lists if hosts for host in hosts.split(",")]
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
    for name, setting in urls.items():
        url = make_url(setting) if setting else None
        if url is not None and (url.password is not None or "password" in url.query):
            yield f"APPEALS_{name}"


def owner_at_hand(at: Installation) -> Iterator[str]:
    if at.settings.migration_database_url is not None:
        yield "APPEALS_MIGRATION_DATABASE_URL"


def no_proxy(at: Installation) -> Iterator[str]:
    if not _is_loopback(at.settings.host) and not at.settings.proxy:
        yield at.settings.host


def any_proxy(at: Installation) -> Iterator[str]:
    addresses = {part.strip() for part in (at.settings.proxy or "").split(",")}
    return (everybody for everybody in ("*", "0.0.0.0/0", "::/0") if everybody in addresses)


UNREADABLE = problem(
    "database.unreadable",
    look=unreadable,
    says="The database was not checked: {}.",
)
OF_THE_INSTALLATION: tuple[Check[Installation], ...] = (
    UNREADABLE,
    problem(
        "pepper.missing",
        look=missing_pepper,
        says="The pepper file {} does not exist: run this where the service runs, or set APPEALS_PEPPER_FILE.",
    ),
    problem(
        "pepper.short",
        look=short_pepper,
        says=(
            f"The pepper in {{}} is shorter than {SHORTEST_PEPPER} characters and could be guessed: use 32 random "
            "characters, and replace all keys."
        ),
    ),
    note(
        "pepper.in_environment",
        look=pepper_in_the_environment,
        says="Every child process can read {}: put the pepper in a file, and set APPEALS_PEPPER_FILE to its path.",
    ),
    problem(
        "webhooks.to_this_machine",
        look=webhooks_to_this_machine,
        says="With {}, a webhook can reach services that listen only on this machine: remove the setting.",
    ),
    problem(
        "secret.open",
        look=open_secrets,
        says="Other users of this machine can read {}: run chmod 600 on it, or close its folder (chmod 700).",
    ),
    problem(
        "database.open",
        look=open_database,
        says=(
            "Other users of this machine can read the database {}: run chmod 600 on it, or close its folder "
            "(chmod 700)."
        ),
    ),
    problem(
        "database.several_writers",
        look=several_writers,
        says=(
            "{} workers cannot share an SQLite database, which one process writes to: set APPEALS_WORKERS=1, or use "
            "PostgreSQL (APPEALS_DATABASE_URL)."
        ),
    ),
    problem(
        "database.unprotected_line",
        look=unprotected_line,
        says=(
            "The connection to the database at {} is not encrypted: put ?sslmode=verify-full at the end of "
            "APPEALS_DATABASE_URL."
        ),
    ),
    note(
        "database.neighbours_line",
        look=neighbours_line,
        says=(
            "The connection to the database at {} is not encrypted. This is fine between containers on one machine; "
            "if the database is on another machine, put ?sslmode=verify-full at the end of APPEALS_DATABASE_URL."
        ),
    ),
    note(
        "database.unnamed_line",
        look=unnamed_line,
        says=(
            "The certificate of the database at {} is not fully checked, so another server could impersonate it: put "
            "sslmode=verify-full in APPEALS_DATABASE_URL."
        ),
    ),
    problem(
        "database.password_in_url",
        look=password_in_the_url,
        says=(
            "{0}_URL contains a password, which every child process can read: put it in a file, and set "
            "{0}_PASSWORD_FILE to its path."
        ),
    ),
    note(
        "database.owner_at_hand",
        look=owner_at_hand,
        says=(
            "{} is only for appeals migrate: remove it from the service's settings, so that an intruder into the "
            "service cannot act as the owner of the tables."
        ),
    ),
    problem(
        "proxy.missing",
        look=no_proxy,
        says=(
            "The service accepts connections from other machines on {}, without TLS: set APPEALS_HOST=127.0.0.1, or "
            "set APPEALS_PROXY to the address of the web server in front."
        ),
    ),
    problem(
        "proxy.anybody",
        look=any_proxy,
        says=(
            "With {} in APPEALS_PROXY, any client can forge its address: set it to the address of the web server in "
            "front only."
        ),
    ),
)
