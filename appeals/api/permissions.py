"""The permissions: which roles, with a key of which scope, may call which operation. Each operation has one line.

They are printed as `docs/access.md`. The service does not start if an operation has no line. Source: sections 3 and 4
of the domain specification.
"""

from collections.abc import Callable
from dataclasses import dataclass

from appeals.access.record_writers import IMMUTABLE_RECORDS, PROTECTIVE_RECORDS, RECORD_WRITERS
from appeals.access.roles import CASE_ROLES, CASEWORK, COORDINATION, FIELD_WORK, INTAKE_ROLES, TEAM_ROLES
from appeals.access.visibility import COUNTING_ROLES, most_senior, roles_on, roles_protecting, roles_receiving
from appeals.accounts.caller import Caller
from appeals.cases.case import Case
from appeals.lifecycle.steps import STEPS
from appeals.vocabulary import Logged, Role, Scope, View


def role_at(operation: str, caller: Caller, case: Case) -> Role | None:
    """Return the role in which the caller calls an operation of the case, the most responsible one if several fit."""
    return most_senior(policy_of(operation).roles_of(caller, case))


# The permissions of each operation


@dataclass(frozen=True)
class Policy:
    """One line: who may call an operation, with a key of which scope, and its kind in the access log.

    With `view`, it is an operation of a case. It answers 404 to callers who do not see the case and 403 to those with
    less than `view`; `roles` are roles on the case (none: seeing it is enough). Without `view`, `roles` may be held
    anywhere (none: any live key). A `public` operation needs no key. An operation that `protects` is also open to those
    who act on the case only to protect; what they may write there is in `Kind`. An operation of keys accepts the key
    that it is about, whatever its scope; `others` is the scope for any other key.
    """

    operation: str
    roles: frozenset[Role] = frozenset()
    view: View | None = None
    scope: Scope | None = Scope.READ
    logged: Logged | None = None
    acting: Callable[[Caller, Case], frozenset[Role]] = roles_on
    public: bool = False
    others: Scope | None = None
    protects: bool = False

    def roles_of(self, caller: Caller, case: Case) -> frozenset[Role]:
        """Return the roles in which the caller calls this operation of the case."""
        acting = self.acting(caller, case) | (roles_protecting(caller, case) if self.protects else frozenset())
        return acting & self.roles

    @property
    def forbids(self) -> bool:
        """True if a caller with a live key, who sees the subject of the operation, may still get 403."""
        asks = self.scope is not None or self.others is not None
        return not self.public and (asks or bool(self.roles) or self.view is View.WORK)


def _write_policy(
    operation: str,
    roles: frozenset[Role],
    view: View | None = View.WORK,
    *,
    acting: Callable[[Caller, Case], frozenset[Role]] = roles_on,
    protects: bool = False,
    logged: Logged | None = Logged.VIEW,
) -> Policy:
    """Return a line of casework. Its answer shows the case, so it is logged as a view."""
    return Policy(operation, roles, view, Scope.WRITE, logged, acting, protects=protects)


def _manage_policy(
    operation: str, roles: frozenset[Role] = frozenset({Role.ADMIN}), logged: Logged = Logged.ROLE
) -> Policy:
    """Return a line of running the network."""
    return Policy(operation, roles, None, Scope.MANAGE, logged)


_ANY_ROLE = frozenset[Role]()
POLICIES: tuple[Policy, ...] = (
    # cases
    Policy("list_cases", CASE_ROLES),
    _write_policy("create_case", INTAKE_ROLES, None),
    Policy("get_case", view=View.STATUS),
    _write_policy("amend_case", CASEWORK),
    Policy("get_steps", view=View.STATUS),
    Policy("get_history", view=View.STATUS),
    *(
        _write_policy(
            step.operation,
            step.roles,
            View.STATUS,
            acting=roles_receiving if step.receiving else roles_on,
            protects=step.noun in PROTECTIVE_RECORDS,
        )
        for step in STEPS
    ),
    Policy("get_timeline", view=View.STATUS),
    Policy("get_counts", view=View.STATUS),
    # over many cases
    Policy("list_changes", CASE_ROLES),
    Policy("stream_changes", CASE_ROLES),
    Policy("list_webhooks"),
    _manage_policy("create_webhook", CASE_ROLES, Logged.KEY),
    Policy("get_webhook"),
    *(
        _manage_policy(operation, _ANY_ROLE, Logged.KEY)
        for operation in ("change_webhook", "rotate_secret", "end_webhook", "retry_delivery")
    ),
    Policy("list_deliveries"),
    Policy("get_attention", CASE_ROLES, logged=Logged.VIEW),
    Policy("get_statistics", COUNTING_ROLES),
    Policy("get_statistics_timeline", COUNTING_ROLES),
    *(Policy(f"get_record_of_{whose}", TEAM_ROLES, logged=Logged.VIEW) for whose in ("brand", "facility", "owner")),
    # records
    *(
        Policy(f"{verb}_{kind}", view=View.WORK, logged=Logged.VIEW)
        for kind in RECORD_WRITERS
        for verb in ("list", "get")
    ),
    *(
        _write_policy(f"add_{kind}", roles, protects=kind in PROTECTIVE_RECORDS)
        for kind, roles in RECORD_WRITERS.items()
    ),
    *(
        _write_policy(f"change_{kind}", roles, protects=kind == "consents")  # by the shorthand for a no
        for kind, roles in RECORD_WRITERS.items()
        if kind not in IMMUTABLE_RECORDS
    ),
    _write_policy("add_response", RECORD_WRITERS["responses"]),
    _write_policy("confirm_member", RECORD_WRITERS["team"], protects=True),
    # sealed fields and cases
    Policy("open_sealed", FIELD_WORK, View.WORK, Scope.OPEN, Logged.OPENING, protects=True),
    Policy("list_openings", view=View.WORK, logged=Logged.VIEW),
    Policy("break_glass", COORDINATION, None, Scope.OPEN, Logged.BREAK_GLASS),
    Policy("list_alerts"),
    # publications
    Policy("list_publications", view=View.WORK, logged=Logged.VIEW),
    _write_policy("publish", COORDINATION, logged=Logged.PUBLICATION),
    _write_policy("take_down", CASEWORK, logged=Logged.PUBLICATION, protects=True),
    Policy("list_published", public=True),
    Policy("get_published", public=True),
    Policy("get_public_statistics", public=True),
    # directories
    Policy("list_organisations"),
    _write_policy("add_organisation", INTAKE_ROLES, None, logged=None),
    Policy("list_facilities"),
    _write_policy("add_facility", INTAKE_ROLES, None, logged=None),
    Policy("get_vocabulary"),
    # the network
    Policy("get_me"),
    Policy("list_entities"),
    _manage_policy("add_entity"),
    Policy("list_accounts", frozenset({Role.ADMIN}) | COORDINATION),
    _manage_policy("add_account"),
    _manage_policy("disable_account"),
    _manage_policy("add_membership"),
    _manage_policy("end_membership", frozenset({Role.ADMIN}) | COORDINATION),
    Policy("list_confirmations", frozenset({Role.ADMIN}) | COORDINATION),
    _manage_policy("confirm_membership", frozenset({Role.ADMIN}) | COORDINATION),
    _manage_policy("list_account_keys", logged=Logged.KEY),
    _manage_policy("create_first_key", _ANY_ROLE, Logged.KEY),
    _manage_policy("create_enrolment_code", frozenset({Role.ADMIN}) | COORDINATION, Logged.KEY),
    Policy("enrol", public=True, logged=Logged.KEY),
    Policy("list_own_keys"),
    _manage_policy("create_own_key", _ANY_ROLE, Logged.KEY),
    Policy("rotate_own_key", scope=None, logged=Logged.KEY, others=Scope.MANAGE),
    Policy("revoke_key", scope=None, logged=Logged.KEY, others=Scope.MANAGE),
    Policy("list_access_log", frozenset({Role.AUDITOR})),
)
POLICY_OF = {policy.operation: policy for policy in POLICIES}


class MissingPolicy(Exception):
    """An operation has no line in the permissions, so the service does not start."""


def policy_of(operation: str) -> Policy:
    """Return the line of an operation. Raises: MissingPolicy."""
    if operation not in POLICY_OF:
        raise MissingPolicy(f"the operation {operation} has no line in POLICIES of api/permissions.py")
    return POLICY_OF[operation]
