"""A database that is unreachable, read-only or full: every refusal says so, and when to try again.

Nothing is lost and nothing done twice; and when the database is well again, so is the service.
"""

import errno
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import psycopg
import pytest
from httpx2 import Response
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from appeals.__main__ import main
from appeals.accounts import bootstrap
from appeals.app import api_routes
from appeals.database import disk_reserve, readiness
from appeals.database import engine as database_module
from appeals.database.engine import Database
from appeals.database.failures import Busy, Deadlock, Full, Unavailable, Unreachable, failure_from
from appeals.database.readiness import Readiness
from tests.support.cast import Body, World, action, intake
from tests.support.failing import Failing, away, full, hang_up, read_only
from tests.support.standing import Standing, standing

__all__ = ["standing"]

UNREACHABLE = (503, "database.unreachable", "5")
OUT_OF_ROOM = (507, "database.full", "30")
FAILS: dict[str, tuple[Failing, tuple[int, str, str]]] = {
    "away": (away, UNREACHABLE),
    "read-only": (read_only, UNREACHABLE),
    "full": (full, OUT_OF_ROOM),
}
READS = ("/v1/cases", "/v1/changes", "/v1/entities")
LOGGED = ("/v1/cases/{ref}", "/v1/cases/{ref}/history", "/v1/cases/{ref}/actions")


def told(answer: Response) -> tuple[int, str, str | None]:
    """What a refusal says, and after how many seconds to try again."""
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"], answer.headers.get("Retry-After")


@pytest.fixture(autouse=True)
def _asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "ASKED_EVERY_S", 0)
    monkeypatch.setattr(readiness, "FULL_FOR_S", 0)


@pytest.mark.parametrize("name", FAILS)
def test_what_cannot_be_written_is_refused_and_may_be_sent_again(world: World, name: str) -> None:
    fails, refusal = FAILS[name]
    reference = world.case()
    paths = [path.format(ref=reference) for path in LOGGED]
    for path in paths:
        assert world.coordinator.get(path).status_code == 200  # and is known to the quick way
    body: Body = intake(title="Sent again")
    with fails(world):
        assert told(world.coordinator.post("/v1/cases", body, Idempotency_Key="again")) == refusal
        assert told(world.coordinator.add(reference, "actions", action())) == refusal
        assert [told(world.coordinator.get(path)) for path in paths] == [refusal] * len(paths)
        ready = world.nobody.get("/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
        assert ready.headers["Retry-After"]
        assert world.nobody.get("/healthz").status_code == 200
    assert world.nobody.get("/readyz").status_code == 200
    again = [world.coordinator.post("/v1/cases", body, Idempotency_Key="again") for _ in range(2)]
    assert [answer.status_code for answer in again] == [201, 201]
    assert again[0].content == again[1].content
    assert [world.coordinator.get(path).status_code for path in paths] == [200] * len(paths)
    assert world.records(reference, "actions") == []


@pytest.mark.parametrize("name", FAILS)
def test_what_is_only_read_is_answered_as_long_as_it_can_be_read(world: World, name: str) -> None:
    fails, refusal = FAILS[name]
    world.case()
    for path in READS:
        assert world.coordinator.get(path).status_code == 200
    with fails(world):
        for path in (*READS, "/public/cases"):
            answer = world.coordinator.get(path)
            assert (answer.status_code == 200) is (name != "away"), path
            assert answer.status_code == 200 or told(answer) == refusal


WITHOUT_CALLER = {"enrol"}
"""What no key is asked for looks at the body first."""


def test_every_door_says_that_the_database_is_away(standing: Standing) -> None:
    """Whatever was asked, also with a body that would not fit: who calls is in the database."""
    world = standing.world
    with away(world):
        for operation in api_routes():
            if operation.name in WITHOUT_CALLER:
                continue
            sent: Body | None = {} if operation.writes else None
            answer = world.coordinator.call(operation.method, standing.path(operation), sent, If_Match="*")
            assert told(answer) == UNREACHABLE, (operation.method, operation.path)


def test_who_waits_and_who_listens_are_told_too(world: World) -> None:
    world.case()
    place = world.coordinator.get("/v1/changes").json()["next"]
    with away(world):
        for path in (f"/v1/changes?since={place}&wait=2", f"/v1/changes/stream?since={place}"):
            assert told(world.coordinator.get(path)) == UNREACHABLE
    assert world.coordinator.get(f"/v1/changes?since={place}&wait=1").json()["items"] == []


def test_who_waited_before_is_answered_when_it_comes_back(world: World) -> None:
    world.case()
    place = world.coordinator.get("/v1/changes").json()["next"]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(world.coordinator.get, f"/v1/changes?since={place}&wait=30")
        with away(world):
            assert told(world.coordinator.get("/v1/cases")) == UNREACHABLE
        reference = world.case()
        answer = waiting.result(timeout=60)
    if answer.status_code == 503:  # it asked again while nothing could be asked
        answer = world.coordinator.get(f"/v1/changes?since={place}&wait=30")
    assert [item["case"]["reference"] for item in answer.json()["items"]] == [reference]


def test_the_denied_are_not_told_before_it_is_logged(world: World) -> None:
    reference = world.case()
    assert world.as_("europe reader").get(f"/v1/cases/{reference}").status_code == 404
    with full(world):
        assert told(world.as_("europe reader").get(f"/v1/cases/{reference}")) == OUT_OF_ROOM


# The transaction


def test_a_line_that_is_cut_within_a_transaction_is_told(world: World) -> None:
    if world.database.embedded:
        pytest.skip("there is no line")
    cut = "SELECT pg_terminate_backend(pg_backend_pid())"
    for then in (lambda session: session.execute(text(cut)), lambda _: hang_up(str(world.database.engine.url))):
        with pytest.raises(Unreachable):
            written(world, then)
    with world.database.reading() as session:
        assert session.scalar(text("SELECT beats FROM heartbeat")) == 0


def written(world: World, then: Callable[[Session], object]) -> None:
    """Write something, do something else, and commit."""
    with world.database.writing() as session:
        session.execute(text("UPDATE heartbeat SET beats = beats + 1"))
        then(session)


def test_a_mistake_of_ours_is_no_failure_of_the_database(world: World) -> None:
    for statement in ("SELECT nothing FROM heartbeat", "UPDATE heartbeat SET beats = NULL"):
        with pytest.raises(SQLAlchemyError), world.database.writing() as session:
            session.execute(text(statement))


def of_server(state: str) -> Exception:
    """An error of the server, as it comes to us."""
    cause = psycopg.errors.lookup(state)("CANARY")
    raised = DBAPIError.instance("SELECT 1", (), cause, psycopg.Error)
    assert isinstance(raised, DBAPIError)
    return raised


STATES = {
    "53100": Full, "40P01": Deadlock, "40001": Deadlock, "55P03": Busy, "25006": Unreachable, "25P03": Unreachable,
    "57P01": Unreachable, "57P02": Unreachable, "57P03": Unreachable, "57014": Unreachable, "08006": Unreachable,
    "53300": Unreachable, "53200": Unreachable, "58030": Unreachable, "28P01": Unreachable, "3D000": Unreachable,
    "XX001": Unreachable, "42501": Unreachable, "23505": None, "42P01": None, "P0001": None, "22021": None,
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_what_an_error_of_the_server_means(state: str) -> None:
    kind = STATES[state]
    assert type(failure_from(of_server(state))) is (kind or type(None))


CODES = {
    "SQLITE_FULL": Full, "SQLITE_BUSY": Busy, "SQLITE_LOCKED": Busy, "SQLITE_IOERR_WRITE": Unreachable,
    "SQLITE_BUSY_SNAPSHOT": Busy, "SQLITE_CANTOPEN": Unreachable, "SQLITE_READONLY_DBMOVED": Unreachable,
    "SQLITE_CORRUPT": Unreachable, "SQLITE_NOTADB": Unreachable, "SQLITE_CONSTRAINT_UNIQUE": None, "SQLITE_ERROR": None,
}  # fmt: skip


@pytest.mark.parametrize("name", CODES)
def test_what_an_error_of_sqlite_means(name: str) -> None:
    cause, kind = sqlite3.OperationalError("CANARY"), CODES[name]
    cause.sqlite_errorcode = getattr(sqlite3, name)
    raised = DBAPIError.instance("SELECT 1", (), cause, sqlite3.Error)
    assert isinstance(raised, DBAPIError)
    assert type(failure_from(raised)) is (kind or type(None))


def test_what_errors_of_the_system_mean() -> None:
    assert isinstance(failure_from(OSError(errno.ENOSPC, "CANARY")), Full)
    assert isinstance(failure_from(OSError(errno.EDQUOT, "CANARY")), Full)
    assert failure_from(OSError(errno.ENOENT, "CANARY")) is None
    assert isinstance(failure_from(PoolTimeoutError()), Busy)
    assert failure_from(ValueError("CANARY")) is None


def test_on_a_disk_without_room_a_failed_write_is_told_as_such(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says of the files beside the database only that they could not be written."""
    if not world.database.embedded:
        pytest.skip("the disk of a server is not seen from here")
    monkeypatch.setattr(database_module, "MIN_FREE_BYTES", 2**62)
    with away(world):
        assert told(world.coordinator.post("/v1/cases", intake())) == OUT_OF_ROOM


def test_the_log_tells_of_a_failure_once_and_never_what_was_sent(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.database.failed_at.clear()
    with full(world):
        for _ in range(5):
            assert world.coordinator.post("/v1/cases", intake(title="CANARY")).status_code == 507
    told_of = [record.getMessage() for record in caplog.records if "the database fails" in record.getMessage()]
    assert len(told_of) == 1
    assert "Full" in told_of[0]
    assert "CANARY" not in caplog.text


# Readiness


def test_however_often_it_is_asked_the_database_is_asked_once_a_second(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "ASKED_EVERY_S", 3600)
    for _ in range(20):
        assert world.nobody.get("/readyz").status_code == 200
    with world.database.reading() as session:
        assert session.scalar(text("SELECT beats FROM heartbeat")) == 1


def test_others_who_write_do_not_make_it_unready(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PATIENCE_S", 0)
    with world.database.writing() as session:
        session.execute(text("UPDATE heartbeat SET beats = beats + 1"))
        assert world.nobody.get("/readyz").status_code == 200


def test_a_database_that_does_not_answer_makes_it_unready(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks first waits for it; others are told, and wait for nobody."""
    ready, looks, done = Readiness(world.database), Event(), Event()
    assert ready.missing() == readiness.READY

    def hang() -> bool:
        looks.set()
        return done.wait(60)

    monkeypatch.setattr(world.database, "has_schema", hang)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(ready.missing)
        assert looks.wait(60)
        assert ready.missing() == readiness.READY
        monkeypatch.setattr(readiness, "LOOKS_WITHIN_S", 0)
        assert ready.missing() == readiness.DATABASE_AWAY
        done.set()
        assert first.result() == readiness.READY


def test_after_a_write_found_no_room_it_is_not_ready_for_a_while(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "FULL_FOR_S", 3600)
    with full(world):
        assert world.coordinator.post("/v1/cases", intake()).status_code == 507
    ready = world.nobody.get("/readyz")
    assert (ready.status_code, ready.json()["detail"]) == (503, readiness.NO_ROOM)
    world.database.failed_at.clear()
    assert world.nobody.get("/readyz").status_code == 200


def test_with_little_room_on_the_disk_it_is_not_ready(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "ENOUGH_ROOM", 2**62)
    assert world.nobody.get("/readyz").status_code == (503 if world.database.embedded else 200)


# The reserve


def test_the_reserve_is_made_where_there_is_room_and_given_up_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'here.db'}")
    file = tmp_path / "here.db-reserve"
    monkeypatch.setattr(disk_reserve, "ROOM", 2**62)
    disk_reserve.allocate(database)
    assert not file.exists()
    monkeypatch.setattr(disk_reserve, "ROOM", disk_reserve.SIZE)
    disk_reserve.allocate(database)
    disk_reserve.allocate(database)
    assert file.stat().st_size == 1_048_576
    assert file.stat().st_blocks * 512 >= 1_048_576
    assert file.stat().st_mode & 0o777 == 0o600
    disk_reserve.release(database)
    disk_reserve.release(database)
    assert not file.exists()


def test_a_reserve_that_could_not_be_made_whole_is_no_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> bytes:
        raise OSError(errno.ENOSPC, "no room")

    database = Database(f"sqlite:///{tmp_path / 'here.db'}")
    monkeypatch.setattr("os.urandom", fail)
    disk_reserve.allocate(database)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1/nothing", "sqlite:////absent/here.db"])
def test_where_there_is_no_file_there_is_no_reserve(url: str) -> None:
    database = Database(url)
    disk_reserve.allocate(database)
    disk_reserve.release(database)
    database.engine.dispose()


# The command


@pytest.mark.parametrize(
    ("failure", "says"),
    [(Full(), "no disk space left"), (Busy(), "busy"), (Unreachable(), "refuses: the server is gone")],
    ids=["full", "busy", "unreachable"],
)
def test_the_command_says_what_is_the_matter(failure: Unavailable, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Database) -> None:
        raise failure from RuntimeError("the server is gone")

    monkeypatch.setattr(bootstrap, "require_network", fail)
    monkeypatch.setattr("sys.argv", ["appeals", "reset-feed"])
    with pytest.raises(SystemExit, match=says):
        main()
