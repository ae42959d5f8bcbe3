"""The access log, append only; the allowance of each account and address; what a kept answer told the log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
KEPT = ("access_log", "access_subject")


def upgrade() -> None:
    op.create_table(
        "access_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("door", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_access_log"),
    )
    op.create_index("ix_access_log_at", "access_log", ["at"])
    op.create_index("ix_access_log_account_id_id", "access_log", ["account_id", "id"])
    op.create_table(
        "access_subject",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["access_log.id"], name="fk_access_subject_entry_id_access_log"),
        sa.PrimaryKeyConstraint("subject", "entry_id", name="pk_access_subject"),
    )
    op.create_index("ix_access_subject_entry_id", "access_subject", ["entry_id"])
    op.create_table(
        "allowance",
        sa.Column("bucket", sa.String(), nullable=False),
        sa.Column("full_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name="pk_allowance"),
    )
    op.create_index("ix_allowance_full_at", "allowance", ["full_at"])
    op.add_column("kept_answer", sa.Column("logged", DOCUMENT, nullable=False, server_default="[]"))
    refuse_change()


def refuse_change() -> None:
    """Rows of the log are added, never changed or deleted."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            """CREATE FUNCTION access_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE EXCEPTION 'the access log is append only'; END $$"""
        )
        for table in KEPT:
            op.execute(
                f"""CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
                    FOR EACH STATEMENT EXECUTE FUNCTION access_log_is_append_only()"""
            )
        return
    for table in KEPT:
        for change in ("update", "delete"):
            op.execute(
                f"""CREATE TRIGGER {table}_no_{change} BEFORE {change.upper()} ON {table}
                    BEGIN SELECT RAISE(ABORT, 'the access log is append only'); END"""
            )


def downgrade() -> None:
    op.drop_column("kept_answer", "logged")
    for table in ("allowance", "access_subject", "access_log"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION access_log_is_append_only()")
