"""Statistics: always exact during writes and folding; no count reveals a hidden case."""

import logging
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from appeals.cases.case import Case
from appeals.read_models import statistic_counts, statistics_folding
from appeals.read_models.case_snapshot import CaseSnapshot, all_counted_cases, rebuild
from appeals.read_models.statistic_counts import Counted, Statistic, StatisticDelta, log_delta
from appeals.read_models.statistics_folding import catch_up, fold, miscounted, recount
from tests.support.cast import World, day, step_input
from tests.support.counting import as_counter, kept_table, log_case, member, require_exact, risk, rows, violation
from tests.support.size import examples

WRITES = examples(50)

WRITERS, FOLDERS = 4, 2

log = logging.getLogger(__name__)

# Many at once


class Crowd:
    """Writers who do whatever comes to their minds, on whatever case, while others fold and others read."""

    def __init__(self, world: World, writes: int) -> None:
        self.world, self.left = world, writes
        self.people = [world.as_(name) for name in ("coordinator", "asia caseworker", "europe caseworker")]
        self.people.append(member(world))
        self.references: list[str] = []
        self.over = threading.Event()
        self.written = self.folded = self.read = 0

    def run(self) -> None:
        with ThreadPoolExecutor(WRITERS + FOLDERS + 1) as pool:
            others = [pool.submit(self.fold, seed) for seed in range(FOLDERS)] + [pool.submit(self.watch)]
            writers = [pool.submit(self.write, seed) for seed in range(WRITERS)]
            for writer in writers:
                writer.exception()
            self.over.set()
            for done in (*writers, *others):
                done.result()

    def write(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - to write at random, and the same again
        while self._goes_on():
            self.left -= 1
            if len(self.references) < 5 or chance.random() < 0.1:
                self.references.append(self.intake(chance))
                self.written += 1
                continue
            reference = chance.choice(self.references)
            status = chance.choice(WRITING)(self.world, reference, chance)
            assert status < 500 or status == 503, status  # who waits long for their turn is sent away, uncounted
            self.written += status < 300

    def _goes_on(self) -> bool:
        """Until all is written; where those who fold or read had no turn meanwhile, a while longer."""
        return self.left > 0 or (min(self.folded, self.read) == 0 and self.left > -9 * WRITES)

    def intake(self, chance: random.Random) -> str:
        codes = chance.sample(
            ["threat", "wage_unpaid", "detention", "gbvh", "antiunion_dismissal"], chance.randint(1, 3)
        )
        given = {
            "country": chance.choice(["BD", "KH", "TR"]),
            "danger": chance.random() < 0.3,
            "received_on": day(chance.randint(30, 500)),
            "violations": [{"label": f"v{number}", "code": code} for number, code in enumerate(codes)],
        }
        return log_case(chance.choice(self.people), **given)

    def fold(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - to write at random, and the same again
        while not self.over.is_set():
            self.folded += fold(self.world.database, chance.randint(1, 20))
            self.over.wait(chance.random() / 10)

    def watch(self) -> None:
        """At every moment, what is told is what a count in the same snapshot gives."""
        while not self.over.is_set():
            with self.world.database.reading() as session:
                told = as_counter(
                    kept_table(session, "International Office", ("status", "visibility")), ("status", "visibility")
                )
                open_ones = select(Case.status, Case.visibility, func.count()).where(Case.visibility != "sealed")
                counted = session.execute(open_ones.group_by(Case.status, Case.visibility))
                assert told == {(status, visibility): cases for status, visibility, cases in counted}
            self.read += 1
            self.over.wait(0.02)


LEADS = ["International Office", "South Asia", "Europe", "Garment Workers Centre"]


def patch(world: World, reference: str, chance: random.Random) -> int:
    change = chance.choice(
        [
            {"visibility": chance.choice(["sealed", "restricted", "regional", "network"])},
            {"visibility": chance.choice(["restricted", "regional", "network"])},
            {"priority": chance.choice(["urgent", "high", "normal", "low"])},
            {"danger": chance.random() < 0.5},
        ]
    )
    return world.coordinator.patch(f"/v1/cases/{reference}", change, If_Match="*").status_code


def step(world: World, reference: str, chance: random.Random) -> int:
    noun = chance.choice(
        ["screening", "screening", "suspension", "resumption", "decline", "reopening", "withdrawal", "acknowledgement"]
    )
    told = {"screening": {"lead_entity": chance.choice(LEADS)}, "withdrawal": {"withdrawn_on": day(1)}}
    return world.coordinator.step(reference, noun, {**step_input(noun), **told.get(noun, {})}).status_code


def hand_over(world: World, reference: str, chance: random.Random) -> int:
    said = {"receiving_entity": chance.choice(LEADS), "reason": "It is nearer."}
    world.coordinator.step(reference, "handover", said)
    return world.coordinator.step(reference, "handover-acceptance", {}).status_code


WRITING = [patch, patch, risk, violation, step, step, hand_over]


@pytest.mark.soak
def test_statistics_equal_a_count_by_hand_after_many_random_writes(world: World) -> None:
    crowd = Crowd(world, WRITES)
    crowd.run()
    cells = require_exact(world.database, *LEADS)
    while fold(world.database):
        pass
    require_exact(world.database)
    assert cells > 0
    assert min(crowd.written, crowd.folded, crowd.read) > 0
    log.info(
        "%s writes of %s, %s deltas folded, %s reads, %s cells", crowd.written, WRITES, crowd.folded, crowd.read, cells
    )


def test_of_several_who_fold_at_once_one_counts_a_delta(world: World) -> None:
    for _ in range(6):
        world.case()
    start = threading.Barrier(4)

    def fold_together(_: int) -> int:
        start.wait(30)
        return fold(world.database, 4)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(fold_together, range(4))) == 6
    require_exact(world.database)


def test_folding_is_one_transaction(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.case()
    with monkeypatch.context() as patched:
        patched.setattr(statistics_folding, "_row", stop)
        with pytest.raises(SystemExit):
            fold(world.database)
    require_exact(world.database)
    assert fold(world.database) == 1
    assert fold(world.database) == 0
    require_exact(world.database)


def stop(*_: object) -> None:
    raise SystemExit


def test_cells_that_come_to_nothing_go(world: World) -> None:
    reference = world.case()
    fold(world.database)
    sealed = world.coordinator.patch(f"/v1/cases/{reference}", {"visibility": "sealed"}, If_Match="*")
    assert sealed.status_code == 200
    assert rows(world.coordinator) == []
    fold(world.database)
    with world.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Statistic)) == 0
    assert rows(world.coordinator) == []


# What must be noticed


def test_a_write_that_tells_nothing_of_before_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistic_counts, "log_delta", lambda session, _, after: log_delta(session, None, after))
    world.take(world.case(), "screening")
    with world.database.reading() as session:
        assert miscounted(session, all_counted_cases) > 0
    with pytest.raises(AssertionError):
        require_exact(world.database)


def test_a_delta_that_is_folded_twice_is_noticed_and_put_right(world: World) -> None:
    world.case()
    with world.database.writing() as session:
        columns = (StatisticDelta.before, StatisticDelta.after, StatisticDelta.widely_visible)
        session.execute(insert(StatisticDelta).from_select([column.key for column in columns], select(*columns)))
    fold(world.database)
    with world.database.reading() as session:
        assert miscounted(session, all_counted_cases) > 0
    recount(world.database, all_counted_cases)
    require_exact(world.database)


def test_after_many_writes_all_is_counted_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics_folding, "FOLD_LEFTOVER", 2)
    for waiting in (1, 2, 0):
        world.case(visibility="regional")
        catch_up(world.database, all_counted_cases)
        with world.database.reading() as session:
            assert session.scalar(select(func.count()).select_from(StatisticDelta)) == waiting
        require_exact(world.database)


def test_what_is_written_while_counting_anew_is_counted_once(world: World) -> None:
    if world.database.embedded:
        pytest.skip("SQLite has one writer at a time")
    world.case()

    def meanwhile(session: Session) -> Iterator[Counted]:
        yield from all_counted_cases(session)
        world.case()

    recount(world.database, meanwhile)
    assert rows(world.coordinator) == [{"cases": 2}]
    require_exact(world.database)


def test_cases_that_were_never_counted_are_when_they_are_rendered_anew(world: World) -> None:
    """As after the migration that brings the statistics."""
    world.case()
    with world.database.writing() as session:
        for table in (StatisticDelta, Statistic):
            session.execute(table.__table__.delete())  # type: ignore[attr-defined]
        session.scalars(select(CaseSnapshot)).one().counted = None
    assert rows(world.coordinator) == []
    for _ in range(2):
        rebuild(world.database, all_of_them=True)
    require_exact(world.database)
    assert rows(world.coordinator) == [{"cases": 1}]
