"""The house: imports run one way, HTTP and the dialects stay where they belong, nothing happens on import."""

import ast
import importlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pytest_socket import SocketConnectBlockedError
from sqlalchemy import FromClause, TableClause
from sqlalchemy.orm.util import AliasedClass

import appeals

ROOT = Path(appeals.__file__).parent
FILES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in ROOT.rglob("*.py")}
LAYERS = (
    "address append_only vocabulary errors database process sealing",
    "field cursor idempotency protection reader readiness reserve settings",
    "alert key rate_limit word",
    "network directory record",
    "consent",
    "access_log action change commitment demand due link outcome party payment person proceeding risk "
    "safe_contact tally team violation webhook schema",
    "last_word opening publication rights",
    "enrolment",
    "step_input",
    "lifecycle",
    "case",
    "access audit figures revision sharing",
    "likeness past search statistics views",
    "guard records",
    "effect",
    "kept_view",
    "access_page attention step register lifecycle_page story track_record",
    "clock feed intake invention",
    "copies duplicate",
    "seed",
    "courier doctor documentation replay",
    "web.body",
    "web.problems",
    "web.caller web.gate web.quick",
    "web.door web.middleware web.waiting",
    "web.connection",
    "web.page",
    "web.cases",
    "web.audit web.directories web.feed web.ledgers web.network web.publications web.records web.sealed web.statistics",
    "web.alerts web.rights web.webhooks",
    "app",
    "__main__",
)
"""From the ground up. A module knows those below it; not those above, not those beside it."""
HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names.split()}
KNOW_HTTP = re.compile(r"app|web\..*")


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text())


def imported(name: str) -> Iterator[str]:
    """Every module a module imports, wherever in it."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def of_ours(name: str) -> set[str]:
    """The modules of this package that a module imports."""
    parts = [found.split(".")[1:] for found in imported(name) if found.startswith("appeals.")]
    return {".".join(part[:length]) for part in parts for length in (1, 2)} & HEIGHT.keys()


def test_every_module_has_its_place() -> None:
    assert {name for name in FILES if not name.endswith("__init__")} == HEIGHT.keys()


def test_imports_run_one_way() -> None:
    upward = {(name, known) for name in HEIGHT for known in of_ours(name) if HEIGHT[known] >= HEIGHT[name]}
    assert upward == set()


def test_only_the_edge_knows_http() -> None:
    knowing = {name for name in FILES if any(re.match(r"(fastapi|starlette)\b", found) for found in imported(name))}
    assert {name for name in knowing if not KNOW_HTTP.fullmatch(name)} <= {"__main__"}
    assert {found for found in imported("__main__") if found.startswith("fastapi")} == {"fastapi.FastAPI"}


def test_only_the_database_module_knows_the_dialects() -> None:
    """Their names as code, in small letters; prose may speak of the products."""
    naming = {name: re.findall(r"sqlite|postgresql|psycopg", path.read_text()) for name, path in FILES.items()}
    assert {name for name, found in naming.items() if found} == {"database", "protection", "reader", "settings"}
    defaults = [node.value for node in ast.walk(tree("settings")) if isinstance(node, ast.Constant)]
    assert [value for value in defaults if re.match(r"(sqlite|postgresql)", str(value))] == ["sqlite:///appeals.db"]


def test_nothing_is_imported_inside_a_function_or_for_types_only() -> None:
    hidden = {
        name
        for name in FILES
        for outer in ast.walk(tree(name))
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.If | ast.Try)
        and any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(outer))
    }
    assert hidden == set()


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "common", "core", "helpers", "base", "service", "services", "manager", "crud", "misc"}
    assert {name for name in FILES if drawers & set(name.split("."))} == set()


def test_nothing_happens_on_import(tmp_path: Path) -> None:
    """No setting is read, no engine made, no file written."""
    program = (
        "import sqlalchemy\n"
        "def refuse(*_, **__): raise SystemExit('an engine is made on import')\n"
        "sqlalchemy.create_engine = refuse\n"
        "import appeals.app, appeals.__main__\n"
    )
    broken = {**os.environ, "APPEALS_PORT": "none", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT.parent)}
    done = subprocess.run(  # noqa: S603 - the program above
        [sys.executable, "-c", program], cwd=tmp_path, env=broken, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_no_alias_is_shared() -> None:
    """SQLAlchemy finds the columns of an alias when they are first asked for. Where two threads ask at once, one may
    get those of the table itself, and keep them: a rule about one case would then be asked of another.
    """
    known = {name: vars(importlib.import_module(f"appeals.{name}")) for name in HEIGHT if name != "__main__"}
    shared = {
        (module, name)
        for module, names in known.items()
        for name, value in names.items()
        if isinstance(value, AliasedClass) or (isinstance(value, FromClause) and not isinstance(value, TableClause))
    }
    assert shared == set()


CACHED = {
    "case._list_of", "case._what_there_is",  # statements of the mapped columns alone
    "copies._at", "copies.tables", "field.marks_of", "web.body._our_names",  # what is declared
    "likeness._heard", "likeness._is_common", "likeness.keys_of", "likeness.sound", "search._names_of", # of a text
    "word._folded", "word._kind", "word.terms_in",
}  # fmt: skip
"""What is cached for the process: functions of their arguments and of what never changes while it runs."""


def test_no_cache_outlives_what_it_depends_on() -> None:
    """A cache of what depends on rules, callers or rows lives on the database object, see `StatementCache`."""
    known = {name: vars(importlib.import_module(f"appeals.{name}")) for name in HEIGHT if name != "__main__"}
    cached = [value for names in known.values() for value in names.values() if isinstance(value, type(tree))]
    functions = {f"{value.__module__}.{value.__name__}" for value in cached}
    assert {name.removeprefix("appeals.") for name in functions if name.startswith("appeals.")} == CACHED


def test_tests_reach_nothing_but_this_machine() -> None:
    with pytest.warns(UserWarning, match="192.0.2.1"), pytest.raises(SocketConnectBlockedError):
        socket.create_connection(("192.0.2.1", 9), timeout=1)


def test_how_many_examples_are_tried_is_said_in_one_place() -> None:
    """See tests/size.py: so `make soak` can ask for more of each."""
    known = {"conftest.py", "size.py", Path(__file__).name}
    others = [path for path in Path(__file__).parent.glob("*.py") if path.name not in known]
    own = {path.name for path in others if re.search(r"max_examples|APPEALS_TEST_(?!DATABASE_URL)", path.read_text())}
    assert own == set()
