"""The database: engine, column types, locks, migrations, protection, and reads without the ORM."""
