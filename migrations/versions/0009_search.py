"""Search: a document for each case, with the words it is found by, and the full-text index over them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Words come cut and folded, so that `ascii` cuts nothing. They begin with a letter that says whom they are for: the
# beginnings that are kept have one letter to twelve besides. Longer ones are put together from the words they begin.
INDEX = {
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
    op.create_table(
        "search_document",
        sa.Column("place", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("words", sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["case.id"], name="fk_search_document_case_id_case", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("place", name="pk_search_document"),
        sa.UniqueConstraint("case_id", name="uq_search_document_case_id"),
    )
    for statement in INDEX[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE search_index")
    op.drop_table("search_document")
