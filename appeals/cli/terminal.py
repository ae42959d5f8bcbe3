"""The output of the command on the terminal."""

import sys

import typer


def print_line(line: str) -> None:
    """Print one line on standard output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def fail(line: str) -> typer.Exit:
    """Print the sentence on standard error, and return the exit to raise."""
    sys.stderr.write(f"appeals: {line}\n")
    return typer.Exit(1)
