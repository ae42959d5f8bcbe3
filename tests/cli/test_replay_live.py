"""All 47 real cases, entered over HTTP into a running service: each ends in its published state."""

from collections import Counter
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from sqlalchemy import func, select

from appeals.cases.case import Case
from appeals.cases.history import HistoryEntry
from appeals.cli import replay_player, replay_results
from appeals.database.engine import Database
from appeals.settings import ROOT
from tests.support.cast import Body, World
from tests.support.live import Live, live

__all__ = ["live"]
CASES = ROOT / "examples" / "real_cases.jsonl"


def play(service: Live, said: Path) -> list[replay_results.Result]:
    keys = {name: service.cast.keys[name] for name in ("coordinator", "caseworker", "reviewer")}
    with said.open("w") as out:
        return replay_player.replay(CASES, service.url, keys, Console(file=out, width=160))


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

    references = {result.key: f"/v1/cases/{result.reference}" for result in results}
    kizone_is_owed_and_paid_in_confidence(live.world, references["id-pt-kizone-severance"])
    ozaks_buyer_broke_its_promise(live.world, references["tr-ozak-tekstil"])
    the_twenty_three_are_held_and_released(live.world, references["kh-free-the-23-2014"])


def read(world: World, path: str) -> Body:
    answer = world.coordinator.get(path)
    assert answer.status_code == 200, answer.text
    told: Body = answer.json()
    return told


def kizone_is_owed_and_paid_in_confidence(world: World, path: str) -> None:
    """US$1.8 million were missing; what was promised, paid and received is confidential, and told as that."""
    (sums,) = read(world, path)["money"]
    assert (sums["currency"], sums["owed"], sums["received"]) == ("USD", "1800000.00", "0")
    assert sums["confidential"] == ["promised", "paid", "received_by_workers"]
    told = [item["says"] for item in read(world, f"{path}/timeline?limit=200")["items"] if item["kind"] == "payment"]
    assert sum(says.startswith("confidential") for says in told) == 3


def ozaks_buyer_broke_its_promise(world: World, path: str) -> None:
    """The brand's promise, its breach, and the record of that brand."""
    buyer = next(party for party in read(world, path)["parties"] if party["label"] == "levis")
    record = read(world, f"/v1/brands/{buyer['organisation_id']}/record")
    assert (record["promises"], record["kept"], record["broken"]) == (2, 1, 1)  # the other one is of another case
    broken = [made["reference"] for made in record["commitments"] if made["status"] == "breached"]
    assert broken == [path.rsplit("/", 1)[1]]
    assert record["approached"] >= record["answered"] + record["silence"] > 0
    codes = [item["code"] for item in read(world, f"{path}/timeline?limit=200")["items"]]
    assert codes.index("agreement") < codes.index("breach")


def the_twenty_three_are_held_and_released(world: World, path: str) -> None:
    """Held and released over time; and the same as the network knew it at three moments, while it was put on record."""
    days = read(world, f"{path}/counts?limit=200")["items"]
    held = [item["detention"]["held"] for item in days]
    assert (max(held), held[-1]) == (23, 0)
    assert days[-1]["detention"]["released"] + days[-1]["detention"]["bailed"] > 0
    for item in days:
        told = item["detention"]
        assert told["arrested"] == sum(told[name] for name in ("held", "released", "bailed", "died", "unknown"))
    tallies = sorted(read(world, path)["tallies"], key=lambda tally: tally["recorded_at"])
    moments = [tallies[place]["recorded_at"] for place in (0, len(tallies) // 2, -1)]
    known = [read(world, f"{path}?as_of={quote(moment)}") for moment in moments]
    counts = [len(told["tallies"]) for told in known]
    assert counts == sorted(set(counts))
    assert counts[-1] == len(tallies)
    assert known[0]["detention"] != known[-1]["detention"] == days[-1]["detention"]
