"""Which rows of each table may change, and in which columns.

Each table has one line, which a test checks. The triggers of both databases, the rights of the service's database user
and the doctor read it here (`database/protection.py`). Why: docs/decisions/0010-what-the-database-checks.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Columns = frozenset[str]
Value = str | bool | int | None
Values = tuple[Value, ...]


@dataclass(frozen=True)
class Kept:
    """A table of records. Rows are added, and never deleted or replaced.

    All columns are fixed except these: those of `once` may be set if they are null; those of `becomes` take the named
    values in their order, never back; those of `earlier` may be set to an earlier day, never a later one; those of
    `changes` may change, because the old value is in `revision` or in the history. `masks` are texts that may one day
    be masked, because somebody may have typed a name there. Until then they are fixed like the others.
    """

    once: Columns = frozenset()
    becomes: Mapping[str, Values] = field(default_factory=dict)
    earlier: Columns = frozenset()
    changes: Columns = frozenset()
    masks: Columns = frozenset()
    is_claimed: bool = False
    """Whether an insert of an existing row is ignored instead of refused."""

    @property
    def updates(self) -> Columns:
        """The columns that may be updated."""
        return self.once | self.becomes.keys() | self.earlier | self.changes


@dataclass(frozen=True)
class Working:
    """A table of derived rows, a queue, a counter or a cache. Its rows may do what `may` names."""

    may: frozenset[str]


def _columns(said: str) -> Columns:
    return frozenset(said.split())


def _kept(
    once: str = "",
    changes: str = "",
    masks: str = "",
    *,
    earlier: str = "",
    becomes: Mapping[str, Values] | None = None,
    is_claimed: bool = False,
) -> Kept:
    return Kept(_columns(once), becomes or {}, _columns(earlier), _columns(changes), _columns(masks), is_claimed)


def _working(may: str) -> Working:
    return Working(_columns(may))


TABLES: dict[str, Kept | Working] = {
    # The case, its history and its records
    "case": _kept(
        changes="title public_summary status suspended_from visibility publication translations risk priority danger "
        "lead_entity_id region_id handover_to_id assignee_id merged_into_id acknowledged_on first_action_on "
        "accepted_on take_up_until share_until share_conditions_met review_on closed_on close_reason reopen_count "
        "version revision updated_at",
        masks="title public_summary narrative help_asked translations",
    ),
    "status_history": _kept(masks="reason input overrides left_open"),
    "revision": _kept(masks="holds"),
    "action": _kept(
        changes="label by by_entity by_party by_organisation by_name status done_on done_precision answer_due_on reach "
        "result_note without_consent_because",
        masks="by_name reach note result_note without_consent_because conditions_met",
    ),
    "approval": _kept(once="used_at", masks="note shows conditions_met voices_left"),
    "case_link": _kept(masks="note"),
    "commitment": _kept(changes="label status verified_by verified_on", masks="text how_verified verified_by"),
    "consent": _kept(
        changes="label", earlier="expires_on", masks="conditions recipients",
    ),
    "demand": _kept(changes="label disposition disposed_on satisfaction", masks="text made_by satisfaction"),
    "due_date": _kept(once="acted_at", changes="due_on"),
    "opening": _kept(masks="reason"),
    "outcome": _kept(masks="note"),
    "party": _kept(
        changes="label link_kind link_from link_to link_evidence link_strength company_position",
        masks="named link_evidence company_position",
    ),
    "payment": _kept(masks="source note"),
    "person": _kept(changes="label pseudonym role name contacts", masks="pseudonym role name contacts"),
    "proceeding": _kept(
        changes="label stage stage_on next_on next_what number result", masks="body_name next_what number result"
    ),
    "publication": _kept(
        once="taken_down_at taken_down_why", changes="up_until outdated_on",
        masks="shows conditions_met voices_left no_local_partner taken_down_why",
    ),
    "publication_consent": _kept(),
    "response": _kept(
        changes="label rejoinder rejoined_on may_be_published", masks="summary rejoinder"
    ),
    "risk_assessment": _kept(masks="threats who_is_at_risk mitigation assessed_by assessed_with"),
    "safe_contact_rule": _kept(masks="rule"),
    "tally": _kept(masks="source connection"),
    "team_member": _kept(
        once="left_at", becomes={"status": ("on", "left"), "until": (None,)}, changes="label",
        masks="broke_glass_because",
    ),
    "violation": _kept(changes="grade", masks="description"),
    # The network and its rights
    "account": _kept(once="disabled_at disabled_reason", becomes={"active": (False,)}),
    "enrolment_half": _kept(once="ended_at"),
    "entity": _kept(once="region_id"),
    "membership": _kept(once="effective_at confirmed_by ended_at"),
    "key": _kept(once="revoked_at retires_at ended_at", changes="last_used_on replaced_by_id"),
    # The directory: a row takes other words once, when it is listed
    "facility": _kept(
        changes="name name_local os_id country province owner_id owner_country product status",
        becomes={"listed": (True,)}, is_claimed=True,
    ),
    "organisation": _kept(
        changes="name name_local kind country may_be_named", becomes={"listed": (True,)}, is_claimed=True
    ),
    # Logs
    "access_log": _kept(),
    "access_subject": _kept(),
    "alert": _kept(),
    "alert_recipient": _kept(),
    # The change log, which is numbered again after a backup was restored
    "change": _kept(becomes={"transaction_id": (0,)}),
    "previous_team_member": _kept(),
    "previous_visibility": _kept(),
    # The batches of public statistics
    "suppression_batch": _kept(once="dissolved_at"),
    "suppression_batch_case": _kept(),
    # Derived rows, queues, counters and caches
    "blocking_key": _working("INSERT"),
    "heartbeat": _working("UPDATE"),
    "idempotent_response": _working("INSERT UPDATE"),
    "case_snapshot": _working("INSERT UPDATE"),
    "network_state": _working("UPDATE"),
    "search_document": _working("INSERT UPDATE"),
    "statistic": _working("INSERT UPDATE DELETE"),
    "statistic_delta": _working("INSERT DELETE"),
    "webhook": _working("INSERT UPDATE"),
    "webhook_delivery": _working("INSERT UPDATE"),
}  # fmt: skip
