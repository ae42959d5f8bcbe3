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

from tests.support.layers import APART, FILES, HEIGHT, HEIGHT_OF, ROOT

KNOW_HTTP = re.compile(r"app|api\..*")
TESTS = Path(__file__).parent
LONGEST_TEST_FILE = 500
"""Lines."""


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
    return {".".join(part[:length]) for part in parts for length in range(1, 5)} & HEIGHT.keys()


def test_every_folder_has_its_place() -> None:
    assert {name.split(".")[0] for name in HEIGHT} <= HEIGHT_OF.keys()


def test_imports_run_one_way() -> None:
    upward = {
        (name, known)
        for name in HEIGHT
        for known in of_ours(name)
        if (folders := (name.split(".")[0], known.split(".")[0])) == APART
        or (folders[0] != folders[1] and HEIGHT[known] >= HEIGHT[name])
    }
    assert upward == set()


def test_no_modules_import_each_other() -> None:
    """Within a folder there is an order, too."""
    left = {name: of_ours(name) - {name} for name in HEIGHT}
    while free := {name for name, known in left.items() if not known & left.keys()}:
        left = {name: known for name, known in left.items() if name not in free}
    assert left == {}


def test_only_the_edge_knows_http() -> None:
    knowing = {name for name in FILES if any(re.match(r"(fastapi|starlette)\b", found) for found in imported(name))}
    assert {name for name in knowing if not KNOW_HTTP.fullmatch(name)} <= {"cli.serve"}
    assert {found for found in imported("cli.serve") if found.startswith("fastapi")} == {"fastapi.FastAPI"}


def test_only_the_database_folder_knows_the_dialects() -> None:
    """Their names as code, in small letters; prose may speak of the products."""
    naming = {name: re.findall(r"sqlite|postgresql|psycopg", path.read_text()) for name, path in FILES.items()}
    assert {name for name, found in naming.items() if found and not name.startswith("database.")} == {"settings"}
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


def test_functions_and_modules_are_short_enough_to_read() -> None:
    """A table is as long as what it holds: that of the codes."""
    lengths = {
        (name, node.name): node.end_lineno - node.lineno + 1
        for name in FILES
        for node in ast.walk(tree(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    }
    assert {function for function, lines in lengths.items() if lines > 40} == set()
    assert {name for name, path in FILES.items() if len(path.read_text().splitlines()) > 300} == {"vocabulary"}


def test_the_api_says_of_every_value_what_it_is() -> None:
    """Only the options of FastAPI's routes, which are handed on, may be anything."""
    naming = [
        (name, line.strip())
        for name, path in FILES.items()
        if name.startswith("api.")
        for line in path.read_text().splitlines()
        if re.search(r"\bAny\b", line) and not re.match(r"\s*(from|import) ", line)
    ]
    assert [name for name, _ in naming] == ["api.routing"]
    assert "**options: Any" in naming[0][1]


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
    "cases.case_reading._list_of", "cases.case_reading._which_lists_exist", "cases.case._list_names",
    "cases.case_rows.case_lists",
    "cases.case_rows._all_lists", "cases.case_transaction._insert_into", "cases.case_transaction._update_of",
    "database.bulk._insert_ignore", "database.row_shape.shape_of",  # statements and shapes of the mapped columns alone
    "cli.clone_tables.column_index", "cli.clone_tables.tables", "fields.annotated_fields",
    "api.request_body._our_names",
     # what is declared
    "read_models.name_similarity._phonetic_words", "read_models.name_similarity._is_common",
    "read_models.name_similarity.blocking_keys", "read_models.name_similarity.phonetic",
    "read_models.search._names_of", # of a text
    "read_models.tokenizer._folded", "read_models.tokenizer._kind", "read_models.tokenizer.terms_in",
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
    """See tests/support/size.py: so `make soak` can ask for more of each."""
    known = {"conftest.py", "tests/support/size.py", Path(__file__).name}
    others = [path for path in Path(__file__).parent.rglob("*.py") if path.name not in known]
    own = {path.name for path in others if re.search(r"max_examples|APPEALS_TEST_(?!DATABASE_URL)", path.read_text())}
    assert own == set()


def imported_by(path: Path) -> set[str]:
    """The modules and names that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = {
        f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    return whole | parts


def test_no_test_file_is_too_long_to_read() -> None:
    lines = {path.name: len(path.read_text().splitlines()) for path in TESTS.rglob("*.py")}
    assert {name: count for name, count in lines.items() if count > LONGEST_TEST_FILE} == {}


def test_tests_share_by_the_support_folder_alone() -> None:
    of_tests = {path.name for path in TESTS.rglob("*.py") if any(".test_" in name for name in imported_by(path))}
    assert of_tests == set()


def test_benchmarks_stand_on_no_tests() -> None:
    of_tests = {
        path.name
        for path in (ROOT.parent / "benchmarks").glob("*.py")
        if any(name.partition(".")[0] == "tests" for name in imported_by(path))
    }
    assert of_tests == set()
