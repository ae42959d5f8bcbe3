"""The `appeals` command and the list of its subcommands.

The module of a subcommand is imported only when it is run or explained. So the list of subcommands, and small commands,
start without what serving needs.
"""

import gc
import sys
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Command(NamedTuple):
    """A subcommand: the module of `appeals/cli/` that holds it, and its line in the list of subcommands."""

    module: str
    says: str


COMMANDS = {
    "serve": Command(
        "serve",
        "Serve the API. An embedded database is migrated first. The first keys of a new network are printed once.",
    ),
    "migrate": Command(
        "maintenance",
        "Migrate the database to a revision. A downgrade deletes what the older schema cannot hold.",
    ),
    "rebuild": Command(
        "maintenance",
        "Rebuild all case snapshots and statistics as this release makes them. The service may run meanwhile.",
    ),
    "reset-feed": Command(
        "maintenance",
        "Reset the change feed after a backup was restored: readers of the feed and webhooks start again.",
    ),
    "seed": Command(
        "seed",
        "Add invented cases for trials, and print keys to read them. Never use it in a network with real cases.",
    ),
    "lifecycle": Command("lifecycle_page", "Print the table of steps."),
    "access": Command(
        "access_page",
        "Print the permissions: who may call each operation, with which key, and its name in the access log.",
    ),
    "docs": Command(
        "generated_docs", "Write the pages that are generated from the code. Developers run it as `make docs`."
    ),
    "doctor": Command(
        "doctor",
        "Report what is unsafe in settings, keys, roles and the database. Ends with 1 if there are problems.",
    ),
    "replay": Command(
        "replay",
        "Enter recorded cases over HTTP with their real dates. Without keys, it creates keys that hold for a day.",
    ),
    "entity": Command("accounts", "Create and list entities: the tree of the network."),
    "account": Command("accounts", "Create, change and list accounts of people and machines."),
    "key": Command("keys", "Create, list, rotate and revoke API keys."),
}
"""All subcommands, in the order of the list."""


class LazyGroup(TyperGroup):
    """A command group that imports a subcommand of `COMMANDS` only when it is used."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name=name, help=command.says) for name, command in COMMANDS.items()}

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | TyperGroup | None:  # type: ignore[override]
        """Import and return a subcommand with its options; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        return typer.main.get_group(_module(COMMANDS[cmd_name].module).cli).get_command(ctx, cmd_name)  # type: ignore[return-value]

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write the list of subcommands without importing them."""
        listing = TyperGroup(name=self.name, help=self.help, params=self.params, commands=list(self.commands.values()))
        listing.format_help(ctx, formatter)


def _module(name: str) -> ModuleType:
    """The module of `appeals/cli/` that has this name.

    What an import leaves in memory stays there, so the garbage collector does not look through it: in a small command
    that would take longer than all else it does.
    """
    path = f"appeals.cli.{name}"
    if path in sys.modules:
        return sys.modules[path]
    gc.disable()
    try:
        return import_module(path)
    finally:
        gc.freeze()
        gc.enable()


cli = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=False)


@cli.callback()
def appeals() -> None:
    """The service for urgent appeal cases."""
