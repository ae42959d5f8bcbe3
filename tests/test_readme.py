"""The README's first case, run as it stands: its own commands, in bash, by curl, against a service just started."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from appeals.cli.commands import cli
from appeals.settings import ROOT
from benchmarks.service import Started, settings, started

README = (ROOT / "README.md").read_text()
WALK = README.partition("\n## A first case")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", WALK, re.M | re.S)


def environment(url: str) -> dict[str, str]:
    """What the newcomer has set: nothing, on SQLite."""
    told = {} if url.startswith("sqlite") else {"database_url": url}
    return {**settings(**told), "PYTHONPATH": str(ROOT)}


def play(folder: Path, service: Started, given: dict[str, str], blocks: list[str]) -> list[str]:
    """Run blocks in one shell, each command of which must succeed; what each block printed."""
    coordinator = service.key("coordinator")
    assert coordinator
    (folder / ".venv").symlink_to(sys.prefix)
    script = "\necho -----\n".join(["set -euo pipefail", *blocks])
    for said, meant in {"ua_…": coordinator, "http://127.0.0.1:8000": service.url}.items():
        assert said in script
        script = script.replace(said, meant)
    done = subprocess.run(
        ["/usr/bin/env", "bash"], input=script, cwd=folder, env=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return done.stdout.split("-----\n")[1:]


@pytest.fixture
def played(empty_url: str, tmp_path: Path) -> list[str]:
    """What each block of the walk-through printed, on a database that the first start has founded."""
    given = environment(empty_url)
    if "APPEALS_DATABASE_URL" in given:
        migrate = [str(Path(sys.executable).with_name("appeals")), "migrate"]
        subprocess.run(migrate, env=given, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    with started(given, folder=tmp_path) as service:
        return play(tmp_path, service, given, BLOCKS)


def test_a_first_case_goes_from_intake_to_closure_as_the_readme_says(played: list[str]) -> None:
    closing, table = played[-2:]
    assert '"status":"closed"' in closing
    assert '"close_reason":"demands_met"' in closing
    steps = [[row["step"], row["from_status"], row["to_status"]] for row in csv.DictReader(table.splitlines())]
    assert steps == [
        ["intake", "", "received"],
        ["screening", "received", "screening"],
        ["verification", "screening", "screening"],
        ["acceptance", "screening", "accepted"],
        ["engagement", "accepted", "engagement"],
        ["escalation", "engagement", "public_campaign"],
        ["agreement", "public_campaign", "remediation"],
        ["closure", "remediation", "closed"],
    ]


def test_the_case_is_read_without_a_key_once_it_is_published(played: list[str]) -> None:
    command = BLOCKS.index(next(block for block in BLOCKS if "/public/cases/" in block))
    assert "Authorization" not in BLOCKS[command].splitlines()[-1]
    shown = json.loads(played[command])["shows"]
    assert shown["level"] == "named"
    assert [place["name"] for place in shown["workplaces"]] == ["Bright Stitch Ltd"]
    assert [company["name"] for company in shown["companies"]] == ["Sample Brand"]
    assert shown["requesters"] == []


def test_every_call_of_the_walk_through_fails_the_run_when_it_is_refused() -> None:
    calls = [line for block in BLOCKS for line in block.splitlines() if re.search(r"\bcurl ", line)]
    assert len(calls) > 5
    assert all("--fail-with-body" in call for call in calls)


def test_the_readme_names_only_targets_and_commands_that_exist() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.M)
    assert set(re.findall(r"make ([a-z]+)`", README)) <= set(targets)
    assert {"run", "test"} <= set(re.findall(r"make ([a-z]+)`", README))
    for command in re.findall(r"\.venv/bin/appeals ([a-z]+(?: (?:new|list|rotate|revoke))?)", README):
        assert CliRunner().invoke(cli, [*command.split(), "--help"]).exit_code == 0, command


def test_the_readme_names_what_the_tests_need_besides() -> None:
    start = README.partition("\n## Start\n")[2].partition("\n## ")[0]
    needed = " ".join(start.split())
    assert "`make test` needs `bash` and `curl` too" in needed
    assert "Nothing else" not in needed
