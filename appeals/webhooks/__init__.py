"""Webhooks: subscriptions of other services to events, and their delivery."""
