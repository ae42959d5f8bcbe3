"""Kept views, the changes of the feed, the state of the network, and indexes in the order that lists are read in."""

import uuid

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Every case is told of once to those who read the feed from its beginning.
FIRST_CHANGES = """INSERT INTO change (transaction_id, case_id, at, version)
    SELECT 0, id, updated_at, version FROM "case" ORDER BY updated_at, id"""
LISTED_BY = ("country", "status", "intake_entity_id", "lead_entity_id", "region_id", "assignee_id", "risk", "priority")
FILTERED_BY = ("status", "country", "risk", "priority", "danger", "visibility")
WAS_INDEXED = ("country", "status", "intake_entity_id", "lead_entity_id", "region_id", "assignee_id")
URGENCY = "(CASE priority WHEN 'low' THEN 0 WHEN 'normal' THEN 1 WHEN 'high' THEN 2 WHEN 'urgent' THEN 3 END)"
# Whoever keeps in memory who may do what sees by the version that it is no longer so.
WATCHED = {
    "entity": "INSERT OR DELETE OR UPDATE",
    "account": "INSERT OR DELETE OR UPDATE",
    "membership": "INSERT OR DELETE OR UPDATE",
    "key": "INSERT OR DELETE OR UPDATE OF account_id, digest, scopes, expires_at, revoked_at, retires_at",
}
BUMP = "UPDATE network_state SET version = version + 1"
KEEP_VERSION = f"""CREATE FUNCTION network_changed() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN {BUMP}; RETURN NULL; END $$"""


def upgrade() -> None:
    op.create_table(
        "kept_view",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("status_tag", sa.String(), nullable=False),
        sa.Column("work_tag", sa.String(), nullable=False),
        sa.Column("status_line", sa.LargeBinary(), nullable=False),
        sa.Column("work_line", sa.LargeBinary(), nullable=False),
        sa.Column("sight", DOCUMENT, nullable=False),
        sa.Column("status_view", sa.LargeBinary(), nullable=False),
        sa.Column("work_view", sa.LargeBinary(), nullable=False),
        sa.Column("indexed", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_kept_view_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("case_id", name="pk_kept_view"),
    )
    op.create_table(
        "change",
        sa.Column("id", SERIAL, sa.Identity(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_change_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name="pk_change"),
    )
    op.create_index("ix_change_transaction_id_id", "change", ["transaction_id", "id"])
    op.create_index("ix_change_case_id", "change", ["case_id"])
    op.create_table(
        "former_sight",
        sa.Column("change_id", SERIAL, autoincrement=False, nullable=False),
        sa.Column("visibility", sa.String(), nullable=False),
        sa.Column("lead_entity_id", sa.Uuid(), nullable=False),
        sa.Column("intake_entity_id", sa.Uuid(), nullable=False),
        sa.Column("handover_to_id", sa.Uuid(), nullable=True),
        sa.Column("region_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["change_id"], ["change.id"], name="fk_former_sight_change_id_change"),
        sa.PrimaryKeyConstraint("change_id", name="pk_former_sight"),
    )
    op.create_table(
        "former_member",
        sa.Column("change_id", SERIAL, autoincrement=False, nullable=False),
        sa.Column("account", sa.Uuid(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["change_id"], ["change.id"], name="fk_former_member_change_id_change"),
        sa.PrimaryKeyConstraint("change_id", "account", name="pk_former_member"),
    )
    op.create_index("ix_former_member_account", "former_member", ["account"])
    state = op.create_table(
        "network_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_network_state"),
    )
    op.bulk_insert(state, [{"id": 1, "version": 1, "epoch": uuid.uuid4()}])
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":
        op.execute(KEEP_VERSION)
        # They are JSON already, and read far more often than written: pressing them small costs more than it gives.
        op.execute("ALTER TABLE kept_view ALTER status_view SET STORAGE EXTERNAL, ALTER work_view SET STORAGE EXTERNAL")
    for table, when in WATCHED.items():
        if dialect == "postgresql":
            op.execute(
                f"CREATE TRIGGER {table}_changes_network AFTER {when} ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION network_changed()"
            )
        else:
            for number, verb in enumerate(when.split(" OR ")):
                op.execute(f"CREATE TRIGGER {table}_changes_network_{number} AFTER {verb} ON {table} BEGIN {BUMP}; END")
    for column in WAS_INDEXED:
        op.drop_index(f"ix_case_{column}", "case")
    op.drop_index("ix_case_received_on", "case")
    op.drop_index("ix_case_updated_at", "case")
    lists = [*((column, "received_on", "id") for column in LISTED_BY), ("received_on", "id"), ("updated_at", "id")]
    for order in lists:
        beside = [column for column in FILTERED_BY if column not in order]
        op.create_index("ix_case_" + "_".join(order), "case", [*order, *beside])
    op.create_index("ix_case_urgency_id", "case", [sa.text(URGENCY), "id"])
    op.create_index("ix_team_member_until", "team_member", ["until"])
    op.drop_index("ix_team_member_account", "team_member")
    op.create_index("ix_team_member_account_case_id", "team_member", ["account", "case_id"])
    op.execute(FIRST_CHANGES)


def downgrade() -> None:
    op.drop_index("ix_team_member_account_case_id", "team_member")
    op.create_index("ix_team_member_account", "team_member", ["account"])
    op.drop_index("ix_team_member_until", "team_member")
    op.drop_index("ix_case_urgency_id", "case")
    op.drop_index("ix_case_updated_at_id", "case")
    op.drop_index("ix_case_received_on_id", "case")
    for column in LISTED_BY:
        op.drop_index(f"ix_case_{column}_received_on_id", "case")
    op.create_index("ix_case_updated_at", "case", ["updated_at"])
    op.create_index("ix_case_received_on", "case", ["received_on"])
    for column in WAS_INDEXED:
        op.create_index(f"ix_case_{column}", "case", [column])
    dialect = op.get_bind().dialect.name
    for table, when in WATCHED.items():
        if dialect == "postgresql":
            op.execute(f"DROP TRIGGER {table}_changes_network ON {table}")
        else:
            for number in range(len(when.split(" OR "))):
                op.execute(f"DROP TRIGGER {table}_changes_network_{number}")
    if dialect == "postgresql":
        op.execute("DROP FUNCTION network_changed()")
    for table in ("network_state", "former_member", "former_sight", "change", "kept_view"):
        op.drop_table(table)
