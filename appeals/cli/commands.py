"""The `appeals` command: its subcommands by name. The module of one is imported when it is run or explained, so that
the list of them, and a small command, need not wait for what serving needs.
"""

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Command(NamedTuple):
    """The module of `appeals/cli/` that holds a command, and what the list of commands says of it."""

    module: str
    says: str


COMMANDS = {
    "serve": Command(
        "serve", "Serve the API. An embedded database is migrated first; a new network's first keys are printed, once."
    ),
    "migrate": Command(
        "maintenance",
        "Bring the database to a revision. A downgrade drops what the older schema has no place for.",
    ),
    "rebuild": Command(
        "maintenance",
        "Render every case snapshot anew, as this release renders them, and count anew. The service may run meanwhile.",
    ),
    "reset-feed": Command(
        "maintenance",
        "After restoring a copy of the database: have those who read the feed, and webhooks, begin anew.",
    ),
    "seed": Command(
        "seed",
        "Add invented cases, to try things on, and print keys to look at them: never to a network of real ones.",
    ),
    "lifecycle": Command("lifecycle_page", "Print the table of steps."),
    "access": Command(
        "access_page", "Print the policy: who calls each operation, with which key, and what the access log calls it."
    ),
    "docs": Command(
        "generated_docs", "Write the pages that come from the code. For those who change the code: `make docs`."
    ),
    "doctor": Command(
        "doctor",
        "Look for what is not safe in settings, keys and roles, and say what to do. Ends with 1 if there are problems.",
    ),
    "replay": Command(
        "replay",
        "Play real cases over HTTP. They keep their real dates; without keys, some are made for a day, here.",
    ),
    "entity": Command("accounts", "Entities: the tree of the network."),
    "account": Command("accounts", "Accounts of people and machines."),
    "key": Command("keys", "Keys: make one, list them, rotate or revoke one."),
}
"""Every subcommand, in the order of the list."""


class LazyGroup(TyperGroup):
    """The group of the subcommands in `COMMANDS`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name=name, help=command.says) for name, command in COMMANDS.items()}

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | TyperGroup | None:  # type: ignore[override]
        """The subcommand of a name, with its options."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"appeals.cli.{COMMANDS[cmd_name].module}")
        return typer.main.get_group(module.cli).get_command(ctx, cmd_name)  # type: ignore[return-value]

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write the list of subcommands, without importing any."""
        listing = TyperGroup(name=self.name, help=self.help, params=self.params, commands=list(self.commands.values()))
        listing.format_help(ctx, formatter)


cli = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=False)


@cli.callback()
def appeals() -> None:
    """The urgent appeal case service."""
