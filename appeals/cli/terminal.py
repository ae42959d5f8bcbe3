"""What the command prints, for people and scripts."""

import sys

import typer


def print_line(line: str) -> None:
    """Print one line on standard output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def fail(line: str) -> typer.Exit:
    """Say what is wrong on standard error; the exit that follows."""
    sys.stderr.write(f"appeals: {line}\n")
    return typer.Exit(1)
