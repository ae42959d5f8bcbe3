"""A case and its records: tables, forms and rules of one record each."""
