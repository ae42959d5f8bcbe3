"""That tests on PostgreSQL may use one database after the other: see `tests/support/kept_rows.py`."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.conftest import Template
from tests.support.cast import as_owner
from tests.support.kept_rows import Rewound


@pytest.fixture
def rewound(template: Template, database_url: str) -> Iterator[Rewound]:
    if template.dialect == "sqlite":
        pytest.skip("its file is copied")
    database = Rewound(as_owner(database_url))
    yield database
    database.close()


def test_what_a_test_wrote_is_gone_and_counters_count_from_where_they_did(
    template: Template, database_url: str, rewound: Rewound
) -> None:
    world, before = template.world, rewound.rows()
    world.move_to(database_url)
    world.take(world.case(), "screening")
    world.leave()
    after = rewound.rows()
    assert set(after.rows) > set(before.rows)
    assert after.counters != before.counters
    rewound.put_back(before)
    assert rewound.rows() == before


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE left_behind (id int)",
        'ALTER TABLE "case" DISABLE TRIGGER USER',
        'GRANT DELETE ON "case" TO public',
        "CREATE FUNCTION left_behind() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ],
)
def test_a_database_whose_schema_or_rights_changed_is_not_used_again(
    database_url: str, rewound: Rewound, statement: str
) -> None:
    assert rewound.is_as_made(0)
    with psycopg.connect(as_owner(database_url)) as connection:
        assert not rewound.is_as_made(0)
        connection.execute(statement)
    assert not rewound.is_as_made(0)


def test_a_database_that_ended_all_connections_is_not_used_again(
    template: Template, database_url: str, rewound: Rewound
) -> None:
    template.drop(database_url)
    assert not rewound.is_as_made(0)
