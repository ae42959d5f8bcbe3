"""The tables of permissions and visibility, printed by `appeals access` and written to `docs/access.md`."""

from collections.abc import Collection, Iterable, Mapping

import typer

from appeals.access.record_writers import IMMUTABLE_RECORDS, RECORD_WRITERS
from appeals.access.visibility import VISIBILITY_RULES, VisibilityRule, roles_receiving
from appeals.api.permissions import POLICIES, Policy
from appeals.app import routes
from appeals.cases.team import GLASS_IS_BROKEN_FOR, SHORTEST_REASON
from appeals.cli.page_text import filled
from appeals.cli.terminal import print_line
from appeals.vocabulary import Code, Logged, Role, Scope, SealedField, View, Visibility

Routes = Mapping[str, str]
"""The method and path of each operation, such as `POST /v1/cases`, by the operation's name."""


cli = typer.Typer()


@cli.command()
def access() -> None:
    """Print the permissions: who may call each operation, with which key, and its name in the access log."""
    print_line(table(routes()))


def table(places: Routes) -> str:
    """Return all operations as a Markdown table: who may call each, with which key, and its name in the access log."""
    return _operation_rows(POLICIES, places)


def _operation_rows(policies: Iterable[Policy], places: Routes) -> str:
    head = "| Operation | Where | Who passes | Key | On the log as |\n| --- | --- | --- | --- | --- |\n"
    return head + "\n".join(
        f"| `{policy.operation}` | `{places[policy.operation]}` | {_who(policy)} | {_key(policy)} | {_logged(policy)} |"
        for policy in policies
    )


def _who(policy: Policy) -> str:
    if policy.public:
        return "everybody"
    if policy.view is None:
        return _roles(policy.roles) or "every account"
    if policy.acting is roles_receiving:
        return f"{_roles(policy.roles)} of the entity it is offered to"
    if policy.roles:
        return f"{_roles(policy.roles)} on the case{', or only to protect' if policy.protects else ''}"
    return "everybody with its work view" if policy.view is View.WORK else "everybody who sees it"


def _roles(roles: Collection[Role]) -> str:
    named = [str(role) for role in Role if role in roles]
    return " or ".join(filter(None, [", ".join(named[:-1]), *named[-1:]]))


def _key(policy: Policy) -> str:
    if policy.public:
        return "none"
    return f"`{policy.scope}`" if policy.scope else "any"


def _logged(policy: Policy) -> str:
    return f"`{policy.logged}`" if policy.logged else "–"


def visibility_table() -> str:
    """Return the visibility rules as a Markdown table: for each role, the view that it gets of cases of each
    visibility.
    """
    head = f"| In the role of | {_cells(Visibility)} | May act |\n| --- |{' --- |' * len(Visibility)} --- |\n"
    return head + "\n".join(
        f"| {_roles(rule.roles)}, {rule.via.says} | {_cells(_given(rule))} | {rule.acts.value} |"
        for rule in VISIBILITY_RULES
    )


def _cells(texts: Iterable[str]) -> str:
    return " | ".join(texts)


def _given(rule: VisibilityRule) -> list[str]:
    order = list(Visibility)
    return [rule.view if order.index(visibility) >= order.index(rule.least) else "–" for visibility in order]


def writers_table() -> str:
    """Return a Markdown table of the roles that may write each kind of record."""
    head = "| Records | Written by | Can be changed |\n| --- | --- | --- |\n"
    return head + "\n".join(
        f"| `{kind.replace('_', '-')}` | {_roles(roles)} | {'no' if kind in IMMUTABLE_RECORDS else 'yes'} |"
        for kind, roles in RECORD_WRITERS.items()
    )


def page(places: Routes) -> str:
    """Return the text of `docs/access.md`."""
    of_cases = [policy for policy in POLICIES if policy.view is not None]
    others = [policy for policy in POLICIES if policy.view is None and not policy.public]
    *others_sealed, last_sealed = (f"`{name}`" for name in SealedField)
    return filled(
        "access.md",
        visibility_table=visibility_table(),
        views=_definitions(View),
        scopes=_definitions(Scope),
        sealed=Visibility.SEALED,
        sealed_fields=f"{', '.join(others_sealed)} and {last_sealed}",
        shortest_reason=SHORTEST_REASON,
        hours=f"{GLASS_IS_BROKEN_FOR.total_seconds() / 3600:.0f}",
        break_glass=Logged.BREAK_GLASS,
        writers_table=writers_table(),
        case_operations=_operation_rows(of_cases, places),
        other_operations=_operation_rows(others, places),
        public_operations=_operation_rows([policy for policy in POLICIES if policy.public], places),
    )


def _definitions(codes: Iterable[Code]) -> str:
    return "\n".join(f"| `{code}` | {code.definition} |" for code in codes)
