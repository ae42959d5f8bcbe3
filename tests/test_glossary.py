"""The glossary: the words of docs/glossary.md are used, and those it drops stay out of names."""

import ast
import re
from pathlib import Path

import appeals
from appeals.app import api_routes
from appeals.database.declarative import Base
from appeals.settings import ROOT
from tests.support.commands import command_names

PAGE = (ROOT / "docs/glossary.md").read_text()
PACKAGE = Path(appeals.__file__).parent
TERMS, DROPPED = (
    dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", part, re.MULTILINE)[1:]) for part in PAGE.split("## Not used")
)
DROPPED = {word: instead for word, instead in DROPPED.items() if set(word) != {"-"}}


def words_of(name: str) -> set[str]:
    """The words of a name: `_to_be_kept` and `ToBeKept` hold `to`, `be` and `kept`."""
    return set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()))


def is_dropped(name: str) -> bool:
    """Whether a name holds a dropped word, or is made of the words of a dropped name."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")
    return bool(words_of(name) & DROPPED.keys()) or any("_" in word and word in snake for word in DROPPED)


def names() -> set[tuple[str, str]]:
    """Every name that the package gives to something, and the module it is in."""
    given = set()
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        given.add((module, path.stem))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                given.add((module, node.name))
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                given.add((module, node.id))
            elif isinstance(node, ast.arg):
                given.add((module, node.arg))
    return given


def test_dropped_words_stay_out_of_identifiers() -> None:
    assert sorted(name for name in names() if is_dropped(name[1])) == []


def test_dropped_words_stay_out_of_tables_operations_and_commands() -> None:
    tables = [name for table in Base.metadata.tables.values() for name in (table.name, *table.columns.keys())]
    seen = [*tables, *(route.name for route in api_routes()), *command_names()]
    assert [name for name in seen if is_dropped(name)] == []


def test_the_glossary_is_in_order_and_says_something_else_for_what_it_drops() -> None:
    assert len(DROPPED) > 20
    assert not {word for word, instead in DROPPED.items() if words_of(instead) & {word}}
