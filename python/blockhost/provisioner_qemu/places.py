"""Folders that may hold templates and disks, and what is mounted where."""

import os
import re
import stat

PLAIN = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9._-]*)+", re.ASCII)

# What the program has in its folder; purging the package removes what stands here too.
OURS = {
    "templates",
    "vms",
    "staging",
    "trash",
    "locks",
    "publish",
    "journal",
    "restarts",
    "metrics",
    "vms.json",
    "vms.json.lock",
}


def objection(path: str) -> str | None:
    """Why a folder that need not exist yet cannot be given to the program, in words; None when it can."""
    real = os.path.realpath(path)
    if not PLAIN.fullmatch(real):
        return f"{path} leads to {real!r}: use letters, digits, dots, underscores and dashes"
    try:
        return _foreign_file(real) or _foreign_folder(real)
    except OSError as error:
        return f"{real} cannot be used: {error.strerror}"


def _foreign_file(real: str) -> str | None:
    """Where other programs, or people, have their files, neither their owner nor their mode may change."""
    if not os.path.lexists(real):
        return None
    if not os.path.isdir(real):
        return f"{real} is no folder"
    entries = set(os.listdir(real)) - {"lost+found"}
    others = sorted(entries - OURS)
    if not others and entries and not entries >= {"templates", "vms"}:
        # Names that anybody may have given.
        others = sorted(entries)
    return f"{real} holds other files ({others[0]}): name a new or an empty folder" if others else None


def _foreign_folder(real: str) -> str | None:
    """Who may write in a folder above could put another in its place, of which root then makes disks."""
    for folder in _with_parents(real):
        try:
            found = os.lstat(folder)
        except FileNotFoundError:
            continue
        if found.st_uid != 0 or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"{folder} must belong to root, and nobody else may write there"
    return None


def _with_parents(real: str) -> list[str]:
    parts = real.split("/")[1:]
    return ["/", *("/" + "/".join(parts[: count + 1]) for count in range(len(parts)))]


def holds_disks(folder: str) -> bool:
    return any(
        os.path.isdir(place) and os.listdir(place)
        for place in (os.path.join(folder, "vms"), os.path.join(folder, "templates"))
    )


def is_mounted(folder: str, of: str | None = None) -> bool:
    """
    Whether something is mounted on a folder, or one folder in particular. os.path.ismount() does not see one that is
    mounted within its file system.
    """
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        points = {_unescaped(line.split(" ")[4]) for line in table}
    if os.path.realpath(folder) not in points:
        return False
    return of is None or (os.path.isdir(of) and os.path.samefile(folder, of))


def _unescaped(text: str) -> str:
    """The kernel writes blanks and backslashes as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
