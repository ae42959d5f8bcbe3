"""The command as a shell runs it, on a test database."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from appeals import __main__ as command
from appeals.cli import commands, database_and_pepper, replay_player
from appeals.database.engine import Database
from appeals.settings import Settings
from appeals.settings import database_of as settings_database_of
from tests.conftest import PEPPER
from tests.support.command_line import Appeals, Refused


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Set settings by name, as in `Settings`; nothing is written but to the test's own folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("APPEALS_PEPPER", PEPPER)

    def put(**given: str) -> None:
        for name, value in given.items():
            monkeypatch.setenv(f"APPEALS_{name.upper()}", value)

    return put


@pytest.fixture
def appeals(monkeypatch: pytest.MonkeyPatch) -> Iterator[Appeals]:
    """Run the command with arguments; its connections end with the test, as they would with the process."""
    opened: list[Database] = []

    def database_of(settings: Settings) -> Database:
        opened.append(settings_database_of(settings))
        return opened[-1]

    monkeypatch.setattr(database_and_pepper, "database_of", database_of)
    yield lambda *said: CliRunner().invoke(commands.cli, said)
    for database in opened:
        database.engine.dispose()


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, appeals: Appeals) -> Refused:
    """Run the command as a shell does; the one sentence with which it ends."""

    def run(*said: str) -> str:
        monkeypatch.setattr("sys.argv", ["appeals", *said])
        with pytest.raises(SystemExit) as ended:
            command.main()
        assert isinstance(ended.value.code, str)
        assert "\n" not in ended.value.code
        return ended.value.code

    return run


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a service answered wherever it is asked."""
    monkeypatch.setattr(replay_player, "check", lambda _file, _url: None)


@pytest.fixture
def here(settings: Callable[..., None], database_url: str) -> str:
    """The command speaks of the test's database, which holds the cast."""
    settings(database_url=database_url)
    return database_url
