"""The table of steps, printed by `appeals lifecycle` and written with its diagram to `docs/lifecycle.md`."""

import typer

from appeals.access.roles import INTAKE_ROLES
from appeals.cli.terminal import print_line
from appeals.lifecycle.guards import GUARDS
from appeals.lifecycle.step_inputs import GuardedInput
from appeals.lifecycle.steps import OPEN, STEPS, Step
from appeals.vocabulary import GROUP, Status

cli = typer.Typer()


@cli.command()
def lifecycle() -> None:
    """Print the table of steps."""
    print_line(table())


def table() -> str:
    """Return the steps as a Markdown table."""
    head = "| Step | From → to | Who | Guards |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(
        f"| `{step.noun}` | {_way(step)} | {_who(step)} | {_codes(step.guards)} |" for step in STEPS
    )


def _way(step: Step) -> str:
    sources = ", ".join(state for state in Status if state in step.sources)
    if _is_open_everywhere(step):
        sources = "any open" if step.sources >= OPEN else "any open but suspended"
    if not step.moves:
        return f"{sources}: no change"
    return f"{sources} → {step.target or 'the state it came from'}"


def _is_open_everywhere(step: Step) -> bool:
    return step.sources >= OPEN - {Status.SUSPENDED}


def _who(step: Step) -> str:
    roles = ", ".join(sorted(step.roles))
    where = " of the receiving entity" if step.receiving else ""
    return f"{roles}{where}" + (f", and another person as {step.second}" if step.second else "")


def _codes(codes: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{code}`" for code in codes) or "–"


def diagram() -> str:
    """Return the states and steps as a Mermaid diagram. Steps open in every open state start at one node for all of
    them.
    """
    lines = ["stateDiagram-v2", '    state "any open state" as any_open', "    [*] --> received: intake"]
    for step in STEPS:
        everywhere = _is_open_everywhere(step)
        sources = ["any_open"] if everywhere else [state for state in Status if state in step.sources]
        target = "any_open" if step.returns else step.target
        lines += [f"    {source} --> {target}: {step.noun}" for source in sources if step.moves]
    return "\n".join(lines)


def _inputs() -> str:
    return "\n".join(
        f"| `{step.noun}` | {_codes(_members(step, required=True))} | {_codes(_members(step, required=False))} "
        f"| {step.says} |"
        for step in STEPS
    )


def _members(step: Step, *, required: bool) -> list[str]:
    own = {name: info for name, info in step.input.model_fields.items() if name not in GuardedInput.model_fields}
    return [name for name, info in own.items() if info.is_required() is required]


def page() -> str:
    """Return the text of `docs/lifecycle.md`."""
    states = "\n".join(f"| `{state}` | {state.definition} | {GROUP[state]} |" for state in Status)
    guards = "\n".join(
        f"| `{item.code}` | {item.says} | {'a coordinator, with a reason' if item.soft else '–'} "
        f"| {_codes(item.unless)} |"
        for item in GUARDS.values()
    )
    return f"""# The lifecycle of a case

Made from the table in `appeals/lifecycle/steps.py` by `make docs`; do not edit.

A case is in one of these states. A step moves it from one state to another, if the guards of the step hold.

## States

| State | Meaning | Group |
| --- | --- | --- |
{states}

```mermaid
{diagram()}
```

A resumption leads back to the state in which the case was suspended, if the guards of that state hold now. If they do
not, the refusal names the nearest earlier state whose guards hold.

## Steps

A case begins with intake, `POST /v1/cases`, by {", ".join(sorted(INTAKE_ROLES))}. Each step is
`POST /v1/cases/{{ref}}/<step>`. `GET /v1/cases/{{ref}}/steps` lists the steps that are open to you, and what is
missing.

{table()}

## Input of each step

Every step accepts `occurred_on` and `occurred_precision`. Every step but the withdrawal, which nothing may block, also
accepts `records`, `conditions_met` and `overrides`; see [the HTTP interface](http.md#steps).

| Step | Required | Optional | Sentence in the history |
| --- | --- | --- | --- |
{_inputs()}

## Guards

A refused step is answered 409 with every guard that does not hold. A coordinator can override a soft guard with a
reason (`overrides: [{{"guard": …, "reason": …}}]`), which the history shows. Some guards do not apply when the step has
a certain `reason`.

| Guard | Sentence in a refusal | Overridden by | Does not apply with the reason |
| --- | --- | --- | --- |
{guards}
"""
