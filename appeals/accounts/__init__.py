"""The network: entities, accounts, roles and API keys."""
