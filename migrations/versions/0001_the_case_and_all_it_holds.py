"""The network, the directory, the case and all it holds, and the append-only status history."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
REFUSING = {
    "sqlite": [
        """CREATE TRIGGER status_history_no_update BEFORE UPDATE ON status_history
           BEGIN SELECT RAISE(ABORT, 'status history is append only'); END""",
        """CREATE TRIGGER status_history_no_delete BEFORE DELETE ON status_history
           BEGIN SELECT RAISE(ABORT, 'status history is append only'); END""",
    ],
    "postgresql": [
        """CREATE FUNCTION status_history_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'status history is append only'; END $$""",
        """CREATE TRIGGER status_history_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON status_history
           FOR EACH STATEMENT EXECUTE FUNCTION status_history_is_append_only()""",
    ],
}
TABLES = (
    "entity", "account", "membership", "key", "kept_answer",
    "organisation", "facility",
    "case", "status_history",
    "party", "violation", "tally", "risk_assessment",
    "demand", "consent", "approval", "publication",
    "action", "response", "commitment", "outcome",
)  # fmt: skip


def upgrade() -> None:
    the_network()
    the_directory()
    the_case()
    what_is_known()
    what_is_agreed()
    what_is_done()
    for statement in REFUSING[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION status_history_is_append_only()")


def the_network() -> None:
    """Entities in a tree, accounts with their roles and keys, and the answers kept for repeated requests."""
    op.create_table(
        "entity",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("country", sa.String(), nullable=True),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("region_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["entity.id"], name="fk_entity_parent_id_entity"),
        sa.ForeignKeyConstraint(["region_id"], ["entity.id"], name="fk_entity_region_id_entity"),
        sa.PrimaryKeyConstraint("id", name="pk_entity"),
        sa.UniqueConstraint("name", name="uq_entity_name"),
    )
    op.create_index("ix_entity_path", "entity", ["path"])
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("name", name="uq_account_name"),
    )
    op.create_table(
        "membership",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_membership_account_id_account"),
        sa.ForeignKeyConstraint(["entity_id"], ["entity.id"], name="fk_membership_entity_id_entity"),
        sa.PrimaryKeyConstraint("id", name="pk_membership"),
        sa.UniqueConstraint("account_id", "entity_id", "role", name="uq_membership_account_id_entity_id_role"),
    )
    op.create_index("ix_membership_account_id", "membership", ["account_id"])
    op.create_table(
        "key",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_key_account_id_account"),
        sa.PrimaryKeyConstraint("id", name="pk_key"),
    )
    op.create_index("ix_key_account_id", "key", ["account_id"])
    op.create_table(
        "kept_answer",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", DOCUMENT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_kept_answer_account_id_account"),
        sa.PrimaryKeyConstraint("account_id", "key", name="pk_kept_answer"),
    )


def the_directory() -> None:
    """Organisations and facilities."""
    op.create_table(
        "organisation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_local", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=True),
        sa.Column("may_be_named", sa.Boolean(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organisation"),
        sa.UniqueConstraint("identity", name="uq_organisation_identity"),
    )
    op.create_table(
        "facility",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_local", sa.String(), nullable=True),
        sa.Column("os_id", sa.String(), nullable=True),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("province", sa.String(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("owner_country", sa.String(), nullable=True),
        sa.Column("product", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["organisation.id"], name="fk_facility_owner_id_organisation"),
        sa.PrimaryKeyConstraint("id", name="pk_facility"),
        sa.UniqueConstraint("identity", name="uq_facility_identity"),
    )


def the_case() -> None:
    """The case and its status history."""
    op.create_table(
        "case",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("public_summary", sa.String(), nullable=True),
        sa.Column("narrative", sa.String(), nullable=False),
        sa.Column("narrative_language", sa.String(), nullable=False),
        sa.Column("help_asked", sa.String(), nullable=False),
        sa.Column("safe_contact_rule", sa.String(), nullable=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("suspended_from", sa.String(), nullable=True),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("publication", sa.String(), nullable=False),
        sa.Column("risk", sa.String(), nullable=True),
        sa.Column("priority", sa.String(), nullable=False),
        sa.Column("danger", sa.Boolean(), nullable=False),
        sa.Column("requester_id", sa.Uuid(), nullable=False),
        sa.Column("intake_entity_id", sa.Uuid(), nullable=False),
        sa.Column("lead_entity_id", sa.Uuid(), nullable=False),
        sa.Column("region_id", sa.Uuid(), nullable=True),
        sa.Column("handover_to_id", sa.Uuid(), nullable=True),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("merged_into_id", sa.Uuid(), nullable=True),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("received_precision", sa.String(), nullable=False),
        sa.Column("acknowledged_on", sa.Date(), nullable=True),
        sa.Column("first_action_on", sa.Date(), nullable=True),
        sa.Column("accepted_on", sa.Date(), nullable=True),
        sa.Column("review_on", sa.Date(), nullable=True),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("close_reason", sa.String(), nullable=True),
        sa.Column("reopen_count", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('received', 'screening', 'info_requested', 'accepted', 'engagement', 'public_campaign', "
            "'remediation', 'monitoring', 'suspended', 'declined', 'referred', 'closed')",
            name=op.f("ck_case_status"),
        ),
        sa.ForeignKeyConstraint(
            ["assignee_id"], ["account.id"], name="fk_case_assignee_id_account", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["handover_to_id"],
            ["entity.id"],
            name="fk_case_handover_to_id_entity",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.ForeignKeyConstraint(
            ["intake_entity_id"],
            ["entity.id"],
            name="fk_case_intake_entity_id_entity",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.ForeignKeyConstraint(
            ["lead_entity_id"],
            ["entity.id"],
            name="fk_case_lead_entity_id_entity",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.ForeignKeyConstraint(
            ["merged_into_id"], ["case.id"], name="fk_case_merged_into_id_case", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"], ["account.id"], name="fk_case_recorded_by_account", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["region_id"], ["entity.id"], name="fk_case_region_id_entity", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["requester_id"],
            ["organisation.id"],
            name="fk_case_requester_id_organisation",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_case"),
        sa.UniqueConstraint("reference", name="uq_case_reference"),
    )
    op.create_index("ix_case_assignee_id", "case", ["assignee_id"])
    op.create_index("ix_case_country", "case", ["country"])
    op.create_index("ix_case_handover_to_id", "case", ["handover_to_id"])
    op.create_index("ix_case_intake_entity_id", "case", ["intake_entity_id"])
    op.create_index("ix_case_lead_entity_id", "case", ["lead_entity_id"])
    op.create_index("ix_case_received_on", "case", ["received_on"])
    op.create_index("ix_case_region_id", "case", ["region_id"])
    op.create_index("ix_case_status", "case", ["status"])
    op.create_index("ix_case_updated_at", "case", ["updated_at"])
    op.create_table(
        "status_history",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("from_status", sa.String(), nullable=True),
        sa.Column("to_status", sa.String(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        sa.Column("occurred_precision", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("says", sa.String(), nullable=False),
        sa.Column("input", DOCUMENT, nullable=False),
        sa.Column("overrides", DOCUMENT, nullable=False),
        sa.Column("left_open", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name="fk_status_history_account_id_account",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_status_history_case_id_case", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["entity_id"],
            ["entity.id"],
            name="fk_status_history_entity_id_entity",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_status_history"),
        sa.UniqueConstraint("case_id", "sequence", name="uq_status_history_case_id_sequence"),
    )


def what_is_known() -> None:
    """Who is party to a case, what was done to whom, how many, how great the danger is."""
    op.create_table(
        "party",
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("facility_id", sa.Uuid(), nullable=True),
        sa.Column("named", DOCUMENT, nullable=False),
        sa.Column("link_kind", sa.String(), nullable=True),
        sa.Column("link_from", sa.Date(), nullable=True),
        sa.Column("link_to", sa.Date(), nullable=True),
        sa.Column("link_evidence", sa.String(), nullable=True),
        sa.Column("link_strength", sa.String(), nullable=True),
        sa.Column("company_position", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_party_case_id_case", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["facility_id"],
            ["facility.id"],
            name="fk_party_facility_id_facility",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name="fk_party_organisation_id_organisation",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"], ["account.id"], name="fk_party_recorded_by_account", deferrable=True, initially="DEFERRED"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_party"),
        sa.UniqueConstraint("case_id", "label", name="uq_party_case_id_label"),
    )
    op.create_index("ix_party_case_id", "party", ["case_id"])
    op.create_index("ix_party_facility_id", "party", ["facility_id"])
    op.create_index("ix_party_organisation_id", "party", ["organisation_id"])
    op.create_table(
        "violation",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("since", sa.Date(), nullable=True),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("facility", sa.Uuid(), nullable=True),
        sa.Column("perpetrator", sa.Uuid(), nullable=True),
        sa.Column("grade", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_violation_case_id_case", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["facility"], ["party.id"], name="fk_violation_facility_party", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["perpetrator"], ["party.id"], name="fk_violation_perpetrator_party", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_violation_recorded_by_account",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_violation"),
        sa.UniqueConstraint("case_id", "label", name="uq_violation_case_id_label"),
    )
    op.create_index("ix_violation_case_id", "violation", ["case_id"])
    op.create_index("ix_violation_code", "violation", ["code"])
    op.create_table(
        "tally",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("low", sa.Integer(), nullable=False),
        sa.Column("high", sa.Integer(), nullable=False),
        sa.Column("women", sa.Integer(), nullable=True),
        sa.Column("men", sa.Integer(), nullable=True),
        sa.Column("other", sa.Integer(), nullable=True),
        sa.Column("unknown", sa.Integer(), nullable=True),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("as_of_precision", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("connection", sa.String(), nullable=True),
        sa.Column("reliability", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_tally_case_id_case", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"], ["account.id"], name="fk_tally_recorded_by_account", deferrable=True, initially="DEFERRED"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tally"),
        sa.UniqueConstraint("case_id", "label", name="uq_tally_case_id_label"),
    )
    op.create_index("ix_tally_case_id", "tally", ["case_id"])
    op.create_table(
        "risk_assessment",
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("threats", sa.String(), nullable=True),
        sa.Column("who_is_at_risk", sa.String(), nullable=True),
        sa.Column("mitigation", sa.String(), nullable=True),
        sa.Column("assessed_by", sa.String(), nullable=True),
        sa.Column("assessed_with", sa.String(), nullable=True),
        sa.Column("assessed_on", sa.Date(), nullable=False),
        sa.Column("review_due_on", sa.Date(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_risk_assessment_case_id_case", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_risk_assessment_recorded_by_account",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_risk_assessment"),
        sa.UniqueConstraint("case_id", "label", name="uq_risk_assessment_case_id_label"),
    )
    op.create_index("ix_risk_assessment_case_id", "risk_assessment", ["case_id"])


def what_is_agreed() -> None:
    """What is asked for, and what the workers' side consented to."""
    op.create_table(
        "demand",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("addressees", DOCUMENT, nullable=False),
        sa.Column("made_by", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("revises", sa.Uuid(), nullable=True),
        sa.Column("disposition", sa.String(), nullable=False),
        sa.Column("disposed_on", sa.Date(), nullable=True),
        sa.Column("satisfaction", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_demand_case_id_case", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"], ["account.id"], name="fk_demand_recorded_by_account", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["revises"], ["demand.id"], name="fk_demand_revises_demand", deferrable=True, initially="DEFERRED"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_demand"),
        sa.UniqueConstraint("case_id", "label", name="uq_demand_case_id_label"),
    )
    op.create_index("ix_demand_case_id", "demand", ["case_id"])
    op.create_table(
        "consent",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("conditions", sa.String(), nullable=True),
        sa.Column("recipients", DOCUMENT, nullable=False),
        sa.Column("given_on", sa.Date(), nullable=True),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("withdrawn_on", sa.Date(), nullable=True),
        sa.Column("method", sa.String(), nullable=True),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_consent_case_id_case", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_consent_recorded_by_account",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_consent"),
        sa.UniqueConstraint("case_id", "label", name="uq_consent_case_id_label"),
    )
    op.create_index("ix_consent_case_id", "consent", ["case_id"])
    op.create_table(
        "approval",
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_approval_case_id_case", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_approval_recorded_by_account",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_approval"),
        sa.UniqueConstraint("case_id", "label", name="uq_approval_case_id_label"),
    )
    op.create_index("ix_approval_case_id", "approval", ["case_id"])
    op.create_table(
        "publication",
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=False),
        sa.Column("consents", DOCUMENT, nullable=False),
        sa.Column("taken_down_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("taken_down_why", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approved_by"],
            ["account.id"],
            name="fk_publication_approved_by_account",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_publication_case_id_case", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_publication_recorded_by_account",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_publication"),
        sa.UniqueConstraint("case_id", "label", name="uq_publication_case_id_label"),
    )
    op.create_index("ix_publication_case_id", "publication", ["case_id"])


def what_is_done() -> None:
    """What was done, answered, promised and achieved."""
    op.create_table(
        "action",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("target", sa.Uuid(), nullable=True),
        sa.Column("corner", sa.String(), nullable=True),
        sa.Column("by_entity", sa.Uuid(), nullable=False),
        sa.Column("planned_on", sa.Date(), nullable=True),
        sa.Column("done_on", sa.Date(), nullable=True),
        sa.Column("done_precision", sa.String(), nullable=False),
        sa.Column("answer_due_on", sa.Date(), nullable=True),
        sa.Column("languages", DOCUMENT, nullable=False),
        sa.Column("reach", sa.Integer(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("result_note", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["by_entity"], ["entity.id"], name="fk_action_by_entity_entity", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_action_case_id_case", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"], ["account.id"], name="fk_action_recorded_by_account", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["target"], ["party.id"], name="fk_action_target_party", deferrable=True, initially="DEFERRED"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_action"),
        sa.UniqueConstraint("case_id", "label", name="uq_action_case_id_label"),
    )
    op.create_index("ix_action_case_id", "action", ["case_id"])
    op.create_index("ix_action_target", "action", ["target"])
    op.create_table(
        "response",
        sa.Column("action", sa.Uuid(), nullable=False),
        sa.Column("party", sa.Uuid(), nullable=True),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("received_precision", sa.String(), nullable=False),
        sa.Column("grade", sa.String(), nullable=False),
        sa.Column("summary", sa.String(), nullable=True),
        sa.Column("follow_up_on", sa.Date(), nullable=True),
        sa.Column("may_be_published", sa.Boolean(), nullable=False),
        sa.Column("rejoinder", sa.String(), nullable=True),
        sa.Column("rejoined_on", sa.Date(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["action"], ["action.id"], name="fk_response_action_action", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_response_case_id_case", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["party"], ["party.id"], name="fk_response_party_party", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_response_recorded_by_account",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_response"),
        sa.UniqueConstraint("case_id", "label", name="uq_response_case_id_label"),
    )
    op.create_index("ix_response_action", "response", ["action"])
    op.create_index("ix_response_case_id", "response", ["case_id"])
    op.create_table(
        "commitment",
        sa.Column("promisor", sa.Uuid(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("demands", DOCUMENT, nullable=False),
        sa.Column("promised_on", sa.Date(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("how_verified", sa.String(), nullable=False),
        sa.Column("verified_by", sa.String(), nullable=True),
        sa.Column("verified_on", sa.Date(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_commitment_case_id_case", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["promisor"], ["party.id"], name="fk_commitment_promisor_party", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_commitment_recorded_by_account",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_commitment"),
        sa.UniqueConstraint("case_id", "label", name="uq_commitment_case_id_label"),
    )
    op.create_index("ix_commitment_case_id", "commitment", ["case_id"])
    op.create_table(
        "outcome",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("demand", sa.Uuid(), nullable=True),
        sa.Column("extent", sa.String(), nullable=False),
        sa.Column("people_benefited", sa.Integer(), nullable=True),
        sa.Column("attributed_to", sa.String(), nullable=False),
        sa.Column("happened_on", sa.Date(), nullable=True),
        sa.Column("happened_precision", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_outcome_case_id_case", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["demand"], ["demand.id"], name="fk_outcome_demand_demand", deferrable=True, initially="DEFERRED"
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_outcome_recorded_by_account",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outcome"),
        sa.UniqueConstraint("case_id", "label", name="uq_outcome_case_id_label"),
    )
    op.create_index("ix_outcome_case_id", "outcome", ["case_id"])
