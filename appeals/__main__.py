"""The entry point of the `appeals` command.

Only `serve` creates a database, a network or a pepper. A command that is refused creates nothing.
"""

import sys
from importlib import import_module

from appeals.cli.commands import cli


def main() -> None:
    """Run the command. An expected failure ends it with a sentence."""
    try:
        cli()
    except Exception as error:
        sentence = import_module("appeals.cli.failures").sentence_for(
            error
        )  # imported late, because `--help` does not need it
        if sentence is None:
            raise
        sys.exit(f"appeals: {sentence}")


if __name__ == "__main__":
    main()
