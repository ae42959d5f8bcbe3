"""The settings of the service, read from environment variables ``APPEALS_…``."""

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url

from appeals.database.engine import MIN_CONNECTIONS, RESERVED_CONNECTIONS, Database

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "APPEALS_"
OTHERS = re.compile(r"APPEALS_(TEST_[A-Z_]+|(COORDINATOR|CASEWORKER|REVIEWER)_KEY)")
"""Variables that are not settings of the service: those of the tests, and the keys of `appeals replay`."""
SHORTEST_PEPPER = 16


class SettingsError(Exception):
    """Settings that cannot be used. The message names them, and never contains a secret."""


class Settings(BaseSettings):
    """The settings of one process. A secret may also be read from the file that ``…_FILE`` names."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")

    database_url: Annotated[
        str, Field(description="URL of the database: SQLite (`sqlite:///…`) or PostgreSQL (`postgresql://…`).")
    ] = "sqlite:///appeals.db"
    database_password_file: Annotated[
        Path | None, Field(description="File with the PostgreSQL password; it replaces a password in the URL.")
    ] = None
    migration_database_url: Annotated[
        str | None,
        Field(
            description="URL with which `appeals migrate` alone connects to PostgreSQL, as the user that owns the "
            "tables. Default: the database URL, whose user then owns them."
        ),
    ] = None
    migration_database_password_file: Annotated[
        Path | None, Field(description="File with the password of the owner.")
    ] = None
    pepper: Annotated[
        SecretStr | None,
        Field(description="Secret that protects API keys, cursors and webhook secrets. Default: the pepper file."),
    ] = None
    pepper_file: Annotated[
        Path, Field(description="File with the pepper; `appeals serve` creates it if it is missing.")
    ] = Path("appeals.pepper")
    host: Annotated[str, Field(description="Address that `appeals serve` listens on.")] = "127.0.0.1"
    port: Annotated[int, Field(description="Port that `appeals serve` listens on.", ge=1, le=65535)] = 8000
    proxy: Annotated[
        str | None,
        Field(
            description="Reverse proxies (IP addresses or CIDR networks such as `10.0.0.0/8`, with commas) whose "
            "`X-Forwarded-For` is trusted. Default: loopback only."
        ),
    ] = None
    workers: Annotated[int, Field(description="Worker processes; 1 with SQLite.", ge=1, le=64)] = 1
    pool_size: Annotated[
        int,
        Field(
            description=(f"PostgreSQL connections of each worker. Writes use all but {RESERVED_CONNECTIONS} of them."),
            ge=MIN_CONNECTIONS,
            le=200,
        ),
    ] = 10
    lock_timeout_s: Annotated[
        float,
        Field(
            description="How long a write may wait for the queue and for locks, in seconds, before 503 or 409.",
            gt=0,
            le=60,
        ),
    ] = 10.0
    rate_per_minute: Annotated[
        int,
        Field(
            description="Requests that an account may make per minute to each worker; after a rest, those of 100 s "
            "at once. 0 disables the limit.",
            ge=0,
            le=1_000_000,
        ),
    ] = 1200
    public_rate_per_minute: Annotated[
        int,
        Field(
            description="The same for an address without a live key (for IPv6 a /64 network). 0 disables the limit.",
            ge=0,
            le=1_000_000,
        ),
    ] = 300
    clock_every_s: Annotated[
        float,
        Field(description="How often to process overdue dates, in seconds. 0 disables it.", ge=0, le=86_400),
    ] = 30.0
    webhooks_every_s: Annotated[
        float,
        Field(description="How often to send pending webhook events, in seconds. 0 disables them.", ge=0, le=86_400),
    ] = 2.0
    webhooks_to_loopback: Annotated[
        bool,
        Field(description="Allow webhooks to this machine, without TLS; for tests and demonstrations."),
    ] = False
    body_limit: Annotated[int, Field(description="Maximum size of a request body, in bytes.", ge=1024)] = 1_048_576
    body_timeout_s: Annotated[
        float,
        Field(
            description="How long a client may take to send a body, or pause in reading an answer, in seconds.",
            gt=0,
            le=3600,
        ),
    ] = 60.0
    body_rate: Annotated[
        int,
        Field(description="Minimum speed of a request body after 5 s, in bytes per second. 0 allows any.", ge=0),
    ] = 500
    header_limit: Annotated[
        int,
        Field(description="Maximum size of the address and all headers, in bytes.", ge=1024, le=1_048_576),
    ] = 16_384
    header_timeout_s: Annotated[
        float, Field(description="How long a client may take to send its headers, in seconds.", gt=0, le=3600)
    ] = 15.0
    idle_timeout_s: Annotated[
        float, Field(description="How long a connection may be idle between two requests, in seconds.", gt=0, le=3600)
    ] = 60.0
    connection_limit: Annotated[
        int,
        Field(
            description="Maximum connections of each worker, within the limit of open files. Above it, the connection "
            "that has been unfinished longest is closed.",
            ge=10,
        ),
    ] = 2000

    @property
    def database_dsn(self) -> str:
        """The database URL, with the password from its file."""
        if self.database_password_file is None:
            return self.database_url
        password = self.database_password_file.read_text().strip()
        return make_url(self.database_url).set(password=password).render_as_string(hide_password=False)

    def of_the_owner(self) -> "Settings":
        """Return the same settings, with the database as `appeals migrate` opens it."""
        if self.migration_database_url is None:
            return self
        changed = {
            "database_url": self.migration_database_url,
            "database_password_file": self.migration_database_password_file,
        }
        return self.model_copy(update=changed)


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises: SettingsError, also for an unknown name, which may be mistyped.
    """
    names = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    strange = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in names)
    mistyped = [f"{name} is not a setting" for name in strange if not OTHERS.fullmatch(name)]
    if mistyped:
        raise SettingsError(f"{'; '.join(mistyped)}; docs/configuration.md lists them")
    try:
        return Settings()
    except ValidationError as error:
        wrong = [f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()]
        raise SettingsError("; ".join(wrong)) from None


def pepper_of(settings: Settings) -> bytes:
    """Return the pepper of this installation; creates `pepper_file` (mode 0600) if it does not exist.

    Raises: SettingsError.
    """
    if settings.pepper is not None:
        return _long_enough(settings.pepper.get_secret_value().encode(), "APPEALS_PEPPER")
    path = settings.pepper_file
    if not path.exists():
        _make_pepper(path)
    return _long_enough(path.read_bytes().strip(), str(path))


def _long_enough(pepper: bytes, where: str) -> bytes:
    if len(pepper) < SHORTEST_PEPPER:
        raise SettingsError(f"the pepper in {where} is shorter than {SHORTEST_PEPPER} characters and could be guessed")
    return pepper


def _make_pepper(path: Path) -> None:
    """Write a new pepper to a temporary file and then rename it, so that two processes use the same one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32))
    with suppress(FileExistsError):
        path.hardlink_to(draft)
    draft.unlink()


def database_of(settings: Settings) -> Database:
    """Return the database that the settings name."""
    return Database(settings.database_dsn, pool_size=settings.pool_size, lock_timeout_s=settings.lock_timeout_s)
