"""Support for tests of the command: fixtures, a key, a database that does not exist."""

import re
from collections.abc import Callable

from typer.testing import Result

from appeals.settings import ROOT

KEY = re.compile(r"ua_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}")
Appeals = Callable[..., Result]
Refused = Callable[..., str]
CASES = str(ROOT / "examples" / "real_cases.jsonl")
ON_A_NETWORK = [
    ["key", "new", "--role", "reader"],
    ["key", "list"],
    ["key", "revoke", "00000000"],
    ["account", "new", "desk", "--role", "reader"],
    ["account", "list"],
    ["account", "grant", "desk", "--role", "reader"],
    ["account", "end-role", "desk", "--role", "reader"],
    ["account", "disable", "desk", "--reason", "left"],
    ["entity", "new", "Sample Desk", "--kind", "member"],
    ["entity", "list"],
    ["key", "rotate", "00000000"],
    ["replay", CASES],
]
"""What works on a network that stands already."""
NOWHERE = "postgresql://desk:secret-word@127.0.0.1:1/appeals"
