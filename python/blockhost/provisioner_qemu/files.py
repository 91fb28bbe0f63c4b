"""What a VM's files tell: its limits and the end of its console. The guest writes the console."""

import json
import os
import re
import stat
from pathlib import Path

VMS = Path("/var/lib/blockhost-qemu/vms")
TAIL_BYTES = 16 * 1024
TAIL_LINES = 40

# Colours, cursor movements, titles: how a terminal is told what to do.
ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])")
CONTROLS = re.compile(r"[^\n\t -~\u00a0-\u2027\u202f-\u2065\u2070-\ufffd]")


def limits(name: str) -> list[tuple[str, str]]:
    """Limits in force as they stand in vm.json, name and value."""
    try:
        config = json.loads((VMS / name / "vm.json").read_text())
        found = config.get("limits") or {}
    except (OSError, ValueError, AttributeError):
        return []
    return sorted(_flat(found)) if isinstance(found, dict) else []


def _flat(values: dict, before: str = "") -> list[tuple[str, str]]:
    lines = []
    for key, value in values.items():
        name = f"{before}{key}".replace("_", " ")
        if isinstance(value, dict):
            lines.extend(_flat(value, f"{name} "))
        elif isinstance(value, (int, float, str)) and not isinstance(value, bool):
            lines.append((name[:40], str(value)[:40]))
    return lines


def console_tail(name: str) -> str:
    """The end of the console log, without what a terminal would obey."""
    try:
        fd = os.open(VMS / name / "console.log", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(fd, "rb") as log:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return ""
        log.seek(max(0, os.fstat(fd).st_size - TAIL_BYTES))
        text = log.read(TAIL_BYTES).decode("utf-8", "replace")
    text = CONTROLS.sub("", ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
    return "\n".join(line[:300] for line in text.splitlines()[-TAIL_LINES:])
