"""A row of values as a small picture: numbers in, the path of an SVG out."""

import math
from collections.abc import Sequence

WIDTH, HEIGHT = 240, 40


def path(values: Sequence[float | None], top: float | None = None) -> str:
    """The `d` of a path; a value that is not known is a gap. Empty without two values."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    highest = max(top or 0, *known) or 1
    step = WIDTH / (len(values) - 1)
    parts, pen = [], "M"
    for index, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        y = HEIGHT - 1 - max(0.0, value) / highest * (HEIGHT - 2)
        parts.append(f"{pen}{index * step:.1f} {y:.1f}")
        pen = "L"
    return "".join(parts)


def number(value: object) -> float | None:
    """Outside data: only a finite number is one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)
