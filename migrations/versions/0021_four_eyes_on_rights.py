"""Roles are proposed and confirmed; first keys are made with codes in two halves."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

PEOPLE = ("recorded_by", "confirmed_by")
UNIQUE, HELD = "uq_membership_account_id_entity_id_role", ["account_id", "entity_id", "role"]
OPEN = sa.text("ended_at IS NULL")
BUMP = "UPDATE network_state SET version = version + 1"
TWO_PEOPLE = "confirmed_by <> account_id AND (recorded_by IS NULL OR confirmed_by <> recorded_by)"


def upgrade() -> None:
    """What is held now was given before roles were confirmed: it is held, and nobody has confirmed it."""
    op.drop_index(UNIQUE, "membership")
    with op.batch_alter_table("membership") as membership:
        membership.add_column(sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True))
        membership.add_column(sa.Column("recorded_by", sa.Uuid(), nullable=True))
        membership.add_column(sa.Column("effective_at", sa.DateTime(timezone=True), nullable=True))
        membership.add_column(sa.Column("confirmed_by", sa.Uuid(), nullable=True))
        for column in PEOPLE:
            membership.create_foreign_key(f"fk_membership_{column}_account", "account", [column], ["id"])
        membership.create_check_constraint(op.f("ck_membership_two_people"), TWO_PEOPLE)
    _index_and_watch()
    op.execute(
        "UPDATE membership SET effective_at = "
        "(SELECT account.recorded_at FROM account WHERE account.id = membership.account_id)"
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
    op.create_index("ix_enrolment_half_account_id", "enrolment_half", ["account_id"])


def downgrade() -> None:
    """The older schema would take a proposal for a role that is held: those end."""
    op.drop_table("enrolment_half")
    op.execute("DELETE FROM alert_recipient WHERE alert_id IN (SELECT id FROM alert WHERE kind <> 'glass_broken')")
    op.execute("DELETE FROM alert WHERE kind <> 'glass_broken'")
    op.execute("UPDATE membership SET ended_at = recorded_at WHERE effective_at IS NULL AND ended_at IS NULL")
    op.drop_index(UNIQUE, "membership")
    with op.batch_alter_table("membership") as membership:
        membership.drop_constraint(op.f("ck_membership_two_people"), type_="check")
        for column in PEOPLE:
            membership.drop_constraint(f"fk_membership_{column}_account", type_="foreignkey")
        for column in ("confirmed_by", "effective_at", "recorded_by", "recorded_at"):
            membership.drop_column(column)
    _index_and_watch()


def _index_and_watch() -> None:
    """The index and, where the table was made anew, the triggers that count changes of the network."""
    op.create_index(UNIQUE, "membership", HELD, unique=True, sqlite_where=OPEN, postgresql_where=OPEN)
    if op.get_bind().dialect.name == "sqlite":
        for number, verb in enumerate(("INSERT", "DELETE", "UPDATE")):
            op.execute(
                f"CREATE TRIGGER membership_changes_network_{number} AFTER {verb} ON membership BEGIN {BUMP}; END"
            )
