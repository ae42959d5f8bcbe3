"""Alerts are rows, with those who were told when it happened."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# The id of the membership of the team, which is ordered by time as others are.
BROKEN = """INSERT INTO alert (id, kind, recorded_at, account_id, by_id, case_id, team_member_id)
    SELECT id, 'glass_broken', recorded_at, account, account, case_id, id FROM team_member
    WHERE broke_glass_because IS NOT NULL"""
TOLD = """INSERT INTO alert_recipient (alert_id, account_id)
    SELECT DISTINCT broken.id, member.account FROM team_member broken
    JOIN team_member member ON member.case_id = broken.case_id AND member.account <> broken.account
    WHERE broken.broke_glass_because IS NOT NULL AND member.recorded_at <= broken.recorded_at
    AND (member.until IS NULL OR member.until > broken.recorded_at)
    AND (member.left_at IS NULL OR member.left_at > broken.recorded_at)"""


def refers(table: str, column: str, other: str, *, at_the_end: bool = False) -> sa.ForeignKeyConstraint:
    """A reference; `at_the_end` of the transaction it is checked, not at once."""
    deferred = {"deferrable": True, "initially": "DEFERRED"} if at_the_end else {}
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}", **deferred)


def upgrade() -> None:
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
        refers("alert", "account_id", "account"),
        refers("alert", "by_id", "account"),
        refers("alert", "case_id", "case", at_the_end=True),
        refers("alert", "team_member_id", "team_member", at_the_end=True),
        refers("alert", "membership_id", "membership"),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
    )
    op.create_table(
        "alert_recipient",
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        refers("alert_recipient", "alert_id", "alert"),
        refers("alert_recipient", "account_id", "account"),
        sa.PrimaryKeyConstraint("alert_id", "account_id", name="pk_alert_recipient"),
    )
    op.create_index("ix_alert_recipient_account_id_alert_id", "alert_recipient", ["account_id", "alert_id"])
    op.execute(BROKEN)
    op.execute(TOLD)


def downgrade() -> None:
    op.drop_table("alert_recipient")
    op.drop_table("alert")
