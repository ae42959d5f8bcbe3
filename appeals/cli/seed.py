"""The `appeals seed` command, which adds invented cases and prints keys to read them."""

from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import select

from appeals.accounts import entity as entities
from appeals.accounts.api_key import DEFAULT_DAYS, new_key
from appeals.cases.case import Case
from appeals.cli import population
from appeals.cli.accounts import account_with_role
from appeals.cli.database_and_pepper import current_time, open_network, required_pepper
from appeals.cli.terminal import fail, print_line
from appeals.settings import load_settings
from appeals.vocabulary import Role

cli = typer.Typer()


@cli.command("seed")
def seed(
    cases: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many cases to add.")] = 800,
    seed: Annotated[int, typer.Option(help="The number from which the cases are invented; another gives others.")] = 1,
    more: Annotated[bool, typer.Option("--more", help="Add cases even if there are some already.")] = False,
) -> None:
    """Add invented cases for trials, and print keys to read them. Never use it in a network with real cases."""
    settings = load_settings()
    database, pepper = open_network(settings), required_pepper(settings)
    with database.reading() as session:
        if not more and session.scalar(select(Case.id).limit(1)) is not None:
            raise fail("this network already has cases; use --more to add invented ones to them")
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Inventing cases", total=cases)
        population.populate(database, cases, seed, current_time(), lambda done: progress.advance(task, done))
    print_line(f"added: {cases} cases")
    with database.writing() as session:
        for name, (role, entity) in SEED_KEYS.items():
            holder = account_with_role(session, role, entity, f"seed {role}")
            ends_at = current_time() + timedelta(days=DEFAULT_DAYS)
            print_line(f"{name} key: {new_key(session, holder.id, pepper, current_time(), ends_at).text}")


SEED_KEYS = {
    "coordinator": (Role.COORDINATOR, entities.ROOT_NAME),
    "reviewer": (Role.REVIEWER, entities.ROOT_NAME),
    "South Asia reader": (Role.READER, "South Asia"),
    "dashboard": (Role.DASHBOARD, entities.ROOT_NAME),
}
"""The keys that are printed to read invented cases: their names, the role of each and the entity."""
