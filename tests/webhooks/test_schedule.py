"""When a failed delivery is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from shared.settings import Settings
from shared.webhooks.schedule import MOST_WAIT_S, Schedule, retry_after_s

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_default_schedule_is_the_contracts() -> None:
    """0 s, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h; then it is given up."""
    settings = Settings()
    schedule = Schedule.parse(settings.webhook_schedule_s, 0.0)
    waits = [schedule.wait_s(tried, None) for tried in range(1, 11)]
    hours = 3600.0
    assert schedule.delays_s[0] == 0
    assert waits == [5, 300, 1800, 2 * hours, 5 * hours, 10 * hours, 14 * hours, 20 * hours, 24 * hours, None]


def test_jitter_spreads_the_waits_by_its_share() -> None:
    """Ten per cent either way, and not always the same."""
    schedule = Schedule([0, 100], 0.1)
    waits = {schedule.wait_s(1, None) for _ in range(200)}
    assert len(waits) > 100
    assert all(90 <= wait <= 110 for wait in waits if wait)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), None),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("٣", None),
        ("Wed, 99 Foo 2026 00:00:00 GMT", None),
        ("9" * 5000, 9999999999.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(header: str | None, seconds: float | None) -> None:
    """Nonsense counts as nothing."""
    assert retry_after_s(header, NOW) == seconds


def test_retry_after_lengthens_up_to_a_day_and_never_shortens() -> None:
    """A receiver cannot put a delivery off for ever, nor ask for a storm."""
    schedule = Schedule([0, 300], 0.0)
    assert schedule.wait_s(1, 1.0) == 300
    assert schedule.wait_s(1, 600.0) == 600
    assert schedule.wait_s(1, 1e9) == MOST_WAIT_S


@pytest.mark.parametrize("text", ["", "a,b", "-1", "0,inf", "nan"])
def test_a_broken_schedule_is_refused_at_the_start(text: str) -> None:
    """Not when the first webhook fails."""
    with pytest.raises(ValueError):
        Schedule.parse(text, 0.1)
