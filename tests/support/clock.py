"""The clock of the service, set to another day."""

from datetime import UTC, datetime, timedelta

import pytest

from appeals.api.context import AppContext


def on_day(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Let the service's clock stand so many days from now."""
    monkeypatch.setattr(AppContext, "now", lambda _: datetime.now(UTC) + timedelta(days=days))
