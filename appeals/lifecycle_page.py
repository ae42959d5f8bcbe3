"""The table of steps as people read it: for the terminal, and as `docs/lifecycle.md` with its diagram."""

from appeals.guard import GUARDS
from appeals.lifecycle import OPEN, STEPS, Step
from appeals.vocabulary import GROUP, Status


def table() -> str:
    """The steps as lines of a Markdown table."""
    head = "| Step | From → to | Who | Guards |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(
        f"| `{step.noun}` | {_way(step)} | {_who(step)} | {', '.join(f'`{code}`' for code in step.guards) or '–'} |"
        for step in STEPS
    )


def _way(step: Step) -> str:
    sources = "any open" if step.sources >= OPEN else ", ".join(state for state in Status if state in step.sources)
    if not step.moves:
        return f"{sources}: no change"
    return f"{sources} → {step.target or 'the state it came from'}"


def _who(step: Step) -> str:
    roles = ", ".join(sorted(step.roles))
    where = " of the receiving entity" if step.receiving else ""
    return f"{roles}{where}" + (f", and another person as {step.second}" if step.second else "")


def diagram() -> str:
    """The states and the steps between them, in Mermaid. Steps open everywhere are left to the table."""
    lines = ["stateDiagram-v2", "    [*] --> received: intake"]
    for step in STEPS:
        if step.target is None or step.sources >= OPEN - {Status.SUSPENDED}:
            continue
        lines += [f"    {source} --> {step.target}: {step.noun}" for source in Status if source in step.sources]
    return "\n".join(lines)


def page() -> str:
    """`docs/lifecycle.md`."""
    states = "\n".join(f"| `{state}` | {state.definition} | {GROUP[state]} |" for state in Status)
    guards = "\n".join(
        f"| `{item.code}` | {item.says} | {'a coordinator, with a reason' if item.soft else '–'} "
        f"| {', '.join(f'`{reason}`' for reason in item.unless) or '–'} |"
        for item in GUARDS.values()
    )
    return f"""# The lifecycle of a case

Made from the table in `appeals/lifecycle.py` by `make docs`; do not edit.

## States

| State | Meaning | Group |
| --- | --- | --- |
{states}

```mermaid
{diagram()}
```

`suspension`, `withdrawal` and `merger` are open in every open state; `resumption` leads back to the state a case
was suspended from, or to the nearest earlier one whose guards hold.

## Steps

Each is `POST /v1/cases/{{ref}}/<step>`. `GET /v1/cases/{{ref}}/steps` tells which are open to you, and what is missing.

{table()}

## Guards

A refused step answers 409 and names every guard that does not hold. A soft guard may be overridden by a coordinator
with a reason (`overrides: [{{"guard": …, "reason": …}}]`), which the history shows; some are lifted by the step's reason.

| Guard | What a refusal says | Overridden by | Lifted by reason |
| --- | --- | --- | --- |
{guards}
"""
