"""The `appeals doctor` command: it reports what is unsafe in this installation, and what to do about it.

A problem must be put right, a note is for somebody to look at. No sentence contains a secret: accounts are named by
their handles, keys by their ids.
"""

from datetime import datetime

import typer

from appeals.cli.checks import Finding, Installation, Network
from appeals.cli.database_and_pepper import current_time, open_database
from appeals.cli.installation_checks import OF_THE_INSTALLATION, UNREADABLE
from appeals.cli.network_checks import OF_THE_NETWORK
from appeals.cli.terminal import print_line
from appeals.database.engine import Database
from appeals.settings import Settings, load_settings

cli = typer.Typer()


@cli.command()
def doctor() -> None:
    """Report what is unsafe in settings, keys, roles and the database. Ends with 1 if there are problems."""
    settings = load_settings()
    all_findings = findings(settings, open_database(settings), current_time())
    for finding in all_findings:
        print_line(f"{'problem' if finding.is_problem else 'note'}: {finding.says}")
    if any(finding.is_problem for finding in all_findings):
        raise typer.Exit(1)
    print_line("no problems")


def findings(settings: Settings, database: Database, now: datetime) -> list[Finding]:
    """Return all findings. If the database cannot be read, they are those of the installation only."""
    installation = Installation(settings, database)
    findings = [finding for check in OF_THE_INSTALLATION for finding in check.findings(installation)]
    if any(finding.check == UNREADABLE.name for finding in findings):
        return findings
    with database.reading() as session:
        network = Network(session, now)
        return findings + [finding for check in OF_THE_NETWORK for finding in check.findings(network)]
