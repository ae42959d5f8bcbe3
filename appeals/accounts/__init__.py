"""Who is in the network: entities, accounts, roles, keys."""
