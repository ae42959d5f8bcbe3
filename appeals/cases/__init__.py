"""The case and its records: the tables, wire forms and rules of each kind of record."""
