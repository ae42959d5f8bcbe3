"""The pages of `docs/` that are made from the code, so that they cannot say anything else than it does."""

import inspect
import re
from pathlib import Path
from typing import Any

import typer
from typer.cli import get_docs_for_click

from appeals.cli import access_page, lifecycle_page
from appeals.cli.access_page import Routes
from appeals.settings import ROOT, Settings
from appeals.vocabulary import VOCABULARIES, Code

DOCS = ROOT / "docs"
GENERATED_NOTICE = "by `make docs`; do not edit."


def pages(command: typer.Typer, places: Routes) -> dict[str, str]:
    """Every page that is made, by its file name."""
    return {
        "access.md": access_page.page(places),
        "lifecycle.md": lifecycle_page.page(),
        "vocabularies.md": vocabulary_page(),
        "configuration.md": configuration_page(),
        "command.md": command_page(command),
    }


def stale(command: typer.Typer, places: Routes) -> list[str]:
    """The names of the pages that differ from what the code says now."""
    return [name for name, text in pages(command, places).items() if _read(DOCS / name) != text]


def write(command: typer.Typer, places: Routes) -> None:
    """Write every page."""
    for name, text in pages(command, places).items():
        (DOCS / name).write_text(text)


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def vocabulary_page() -> str:
    """`docs/vocabularies.md`: every code list."""
    lists = "\n".join(_code_list(name, codes) for name, codes in VOCABULARIES.items())
    return f"""# The code lists

Made from `appeals/vocabulary.py` {GENERATED_NOTICE}

The service gives them out too: `GET /v1/vocabularies/<name>`. A code, once used, is never renamed or given another
meaning. Where ILO conventions stand behind a code, they are named.

{lists}"""


def _code_list(name: str, codes: type[Code]) -> str:
    meaning = re.sub(r" \(domain: [^)]*\)", "", inspect.getdoc(codes) or "")
    rows = "\n".join(f"| `{code}` | {_with_conventions(code)} |" for code in codes)
    return f"## {name}\n\n{meaning}\n\n| Code | Meaning |\n| --- | --- |\n{rows}\n"


def _with_conventions(code: Code) -> str:
    return f"{code.definition} ({', '.join(code.conventions)})" if code.conventions else code.definition


def configuration_page() -> str:
    """`docs/configuration.md`: every setting."""
    forms = Settings.model_json_schema()["properties"]
    rows = "\n".join(_setting(name, forms[name]) for name in Settings.model_fields)
    return f"""# Configuration

Made from `appeals/settings.py` {GENERATED_NOTICE}

Every setting is a variable of the environment; there is no file of settings. `make run` passes them on, and takes
`PORT` as a short name of `APPEALS_PORT`.

| Variable | Default | Meaning |
| --- | --- | --- |
{rows}

**The pepper** is half of what a key is checked with; the other half is in the database. Whoever loses it has to make
every key anew; whoever steals it and the database can try keys in peace. Keep a copy, apart from the backup of the
database. Secrets belong in files (`…_FILE`), not in the environment, where every child process sees them.

`appeals doctor` says what about these settings is not safe, and what to set instead. How to run the service on
PostgreSQL, and in containers: [deployment](deployment.md).
"""


def _setting(name: str, form: dict[str, Any]) -> str:
    shown = Settings.model_fields[name].default
    default = "–" if shown is None else f"`{shown}`"
    return f"| `APPEALS_{name.upper()}` | {default} | {form['description']}{_bounds(form)} |"


def _bounds(form: dict[str, Any]) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    said = [f"{word} {form[bound]}" for bound, word in words.items() if bound in form]
    return f" Allowed: {' '.join(said)}." if said else ""


def command_page(command: typer.Typer) -> str:
    """`docs/command.md`: everything the `appeals` command can do."""
    group = typer.main.get_command(command)
    text = get_docs_for_click(obj=group, ctx=typer.Context(group, info_name="appeals"), name="appeals")
    _, _, rest = text.partition("\n")
    return f"# The `appeals` command\n\nMade from `appeals/__main__.py` {GENERATED_NOTICE}\n{rest}"
