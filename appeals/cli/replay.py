"""The `appeals replay` command, which enters recorded cases into a running service."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from appeals.accounts import entity as entities
from appeals.accounts.api_key import new_key
from appeals.cli import replay_player
from appeals.cli.accounts import account_with_role
from appeals.cli.database_and_pepper import current_time, open_network, required_pepper
from appeals.cli.terminal import fail
from appeals.settings import Settings, load_settings
from appeals.vocabulary import Role

cli = typer.Typer()

REPLAY_ROLES = {"coordinator": Role.COORDINATOR, "caseworker": Role.CASEWORKER, "reviewer": Role.REVIEWER}


@cli.command()
def replay(
    file: Annotated[
        Path,
        typer.Argument(
            help="A file of cases in the replay format, one per line; see docs/replay.md.", exists=True, dir_okay=False
        ),
    ],
    url: Annotated[str, typer.Option(help="The address of the service.")] = "",
    coordinator_key: Annotated[str, typer.Option(envvar="APPEALS_COORDINATOR_KEY")] = "",
    caseworker_key: Annotated[str, typer.Option(envvar="APPEALS_CASEWORKER_KEY")] = "",
    reviewer_key: Annotated[str, typer.Option(envvar="APPEALS_REVIEWER_KEY")] = "",
) -> None:
    """Enter recorded cases over HTTP with their real dates. Without keys, it creates keys that hold for a day."""
    settings = load_settings()
    keys = {"coordinator": coordinator_key, "caseworker": caseworker_key, "reviewer": reviewer_key}
    if any(keys.values()) and not all(keys.values()):
        raise fail("give all three keys or none")
    url = url or f"http://{settings.host}:{settings.port}"
    replay_player.check(file, url)
    if not all(keys.values()):
        keys = _temporary_keys(settings)
    console = Console(width=None if sys.stdout.isatty() else 160)
    results = replay_player.replay(file, url, keys, console)
    if not all(result.fine for result in results):
        raise typer.Exit(1)


def _temporary_keys(settings: Settings) -> dict[str, str]:
    """Create a key for each role, valid for a day."""
    database, pepper = open_network(settings), required_pepper(settings)
    now = current_time()
    keys = {}
    with database.writing() as session:
        for name, role in REPLAY_ROLES.items():
            holder = account_with_role(session, role, entities.ROOT_NAME, f"replay {name}")
            keys[name] = new_key(session, holder.id, pepper, now, now + timedelta(days=1)).text
    return keys
