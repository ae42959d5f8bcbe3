"""The command as a shell runs it, on a database of the test."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from appeals import __main__ as command
from appeals.cli import commands, database_and_pepper, replay_player
from appeals.database.engine import Database
from appeals.settings import ROOT, Settings
from appeals.settings import database_of as settings_database_of
from tests.conftest import PEPPER

KEY = re.compile(r"ua_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}")

Appeals = Callable[..., Result]

Refused = Callable[..., str]

CASES = str(ROOT / "examples" / "real_cases.jsonl")

ON_A_NETWORK = [
    ["key", "new", "--role", "reader"],
    ["key", "list"],
    ["key", "revoke", "00000000"],
    ["account", "new", "desk", "--role", "reader"],
    ["account", "list"],
    ["account", "grant", "desk", "--role", "reader"],
    ["account", "end-role", "desk", "--role", "reader"],
    ["account", "disable", "desk", "--reason", "left"],
    ["entity", "new", "Sample Desk", "--kind", "member"],
    ["entity", "list"],
    ["key", "rotate", "00000000"],
    ["replay", CASES],
]
"""What works on a network that stands already."""

NOWHERE = "postgresql://desk:secret-word@127.0.0.1:1/appeals"


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
