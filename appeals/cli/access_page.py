"""The policy as people read it: for the terminal, and as `docs/access.md`."""

from collections.abc import Collection, Iterable, Mapping

from appeals.access.record_writers import IMMUTABLE_RECORDS, RECORD_WRITERS
from appeals.access.visibility import VISIBILITY_RULES, VisibilityRule, roles_receiving
from appeals.api.permissions import POLICIES, Policy
from appeals.cases.team import GLASS_IS_BROKEN_FOR, SHORTEST_REASON
from appeals.vocabulary import Logged, Role, Scope, SealedField, View, Visibility

Routes = Mapping[str, str]
"""Where each operation stands, as `POST /v1/cases`, by its name."""


def table(places: Routes) -> str:
    """Every operation as a line of a Markdown table: who passes, with which key, and what the access log calls it."""
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
    return "whoever gets its work view" if policy.view is View.WORK else "whoever sees it"


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
    """Who gets which view of a case, as lines of a Markdown table: a column for each visibility."""
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
    """Who may write each kind of record, as lines of a Markdown table."""
    head = "| Records | Written by | Can be changed |\n| --- | --- | --- |\n"
    return head + "\n".join(
        f"| `{kind.replace('_', '-')}` | {_roles(roles)} | {'no' if kind in IMMUTABLE_RECORDS else 'yes'} |"
        for kind, roles in RECORD_WRITERS.items()
    )


def page(places: Routes) -> str:
    """`docs/access.md`."""
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

A role is held within an entity, and is good for it and all that lies below it. What nothing here gives does not exist:
such a case is answered 404, stands in no list and counts nowhere. Why it is so:
[one policy](decisions/0015-one-policy.md), [views](decisions/0017-views-are-lists.md).

## Who sees a case

A line gives a view of the cases of each visibility to those who hold one of the roles in that way. Where several fit,
the fullest view holds. Who may act, may do what the operations below give to those roles; the others only look on.

{visibility_table()}

## The views

| View | What it shows |
| --- | --- |
{views}

Each is a list of its members in `appeals/read_models/views.py`, and what is not on the list is not shown. `GET
/v1/cases/{{ref}}` gives the fullest view you have, or the one asked for by `?view=`; steps and changes answer in the
fullest. The work view goes on the access log each time it is given. Outsiders get the public view: of published cases
alone, what two people approved, for as long as [it may be up](consent.md#may-it-be-up-now).

## The team of a case

Whoever logs a case is named on its team, and so are the assignee and a coordinator who seals it. Coordinators name
others. On a team one acts in the roles one holds anywhere; who is coordinator, but not over the lead entity, acts as
caseworker. When a hand-over is accepted, who accepted it and the new assignee join, and all leave but who logged it.

## Sealed cases and sealed fields

A `{Visibility.SEALED}` case is seen by those who are named on its team and by nobody else, coordinators included; the
last of them cannot leave. Sealed fields, {sealed}, are in no view, list, export or
log. They come from `POST /v1/cases/{{ref}}/openings` alone, with a reason; each opening is kept under the case for its
team, and on the access log.

## Breaking the glass

A coordinator over the lead entity who has to see a sealed case, and knows its reference, gives a reason at
`POST /v1/cases/{{ref}}/break-glass`, of at least {SHORTEST_REASON} characters, and reads it for {hours:.0f} hours.
They act *only to protect*: besides opening sealed fields they take the steps `suspension` and `withdrawal`, take
publications down, record a no, and a risk that is graver than what is on record. All else is 403 to them, and nothing
they know from there can be named in another case ([why](decisions/0030-for-a-day.md)).

Everybody who is named on the team at that moment is told who and why at `GET /v1/alerts`, for good, also after they
left; the access log has it as `{Logged.BREAK_GLASS}`.

Where nobody who is named on the team is in service any more (their accounts are disabled, or hold no role that works on
cases), who broke the glass proposes a member by `POST …/team`, and a second coordinator over the lead, who breaks it
too, names them by `POST …/team/{{id}}/confirmation`. A proposal lapses with the day of who made it.

## Keys

A key does no more than its scopes say, whatever the roles of its account.

| Scope | What the key may be used for |
| --- | --- |
{scopes}

## Who writes which records

Also where they come along with an intake or a step. Who acts only to protect writes of `consents` a no, of
`risk-assessments` a graver one, and of `team` a proposal where nobody is in service.

{writers_table()}

## Operations of a case

To those who do not see the case they answer 404; who sees it and may not pass gets 403. An assignee and a visibility
are changed by coordinators alone. The names of operations are the `operationId`s of `/openapi.json`.

{_operation_rows(of_cases, places)}

## Other operations

Some look closer than at the role. Admins act at and below their own entity, never on their own account, and disable an
account or revoke its keys only where they are admin over every entity in which it holds a role or ever held one
([why](decisions/0012-keys.md)). What they propose, another person confirms: [accounts](accounts.md). Auditors read of
the accounts at and below their entity, and of sealed cases by
[keyed names](decisions/0034-keyed-names-on-the-log.md). The glass is broken by those who coordinate the lead. Lists of
cases hold those one sees; alerts are what one was told.

{_operation_rows(others, places)}

## Operations for everybody

{_operation_rows(public, places)}

## What the access log has besides

`get_case`, `get_steps` and `get_history` are a `view` where the caller gets the work view. Lists as CSV or NDJSON
are an `export`. A step or a withdrawn consent that puts up or takes down a publication is a `publication` too. A
refusal is a `denial`, and the first use of a key on a day a `key`. What is public is not on it, but for enrolment.
"""
