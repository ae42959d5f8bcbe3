"""The pages of `docs/` that are generated from the code, so that they agree with it."""

import inspect
import json
import re
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr
from typer.cli import get_docs_for_click

from appeals.app import create_app, routes
from appeals.cli import access_page, commands, lifecycle_page
from appeals.cli.access_page import Routes
from appeals.cli.terminal import fail
from appeals.settings import ROOT, Settings
from appeals.vocabulary import VOCABULARIES, Code

DOCS = ROOT / "docs"
GENERATED_NOTICE = "by `make docs`; do not edit."


cli = typer.Typer()


@cli.command()
def docs(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; report the pages that are out of date.")
    ] = False,
) -> None:
    """Write the pages that are generated from the code. Developers run it as `make docs`."""
    outdated = stale(commands.cli, routes())
    if check and outdated:
        raise fail(f"out of date, run make docs: {', '.join(outdated)}")
    if not check:
        write(commands.cli, routes())


def pages(command: typer.Typer, places: Routes) -> dict[str, str]:
    """Return the text of every generated page, by its file name."""
    return {
        "access.md": access_page.page(places),
        "lifecycle.md": lifecycle_page.page(),
        "vocabularies.md": vocabulary_page(),
        "configuration.md": configuration_page(),
        "command.md": command_page(command),
        "openapi.json": openapi_document(),
    }


def stale(command: typer.Typer, places: Routes) -> list[str]:
    """Return the names of the pages that differ from the code."""
    return [name for name, text in pages(command, places).items() if _read(DOCS / name) != text]


def write(command: typer.Typer, places: Routes) -> None:
    """Write all pages."""
    for name, text in pages(command, places).items():
        (DOCS / name).write_text(text)


def openapi_document() -> str:
    """Return `docs/openapi.json`: the document that the service sends, with each value on a line of its own."""
    settings = Settings.model_construct(pepper=SecretStr("this hashes nothing".ljust(64)))
    return json.dumps(create_app(settings).openapi(), indent=1, ensure_ascii=False) + "\n"


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def vocabulary_page() -> str:
    """Return `docs/vocabularies.md` with every code list."""
    lists = "\n".join(_code_list(name, codes) for name, codes in VOCABULARIES.items())
    return f"""# The code lists

Made from `appeals/vocabulary.py` {GENERATED_NOTICE}

The codes are the fixed values of records. `GET /v1/vocabularies/<name>` returns each list. A code in use is never
renamed and never changes its meaning. The ILO conventions behind a code are named in brackets.

{lists}"""


def _code_list(name: str, codes: type[Code]) -> str:
    meaning = re.sub(r" \(domain: [^)]*\)", "", inspect.getdoc(codes) or "")
    rows = "\n".join(f"| `{code}` | {_with_conventions(code)} |" for code in codes)
    return f"## {name}\n\n{meaning}\n\n| Code | Meaning |\n| --- | --- |\n{rows}\n"


def _with_conventions(code: Code) -> str:
    return f"{code.definition} ({', '.join(code.conventions)})" if code.conventions else code.definition


def configuration_page() -> str:
    """Return `docs/configuration.md` with every setting."""
    forms = Settings.model_json_schema()["properties"]
    rows = "\n".join(_setting(name, forms[name]) for name in Settings.model_fields)
    return f"""# Configuration

Made from `appeals/settings.py` {GENERATED_NOTICE}

Every setting is an environment variable; there is no settings file. `make run` passes the variables on to the service,
and accepts `PORT` as a short name of `APPEALS_PORT`.

| Variable | Default | Meaning |
| --- | --- | --- |
{rows}

**The pepper** is the secret that API keys are hashed with; the hashes are in the database. If you lose the pepper,
every key must be made again. A thief who has the pepper and the database can guess keys at leisure. So keep a copy of
the pepper apart from the backup of the database. Put secrets into files (`…_FILE`) rather than into the environment,
where every child process can read them.

`appeals doctor` reports unsafe settings, and what to set instead. [Deployment](deployment.md) describes how to run the
service on PostgreSQL and in containers.
"""


def _setting(name: str, form: dict[str, object]) -> str:
    shown = Settings.model_fields[name].default
    default = "–" if shown is None else f"`{shown}`"
    return f"| `APPEALS_{name.upper()}` | {default} | {form['description']}{_bounds(form)} |"


def _bounds(form: dict[str, object]) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    bounds = [f"{word} {form[bound]}" for bound, word in words.items() if bound in form]
    return f" Allowed: {' '.join(bounds)}." if bounds else ""


def command_page(command: typer.Typer) -> str:
    """Return `docs/command.md`, the reference of the `appeals` command."""
    group = typer.main.get_command(command)
    text = get_docs_for_click(obj=group, ctx=typer.Context(group, info_name="appeals"), name="appeals")
    _, _, rest = text.partition("\n")
    return f"# The `appeals` command\n\nMade from `appeals/cli/` {GENERATED_NOTICE}\n{rest}"
