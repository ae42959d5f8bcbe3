"""The engine, its types and locks, migrations, and reads that go past the ORM."""
