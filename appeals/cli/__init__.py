"""The `appeals` command and its subcommands."""
