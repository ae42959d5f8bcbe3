"""The subcommands of `appeals`, as they are there."""

import typer
from typer.core import TyperCommand, TyperGroup

from appeals.cli.commands import COMMANDS, cli


def command_group() -> TyperGroup:
    """The group of all subcommands."""
    return typer.main.get_group(cli)


def subcommand(name: str) -> TyperCommand | TyperGroup:
    """A subcommand by its name, with its module imported."""
    group = command_group()
    command = group.get_command(typer.Context(group), name)
    assert isinstance(command, TyperCommand | TyperGroup)
    return command


def command_names() -> list[str]:
    """Every command by its words: `serve`, `key`, `key new` …"""
    names = list(COMMANDS)
    for name in COMMANDS:
        command = subcommand(name)
        names += [f"{name} {further}" for further in getattr(command, "commands", {})]
    return names
