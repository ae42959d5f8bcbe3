"""The tables of permissions and visibility, printed by `appeals access` and written to `docs/access.md`."""

from collections.abc import Collection, Iterable, Mapping

import typer

from appeals.access.record_writers import IMMUTABLE_RECORDS, RECORD_WRITERS
from appeals.access.visibility import VISIBILITY_RULES, VisibilityRule, roles_receiving
from appeals.api.permissions import POLICIES, Policy
from appeals.app import routes
from appeals.cases.team import GLASS_IS_BROKEN_FOR, SHORTEST_REASON
from appeals.cli.terminal import print_line
from appeals.vocabulary import Logged, Role, Scope, SealedField, View, Visibility

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
    public = [policy for policy in POLICIES if policy.public]
    others = [policy for policy in POLICIES if policy.view is None and not policy.public]
    views = "\n".join(f"| `{view}` | {view.definition} |" for view in View)
    scopes = "\n".join(f"| `{scope}` | {scope.definition} |" for scope in Scope)
    *others_sealed, last_sealed = (f"`{name}`" for name in SealedField)
    sealed = f"{', '.join(others_sealed)} and {last_sealed}"
    hours = GLASS_IS_BROKEN_FOR.total_seconds() / 3600
    return f"""# Who may see what, and do what

Made from `appeals/access/visibility.py`, `appeals/access/record_writers.py` and `appeals/api/permissions.py` by `make
docs`; do not edit.

An account holds each role in an entity; the role is valid for that entity and all entities below it. A case that no
rule on this page shows to you does not exist for you: it is 404, in no list and in no count. The reasons are in
[one policy](decisions/0015-one-policy.md) and [views](decisions/0017-views-are-lists.md).

## Who sees a case

Each row of this table names roles, how an account reaches the case in them, and the view it gets for each visibility of
the case. If several rows fit, the fullest view applies. "May act" means that the account may also call the operations
that its roles allow; with "no" it can only read.

{visibility_table()}

## The views

| View | What it shows |
| --- | --- |
{views}

Each view is an explicit list of fields in `appeals/read_models/views.py`; a field that is not on the list is not shown.
`GET /v1/cases/{{ref}}` returns the fullest view that you have, or a smaller one with `?view=`. Steps and changes return
the fullest. Each time somebody gets the work view, the access log gets a row. Outsiders get the public view: of
published cases alone, what two people approved, for as long as [it may be up](consent.md#may-it-be-up-now).

## The team of a case

The account that logs a case is on its team, and so are the assignee and a coordinator who seals the case. Coordinators
name other members. A member acts with the roles they hold anywhere; a coordinator who is not over the lead entity acts
as a caseworker. When another entity accepts a handover, the account that accepts it and the new assignee join the team,
and all others leave it but the account that logged the case.

## Sealed cases and sealed fields

Only the members of its team see a `{Visibility.SEALED}` case; other coordinators do not. The last member cannot leave.
The sealed fields {sealed} are in no view, list, export or
log. Only `POST /v1/cases/{{ref}}/openings` returns them, with a reason; each opening is recorded under the case for its
team, and on the access log.

## Break-glass access

This access is for emergencies: a coordinator over the lead entity, who knows the reference of a sealed case,
calls `POST /v1/cases/{{ref}}/break-glass` with a reason of at least {SHORTEST_REASON} characters, and can read the case
for {hours:.0f} hours. They can act *only to protect*: open sealed fields, take the steps `suspension` and `withdrawal`,
take publications down, record a refusal or withdrawal of consent, and record a graver risk. Everything else is 403, and
what they see there cannot be used in another case ([why](decisions/0030-for-a-day.md)).

Every member of the team at that moment gets an alert at `GET /v1/alerts` with the name and the reason, which they can
still read after they left the team. The access log has a row of the kind `{Logged.BREAK_GLASS}`.

If no member of the team is in service any more (their accounts are disabled, or hold no role that works on cases), the
coordinator with break-glass access proposes a member with `POST …/team`. A second coordinator over the lead, also with
break-glass access, confirms them with `POST …/team/{{id}}/confirmation`. A proposal lapses when the access of its
proposer ends.

## Keys

The scopes of a key limit what it can do, whatever the roles of its account.

| Scope | What the key may be used for |
| --- | --- |
{scopes}

## Who writes which records

This table also applies to records that an intake or a step carries. An account that acts only to protect may write a
consent that is a no, a graver risk assessment, and the proposal of a team member if nobody on the team is in service.

{writers_table()}

## Operations of a case

These operations answer 404 if you cannot see the case, and 403 if you see it but may not call them. Only coordinators
change the assignee and the visibility. The names of operations are the `operationId`s of `/openapi.json`.

{_operation_rows(of_cases, places)}

## Other operations

Some of these operations check more than the role:

- Admins act at and below their own entity, and never on their own account. They disable an account or revoke its keys
  only if they are admin over every entity in which it holds or ever held a role ([why](decisions/0012-keys.md)).
- Another person confirms what an admin proposes: [accounts](accounts.md).
- Auditors read the rows of accounts at and below their entity. They read
  [keyed names](decisions/0034-keyed-names-on-the-log.md) in place of sealed cases.
- Only coordinators over the lead entity get break-glass access.
- Lists of cases hold the cases that you see; alerts are your own.

{_operation_rows(others, places)}

## Operations for everybody

{_operation_rows(public, places)}

## Further rows of the access log

- `get_case`, `get_steps` and `get_history` are a `view` when the caller gets the work view.
- A list as CSV or NDJSON is an `export`.
- A step or a withdrawn consent that publishes something or takes it down is also a `publication`.
- A refusal is a `denial`; the first use of a key on a day is a `key`.
- Public operations have no row, except enrolment.
"""
