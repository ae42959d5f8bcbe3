"""The list of commands imports none of them; a module is imported when its command runs."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from appeals.cli.commands import COMMANDS
from benchmarks.service import settings
from tests.conftest import PEPPER
from tests.support.commands import subcommand

DEAR = ("alembic", "appeals.app", "appeals.settings", "fastapi", "pydantic", "sqlalchemy", "starlette", "uvicorn")
"""What takes long to import, and what imports it."""
SERVING = ("appeals.app", "fastapi", "starlette", "uvicorn")
MIGRATING = ("alembic", "appeals.database.migrations", "mako")
PROGRAM = """
import runpy, sys
try:
    runpy.run_module("appeals", run_name="__main__", alter_sys=True)
finally:
    sys.stderr.write(" ".join(sys.modules))
"""


def run(*arguments: str, **given: str) -> tuple[int, set[str]]:
    """Run the command in a process of its own: with what it ends, and what it imported."""
    environment = {**settings(**given), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(  # noqa: S603 - the program above
        [sys.executable, "-c", PROGRAM, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_the_command_says_of_itself(name: str) -> None:
    """The help of a command, up to the first empty line."""
    says = inspect.cleandoc(subcommand(name).help or "").partition("\n\n")[0]
    assert COMMANDS[name].says == says.replace("\n", " ")


@pytest.mark.parametrize("arguments", [["--help"], []], ids=["help", "nothing"])
def test_the_list_of_commands_imports_none_of_them(arguments: list[str]) -> None:
    _, modules = run(*arguments)
    assert modules.isdisjoint(DEAR)
    assert {name for name in modules if name.startswith("appeals.")} == {"appeals.cli", "appeals.cli.commands"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["entity", "new", "A member", "--kind", "working_group"],
        ["account", "new", "a-handle", "--role", "caseworker"],
        ["key", "new", "--role", "reader"],
        ["key", "list"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_command_of_the_network_imports_nothing_that_serves(database_url: str, arguments: list[str]) -> None:
    """Nor what migrates. And yet the tables that its own refer to: of those not imported SQLAlchemy knows nothing."""
    code, modules = run(*arguments, database_url=database_url, pepper=PEPPER)
    assert code == 0
    assert modules.isdisjoint(SERVING)
    assert modules.isdisjoint(MIGRATING)


def test_what_a_command_imports_is_not_looked_through_by_the_garbage_collector() -> None:
    program = """
import gc, typer
from appeals.cli.commands import cli
typer.main.get_command(cli).get_command(None, "key")
assert gc.isenabled()
assert gc.get_freeze_count() > 100_000
"""
    environment = {**settings(), "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)  # noqa: S603 - the program above
