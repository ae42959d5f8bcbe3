"""The documentation says what the code does, all of it, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

from appeals import documentation, lifecycle_page
from appeals.__main__ import cli
from appeals.guard import GUARDS
from appeals.lifecycle import STEPS
from appeals.settings import ROOT, Settings
from appeals.vocabulary import VOCABULARIES, Status

DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
TEXTS = {".py", ".md", ".toml", ".ini", ".yml", ".txt", ".in", ".jsonl", ".mako"}
NAMED = {"Makefile", "Dockerfile", ".dockerignore", ".gitignore", "run"}
FOLDERS = ("appeals", "benchmarks", "docs", "examples", "migrations", "requirements", "tests", ".ci")
FILES = [*ROOT.iterdir(), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]


def said(name: str) -> str:
    return (DOCS / name).read_text()


@pytest.mark.parametrize("name", documentation.pages(cli))
def test_a_page_made_from_the_code_is_current(name: str) -> None:
    assert said(name) == documentation.pages(cli)[name], "run make docs"


def test_every_setting_is_documented() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"| `APPEALS_{name.upper()}` |" in said("configuration.md")


def test_every_variable_that_is_named_is_a_setting() -> None:
    known = {f"APPEALS_{name.upper()}" for name in Settings.model_fields} | {"APPEALS_TEST_DATABASE_URL"}
    known |= set(re.findall(r"\[env var: (\w+)\]", said("command.md")))
    for page in PAGES:
        assert set(re.findall(r"\bAPPEALS_[A-Z][A-Z_]*[A-Z]", page.read_text())) <= known, page.name


def test_every_command_is_documented() -> None:
    groups = {group.name: group.typer_instance for group in cli.registered_groups if group.typer_instance}
    names = [command.name or getattr(command.callback, "__name__", "") for command in cli.registered_commands]
    names += [f"{name} {command.name}" for name, group in groups.items() for command in group.registered_commands]
    for name in names:
        assert re.search(rf"^##+ `appeals {name}`\n\n\S", said("command.md"), re.M), name


def test_every_code_is_documented_with_its_meaning() -> None:
    for name, codes in VOCABULARIES.items():
        part = said("vocabularies.md").partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        for code in codes:
            assert code.definition
            assert f"| `{code}` | {code.definition}" in part, f"{name}: {code}"


def test_every_state_step_and_guard_is_on_the_page_of_the_lifecycle() -> None:
    page = said("lifecycle.md")
    for name in [*Status, *(step.noun for step in STEPS), *GUARDS]:
        assert f"| `{name}` |" in page, name


def test_the_diagram_draws_every_move_and_no_other() -> None:
    drawn = set(re.findall(r"^    (\w+) --> (\w+): ([a-z-]+)$", lifecycle_page.diagram(), re.M))
    everywhere = {("suspended", "suspension"), ("closed", "withdrawal"), ("closed", "merger")}
    moves = {(str(source), str(step.target), step.noun) for step in STEPS for source in step.sources if step.target}
    expected = {move for move in moves if move[1:] not in everywhere}
    expected |= {("any_open", *move) for move in everywhere} | {("suspended", "any_open", "resumption")}
    assert drawn == expected


def test_every_decision_is_listed_and_has_its_four_parts() -> None:
    index = said("decisions/README.md")
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04d}" for number in range(1, len(DECISIONS) + 1)]
    for path in DECISIONS:
        text = path.read_text()
        title = text.splitlines()[0].removeprefix(f"# {path.name[:4]} · ")
        assert f"| [{path.name[:4]}]({path.name}) | {title} |" in index
        assert re.findall(r"^## (.*)$", text, re.M) == ["Context", "Decision", "Consequences", "Alternatives"]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path) if path else page
        assert there.exists(), target
        headings = re.findall(r"^#+ (.*)$", there.read_text(), re.M) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w\- ]", "", found).lower().replace(" ", "-") for found in headings}


def test_every_page_can_be_found_from_the_readme() -> None:
    linked = {target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / "README.md").read_text())}
    assert {f"docs/{path.name}" for path in DOCS.glob("*.md")} <= linked


def test_the_changelog_says_what_is_unreleased() -> None:
    assert re.search(r"^## \[Unreleased\]\n\n### \w+\n\n- ", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_good_examples_are_taken_from_this_code() -> None:
    blocks = re.findall(r"^# Good\n(.*?)```$", (ROOT / "CONTRIBUTING.md").read_text(), re.M | re.S)
    code = "\n".join(path.read_text() for folder in ("appeals", "tests") for path in (ROOT / folder).rglob("*.py"))
    lines = {line.strip() for line in code.splitlines()}
    quoted = {line.strip() for block in blocks for line in block.splitlines()} - {"", "..."}
    assert len(blocks) >= 6
    assert quoted - lines == set()


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    place = re.compile(r"(?<![\w.$}])/(home|root|work|Users|private)/\w")
    for path in FILES:
        if path.is_file() and (path.suffix in TEXTS or path.name in NAMED):
            found = place.search(path.read_text())
            assert not found, f"{path.relative_to(ROOT)}: {found[0]}"
