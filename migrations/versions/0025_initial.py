"""The whole schema, as one migration: all that came before was never released."""

import uuid

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = None
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "account",
    "entity",
    "network_state",
    "enrolment_half",
    "key",
    "membership",
    "organisation",
    "case",
    "facility",
    "approval",
    "case_link",
    "change",
    "demand",
    "due_date",
    "opening",
    "party",
    "person",
    "publication",
    "revision",
    "risk_assessment",
    "status_history",
    "tally",
    "team_member",
    "action",
    "commitment",
    "consent",
    "outcome",
    "previous_team_member",
    "previous_visibility",
    "proceeding",
    "safe_contact_rule",
    "violation",
    "payment",
    "publication_consent",
    "response",
    "alert",
    "alert_recipient",
    "statistic_delta",
    "suppression_batch",
    "statistic",
    "suppression_batch_case",
    "blocking_key",
    "case_snapshot",
    "search_document",
    "access_log",
    "heartbeat",
    "access_subject",
    "idempotent_response",
    "webhook",
    "webhook_delivery",
)
URGENCY = "(CASE priority WHEN 'low' THEN 0 WHEN 'normal' THEN 1 WHEN 'high' THEN 2 WHEN 'urgent' THEN 3 END)"
# Whoever caches callers sees by this number that roles or keys have changed since.
COUNT_CHANGE = "UPDATE network_state SET auth_version = auth_version + 1"
WATCHED = {
    "account": ("INSERT", "DELETE", "UPDATE"),
    "entity": ("INSERT", "DELETE", "UPDATE"),
    "key": ("INSERT", "DELETE", "UPDATE OF account_id, digest, scopes, expires_at, revoked_at, retires_at, ended_at"),
    "membership": ("INSERT", "DELETE", "UPDATE"),
}
# Words come cut and folded, so that `ascii` cuts nothing. They begin with a letter that says whom they are for: the
# beginnings that are kept have one letter to twelve besides. Longer ones are put together from the words they begin.
SEARCH_INDEX = {
    "sqlite": [
        """CREATE VIRTUAL TABLE search_index USING fts5
           (words, content='search_document', content_rowid='place', tokenize='ascii', detail='none', columnsize=0,
            prefix='2 3 4 5 6 7 8 9 10 11 12 13')""",
        """CREATE TRIGGER search_document_added AFTER INSERT ON search_document
           BEGIN INSERT INTO search_index (rowid, words) VALUES (new.place, new.words); END""",
        """CREATE TRIGGER search_document_changed AFTER UPDATE ON search_document
           BEGIN INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.place, old.words);
                 INSERT INTO search_index (rowid, words) VALUES (new.place, new.words); END""",
        """CREATE TRIGGER search_document_removed AFTER DELETE ON search_document
           BEGIN INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.place, old.words); END""",
    ],
    # Without a list of what is yet to be sorted in, which every search would have to go through.
    "postgresql": [
        "CREATE INDEX ix_search_document_words ON search_document USING gin (words) WITH (fastupdate = off)"
    ],
}


def upgrade() -> None:
    _create_network()
    _create_case()
    _create_case_2()
    _create_case_3()
    _create_case_4()
    _create_network_2()
    _create_read_models()
    _create_operations()
    _create_search_index()
    _count_changes_of_the_network()
    _insert_single_rows()


def downgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    if not is_server:
        op.execute("DROP TABLE search_index")
    for table in reversed(TABLES):
        op.drop_table(table)
    if is_server:
        for function in ("network_changed",):
            op.execute(f"DROP FUNCTION {function}()")


def _create_network() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("name", name="uq_account_name"),
    )
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
    op.create_index("ix_entity_path", "entity", ["path"], unique=False)
    op.create_table(
        "network_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("auth_version", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_network_state"),
    )
    op.create_table(
        "enrolment_half",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("told_to", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_enrolment_half_account_id_account"),
        sa.ForeignKeyConstraint(["told_to"], ["account.id"], name="fk_enrolment_half_told_to_account"),
        sa.PrimaryKeyConstraint("id", name="pk_enrolment_half"),
        sa.UniqueConstraint("digest", name="uq_enrolment_half_digest"),
    )
    op.create_index("ix_enrolment_half_account_id", "enrolment_half", ["account_id"], unique=False)
    op.create_table(
        "key",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", DOCUMENT, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_on", sa.Date(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replaced_by_id", sa.String(), nullable=True),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_key_account_id_account"),
        sa.ForeignKeyConstraint(["replaced_by_id"], ["key.id"], name="fk_key_replaced_by_id_key"),
        sa.PrimaryKeyConstraint("id", name="pk_key"),
    )
    op.create_index("ix_key_account_id", "key", ["account_id"], unique=False)
    op.create_table(
        "membership",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_by", sa.Uuid(), nullable=True),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_by", sa.Uuid(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "confirmed_by <> account_id AND (recorded_by IS NULL OR confirmed_by <> recorded_by)",
            name=op.f("ck_membership_two_people"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_membership_account_id_account"),
        sa.ForeignKeyConstraint(["confirmed_by"], ["account.id"], name="fk_membership_confirmed_by_account"),
        sa.ForeignKeyConstraint(["entity_id"], ["entity.id"], name="fk_membership_entity_id_entity"),
        sa.ForeignKeyConstraint(["recorded_by"], ["account.id"], name="fk_membership_recorded_by_account"),
        sa.PrimaryKeyConstraint("id", name="pk_membership"),
    )
    op.create_index("ix_membership_account_id", "membership", ["account_id"], unique=False)
    op.create_index(
        "uq_membership_account_id_entity_id_role",
        "membership",
        ["account_id", "entity_id", "role"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def _create_case() -> None:
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
        "case",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("public_summary", sa.String(), nullable=True),
        sa.Column("narrative", sa.String(), nullable=False),
        sa.Column("narrative_language", sa.String(), nullable=False),
        sa.Column("help_asked", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("suspended_from", sa.String(), nullable=True),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("publication", sa.String(), nullable=False),
        sa.Column("translations", DOCUMENT, nullable=False),
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
        sa.Column("take_up_until", sa.Date(), nullable=True),
        sa.Column("share_until", sa.Date(), nullable=True),
        sa.Column("share_conditions_met", DOCUMENT, nullable=False),
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
            "status IN ('received', 'screening', 'info_requested', 'accepted', 'engagement', "
            "'public_campaign', 'remediation', 'monitoring', 'suspended', 'declined', 'referred', "
            "'closed')",
            name=op.f("ck_case_status"),
        ),
        sa.ForeignKeyConstraint(
            ["assignee_id"], ["account.id"], name="fk_case_assignee_id_account", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["handover_to_id"],
            ["entity.id"],
            name="fk_case_handover_to_id_entity",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["intake_entity_id"],
            ["entity.id"],
            name="fk_case_intake_entity_id_entity",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["lead_entity_id"],
            ["entity.id"],
            name="fk_case_lead_entity_id_entity",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["merged_into_id"], ["case.id"], name="fk_case_merged_into_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"], ["account.id"], name="fk_case_recorded_by_account", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["region_id"], ["entity.id"], name="fk_case_region_id_entity", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["requester_id"],
            ["organisation.id"],
            name="fk_case_requester_id_organisation",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_case"),
        sa.UniqueConstraint("reference", name="uq_case_reference"),
    )
    op.create_index(
        "ix_case_assignee_id_received_on_id",
        "case",
        ["assignee_id", "received_on", "id", "status", "country", "risk", "priority", "danger", "visibility"],
        unique=False,
    )
    op.create_index(
        "ix_case_country_received_on_id",
        "case",
        ["country", "received_on", "id", "status", "risk", "priority", "danger", "visibility"],
        unique=False,
    )
    op.create_index("ix_case_handover_to_id", "case", ["handover_to_id"], unique=False)
    op.create_index(
        "ix_case_intake_entity_id_received_on_id",
        "case",
        ["intake_entity_id", "received_on", "id", "status", "country", "risk", "priority", "danger", "visibility"],
        unique=False,
    )
    op.create_index(
        "ix_case_lead_entity_id_received_on_id",
        "case",
        ["lead_entity_id", "received_on", "id", "status", "country", "risk", "priority", "danger", "visibility"],
        unique=False,
    )
    op.create_index(
        "ix_case_merged_into_id",
        "case",
        ["merged_into_id"],
        unique=False,
        sqlite_where=sa.text("merged_into_id IS NOT NULL"),
        postgresql_where=sa.text("merged_into_id IS NOT NULL"),
    )
    op.create_index(
        "ix_case_priority_received_on_id",
        "case",
        ["priority", "received_on", "id", "status", "country", "risk", "danger", "visibility"],
        unique=False,
    )
    op.create_index(
        "ix_case_received_on_id",
        "case",
        ["received_on", "id", "status", "country", "risk", "priority", "danger", "visibility"],
        unique=False,
    )
    op.create_index(
        "ix_case_region_id_received_on_id",
        "case",
        ["region_id", "received_on", "id", "status", "country", "risk", "priority", "danger", "visibility"],
        unique=False,
    )
    op.create_index(
        "ix_case_risk_received_on_id",
        "case",
        ["risk", "received_on", "id", "status", "country", "priority", "danger", "visibility"],
        unique=False,
    )
    op.create_index(
        "ix_case_status_received_on_id",
        "case",
        ["status", "received_on", "id", "country", "risk", "priority", "danger", "visibility"],
        unique=False,
    )
    op.create_index(
        "ix_case_updated_at_id",
        "case",
        ["updated_at", "id", "status", "country", "risk", "priority", "danger", "visibility"],
        unique=False,
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
    op.create_table(
        "approval",
        sa.Column("for", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("shows", DOCUMENT, nullable=False),
        sa.Column("shown_records", DOCUMENT, nullable=False),
        sa.Column("no_local_partner", sa.Boolean(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("conditions_met", DOCUMENT, nullable=False),
        sa.Column("voices_left", DOCUMENT, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_approval_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_approval_recorded_by_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_approval"),
        sa.UniqueConstraint("case_id", "label", name="uq_approval_case_id_label"),
    )
    op.create_index("ix_approval_case_id", "approval", ["case_id"], unique=False)
    op.create_table(
        "case_link",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("other", sa.Uuid(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_case_link_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["other"], ["case.id"], name="fk_case_link_other_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_case_link_recorded_by_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_case_link"),
        sa.UniqueConstraint("case_id", "label", name="uq_case_link_case_id_label"),
    )
    op.create_index("ix_case_link_case_id", "case_link", ["case_id"], unique=False)
    op.create_index("ix_case_link_other", "case_link", ["other"], unique=False)
    op.create_table(
        "change",
        sa.Column("id", SERIAL, sa.Identity(always=False), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_change_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_change"),
    )
    op.create_index("ix_change_case_id", "change", ["case_id"], unique=False)
    op.create_index("ix_change_transaction_id_id", "change", ["transaction_id", "id"], unique=False)
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
            ["case_id"], ["case.id"], name="fk_demand_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"], ["account.id"], name="fk_demand_recorded_by_account", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["revises"], ["demand.id"], name="fk_demand_revises_demand", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_demand"),
        sa.UniqueConstraint("case_id", "label", name="uq_demand_case_id_label"),
    )
    op.create_index("ix_demand_case_id", "demand", ["case_id"], unique=False)
    op.create_table(
        "due_date",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_due_date_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_due_date"),
        sa.UniqueConstraint("kind", "subject_id", name="uq_due_date_kind_subject_id"),
    )
    op.create_index("ix_due_date_case_id", "due_date", ["case_id"], unique=False)
    op.create_index(
        "ix_due_date_open",
        "due_date",
        ["due_on"],
        unique=False,
        sqlite_where=sa.text("acted_at IS NULL"),
        postgresql_where=sa.text("acted_at IS NULL"),
    )


def _create_case_2() -> None:
    op.create_table(
        "opening",
        sa.Column("fields", DOCUMENT, nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_opening_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_opening_recorded_by_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_opening"),
        sa.UniqueConstraint("case_id", "label", name="uq_opening_case_id_label"),
    )
    op.create_index("ix_opening_case_id", "opening", ["case_id"], unique=False)
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
            ["case_id"], ["case.id"], name="fk_party_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["facility_id"],
            ["facility.id"],
            name="fk_party_facility_id_facility",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name="fk_party_organisation_id_organisation",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"], ["account.id"], name="fk_party_recorded_by_account", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_party"),
        sa.UniqueConstraint("case_id", "label", name="uq_party_case_id_label"),
    )
    op.create_index("ix_party_case_id", "party", ["case_id"], unique=False)
    op.create_index("ix_party_facility_id", "party", ["facility_id"], unique=False)
    op.create_index("ix_party_organisation_id", "party", ["organisation_id"], unique=False)
    op.create_table(
        "person",
        sa.Column("pseudonym", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("contacts", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_person_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"], ["account.id"], name="fk_person_recorded_by_account", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
        sa.UniqueConstraint("case_id", "label", name="uq_person_case_id_label"),
    )
    op.create_index("ix_person_case_id", "person", ["case_id"], unique=False)
    op.create_table(
        "publication",
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("shows", DOCUMENT, nullable=False),
        sa.Column("shown_records", DOCUMENT, nullable=False),
        sa.Column("no_local_partner", sa.String(), nullable=True),
        sa.Column("approved_by", sa.Uuid(), nullable=False),
        sa.Column("up_until", sa.Date(), nullable=True),
        sa.Column("outdated_on", sa.Date(), nullable=True),
        sa.Column("taken_down_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("taken_down_why", sa.String(), nullable=True),
        sa.Column("conditions_met", DOCUMENT, nullable=False),
        sa.Column("voices_left", DOCUMENT, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["approved_by"],
            ["account.id"],
            name="fk_publication_approved_by_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_publication_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_publication_recorded_by_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_publication"),
        sa.UniqueConstraint("case_id", "label", name="uq_publication_case_id_label"),
    )
    op.create_index("ix_publication_case_id", "publication", ["case_id"], unique=False)
    op.create_index(
        "uq_publication_token_up",
        "publication",
        ["token"],
        unique=True,
        sqlite_where=sa.text("taken_down_at IS NULL"),
        postgresql_where=sa.text("taken_down_at IS NULL"),
    )
    op.create_table(
        "revision",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=False),
        sa.Column("holds", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["by"], ["account.id"], name="fk_revision_by_account", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_revision_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_revision"),
    )
    op.create_index("ix_revision_case_id_at", "revision", ["case_id", "at"], unique=False)
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
            ["case_id"], ["case.id"], name="fk_risk_assessment_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_risk_assessment_recorded_by_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_risk_assessment"),
        sa.UniqueConstraint("case_id", "label", name="uq_risk_assessment_case_id_label"),
    )
    op.create_index("ix_risk_assessment_case_id", "risk_assessment", ["case_id"], unique=False)
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
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_status_history_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["entity_id"],
            ["entity.id"],
            name="fk_status_history_entity_id_entity",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_status_history"),
        sa.UniqueConstraint("case_id", "sequence", name="uq_status_history_case_id_sequence"),
    )
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
            ["case_id"], ["case.id"], name="fk_tally_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"], ["account.id"], name="fk_tally_recorded_by_account", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tally"),
        sa.UniqueConstraint("case_id", "label", name="uq_tally_case_id_label"),
    )
    op.create_index("ix_tally_case_id", "tally", ["case_id"], unique=False)


def _create_case_3() -> None:
    op.create_table(
        "team_member",
        sa.Column("account", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("broke_glass_because", sa.String(), nullable=True),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"], ["account.id"], name="fk_team_member_account_account", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_team_member_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_team_member_recorded_by_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_team_member"),
        sa.UniqueConstraint("case_id", "label", name="uq_team_member_case_id_label"),
    )
    op.create_index("ix_team_member_account_case_id", "team_member", ["account", "case_id"], unique=False)
    op.create_index("ix_team_member_case_id", "team_member", ["case_id"], unique=False)
    op.create_index("ix_team_member_until", "team_member", ["until"], unique=False)
    op.create_table(
        "action",
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("target", sa.Uuid(), nullable=True),
        sa.Column("corner", sa.String(), nullable=True),
        sa.Column("by_entity", sa.Uuid(), nullable=False),
        sa.Column("by_party", sa.Uuid(), nullable=True),
        sa.Column("by_organisation", sa.Uuid(), nullable=True),
        sa.Column("by_name", sa.String(), nullable=True),
        sa.Column("without_consent_because", sa.String(), nullable=True),
        sa.Column("planned_on", sa.Date(), nullable=True),
        sa.Column("done_on", sa.Date(), nullable=True),
        sa.Column("done_precision", sa.String(), nullable=False),
        sa.Column("answer_due_on", sa.Date(), nullable=True),
        sa.Column("languages", DOCUMENT, nullable=False),
        sa.Column("reach", sa.Integer(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("result_note", sa.String(), nullable=True),
        sa.Column("conditions_met", DOCUMENT, nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["by_entity"], ["entity.id"], name="fk_action_by_entity_entity", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_action_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"], ["account.id"], name="fk_action_recorded_by_account", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["target"], ["party.id"], name="fk_action_target_party", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_action"),
        sa.UniqueConstraint("case_id", "label", name="uq_action_case_id_label"),
    )
    op.create_index("ix_action_case_id", "action", ["case_id"], unique=False)
    op.create_index("ix_action_target", "action", ["target"], unique=False)
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
            ["case_id"], ["case.id"], name="fk_commitment_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["promisor"], ["party.id"], name="fk_commitment_promisor_party", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_commitment_recorded_by_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_commitment"),
        sa.UniqueConstraint("case_id", "label", name="uq_commitment_case_id_label"),
    )
    op.create_index("ix_commitment_case_id", "commitment", ["case_id"], unique=False)
    op.create_table(
        "consent",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("of_party", sa.Uuid(), nullable=True),
        sa.Column("of_person", sa.Uuid(), nullable=True),
        sa.Column("conditions", DOCUMENT, nullable=False),
        sa.Column("recipients", DOCUMENT, nullable=False),
        sa.Column("given_on", sa.Date(), nullable=True),
        sa.Column("given_precision", sa.String(), nullable=False),
        sa.Column("on", sa.Date(), nullable=True),
        sa.Column("on_precision", sa.String(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("method", sa.String(), nullable=True),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_consent_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["of_party"], ["party.id"], name="fk_consent_of_party_party", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["of_person"], ["person.id"], name="fk_consent_of_person_person", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_consent_recorded_by_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_consent"),
        sa.UniqueConstraint("case_id", "label", name="uq_consent_case_id_label"),
    )
    op.create_index("ix_consent_case_id", "consent", ["case_id"], unique=False)
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
            ["case_id"], ["case.id"], name="fk_outcome_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["demand"], ["demand.id"], name="fk_outcome_demand_demand", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_outcome_recorded_by_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outcome"),
        sa.UniqueConstraint("case_id", "label", name="uq_outcome_case_id_label"),
    )
    op.create_index("ix_outcome_case_id", "outcome", ["case_id"], unique=False)
    op.create_table(
        "previous_team_member",
        sa.Column("change_id", SERIAL, nullable=False),
        sa.Column("account", sa.Uuid(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["change_id"], ["change.id"], name="fk_previous_team_member_change_id_change"),
        sa.PrimaryKeyConstraint("change_id", "account", name="pk_previous_team_member"),
    )
    op.create_index("ix_previous_team_member_account", "previous_team_member", ["account"], unique=False)
    op.create_table(
        "previous_visibility",
        sa.Column("change_id", SERIAL, nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("lead_entity_id", sa.Uuid(), nullable=False),
        sa.Column("intake_entity_id", sa.Uuid(), nullable=False),
        sa.Column("handover_to_id", sa.Uuid(), nullable=True),
        sa.Column("region_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["change_id"], ["change.id"], name="fk_previous_visibility_change_id_change"),
        sa.PrimaryKeyConstraint("change_id", name="pk_previous_visibility"),
    )
    op.create_table(
        "proceeding",
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("body_name", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("filed_by", sa.Uuid(), nullable=True),
        sa.Column("filed_on", sa.Date(), nullable=True),
        sa.Column("filed_precision", sa.String(), nullable=False),
        sa.Column("accused", sa.Integer(), nullable=True),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("stage_on", sa.Date(), nullable=True),
        sa.Column("next_on", sa.Date(), nullable=True),
        sa.Column("next_what", sa.String(), nullable=True),
        sa.Column("number", sa.String(), nullable=True),
        sa.Column("result", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_proceeding_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["filed_by"], ["party.id"], name="fk_proceeding_filed_by_party", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_proceeding_recorded_by_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_proceeding"),
        sa.UniqueConstraint("case_id", "label", name="uq_proceeding_case_id_label"),
    )
    op.create_index("ix_proceeding_case_id", "proceeding", ["case_id"], unique=False)


def _create_case_4() -> None:
    op.create_table(
        "safe_contact_rule",
        sa.Column("person", sa.Uuid(), nullable=True),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_safe_contact_rule_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["person"], ["person.id"], name="fk_safe_contact_rule_person_person", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_safe_contact_rule_recorded_by_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_safe_contact_rule"),
        sa.UniqueConstraint("case_id", "label", name="uq_safe_contact_rule_case_id_label"),
    )
    op.create_index("ix_safe_contact_rule_case_id", "safe_contact_rule", ["case_id"], unique=False)
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
            ["case_id"], ["case.id"], name="fk_violation_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["facility"], ["party.id"], name="fk_violation_facility_party", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["perpetrator"], ["party.id"], name="fk_violation_perpetrator_party", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_violation_recorded_by_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_violation"),
        sa.UniqueConstraint("case_id", "label", name="uq_violation_case_id_label"),
    )
    op.create_index("ix_violation_case_id", "violation", ["case_id"], unique=False)
    op.create_index("ix_violation_code", "violation", ["code"], unique=False)
    op.create_table(
        "payment",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount", sa.String(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("confidential", sa.Boolean(), nullable=False),
        sa.Column("payer", sa.Uuid(), nullable=True),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("beneficiaries", sa.Integer(), nullable=True),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("on_precision", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("reliability", sa.String(), nullable=False),
        sa.Column("commitment", sa.Uuid(), nullable=True),
        sa.Column("contests", sa.Uuid(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_payment_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["commitment"],
            ["commitment.id"],
            name="fk_payment_commitment_commitment",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["contests"], ["payment.id"], name="fk_payment_contests_payment", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["payer"], ["party.id"], name="fk_payment_payer_party", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_payment_recorded_by_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_payment"),
        sa.UniqueConstraint("case_id", "label", name="uq_payment_case_id_label"),
    )
    op.create_index("ix_payment_case_id", "payment", ["case_id"], unique=False)
    op.create_table(
        "publication_consent",
        sa.Column("publication_id", sa.Uuid(), nullable=False),
        sa.Column("consent_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["consent_id"],
            ["consent.id"],
            name="fk_publication_consent_consent_id_consent",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["publication_id"],
            ["publication.id"],
            name="fk_publication_consent_publication_id_publication",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("publication_id", "consent_id", name="pk_publication_consent"),
    )
    op.create_index("ix_publication_consent_consent_id", "publication_consent", ["consent_id"], unique=False)
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
            ["action"], ["action.id"], name="fk_response_action_action", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_response_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["party"], ["party.id"], name="fk_response_party_party", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by"],
            ["account.id"],
            name="fk_response_recorded_by_account",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_response"),
        sa.UniqueConstraint("case_id", "label", name="uq_response_case_id_label"),
    )
    op.create_index("ix_response_action", "response", ["action"], unique=False)
    op.create_index("ix_response_case_id", "response", ["case_id"], unique=False)
    op.create_index(
        "uq_response_silence",
        "response",
        ["action"],
        unique=True,
        sqlite_where=sa.text("grade = 'no_response'"),
        postgresql_where=sa.text("grade = 'no_response'"),
    )


def _create_network_2() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("team_member_id", sa.Uuid(), nullable=True),
        sa.Column("membership_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_alert_account_id_account"),
        sa.ForeignKeyConstraint(["by_id"], ["account.id"], name="fk_alert_by_id_account"),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_alert_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(["membership_id"], ["membership.id"], name="fk_alert_membership_id_membership"),
        sa.ForeignKeyConstraint(
            ["team_member_id"],
            ["team_member.id"],
            name="fk_alert_team_member_id_team_member",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
    )
    op.create_table(
        "alert_recipient",
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_alert_recipient_account_id_account"),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name="fk_alert_recipient_alert_id_alert"),
        sa.PrimaryKeyConstraint("alert_id", "account_id", name="pk_alert_recipient"),
    )
    op.create_index(
        "ix_alert_recipient_account_id_alert_id", "alert_recipient", ["account_id", "alert_id"], unique=False
    )


def _create_read_models() -> None:
    op.create_table(
        "statistic_delta",
        sa.Column("id", SERIAL, sa.Identity(always=False), nullable=False),
        sa.Column("before", sa.String(), nullable=True),
        sa.Column("after", sa.String(), nullable=True),
        sa.Column("widely_visible", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_statistic_delta"),
    )
    op.create_table(
        "suppression_batch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("country", sa.String(), nullable=True),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("headings", DOCUMENT, nullable=False),
        sa.Column("formed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dissolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_suppression_batch"),
    )
    op.create_table(
        "statistic",
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("widely_visible", sa.Boolean(), nullable=False),
        sa.Column("first", sa.String(), nullable=False),
        sa.Column("second", sa.String(), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entity_id"], ["entity.id"], name="fk_statistic_entity_id_entity", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("entity_id", "by", "widely_visible", "first", "second", name="pk_statistic"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "suppression_batch_case",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["suppression_batch.id"],
            name="fk_suppression_batch_case_batch_id_suppression_batch",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("batch_id", "case_id", name="pk_suppression_batch_case"),
    )
    op.create_index("ix_suppression_batch_case_case_id", "suppression_batch_case", ["case_id"], unique=False)
    op.create_table(
        "blocking_key",
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_blocking_key_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("key", "received_on", "case_id", name="pk_blocking_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "case_snapshot",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("status_tag", sa.String(), nullable=False),
        sa.Column("work_tag", sa.String(), nullable=False),
        sa.Column("status_line", sa.LargeBinary(), nullable=False),
        sa.Column("work_line", sa.LargeBinary(), nullable=False),
        sa.Column("visibility_key", DOCUMENT, nullable=False),
        sa.Column("counted", DOCUMENT, nullable=True),
        sa.Column("status_view", sa.LargeBinary(), nullable=False),
        sa.Column("work_view", sa.LargeBinary(), nullable=False),
        sa.Column("indexed", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_case_snapshot_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("case_id", name="pk_case_snapshot"),
    )
    op.create_table(
        "search_document",
        sa.Column("place", SERIAL, autoincrement=False, nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("words", sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_search_document_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("place", name="pk_search_document"),
        sa.UniqueConstraint("case_id", name="uq_search_document_case_id"),
    )


def _create_operations() -> None:
    op.create_table(
        "access_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_access_log"),
    )
    op.create_index("ix_access_log_account_id_id", "access_log", ["account_id", "id"], unique=False)
    op.create_index("ix_access_log_at", "access_log", ["at"], unique=False)
    op.create_table(
        "heartbeat",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("beats", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_heartbeat"),
    )
    op.create_table(
        "access_subject",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["access_log.id"], name="fk_access_subject_entry_id_access_log"),
        sa.PrimaryKeyConstraint("subject", "entry_id", name="pk_access_subject"),
    )
    op.create_index("ix_access_subject_entry_id", "access_subject", ["entry_id"], unique=False)
    op.create_table(
        "idempotent_response",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", DOCUMENT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("logged", DOCUMENT, nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_idempotent_response_account_id_account"),
        sa.PrimaryKeyConstraint("account_id", "key", name="pk_idempotent_response"),
    )
    op.create_table(
        "webhook",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("former_secret", sa.LargeBinary(), nullable=True),
        sa.Column("former_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("after_transaction", sa.BigInteger(), nullable=False),
        sa.Column("after_id", sa.BigInteger(), nullable=False),
        sa.Column("grants_hash", sa.LargeBinary(), nullable=False),
        sa.Column("auth_version", sa.BigInteger(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_by", sa.Uuid(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_webhook_account_id_account"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook"),
    )
    op.create_index("ix_webhook_account_id", "webhook", ["account_id"], unique=False)
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("change_id", SERIAL, nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("blocks", sa.Boolean(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fault", sa.String(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["change_id"], ["change.id"], name="fk_webhook_delivery_change_id_change"),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook.id"], name="fk_webhook_delivery_webhook_id_webhook"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_delivery"),
    )
    op.create_index("ix_webhook_delivery_change_id", "webhook_delivery", ["change_id"], unique=False)
    op.create_index("ix_webhook_delivery_webhook_id_state", "webhook_delivery", ["webhook_id", "state"], unique=False)


def _create_search_index() -> None:
    """The full-text index, and an index over an expression that is not of the model."""
    op.create_index("ix_case_urgency_id", "case", [sa.text(URGENCY), "id"])
    for statement in SEARCH_INDEX[op.get_bind().dialect.name]:
        op.execute(statement)
    if op.get_bind().dialect.name == "postgresql":
        # They are JSON already, and read far more often than written: to compress them costs more than it gives.
        op.execute(
            "ALTER TABLE case_snapshot ALTER status_view SET STORAGE EXTERNAL, ALTER work_view SET STORAGE EXTERNAL"
        )


def _count_changes_of_the_network() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"""CREATE FUNCTION network_changed() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN {COUNT_CHANGE}; RETURN NULL; END $$"""
        )
        for table, verbs in WATCHED.items():
            op.execute(
                f"CREATE TRIGGER {table}_changes_network AFTER {' OR '.join(verbs)} ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION network_changed()"
            )
        return
    for table, verbs in WATCHED.items():
        for number, verb in enumerate(verbs):
            op.execute(
                f"CREATE TRIGGER {table}_changes_network_{number} AFTER {verb} ON {table} BEGIN {COUNT_CHANGE}; END"
            )


def _insert_single_rows() -> None:
    state = sa.table(
        "network_state",
        sa.column("id", sa.Integer()),
        sa.column("auth_version", sa.BigInteger()),
        sa.column("epoch", sa.Uuid()),
    )
    op.bulk_insert(state, [{"id": 1, "auth_version": 1, "epoch": uuid.uuid4()}])
    heartbeat = sa.table("heartbeat", sa.column("id", sa.Integer()), sa.column("beats", sa.BigInteger()))
    op.bulk_insert(heartbeat, [{"id": 1, "beats": 0}])
