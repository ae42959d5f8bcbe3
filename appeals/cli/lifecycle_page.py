"""The table of steps, printed by `appeals lifecycle` and written with its diagram to `docs/lifecycle.md`."""

import typer

from appeals.access.roles import INTAKE_ROLES
from appeals.cli.page_text import filled
from appeals.cli.terminal import print_line
from appeals.lifecycle.guard import Guard
from appeals.lifecycle.guards import GUARDS
from appeals.lifecycle.step_input import GuardedInput
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
    """Return the states and steps as a Mermaid diagram.

    Steps open in every open state start at one node for all of them.
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
    return filled(
        "lifecycle.md",
        states="\n".join(f"| `{state}` | {state.definition} | {GROUP[state]} |" for state in Status),
        diagram=diagram(),
        intake_roles=", ".join(sorted(INTAKE_ROLES)),
        steps=table(),
        inputs=_inputs(),
        guards="\n".join(map(_guard, GUARDS.values())),
    )


def _guard(guard: Guard) -> str:
    overridden_by = "a coordinator, with a reason" if guard.soft else "–"
    return f"| `{guard.code}` | {guard.says} | {overridden_by} | {_codes(guard.unless)} |"
