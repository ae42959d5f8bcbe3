"""People: somebody of whom a case has to speak one by one, under a pseudonym."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "person",
        sa.Column("pseudonym", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("contacts", sa.String(), nullable=True),
        sa.Column("safe_contact_rule", sa.String(), nullable=True),
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
    op.create_index("ix_person_case_id", "person", ["case_id"])


def downgrade() -> None:
    op.drop_index("ix_person_case_id", table_name="person")
    op.drop_table("person")
