"""How long the database takes to find a page of cases by words, among many in twelve languages.

Run by hand: `python -m benchmarks.search [CASES]`. The statement is the register's own, taken from it as it asks the
database: what the caller may see, the newest first, 51 rows. Times are in milliseconds: on SQLite those of a bare
cursor until the last row is fetched, on PostgreSQL its own, of planning, executing and writing the rows out.
"""

import sys
from datetime import UTC, date, datetime, timedelta
from random import Random
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import event, insert, select, text
from sqlalchemy.orm import selectinload

from appeals.accounts.account import existing_account
from appeals.accounts.authentication import authenticate
from appeals.accounts.caller import Caller
from appeals.accounts.entity import Entity
from appeals.cases.case import Case
from appeals.cases.directory import Organisation
from appeals.cases.party import Party
from appeals.database.engine import Database
from appeals.read_models.case_list import CaseQuery, list_statement
from appeals.read_models.search import reindex
from benchmarks.databases import databases
from benchmarks.network import create_people
from benchmarks.service import PEPPER

CHANCE = Random(7)  # noqa: S311 - it keeps no secret
AT_ONCE = 1000
QUERIES = 60
TIMES = 5
CALLERS = ("coordinator", "asia caseworker", "europe reader", "partner")
LANGUAGES: dict[str, tuple[str, ...]] = {
    "en": ("BD", "workers union dismissed strike factory unpaid wages severance officers arrested charges against "
           "organisers closure threats police raid protest leaders registration denied compensation fire boiler "
           "explosion overtime forced pregnant women sacked after in at of the for and"),
    "bn": ("BD", "শ্রমিক ইউনিয়ন ছাঁটাই ধর্মঘট কারখানা বকেয়া মজুরি গ্রেপ্তার মামলা নেতা পুলিশ হামলা বন্ধ বেতন দাবি"),
    "hi": ("IN", "मज़दूर यूनियन हड़ताल कारखाना बकाया वेतन गिरफ़्तार बर्खास्त नेता पुलिस मुक़दमा बंद मुआवज़ा"),
    "ta": ("IN", "தொழிலாளர் சங்கம் வேலைநிறுத்தம் ஆலை ஊதியம் கைது பணிநீக்கம் தலைவர்கள்"),
    "tr": ("TR", "işçi sendika grev fabrika ödenmeyen ücret tazminat işten çıkarma gözaltı dava polis direniş"),
    "vi": ("VN", "công nhân công đoàn đình công nhà máy tiền lương sa thải bắt giữ bồi thường đóng cửa"),
    "es": ("GT", "trabajadores sindicato despido huelga fábrica salarios impagos indemnización cierre amenazas"),
    "ar": ("EG", "العمال النقابة إضراب المصنع الأجور اعتقال فصل تعويض الشرطة"),
    "th": ("TH", "แรงงาน สหภาพแรงงาน เลิกจ้าง นัดหยุดงาน โรงงาน ค่าจ้าง ค่าชดเชย จับกุม"),
    "km": ("KH", "កម្មករ សហជីព កូដកម្ម រោងចក្រ ប្រាក់ឈ្នួល បណ្តេញចេញ ចាប់ខ្លួន"),
    "my": ("MM", "အလုပ်သမား သမဂ္ဂ သပိတ် စက်ရုံ လုပ်ခ ဖမ်းဆီး အလုပ်ဖြုတ်"),
    "zh": ("CN", "工人 工会 罢工 工厂 拖欠工资 解雇 逮捕 赔偿 关闭 警察"),
}  # fmt: skip
SHARE = (40, 15, 8, 4, 6, 5, 4, 3, 4, 4, 4, 3)
"""Of a hundred cases, how many are told in each language."""
SYLLABLES = (
    "bri", "sti", "tu", "su", "ka", "na", "ha", "mi", "de", "lta", "lo", "om", "re", "da", "cre", "sce", "nt", "gol",
    "pa", "dma", "sun", "ri", "ver", "on", "ka", "ru", "ze", "ya",
)  # fmt: skip
PROVINCES = (
    "Dhaka", "Gazipur", "Savar", "Chattogram", "Narayanganj", "Tiruppur", "Karachi", "İzmir", "Bursa", "Yangon",
    "Tangerang", "Huế",
)  # fmt: skip


def main(cases: int) -> None:
    """Print a line for each database, caller and kind of query."""
    for url in databases():
        database = Database(url)
        keys = create_people(database)
        texts = fill(database, cases)
        for who in CALLERS:
            with database.reading() as session:
                caller = authenticate(session, keys[who], PEPPER.encode(), datetime.now(UTC))
            measure(database, caller, texts)
        database.engine.dispose()


def measure(database: Database, caller: Caller, texts: list[list[str]]) -> None:
    """Time each query some times, the median of which counts; print the percentiles over the queries."""
    everything: list[float] = []
    for kind, queries in asked(texts).items():
        took = [timed(database, caller, query) for query in queries]
        everything += [time for time, _ in took]
        tell(f"{database.engine.dialect.name}, {caller.name}, {kind}", took)
    tell(f"{database.engine.dialect.name}, {caller.name}, ALL", [(time, 0) for time in everything])


def tell(says: str, took: list[tuple[float, int]]) -> None:
    times = sorted(time for time, _ in took)
    points = (times[int(len(times) * part)] for part in (0.5, 0.95))
    found = sum(count for _, count in took) / len(took)
    print(f"{says:55}{'':2}p50 {next(points):7.2f}  p95 {next(points):7.2f}  max {times[-1]:7.2f}  rows {found:5.1f}")  # noqa: T201


def asked(texts: list[list[str]]) -> dict[str, list[str]]:
    """Queries by their kind, drawn from what is there: what is frequent is asked often."""
    chance = Random(1)  # noqa: S311

    def some(count: int = 1) -> list[str]:
        words = chance.choice(texts)
        return chance.sample(words, min(count, len(words)))

    vocabulary = sorted({word for words in texts for word in words})
    return {
        "a word": [some()[0] for _ in range(QUERIES)],
        "a frequent word": [word for _, known in LANGUAGES.values() for word in known.split()[:5]],
        "a rare word": chance.sample(vocabulary, QUERIES),
        "two words": [" ".join(some(2)) for _ in range(QUERIES)],
        "three words": [" ".join(some(3)) for _ in range(QUERIES)],
        "a beginning": [some()[0][: chance.randint(1, 4)] for _ in range(QUERIES)],
        "nothing": [f"{word}x" for word in chance.sample(vocabulary, QUERIES)],
    }


def timed(database: Database, caller: Caller, query: str) -> tuple[float, int]:
    """The median time of the statement, and how many rows it gives."""
    statement, values = statement_for(database, caller, query)
    with database.engine.connect() as connection:
        if not database.embedded:
            connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_custom_plan")
        raw = connection.connection.cursor()
        took = sorted(_run(raw, statement, values, embedded=database.embedded) for _ in range(TIMES))
        raw.execute(statement, values)
        return took[TIMES // 2], len(raw.fetchall())


def _run(raw: Any, statement: str, values: Any, *, embedded: bool) -> float:
    if not embedded:
        raw.execute(f"EXPLAIN (ANALYZE, TIMING OFF, SERIALIZE TEXT, FORMAT JSON) {statement}", values)
        (plan,) = raw.fetchone()[0]
        return float(plan["Planning Time"] + plan["Execution Time"])
    began = perf_counter()
    raw.execute(statement, values)
    raw.fetchall()
    return (perf_counter() - began) * 1000


def statement_for(database: Database, caller: Caller, query: str) -> tuple[str, Any]:
    """The statement by which the register finds the cases, and its values, as the driver gets them."""
    heard: list[tuple[str, Any]] = []

    def hear(_1: Any, _2: Any, statement: str, values: Any, *_3: Any) -> None:
        if "search_document" in statement:
            heard.append((statement, values))

    event.listen(database.engine, "before_cursor_execute", hear)
    with database.reading() as session:
        session.execute(list_statement(session, caller, CaseQuery(q=query), None)).all()
    event.remove(database.engine, "before_cursor_execute", hear)
    return heard[0]


# What is searched


def fill(database: Database, cases: int) -> list[list[str]]:
    """So many cases over ten years, logged within months of their day; and the words that each is looked for by."""
    texts: list[list[str]] = []
    with database.writing() as session:
        world = {entity.name: entity for entity in session.scalars(select(Entity))}
        account = existing_account(session, "coordinator", "").id
        union = Organisation(identity="u", name="Union", kind="union_factory", country="BD", may_be_named=True)
        union.listed, union.name_local = False, None
        session.add(union)
        session.flush()
        for first in range(0, cases, AT_ONCE):
            numbers = range(first, min(cases, first + AT_ONCE))
            made = [appeal(number / cases, number, account, union.id, world) for number in numbers]
            session.execute(insert(Case), [case for case, _, _ in made])
            session.execute(insert(Party), [party for _, parties, _ in made for party in parties])
            texts += [words for _, _, words in made]
    began = perf_counter()
    write(database)
    print(f"{database.engine.dialect.name}: {cases} documents in {perf_counter() - began:.0f} s")  # noqa: T201
    with database.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()
    return texts


def write(database: Database) -> None:
    """Write the documents of all cases."""
    with database.reading() as session:
        numbers = list(session.scalars(select(Case.id).order_by(Case.id)))
    for first in range(0, len(numbers), AT_ONCE):
        with database.writing() as session:
            some = select(Case).where(Case.id.in_(numbers[first : first + AT_ONCE]))
            reindex(session.connection(), session.scalars(some.options(selectinload(Case.parties))).all())


Appeal = tuple[dict[str, Any], list[dict[str, Any]], list[str]]


def appeal(age: float, number: int, account: UUID, union: UUID, world: dict[str, Entity]) -> Appeal:
    """A case with its parties, as rows, and the words it is found by."""
    language = CHANCE.choices(list(LANGUAGES), SHARE)[0]
    country, known = LANGUAGES[language]
    factory = [name(), name()]
    words = [*CHANCE.sample(known.split(), 5), *(factory if CHANCE.random() < 0.5 else [])]
    place = CHANCE.choice(PROVINCES)
    join = "" if language in ("th", "km", "my", "zh") else " "
    summary = join.join(CHANCE.choices(known.split(), k=30)) if CHANCE.random() < 0.3 else None
    lead = world[CHANCE.choice(["International Office", "South Asia", "Europe", "Garment Workers Centre"])]
    on = date(2016, 1, 1) + timedelta(days=int(age * 3650) - CHANCE.randrange(90))
    case = case_row(number, account, union, lead) | {
        "title": join.join(words), "public_summary": summary, "narrative_language": language, "country": country,
        "received_on": on,
    }  # fmt: skip
    named = [
        ("employer", {"name": f"{' '.join(factory)} Ltd".title(), "name_local": None, "province": place}),
        ("brand", {"name": f"Brand {CHANCE.randrange(60)}", "name_local": None}),
        ("requester", {"name": f"{factory[0]} Workers Union".title(), "name_local": None}),
    ]
    parties = [party_row(case, account, union, role, said) for role, said in named]
    return case, parties, [*words, *factory, place]


def name() -> str:
    """A made-up word: some are in many names, most in few."""
    return "".join(CHANCE.choices(SYLLABLES, k=CHANCE.choice([2, 2, 3])))


def case_row(number: int, account: UUID, union: UUID, lead: Entity) -> dict[str, Any]:
    now = datetime.now(UTC)
    shown = CHANCE.choices(["sealed", "restricted", "regional", "network"], [10, 45, 25, 20])[0]
    return {
        "id": UUID(int=(1_700_000_000_000 + number * 7) << 80 | 7 << 76 | 2 << 62 | number),
        "reference": f"UA-{number}",
        "public_summary": None, "narrative": "n", "help_asked": "h", "channel": "email", "visibility": shown,
        "priority": "normal", "danger": False, "requester_id": union, "intake_entity_id": lead.id,
        "lead_entity_id": lead.id, "region_id": lead.region_id, "received_precision": "exact", "recorded_at": now,
        "recorded_by": account, "updated_at": now, "status": "received", "publication": "none", "translations": {},
        "reopen_count": 0, "version": 1, "revision": 1,
    }  # fmt: skip


def party_row(case: Any, account: UUID, union: UUID, role: str, named: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": uuid4(), "case_id": case["id"], "recorded_at": case["recorded_at"], "recorded_by": account, "role": role,
        "organisation_id": union, "named": {**named, "country": "BD"},
    }  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
