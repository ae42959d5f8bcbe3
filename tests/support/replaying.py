"""Lines of the replay format."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appeals.cli import replay_format
from appeals.cli.replay_format import CaseLine

ROOT = Path(__file__).parents[2]

CASES = replay_format.read(ROOT / "examples" / "real_cases.jsonl")


def actions(case: CaseLine) -> Iterator[dict[str, Any]]:
    """Every action of a case."""
    for call in case.calls:
        yield from [call.body] if call.to == "actions" and call.method == "POST" else ()
        yield from call.body.get("records", {}).get("actions", [])
        yield from [call.body["first_action"]] if "first_action" in call.body else ()
