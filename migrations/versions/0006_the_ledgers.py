"""The ledgers: payments, proceedings, links, due dates that act, and every state that a case was in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
OPEN = sa.text("acted_at IS NULL")
SILENCE = sa.text("grade = 'no_response'")
REFUSING = {
    "sqlite": [
        """CREATE TRIGGER revision_no_update BEFORE UPDATE ON revision
           BEGIN SELECT RAISE(ABORT, 'revisions are append only'); END""",
        """CREATE TRIGGER revision_no_delete BEFORE DELETE ON revision
           BEGIN SELECT RAISE(ABORT, 'revisions are append only'); END""",
    ],
    "postgresql": [
        """CREATE FUNCTION revision_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'revisions are append only'; END $$""",
        """CREATE TRIGGER revision_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON revision
           FOR EACH STATEMENT EXECUTE FUNCTION revision_is_append_only()""",
    ],
}
# What was due before there was a clock.
ANSWERS = """INSERT INTO due_date (id, case_id, kind, subject_id, due_on, set_at)
    SELECT id, case_id, 'answer', id, answer_due_on, recorded_at FROM action
    WHERE answer_due_on IS NOT NULL AND status = 'done'"""
CONSENTS = """INSERT INTO due_date (id, case_id, kind, subject_id, due_on, set_at)
    SELECT id, case_id, 'consent', id, expires_on, recorded_at FROM consent
    WHERE expires_on IS NOT NULL AND state IN ('given', 'given_with_conditions')"""
# That no answer came was said again: once is enough.
REPEATED = """DELETE FROM response WHERE grade = 'no_response' AND EXISTS
    (SELECT 1 FROM response AS earlier WHERE earlier.grade = 'no_response' AND earlier.action = response.action
     AND earlier.id < response.id)"""


def upgrade() -> None:
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
    op.create_index("ix_case_link_case_id", "case_link", ["case_id"])
    op.create_index("ix_case_link_other", "case_link", ["other"])
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
    op.create_index("ix_due_date_case_id", "due_date", ["case_id"])
    op.create_index("ix_due_date_open", "due_date", ["due_on"], sqlite_where=OPEN, postgresql_where=OPEN)
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
    op.create_index("ix_revision_case_id_at", "revision", ["case_id", "at"])
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
    op.create_index("ix_proceeding_case_id", "proceeding", ["case_id"])
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
    op.create_index("ix_payment_case_id", "payment", ["case_id"])
    op.execute(REPEATED)
    op.create_index(
        "uq_response_silence", "response", ["action"], unique=True, sqlite_where=SILENCE, postgresql_where=SILENCE
    )
    for statement in (*REFUSING[op.get_bind().dialect.name], ANSWERS, CONSENTS):
        op.execute(statement)


def downgrade() -> None:
    op.drop_index("uq_response_silence", table_name="response", sqlite_where=SILENCE, postgresql_where=SILENCE)
    op.drop_index("ix_payment_case_id", table_name="payment")
    op.drop_table("payment")
    op.drop_index("ix_proceeding_case_id", table_name="proceeding")
    op.drop_table("proceeding")
    op.drop_index("ix_revision_case_id_at", table_name="revision")
    op.drop_table("revision")
    op.drop_index("ix_due_date_open", table_name="due_date", sqlite_where=OPEN, postgresql_where=OPEN)
    op.drop_index("ix_due_date_case_id", table_name="due_date")
    op.drop_table("due_date")
    op.drop_index("ix_case_link_other", table_name="case_link")
    op.drop_index("ix_case_link_case_id", table_name="case_link")
    op.drop_table("case_link")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION revision_is_append_only()")
