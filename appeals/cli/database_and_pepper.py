"""The database and the pepper that the settings name, for the commands. Each failure has a sentence."""

from datetime import UTC, datetime

from sqlalchemy.exc import ArgumentError

import appeals.cases.case  # noqa: F401 - accounts refer to the tables of cases
from appeals.accounts import bootstrap
from appeals.database.engine import Database
from appeals.settings import Settings, SettingsError, database_of, pepper_of


def current_time() -> datetime:
    """Return the time at which a command acts."""
    return datetime.now(UTC)


def open_database(settings: Settings, setting: str = "APPEALS_DATABASE") -> Database:
    """Return the database that the settings name.

    `setting` is the beginning of the settings' names, for the sentences. Raises: SettingsError.
    """
    try:
        return database_of(settings)
    except OSError as error:
        raise _unreadable_file(f"{setting}_PASSWORD_FILE", error) from None
    except UnicodeDecodeError:
        raise SettingsError(f"the password in {settings.database_password_file} is not written in UTF-8") from None
    except (ArgumentError, ValueError):  # their messages may contain a password
        raise SettingsError(f"{setting}_URL is not the URL of a database; docs/configuration.md has examples") from None


def open_as_owner(settings: Settings) -> Database:
    """Return the same database, opened as the owner of its tables. Raises: SettingsError."""
    if settings.migration_database_url is None:
        return open_database(settings)
    return open_database(settings.of_the_owner(), "APPEALS_MIGRATION_DATABASE")


def open_network(settings: Settings) -> Database:
    """Return the database, in which the service has created the network. Raises: SettingsError, DatabaseNotReady."""
    database = open_database(settings)
    bootstrap.require_network(database)
    return database


def any_pepper(settings: Settings) -> bytes:
    """Return the pepper; the first start of the service creates it. Raises: SettingsError."""
    try:
        return pepper_of(settings)
    except OSError as error:
        raise _unreadable_file("APPEALS_PEPPER_FILE", error) from None


def existing_pepper(settings: Settings) -> bytes | None:
    """Return the pepper, or None if there is none yet. Raises: SettingsError."""
    return any_pepper(settings) if settings.pepper is not None or settings.pepper_file.exists() else None


def required_pepper(settings: Settings) -> bytes:
    """Return the pepper of the service: keys made with another one would not work. Raises: SettingsError."""
    pepper = existing_pepper(settings)
    if pepper is None:
        remedy = "run this command where the service runs, or set APPEALS_PEPPER_FILE"
        raise SettingsError(f"the pepper file {settings.pepper_file} does not exist; {remedy}")
    return pepper


def _unreadable_file(setting: str, error: OSError) -> SettingsError:
    return SettingsError(f"{setting}: {error.filename}: {error.strerror}")
