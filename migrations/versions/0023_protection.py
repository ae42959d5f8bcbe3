"""What kept rows in four tables gives way to the protection of all of them, which is made after the migrations."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SAYS = {
    "status_history": "status history is append only",
    "access_log": "the access log is append only",
    "access_subject": "the access log is append only",
    "revision": "revisions are append only",
}
FUNCTIONS = {
    "status_history": "status_history_is_append_only",
    "access_log": "access_log_is_append_only",
    "access_subject": "access_log_is_append_only",
    "revision": "revision_is_append_only",
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in SAYS:
            op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        for function in sorted(set(FUNCTIONS.values())):
            op.execute(f"DROP FUNCTION {function}()")
        return
    for table in SAYS:
        for verb in ("update", "delete"):
            op.execute(f"DROP TRIGGER IF EXISTS {table}_no_{verb}")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for function, says in {FUNCTIONS[table]: says for table, says in SAYS.items()}.items():
            op.execute(
                f"""CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION '{says}'; END $$"""
            )
        for table, function in FUNCTIONS.items():
            op.execute(
                f"""CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
                    FOR EACH STATEMENT EXECUTE FUNCTION {function}()"""
            )
        return
    for table, says in SAYS.items():
        for verb in ("update", "delete"):
            op.execute(
                f"""CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table}
                    BEGIN SELECT RAISE(ABORT, '{says}'); END"""
            )
