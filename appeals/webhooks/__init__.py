"""Events for other services: subscriptions and their delivery."""
