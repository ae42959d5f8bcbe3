"""All 47 real cases, played over HTTP into a running service: each lands where it was published to stand."""

from collections import Counter
from pathlib import Path

from rich.console import Console
from sqlalchemy import func, select

from appeals import replay
from appeals.case import Case, HistoryEntry
from appeals.database import Database
from appeals.settings import ROOT
from tests.live import Live, live

__all__ = ["live"]
CASES = ROOT / "examples" / "real_cases.jsonl"


def play(service: Live, said: Path) -> list[replay.Result]:
    keys = {name: service.cast.keys[name] for name in ("coordinator", "caseworker", "reviewer")}
    with said.open("w") as out:
        return replay.replay(CASES, service.url, keys, Console(file=out, width=160))


def rows(service: Live) -> tuple[int | None, int | None, int | None]:
    """How many cases and entries there are, and the sum of all revisions: it grows with every change."""
    database = Database(service.database_url)
    with database.reading() as session:
        cases = session.scalar(select(func.count()).select_from(Case))
        entries = session.scalar(select(func.count()).select_from(HistoryEntry))
        revisions = session.scalar(select(func.sum(Case.revision)))
    database.engine.dispose()
    return cases, entries, revisions


def test_all_real_cases_are_played_and_playing_them_again_changes_nothing(live: Live, tmp_path: Path) -> None:
    before = rows(live)
    results = play(live, tmp_path / "first.txt")
    assert len(results) == 47
    assert [result for result in results if not result.fine] == []
    after = rows(live)
    assert (after[0] or 0) - (before[0] or 0) == 47

    again = play(live, tmp_path / "second.txt")
    assert all(result.fine for result in again)
    assert rows(live) == after
    assert Counter(result.status for result in again) == Counter(result.status for result in results)
    assert "0 writes changed something" in (tmp_path / "second.txt").read_text()
