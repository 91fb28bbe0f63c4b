"""Moments in ISO 8601, as they stand in records."""

from datetime import datetime, timezone


def days_until(moment: str) -> int:
    left = parse(moment) - datetime.now(timezone.utc)
    return round(left.total_seconds() / 86400)


def later_of(current: str, wanted: str | None) -> datetime | None:
    """A paid expiry is never shortened; None leaves it alone. One that cannot be read has passed."""
    if wanted is None:
        return None
    try:
        paid = parse(current)
    except (AttributeError, TypeError, ValueError):
        return parse(wanted)
    return None if parse(wanted) <= paid else parse(wanted)


def parse(moment: str) -> datetime:
    """A moment without an offset, as a careless writer leaves it, is taken as UTC."""
    read = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    return read if read.tzinfo is not None else read.replace(tzinfo=timezone.utc)
