"""A thousand clients that wait for changes on one worker: when each hears of one, and what they cost.

`python -m benchmarks.listeners [CLIENTS] [KEYS] [DATABASES]` starts the service on a population of 1,000 cases, opens
the streams, each key with as many, and logs a case every two seconds, ten times. Printed are the times from the
acknowledged write until the first, the median and the last client has the event, in milliseconds, and what the worker
takes of memory, threads and connections before and after.
"""

import asyncio
import os
import re
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

import httpx2
from sqlalchemy import select, text

from appeals.accounts.account import grant, new_account, random_handle
from appeals.accounts.api_key import new_key
from appeals.accounts.entity import Entity
from appeals.database.engine import Database
from appeals.vocabulary import AccountKind, Role
from benchmarks.beside import AMPLE, LOADED_ON, SERVED_ON, pin, say
from benchmarks.bodies import intake
from benchmarks.databases import server
from benchmarks.population import keys, populated
from benchmarks.service import PEPPER, settings, started

CASES, EVENTS, APART_S = 1000, 10, 2
REFERENCE = re.compile(rb'"reference":"(UA-[A-Z]{3}-[0-9]{4}-[0-9A-Z]{5})"')
AT_ONCE = 50


class Listener:
    """One client of the stream."""

    def __init__(self) -> None:
        self.heard_at: dict[str, float] = {}
        self.repeated = 0
        self.connected = False

    async def listen(self, port: int, key: str, ready: asyncio.Semaphore) -> None:
        """Connect, and note when each event comes."""
        async with ready:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"GET /v1/changes/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
            writer.write(head.encode())
            status = await reader.readline()
            if b" 200 " not in status:
                raise SystemExit(f"a stream was refused: {status!r}")
            while not (await reader.readline()).startswith(b"id: "):
                pass
            self.connected = True
        while line := await reader.readline():
            if found := REFERENCE.search(line) if line.startswith(b"data:") else None:
                self.repeated += found[1].decode() in self.heard_at
                self.heard_at.setdefault(found[1].decode(), perf_counter())


async def hear(port: int, owned: list[str], clients: int, worker: str, pid: int, url: str) -> None:
    """Open the streams, log cases, print what was measured."""
    before = cost(pid, url)
    listeners, ready = [Listener() for _ in range(clients)], asyncio.Semaphore(AT_ONCE)
    began = perf_counter()
    tasks = [
        asyncio.create_task(listener.listen(port, owned[number % len(owned)], ready))
        for number, listener in enumerate(listeners)
    ]
    while not all(listener.connected for listener in listeners):
        await asyncio.sleep(0.1)
    await asyncio.sleep(APART_S)
    say(f"all connected after {perf_counter() - began:.1f} s")
    lasts, made = [], list[str]()
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {worker}"}
    ) as who:
        for event in range(EVENTS):
            answer = (await who.post("/v1/cases", json=intake(visibility="network"))).raise_for_status()
            done = perf_counter()
            made.append(answer.json()["reference"])
            await asyncio.sleep(APART_S)
            took = sorted(1000 * (listener.heard_at[made[-1]] - done) for listener in listeners)
            lasts.append(took[-1])
            say(f"event {event + 1:2}: first {took[0]:6.0f}, median {median(took):6.0f}, last {took[-1]:6.0f} ms")
    missed = sum(reference not in listener.heard_at for listener in listeners for reference in made)
    twice = sum(listener.repeated for listener in listeners)
    say(f"{missed} missed, {twice} heard twice; the last to hear, worst of all: {max(lasts):.0f} ms")
    say(f"before: {before}\nwith {clients} streams: {cost(pid, url)}")
    for task in tasks:
        task.cancel()


def cost(pid: int, url: str) -> str:
    """What the worker takes of memory and threads, and of connections to the database."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    told = f"{int(status['VmRSS'].split()[0]) / 1024:.0f} MB, {status['Threads'].strip()} threads"
    database = Database(url)
    if not database.embedded:
        with database.reading() as session:
            params = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            told += f", {(session.scalar(params) or 0) - 1} connections"
    database.engine.dispose()
    return told


def owners(url: str, number: int) -> list[str]:
    """Keys of so many readers of the whole network."""
    database, now, found = Database(url), datetime.now(UTC), []
    with database.writing() as session:
        root = session.scalars(select(Entity).where(Entity.parent_id.is_(None))).one()
        for _ in range(number):
            account = new_account(session, f"listener {random_handle()}", AccountKind.MACHINE, now)
            grant(session, account, Role.READER, root, now)
            found.append(new_key(session, account.id, PEPPER.encode(), now, now + timedelta(days=1)).text)
    database.engine.dispose()
    return found


def main(clients: int, of_keys: int, databases: list[str]) -> None:
    """Measure on each database."""
    with tempfile.TemporaryDirectory() as place, server(Path(place)):
        for database in databases:
            with populated(database, CASES, Path(place)) as url:
                owned, worker = owners(url, of_keys), keys(url)["worker"]
                environment = settings(
                    database_url=url, pepper=PEPPER, rate_per_minute=AMPLE, public_rate_per_minute=AMPLE
                )
                with started(environment) as service:
                    pin(service.process.pid, SERVED_ON)
                    say(f"\n{database}, {clients} clients with {of_keys} keys")
                    port = int(service.url.rpartition(":")[2])
                    asyncio.run(hear(port, owned, clients, worker, service.process.pid, url))


if __name__ == "__main__":
    given = [*sys.argv[1:], *("1000", "50", "sqlite,postgresql")[len(sys.argv) - 1 :]]
    pin(os.getpid(), LOADED_ON)
    main(int(given[0]), int(given[1]), given[2].split(","))
