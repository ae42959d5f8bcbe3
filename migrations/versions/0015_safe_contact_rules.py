"""Every safe-contact rule is a row, of the requester or of a person: a new one writes over none."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# The id of the step or person that brought it, which is ordered by time as others are.
OF_REQUESTERS = """INSERT INTO safe_contact_rule (id, case_id, person, rule, recorded_at, recorded_by)
    SELECT entry.id, c.id, NULL, c.safe_contact_rule, entry.recorded_at, entry.account_id
    FROM "case" c JOIN status_history entry ON entry.case_id = c.id AND entry.sequence = COALESCE(
        (SELECT MAX(sequence) FROM status_history WHERE case_id = c.id AND step = 'acknowledgement'), 1)
    WHERE c.safe_contact_rule IS NOT NULL"""
OF_PEOPLE = """INSERT INTO safe_contact_rule (id, case_id, person, rule, recorded_at, recorded_by)
    SELECT id, case_id, id, safe_contact_rule, recorded_at, recorded_by FROM person
    WHERE safe_contact_rule IS NOT NULL"""
BACK = """UPDATE {table} SET safe_contact_rule = (
    SELECT version.rule FROM safe_contact_rule version WHERE {of_it} ORDER BY version.id DESC LIMIT 1)"""


def refers(column: str, other: str) -> sa.ForeignKeyConstraint:
    """A reference that is checked at the end of the transaction."""
    name = f"fk_safe_contact_rule_{column}_{other}"
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, deferrable=True, initially="DEFERRED")


def upgrade() -> None:
    op.create_table(
        "safe_contact_rule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=True),
        sa.Column("rule", sa.String(), nullable=False),
        refers("case_id", "case"),
        refers("recorded_by", "account"),
        refers("person", "person"),
        sa.PrimaryKeyConstraint("id", name="pk_safe_contact_rule"),
        sa.UniqueConstraint("case_id", "label", name="uq_safe_contact_rule_case_id_label"),
    )
    op.create_index("ix_safe_contact_rule_case_id", "safe_contact_rule", ["case_id"])
    op.execute(OF_REQUESTERS)
    op.execute(OF_PEOPLE)
    for table in ("case", "person"):
        op.drop_column(table, "safe_contact_rule")


def downgrade() -> None:
    for table in ("case", "person"):
        op.add_column(table, sa.Column("safe_contact_rule", sa.String(), nullable=True))
    op.execute(BACK.format(table='"case"', of_it='version.case_id = "case".id AND version.person IS NULL'))
    op.execute(BACK.format(table="person", of_it="version.person = person.id"))
    op.drop_index("ix_safe_contact_rule_case_id", table_name="safe_contact_rule")
    op.drop_table("safe_contact_rule")
