"""The database and the pepper that the settings name, for the commands; each mistake in a sentence."""

from datetime import UTC, datetime

from sqlalchemy.exc import ArgumentError

import appeals.cases.case  # noqa: F401 - accounts refer to the tables of cases
from appeals.accounts import bootstrap
from appeals.database.engine import Database
from appeals.settings import Settings, SettingsError, database_of, pepper_of


def current_time() -> datetime:
    """The time at which a command acts."""
    return datetime.now(UTC)


def open_database(settings: Settings, setting: str = "APPEALS_DATABASE") -> Database:
    """The database of the settings, wherever it may be. `setting` is how those begin that name it. Raises:
    SettingsError.
    """
    try:
        return database_of(settings)
    except OSError as error:
        raise _unreadable_file(f"{setting}_PASSWORD_FILE", error) from None
    except UnicodeDecodeError:
        raise SettingsError(f"the password in {settings.database_password_file} is not written in UTF-8") from None
    except (ArgumentError, ValueError):  # whose words may hold a password
        raise SettingsError(f"{setting}_URL is not the URL of a database; docs/configuration.md has examples") from None


def open_as_owner(settings: Settings) -> Database:
    """The same database, as who owns its tables. Raises: SettingsError."""
    if settings.migration_database_url is None:
        return open_database(settings)
    return open_database(settings.of_the_owner(), "APPEALS_MIGRATION_DATABASE")


def open_network(settings: Settings) -> Database:
    """The database with the network that the service founded in it. Raises: SettingsError, DatabaseNotReady."""
    database = open_database(settings)
    bootstrap.require_network(database)
    return database


def any_pepper(settings: Settings) -> bytes:
    """The pepper; a first start makes it. Raises: SettingsError."""
    try:
        return pepper_of(settings)
    except OSError as error:
        raise _unreadable_file("APPEALS_PEPPER_FILE", error) from None


def existing_pepper(settings: Settings) -> bytes | None:
    """The pepper, unless there is none yet. Raises: SettingsError."""
    return any_pepper(settings) if settings.pepper is not None or settings.pepper_file.exists() else None


def required_pepper(settings: Settings) -> bytes:
    """The pepper that the service uses: keys made with another would open nothing. Raises: SettingsError."""
    pepper = existing_pepper(settings)
    if pepper is None:
        where = "run this where the service runs, or set APPEALS_PEPPER_FILE"
        raise SettingsError(f"there is no pepper {settings.pepper_file}; {where}")
    return pepper


def _unreadable_file(setting: str, error: OSError) -> SettingsError:
    return SettingsError(f"{setting}: {error.filename}: {error.strerror}")
