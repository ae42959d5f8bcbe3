"""The `appeals` command: serve, migrate, the network and its keys, replay, the table of steps, the policy, the doctor.

Only `serve` makes something out of nothing: a database, a network, a pepper. What is refused makes nothing.
"""

import sys
from importlib import import_module

from appeals.cli.commands import cli


def main() -> None:
    """Run the command; ordinary mistakes are told in a sentence."""
    try:
        cli()
    except Exception as error:
        sentence = import_module("appeals.cli.failures").sentence_for(error)  # which needs what `--help` does not
        if sentence is None:
            raise
        sys.exit(f"appeals: {sentence}")


if __name__ == "__main__":
    main()
