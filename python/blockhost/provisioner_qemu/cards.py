"""Puts together what the page shows of each VM."""

from concurrent.futures import ThreadPoolExecutor

from . import commands, files
from .sparkline import number, path

PAGE_SIZE = 12

CHARTS = (
    ("CPU", ("cpu_percent",), "percent"),
    ("Memory", ("memory_used_mb",), "megabytes"),
    ("Disk", ("disk_read_bytes_sec", "disk_write_bytes_sec"), "rate"),
    ("Network", ("net_rx_bytes_sec", "net_tx_bytes_sec"), "rate"),
)


def page(number_of_page: int) -> dict:
    everything = commands.vms()
    pages = max(1, -(-len(everything) // PAGE_SIZE))
    at = min(max(1, number_of_page), pages)
    part = everything[(at - 1) * PAGE_SIZE : at * PAGE_SIZE]
    # The commands wait more than they work.
    with ThreadPoolExecutor(max_workers=6) as pool:
        cards = list(pool.map(card, part))
    return {"cards": cards, "page": at, "pages": pages, "count": len(everything)}


def card(vm: dict) -> dict:
    name = vm["name"]
    running = vm["status"] == "active"
    used = commands.metrics(name) if running else {}
    past = commands.history(name) if running else {}
    destroyed = vm["status"] == "destroyed"
    return {
        **vm,
        "running": running,
        "agent": used.get("guest_agent_responsive") is True,
        "uptime": duration(number(used.get("uptime_seconds"))),
        "charts": [chart(label, columns, unit, used, past) for label, columns, unit in CHARTS],
        "limits": [] if destroyed else files.limits(name),
        "console": "" if destroyed else files.console_tail(name),
    }


def chart(label: str, columns: tuple, unit: str, used: dict, past: dict) -> dict:
    top = None
    if unit == "percent":
        top = 100.0 * (number(used.get("cpu_count")) or 1)
    elif unit == "megabytes":
        top = number(used.get("memory_total_mb"))
    return {
        "label": label,
        "now": shown(total(used, columns), unit, top),
        "path": path([total(point, columns) for point in points(past)], top),
    }


def points(past: dict) -> list[dict]:
    fine = past.get("fine")
    found = fine.get("points") if isinstance(fine, dict) else None
    return [point for point in found if isinstance(point, dict)] if isinstance(found, list) else []


def total(values: dict, columns: tuple) -> float | None:
    known = [number(values.get(column)) for column in columns]
    return None if None in known else sum(known)


def shown(value: float | None, unit: str, top: float | None) -> str:
    if value is None:
        return "-"
    if unit == "percent":
        return f"{value:.0f} %"
    if unit == "megabytes":
        return f"{value:.0f} MB" if top is None else f"{value:.0f} of {top:.0f} MB"
    for size, word in ((1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s")):
        if value >= size:
            return f"{value / size:.1f} {word}"
    return f"{value:.0f} B/s"


def duration(seconds: float | None) -> str:
    if seconds is None or seconds <= 0:
        return ""
    days, rest = divmod(int(seconds), 86_400)
    hours, minutes = rest // 3600, rest % 3600 // 60
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"
