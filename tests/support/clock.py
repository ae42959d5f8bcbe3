"""Future days, and the service's clock set to one."""

from datetime import UTC, datetime, timedelta

import pytest

from appeals.api.context import AppContext


def later(days: int = 0) -> datetime:
    """The moment so many days from now."""
    return datetime.now(UTC) + timedelta(days=days)


def on_day(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Let the service's clock stand so many days from now."""
    monkeypatch.setattr(AppContext, "now", lambda _: datetime.now(UTC) + timedelta(days=days))
